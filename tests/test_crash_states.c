/* test_crash_states.c - every state that a killed writer or a lost power supply can leave on the disk.
 *
 * A sweep is written once, with journal and published files, while each change of its files is recorded.  Then states
 * are made of the record: after each change and in the midst of each write (kill -9), and with what was not yet synced
 * applied page by page at random (power loss; names of files in order, up to one).  In each state whatever was
 * committed must be there, the published file must open, and the sweep must go on.
 *
 * CRASH_STATES=all: more runs, each page of each write, thousands of power losses (tests/long). */
#include "sample_journal.h"

#include "../src/records/buffer.h"
#include "../src/records/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- the recorder: these take the place of libc's ------------------------------------------------------------- */

enum change { CREATE, WRITE, TRUNCATE, RENAME, UNLINK, SYNC, SYNC_NAMES, COMMITTED, PUBLISHED };
struct op {
    enum change change;
    ino_t file;                  /* CREATE, WRITE, TRUNCATE, SYNC */
    size_t offset, bytes;        /* of WRITE; TRUNCATE: offset is the new length; COMMITTED: offset runs */
    char *data, name[2][64];
};
static struct op *op;
static size_t n_ops;
static char watched[512];        /* folder; empty: nothing is recorded */

static struct op *add(enum change change, ino_t file)
{
    op = memory_resize(op, (n_ops + 1) * sizeof *op);
    op[n_ops] = (struct op){.change = change, .file = file};
    return &op[n_ops++];
}

static const char *watched_name(const char *path)
{
    const size_t n = strlen(watched);
    return n && !strncmp(path, watched, n) && path[n] == '/' ? path + n + 1 : NULL;
}

/* The file behind a descriptor, if it lies in the watched folder; `st` is filled. */
static bool is_watched(int fd, struct stat *st)
{
    char link[64], path[512];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t n = watched[0] ? readlink(link, path, sizeof path - 1) : -1;
    if (n < 0)
        return false;
    path[n] = '\0';
    return (watched_name(path) || !strcmp(path, watched)) && fstat(fd, st) == 0;
}

int open(const char *path, int flags, ...)
{
    struct stat st;
    const bool is_new = flags & O_CREAT && watched_name(path) && stat(path, &st) != 0;
    const int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0644);
    if (fd >= 0 && is_new && fstat(fd, &st) == 0)
        snprintf(add(CREATE, st.st_ino)->name[0], 64, "%s", watched_name(path));
    return fd;
}

ssize_t write(int fd, const void *data, size_t bytes)
{
    struct stat st;
    const bool recorded = is_watched(fd, &st);
    const off_t at = recorded && !(fcntl(fd, F_GETFL) & O_APPEND) ? lseek(fd, 0, SEEK_CUR) : st.st_size;
    const ssize_t n = syscall(SYS_write, fd, data, bytes);
    if (recorded && n > 0) {
        struct op *o = add(WRITE, st.st_ino);
        o->offset = (size_t)at;
        o->bytes = (size_t)n;
        o->data = memcpy(malloc((size_t)n), data, (size_t)n);
    }
    return n;
}

int ftruncate(int fd, off_t length)
{
    struct stat st;
    if (is_watched(fd, &st))
        add(TRUNCATE, st.st_ino)->offset = (size_t)length;
    return (int)syscall(SYS_ftruncate, fd, length);
}

static int sync_file(int fd, long call)
{
    struct stat st;
    const int result = (int)syscall(call, fd);
    if (is_watched(fd, &st))
        add(S_ISDIR(st.st_mode) ? SYNC_NAMES : SYNC, st.st_ino);
    return result;
}
int fsync(int fd) { return sync_file(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_file(fd, SYS_fdatasync); }

int rename(const char *from, const char *to)
{
    const int result = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    if (result == 0 && watched_name(to)) {
        struct op *o = add(RENAME, 0);
        snprintf(o->name[0], 64, "%s", watched_name(from));
        snprintf(o->name[1], 64, "%s", watched_name(to));
    }
    return result;
}

int unlink(const char *path)
{
    const int result = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    if (result == 0 && watched_name(path))
        snprintf(add(UNLINK, 0)->name[0], 64, "%s", watched_name(path));
    return result;
}

/* ---- the sweep ----------------------------------------------------------------------------------------------- */

static bool all_states;
static unsigned n_runs;          /* of the recorded sweep */

static void publish(const char *journal, const char *h5)
{
    struct sweep_state s = read_journal(journal);
    assert_true(store_publish(h5, &s, error, sizeof error));
    sweep_state_clear(&s);
    add(PUBLISHED, 0);
}

static void write_runs(struct journal *j, unsigned from, unsigned to)
{
    for (unsigned n = from; n < to; n++) {
        append_samples(j, n, n + 1);
        assert_true(journal_commit(j));
        add(COMMITTED, 0)->offset = n + 1;
    }
}

/* Begun, published on the way, ended by a kill in the midst of a frame, resumed, finished. */
static void record_sweep(void)
{
    static const char torn[] = "DPJ1 half of a frame";
    char journal[600], h5[600];
    snprintf(watched, sizeof watched, "%s", in_tmp("recorded"));
    mkdir(watched, 0755);
    remove_files(in_tmp("recorded/x"));
    snprintf(journal, sizeof journal, "%s/x.journal", watched);
    snprintf(h5, sizeof h5, "%s/x.h5", watched);
    struct journal *j = open_journal(journal, JOURNAL_NEW);
    write_runs(j, 0, n_runs / 2);
    publish(journal, h5);
    assert_true(journal_close(j));
    const int fd = open(journal, O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, torn, sizeof torn), sizeof torn);
    close(fd);
    j = open_journal(journal, JOURNAL_RESUME);
    write_runs(j, n_runs / 2, n_runs);
    journal_ended(j);
    assert_true(journal_close(j));
    publish(journal, h5);
    watched[0] = '\0';
}

/* ---- a state of the disk ------------------------------------------------------------------------------------- */

enum { MOST_FILES = 64, PAGE = 4096 };
struct file { ino_t id; struct buffer content; };
struct name { char text[64]; struct file *file; };
static struct disk {
    struct file file[MOST_FILES];
    struct name name[MOST_FILES];
    int n_files, n_names;
} disk;

static void disk_clear(void)
{
    for (int i = 0; i < disk.n_files; i++)
        buffer_clear(&disk.file[i].content);
    memset(&disk, 0, sizeof disk);
}

/* The latest of that number: numbers come again. */
static struct file *find_file(ino_t id)
{
    int i = disk.n_files - 1;
    while (i >= 0 && disk.file[i].id != id)
        i--;
    assert_true(i >= 0);
    return &disk.file[i];
}

static struct name *find_name(const char *text)
{
    for (int i = 0; i < disk.n_names; i++)
        if (!strcmp(disk.name[i].text, text))
            return &disk.name[i];
    return NULL;
}

static void drop_name(const char *text)
{
    struct name *n = find_name(text);
    if (n)
        *n = disk.name[--disk.n_names];
}

static void give_name(const char *text, struct file *f)
{
    drop_name(text);
    assert_true(disk.n_names < MOST_FILES);
    snprintf(disk.name[disk.n_names].text, 64, "%s", text);
    disk.name[disk.n_names++].file = f;
}

static void resize(struct buffer *b, size_t bytes)
{
    if (bytes > b->bytes)
        buffer_add(b, NULL, bytes - b->bytes);
    b->bytes = bytes;
}

static void put(const struct op *o, size_t from, size_t to)
{
    struct buffer *b = &find_file(o->file)->content;
    if (o->offset + to > b->bytes)
        resize(b, o->offset + to);
    memcpy(b->data + o->offset + from, o->data + from, to - from);
}

static void apply_name(const struct op *o)
{
    const struct name *from = find_name(o->name[0]);
    struct file *f = from ? from->file : NULL;
    drop_name(o->name[0]);
    if (o->change == RENAME && f)
        give_name(o->name[1], f);
}

static void create(const struct op *o, bool named)
{
    assert_true(disk.n_files < MOST_FILES);
    struct file *f = &disk.file[disk.n_files++];
    f->id = o->file;
    if (named)
        give_name(o->name[0], f);
}

/* Changes [0, k) and `bytes` of the k-th, as the kernel has them when the program is killed. */
static void kill_at(size_t k, size_t bytes)
{
    disk_clear();
    for (size_t i = 0; i < k; i++)
        switch (op[i].change) {
        case CREATE: create(&op[i], true); break;
        case WRITE: put(&op[i], 0, op[i].bytes); break;
        case TRUNCATE: resize(&find_file(op[i].file)->content, op[i].offset); break;
        case RENAME:
        case UNLINK: apply_name(&op[i]); break;
        default: break;
        }
    if (bytes)
        put(&op[k], 0, bytes);
}

static bool synced(size_t i, size_t k, enum change sync)
{
    for (size_t j = i + 1; j < k; j++)
        if (op[j].change == sync && (sync == SYNC_NAMES || op[j].file == op[i].file))
            return true;
    return false;
}

/* Changes [0, k), of which the disk had time for some. */
static void power_fails_at(size_t k)
{
    bool names_lost = false;
    disk_clear();
    for (size_t i = 0; i < k; i++) {
        const struct op *o = &op[i];
        if (o->change == CREATE || o->change == RENAME || o->change == UNLINK) {
            names_lost |= !synced(i, k, SYNC_NAMES) && rand() % 4 == 0;
            if (o->change == CREATE)
                create(o, !names_lost);
            else if (!names_lost)
                apply_name(o);
        } else if (o->change == TRUNCATE && (synced(i, k, SYNC) || rand() % 2)) {
            resize(&find_file(o->file)->content, o->offset);
        } else if (o->change == WRITE) {
            const bool safe = synced(i, k, SYNC);
            for (size_t from = 0, to; from < o->bytes; from = to) {
                to = (o->offset + from) / PAGE * PAGE + PAGE - o->offset;
                to = to < o->bytes ? to : o->bytes;
                if (safe || rand() % 2)
                    put(o, from, to);
            }
        }
    }
}

/* ---- what must be true of it --------------------------------------------------------------------------------- */

static char journal_path[600], h5_path[600];

static void write_disk(void)
{
    char path[700];
    const char *folder = in_tmp("state");
    mkdir(folder, 0755);
    snprintf(journal_path, sizeof journal_path, "%s/x.journal", folder);
    snprintf(h5_path, sizeof h5_path, "%s/x.h5", folder);
    snprintf(path, sizeof path, "%s.torn", journal_path);
    remove(path);
    remove(journal_path);
    remove(h5_path);
    for (int i = 0; i < disk.n_names; i++) {
        const struct buffer *b = &disk.name[i].file->content;
        snprintf(path, sizeof path, "%s/%s", folder, disk.name[i].text);
        if (!strcmp(path, journal_path) || !strcmp(path, h5_path))
            save(path, b->bytes ? b->data : "", b->bytes);
    }
}

static unsigned check_records(const struct sweep_state *s, unsigned at_least)
{
    assert_true(s->n_records >= at_least && s->n_records <= n_runs);
    for (unsigned i = 0; i < s->n_records; i++)
        assert_true(is_sample(&s->record[i], i));
    return (unsigned)s->n_records;
}

/* The first k changes were made, at least in part. */
static void check_state(size_t k)
{
    unsigned committed = 0, published = 0;
    struct sweep_state s;
    for (size_t i = 0; i < k; i++) {
        committed = op[i].change == COMMITTED ? (unsigned)op[i].offset : committed;
        published = op[i].change == PUBLISHED ? committed : published;
    }
    write_disk();
    const bool has_journal = access(journal_path, F_OK) == 0;
    assert_true(has_journal || !committed);
    assert_true(access(h5_path, F_OK) == 0 || !published);
    if (access(h5_path, F_OK) == 0) {
        assert_true(store_read(h5_path, &s, error, sizeof error));
        check_records(&s, published);
        sweep_state_clear(&s);
    }
    if (!has_journal)
        return;
    s = read_journal(journal_path);
    const unsigned found = check_records(&s, committed);
    sweep_state_clear(&s);
    struct journal *j = open_journal(journal_path, JOURNAL_RESUME); /* and it goes on */
    assert_non_null(j);
    append_samples(j, found, n_runs + 1);
    assert_true(journal_close(j));
    s = read_journal(journal_path);
    assert_samples(&s, n_runs + 1);
    sweep_state_clear(&s);
}

/* ---- tests --------------------------------------------------------------------------------------------------- */

static void a_kill_between_and_within_any_changes_loses_nothing(void **state)
{
    (void)state;
    unsigned states = 0;
    for (size_t k = 0; k <= n_ops; k++) {
        kill_at(k, 0);
        check_state(k);
        states++;
        const size_t bytes = k < n_ops && op[k].change == WRITE ? op[k].bytes : 0;
        const size_t pieces = all_states ? bytes / PAGE + 1 : 3;
        for (size_t piece = 1; bytes && piece <= pieces; piece++, states++) {
            const size_t torn = (size_t)((double)bytes * (double)piece / (double)(pieces + 1));
            kill_at(k, torn ? torn : 1);
            check_state(k);
        }
    }
    printf("# %zu changes, %u states\n", n_ops, states);
}

static void a_power_loss_at_any_time_loses_nothing(void **state)
{
    (void)state;
    const int losses = all_states ? 3000 : 150;
    srand(1);
    for (int i = 0; i < losses; i++) {
        const size_t k = (size_t)rand() % (n_ops + 1);
        power_fails_at(k);
        check_state(k);
    }
    printf("# %d power losses\n", losses);
}

/* The checks can fail: without the syncs that the program makes, power losses do harm. */
static void without_syncs_a_power_loss_does_harm(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_ops; i++)
        if (op[i].change == SYNC || op[i].change == SYNC_NAMES)
            op[i].change = COMMITTED + 100; /* nothing */
    int harmed = 0;
    srand(2);
    for (int i = 0; i < 50; i++) {
        struct sweep_state s = {0};
        power_fails_at(n_ops);
        write_disk();
        harmed += !journal_read(journal_path, &s, error, sizeof error) || s.n_records < n_runs;
        sweep_state_clear(&s);
    }
    printf("# %d of 50 lose runs\n", harmed);
    assert_true(harmed > 40);
}

int main(void)
{
    const char *asked = getenv("CRASH_STATES");
    all_states = asked && !strcmp(asked, "all");
    n_runs = all_states ? 24 : 6;
    const int null = open("/dev/null", O_WRONLY); /* each recovery says what it cut */
    dup2(null, STDERR_FILENO);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kill_between_and_within_any_changes_loses_nothing),
        cmocka_unit_test(a_power_loss_at_any_time_loses_nothing),
        cmocka_unit_test(without_syncs_a_power_loss_does_harm),
    };
    record_sweep();
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    disk_clear();
    return failed;
}
