/* test_store.c - publishing, and reading back.   test_store --sample FILE.h5 writes a file for other readers. */
#include "sample_records.h"

#include "../src/base/log.h"
#include "../src/records/store.h"
#include "../src/records/store_hdf5.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char error[1024];

static struct sweep_state sample_state(unsigned n)
{
    struct sweep_state s = {.header = sample_header(), .n_records = n, .ended = n % 2, .crc32 = 0xfedcba98u};
    s.header.schema = record_schema();
    s.record = malloc((n + 1) * sizeof *s.record);
    for (unsigned i = 0; i < n; i++)
        s.record[i] = sample_record(i);
    return s;
}

static void clear_sample(struct sweep_state *s)
{
    s->header.command_line = s->header.config_text = s->header.environment = NULL; /* not malloc'ed */
    sweep_state_clear(s);
}

static void publish(const char *path, unsigned n)
{
    struct sweep_state s = sample_state(n);
    if (!store_publish(path, &s, error, sizeof error))
        fail_msg("%s", error);
    clear_sample(&s);
}

static void assert_holds(const char *path, unsigned n)
{
    struct sweep_state s;
    if (!store_read(path, &s, error, sizeof error))
        fail_msg("%s", error);
    assert_int_equal(s.n_records, n);
    for (unsigned i = 0; i < n; i++)
        assert_true(is_sample(&s.record[i], i));
    sweep_state_clear(&s);
}

static unsigned count_temporaries(const char *directory)
{
    unsigned n = 0;
    DIR *d = opendir(directory);
    for (struct dirent *e; (e = readdir(d));)
        n += strstr(e->d_name, ".tmp.") != NULL;
    closedir(d);
    return n;
}

static void records_come_back_from_hdf5(void **state)
{
    (void)state;
    static const unsigned sizes[] = {0, 1, 2, 23};
    for (int i = 0; i < 4; i++) {
        publish(in_tmp("back.h5"), sizes[i]);
        assert_holds(in_tmp("back.h5"), sizes[i]);
    }
}

static void the_header_comes_back_from_hdf5(void **state)
{
    (void)state;
    const struct sweep_header want = sample_header();
    struct sweep_state s;
    publish(in_tmp("header.h5"), 3);
    assert_true(store_read(in_tmp("header.h5"), &s, error, sizeof error));
    assert_string_equal(s.header.suite_version, want.suite_version);
    assert_string_equal(s.header.sweep_name, want.sweep_name);
    assert_string_equal(s.header.command_line, want.command_line);
    assert_string_equal(s.header.config_text, want.config_text);
    assert_true(s.header.start_time == want.start_time);
    assert_int_equal(s.header.mpi_size, 2);
    assert_int_equal(s.crc32, 0xfedcba98u);
    assert_true(s.ended);
    sweep_state_clear(&s);
}

static void equal_states_give_equal_bytes(void **state)
{
    (void)state;
    size_t n_a, n_b;
    publish(in_tmp("a.h5"), 7);
    sleep(1); /* a time in the file would differ */
    publish(in_tmp("b.h5"), 7);
    char *a = load(in_tmp("a.h5"), &n_a), *b = load(in_tmp("b.h5"), &n_b);
    assert_int_equal(n_a, n_b);
    assert_memory_equal(a, b, n_a);
    free(a);
    free(b);
}

static void other_files_are_refused_by_name(void **state)
{
    (void)state;
    struct sweep_state s;
    assert_false(store_read(in_tmp("absent.h5"), &s, error, sizeof error));
    assert_non_null(strstr(error, "absent.h5"));
    assert_non_null(strstr(error, "No such file"));
    save(in_tmp("text.h5"), "text", 4);
    assert_false(store_read(in_tmp("text.h5"), &s, error, sizeof error));
    assert_non_null(strstr(error, "text.h5"));
    assert_false(store_read("tests/golden/postln.h5", &s, error, sizeof error));
    assert_non_null(strstr(error, "not results of dpsweep"));
    assert_null(strchr(error, '\n'));
}

static void a_truncated_file_is_refused(void **state)
{
    (void)state;
    size_t bytes;
    struct sweep_state s;
    publish(in_tmp("whole.h5"), 5);
    char *data = load(in_tmp("whole.h5"), &bytes);
    for (size_t n = 0; n < bytes; n += 1 + bytes / 100) {
        save(in_tmp("cut.h5"), data, n);
        assert_false(store_read(in_tmp("cut.h5"), &s, error, sizeof error));
    }
    free(data);
}

/* ---- what can go wrong -------------------------------------------------------------------------------------- */

static void publish_for_ever(const char *path)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nobody behind */
    for (unsigned n = 0;; n++)
        publish(path, 3 + n % 2);
}

static void a_killed_publisher_leaves_a_whole_file(void **state)
{
    (void)state;
    const char *directory = in_tmp("kill"), *path = in_tmp("kill/x.h5");
    mkdir(directory, 0755);
    publish(path, 3);
    srand(2);
    for (int k = 0; k < 25; k++) {
        const pid_t pid = fork();
        if (pid == 0)
            publish_for_ever(path);
        usleep((useconds_t)(rand() % 60000));
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        struct sweep_state s;
        if (!store_read(path, &s, error, sizeof error))
            fail_msg("after kill %d: %s", k, error);
        assert_true(s.n_records == 3 || s.n_records == 4);
        sweep_state_clear(&s);
    }
    publish(path, 3);
    assert_int_equal(count_temporaries(directory), 0); /* what the killed ones left */
}

static void only_stale_temporaries_of_this_host_are_removed(void **state)
{
    (void)state;
    char host[256] = "", name[3][700];
    gethostname(host, sizeof host - 1);
    mkdir(in_tmp("stale"), 0755);
    snprintf(name[0], sizeof name[0], "%s/.x.h5.tmp.%s.%d", in_tmp("stale"), host, 0x7ffffffe); /* no such process */
    snprintf(name[1], sizeof name[1], "%s/.x.h5.tmp.%s.%d", in_tmp("stale"), host, getppid());
    snprintf(name[2], sizeof name[2], "%s/.x.h5.tmp.another-%s.1", in_tmp("stale"), host);
    for (int i = 0; i < 3; i++)
        save(name[i], "", 0);
    publish(in_tmp("stale/x.h5"), 1);
    assert_int_equal(access(name[0], F_OK), -1);
    assert_int_equal(access(name[1], F_OK), 0);
    assert_int_equal(access(name[2], F_OK), 0);
}

static void publish_as_nobody(const char *path)
{
    struct sweep_state s = sample_state(1);
    if (getuid() == 0 && setuid(65534))
        _exit(1);
    const bool refused = !store_publish(path, &s, error, sizeof error);
    _exit(refused && strstr(error, path) && strstr(error, "Permission denied") && !strchr(error, '\n') ? 0 : 1);
}

static void a_folder_without_permission_gives_one_clear_line(void **state)
{
    (void)state;
    int status;
    const char *folder = in_tmp("locked"), *path = in_tmp("locked/x.h5");
    mkdir(folder, 0755);
    publish(path, 2);
    chmod(folder, 0555);
    const pid_t pid = fork();
    if (pid == 0)
        publish_as_nobody(path);
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    chmod(folder, 0755);
    assert_holds(path, 2);
    assert_int_equal(count_temporaries(folder), 0);
}

static void an_absent_folder_and_a_folder_in_the_way_are_named(void **state)
{
    (void)state;
    struct sweep_state s = sample_state(1);
    assert_false(store_publish(in_tmp("absent/x.h5"), &s, error, sizeof error));
    assert_non_null(strstr(error, "absent/"));
    assert_non_null(strstr(error, "No such file"));
    mkdir(in_tmp("way"), 0755);
    mkdir(in_tmp("way/x.h5"), 0755);
    assert_false(store_publish(in_tmp("way/x.h5"), &s, error, sizeof error));
    assert_non_null(strstr(error, "way/x.h5"));
    assert_int_equal(count_temporaries(in_tmp("way")), 0);
    clear_sample(&s);
}

/* HDF5 cannot write it, so it stays open. */
static _Noreturn void exit_with_a_file_that_cannot_be_closed(const char *path)
{
    static const double numbers[1000];
    const hsize_t n = 1000;
    h5_begin(error, sizeof error);
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){4096, 4096});
    const hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), space = H5Screate_simple(1, &n, NULL);
    const hid_t d = H5Dcreate2(file, "d", H5T_NATIVE_DOUBLE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Dwrite(d, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, numbers);
    H5Dclose(d);
    exit(H5Fclose(file) < 0 ? EXIT_ENVIRONMENT : EXIT_OK);
}

static void a_file_that_cannot_be_closed_does_not_crash_the_end(void **state)
{
    (void)state;
    int status;
    fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0)
        exit_with_a_file_that_cannot_be_closed(in_tmp("full.h5"));
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EXIT_ENVIRONMENT);
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "--sample")) {
        publish(argv[2], 7);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_back_from_hdf5),
        cmocka_unit_test(the_header_comes_back_from_hdf5),
        cmocka_unit_test(equal_states_give_equal_bytes),
        cmocka_unit_test(other_files_are_refused_by_name),
        cmocka_unit_test(a_truncated_file_is_refused),
        cmocka_unit_test(a_killed_publisher_leaves_a_whole_file),
        cmocka_unit_test(only_stale_temporaries_of_this_host_are_removed),
        cmocka_unit_test(a_folder_without_permission_gives_one_clear_line),
        cmocka_unit_test(an_absent_folder_and_a_folder_in_the_way_are_named),
        cmocka_unit_test(a_file_that_cannot_be_closed_does_not_crash_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
