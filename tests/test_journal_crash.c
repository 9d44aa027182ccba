/* test_journal_crash.c - what was committed is there, whatever happened to the writer or its disk. */
#include "sample_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t start(void (*child)(const char *path), const char *path)
{
    const pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nobody behind */
        child(path);
        _exit(0);
    }
    return pid;
}

static int finish(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void hold(const char *path)
{
    struct journal *j = open_journal(path, JOURNAL_RESUME);
    struct record r = sample_record(3);
    journal_result(j, &r);
    journal_commit(j);
    pause();
}

static void a_second_writer_is_refused_by_the_name_of_the_first(void **state)
{
    (void)state;
    const char *path = write_journal("lock", 3);
    char holder[64];
    const off_t before = size_of(path);
    const pid_t pid = start(hold, path);
    while (size_of(path) == before || access(path, F_OK)) /* until it has written */
        usleep(1000);
    usleep(20000);
    const off_t held = size_of(path);
    snprintf(holder, sizeof holder, "process %d on node3", pid);
    assert_refused(path, JOURNAL_RESUME, holder, "another -o");
    assert_refused(path, JOURNAL_OVERWRITE, holder, "another -o");
    assert_int_equal(size_of(path), held);
    kill(pid, SIGKILL);
    finish(pid);
    struct sweep_state s = read_journal(path);
    assert_samples(&s, 4);
    sweep_state_clear(&s);
    assert_true(journal_close(open_journal(path, JOURNAL_RESUME))); /* the lock went with its holder */
}

enum { KILLS = 25, MOST_RUNS = 100000 };
static volatile unsigned *n_committed; /* shared with the writer */

static void write_until_killed(const char *path)
{
    struct journal *j = open_journal(path, JOURNAL_RESUME);
    for (unsigned n = *n_committed; j && n < MOST_RUNS; n++) {
        append_samples(j, n, n + 1);
        if (n % 3 == 0 && journal_commit(j))
            *n_committed = n + 1;
    }
    _exit(1);
}

static void a_killed_writer_leaves_every_committed_record(void **state)
{
    (void)state;
    const char *path = in_tmp("kill.journal");
    n_committed = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    remove_files(in_tmp("kill"));
    srand(1);
    for (int k = 0; k < KILLS; k++) {
        const pid_t pid = start(write_until_killed, path);
        usleep((useconds_t)(rand() % 20000));
        kill(pid, SIGKILL);
        assert_true(WIFSIGNALED(finish(pid)));
        struct sweep_state s;
        if (!journal_read(path, &s, error, sizeof error)) { /* killed before it had created it */
            assert_int_equal(*n_committed, 0);
            continue;
        }
        assert_true(s.n_records >= *n_committed);
        assert_int_equal(s.damaged_frames, 0);
        for (unsigned i = 0; i < s.n_records; i++)
            assert_true(is_sample(&s.record[i], i));
        sweep_state_clear(&s);
    }
    assert_true(*n_committed > 0);
    munmap((void *)n_committed, 4096);
}

/* Takes the place of libc's. */
static bool disk_fails;
int fdatasync(int fd)
{
    if (!disk_fails)
        return (int)syscall(SYS_fdatasync, fd);
    errno = EIO;
    return -1;
}

static void frames_are_written_again_after_a_failed_fdatasync(void **state)
{
    (void)state;
    const char *path = write_journal("sync", 1);
    struct journal *j = open_journal(path, JOURNAL_RESUME);
    const off_t committed = size_of(path);
    disk_fails = true;
    append_samples(j, 1, 3);
    assert_false(journal_commit(j));
    assert_int_equal(size_of(path), committed);
    disk_fails = false;
    append_samples(j, 3, 4);
    assert_true(journal_commit(j));
    struct sweep_state s = read_journal(path);
    assert_samples(&s, 4);
    assert_int_equal(s.damaged_frames + s.torn_bytes, 0);
    sweep_state_clear(&s);
    assert_true(journal_close(j));
}

/* The same for flock: 0, or the error of a file system without locks; so often another one has it. */
static int lock_error, lock_taken;
int flock(int fd, int operation)
{
    if (!lock_error && !lock_taken)
        return (int)syscall(SYS_flock, fd, operation);
    errno = lock_error ? lock_error : EWOULDBLOCK;
    lock_taken -= lock_taken > 0;
    return -1;
}

static void a_lock_that_is_let_go_at_once_is_waited_for(void **state)
{
    (void)state;
    const char *path = write_journal("moment", 2);
    lock_taken = 5;
    assert_true(journal_close(open_journal(path, JOURNAL_RESUME)));
    assert_int_equal(lock_taken, 0);
}

static void a_file_system_without_locks_is_written_all_the_same(void **state)
{
    (void)state;
    static const int errors[] = {ENOLCK, ENOSYS, EOPNOTSUPP};
    for (int i = 0; i < 3; i++) {
        lock_error = errors[i];
        const char *path = write_journal("nolock", 2);
        assert_true(journal_close(open_journal(path, JOURNAL_RESUME)));
        lock_error = 0;
        struct sweep_state s = read_journal(path);
        assert_samples(&s, 2);
        sweep_state_clear(&s);
    }
}

static void mute(void)
{
    const int null = open("/dev/null", O_WRONLY);
    dup2(null, STDERR_FILENO);
}

#define NEED(condition) do { if (!(condition)) _exit(__LINE__ % 100 + 100); } while (0)

/* Fills the small disk, goes on in memory, frees it, and finds all. */
static void fill_disk(const char *directory)
{
    char path[600], ballast[600];
    snprintf(path, sizeof path, "%s/full.journal", directory);
    snprintf(ballast, sizeof ballast, "%s/ballast", directory);
    const int fd = open(ballast, O_WRONLY | O_CREAT, 0644);
    NEED(fd >= 0);
    static char zeros[128 << 10];
    NEED(write(fd, zeros, sizeof zeros) == sizeof zeros);
    struct journal *j = open_journal(path, JOURNAL_NEW);
    NEED(j);
    unsigned n = 0;
    do
        append_samples(j, n, n + 1), n++;
    while (journal_commit(j));
    const unsigned committed = n - 1;
    append_samples(j, n, n + 20); /* while it is full */
    NEED(!journal_commit(j));
    struct sweep_state s;
    NEED(journal_read(path, &s, error, sizeof error));
    NEED(s.n_records >= committed && s.torn_bytes == 0 && s.damaged_frames == 0);
    sweep_state_clear(&s);
    NEED(unlink(ballast) == 0 && close(fd) == 0);
    NEED(journal_commit(j));
    append_samples(j, n + 20, n + 21);
    NEED(journal_close(j));
    NEED(journal_read(path, &s, error, sizeof error));
    NEED(s.n_records == n + 21 && s.torn_bytes == 0 && s.damaged_frames == 0 && committed > 0);
    for (unsigned i = 0; i < s.n_records; i++)
        NEED(is_sample(&s.record[i], i));
    sweep_state_clear(&s);
}

/* A disk of 256 KiB that only this process sees. */
static void on_a_small_disk(const char *directory)
{
    mute();
    if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("tmpfs", directory, "tmpfs", 0, "size=256k"))
        _exit(77);
    fill_disk(directory);
}

static void a_full_disk_loses_nothing(void **state)
{
    (void)state;
    const char *directory = in_tmp("small");
    mkdir(directory, 0755);
    const int status = finish(start(on_a_small_disk, directory));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip(); /* a private disk needs root */
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_writer_is_refused_by_the_name_of_the_first),
        cmocka_unit_test(a_killed_writer_leaves_every_committed_record),
        cmocka_unit_test(frames_are_written_again_after_a_failed_fdatasync),
        cmocka_unit_test(a_lock_that_is_let_go_at_once_is_waited_for),
        cmocka_unit_test(a_file_system_without_locks_is_written_all_the_same),
        cmocka_unit_test(a_full_disk_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
