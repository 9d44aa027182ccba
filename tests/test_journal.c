/* test_journal.c - what a journal gives back, what it refuses, and what damage costs. */
#include "sample_journal.h"

#include <unistd.h>
#include <zlib.h>

/* ---- what is read back -------------------------------------------------------------------------------------- */

static void everything_comes_back(void **state)
{
    (void)state;
    const char *path = write_journal("all", 20);
    struct sweep_state s = read_journal(path);
    const struct sweep_header want = sample_header();
    assert_samples(&s, 20);
    assert_int_equal(s.n_unfinished, 0);
    assert_false(s.ended);
    assert_int_equal(s.damaged_frames + s.torn_bytes, 0);
    assert_string_equal(s.header.suite_version, want.suite_version);
    assert_string_equal(s.header.sweep_name, want.sweep_name);
    assert_string_equal(s.header.libraries, want.libraries);
    assert_string_equal(s.header.command_line, want.command_line);
    assert_string_equal(s.header.config_text, want.config_text);
    assert_int_equal(s.header.mpi_size, 2);
    assert_true(s.header.start_time == want.start_time);
    assert_int_equal(s.header.writer_pid, getpid());
    sweep_state_clear(&s);
}

static void the_latest_result_wins_and_a_start_without_one_is_unfinished(void **state)
{
    (void)state;
    const char *path = write_journal("latest", 4);
    struct journal *j = open_journal(path, JOURNAL_RESUME);
    struct record r = sample_record(2);
    r.attempt = 7;
    journal_started(j, r.config_sha256, 7, 0);
    journal_result(j, &r);
    struct record again = sample_record(1), never = sample_record(9);
    journal_started(j, again.config_sha256, 2, 1);
    journal_started(j, never.config_sha256, 1, 1);
    journal_started(j, never.config_sha256, 2, 1);
    journal_ended(j);
    assert_true(journal_close(j));

    struct sweep_state s = read_journal(path);
    assert_int_equal(s.n_records, 4);
    assert_true(same_record(&s.record[2], &r));
    assert_true(s.ended);
    assert_int_equal(s.n_unfinished, 2);
    assert_string_equal(s.unfinished[0].config_sha256, again.config_sha256);
    assert_int_equal(s.unfinished[0].attempt, 2);
    assert_string_equal(s.unfinished[1].config_sha256, never.config_sha256);
    assert_int_equal(s.unfinished[1].attempt, 2);
    sweep_state_clear(&s);
    record_clear(&r);
    record_clear(&again);
    record_clear(&never);
}

static void a_resumed_sweep_keeps_its_identity_and_is_not_ended(void **state)
{
    (void)state;
    const char *path = write_journal("identity", 1);
    struct journal *j = open_journal(path, JOURNAL_RESUME);
    journal_ended(j);
    journal_close(j);
    struct sweep_header h = sample_header();
    strcpy(h.sweep_uuid, "another");
    h.start_time = 2e9;
    h.command_line = (char *)"dpsweep sweep --resume";
    assert_true(journal_close(journal_open(path, JOURNAL_RESUME, &h, error, sizeof error)));
    struct sweep_state s = read_journal(path);
    assert_string_equal(s.header.sweep_uuid, "u-u");
    assert_true(s.header.start_time == 1.7e9);
    assert_string_equal(s.header.command_line, "dpsweep sweep --resume");
    assert_false(s.ended);
    sweep_state_clear(&s);
}

/* ---- what is refused ---------------------------------------------------------------------------------------- */

static void journal_names_follow_the_names_of_results(void **state)
{
    (void)state;
    char path[32];
    assert_true(journal_path_of("a/b.h5", path, sizeof path));
    assert_string_equal(path, "a/b.journal");
    assert_false(journal_path_of("a/b.hdf5", path, sizeof path));
    assert_false(journal_path_of("a/.h5", path, sizeof path));
    assert_false(journal_path_of("a.h5/b", path, sizeof path));
    assert_false(journal_path_of("a/name-that-is-too-long-for-it.h5", path, sizeof path));
}

static void an_existing_journal_is_neither_new_nor_touched(void **state)
{
    (void)state;
    const char *path = write_journal("exists", 2);
    const off_t before = size_of(path);
    assert_refused(path, JOURNAL_NEW, "--resume", "--overwrite");
    assert_int_equal(size_of(path), before);
}

static void results_without_their_journal_are_refused(void **state)
{
    (void)state;
    const char *path = write_journal("orphan", 1), *h5 = in_tmp("orphan.h5");
    save(h5, "x", 1);
    remove(path);
    assert_refused(path, JOURNAL_NEW, "orphan.h5", "--overwrite");
    assert_refused(path, JOURNAL_RESUME, "orphan.h5", "--overwrite");
    assert_int_equal(access(path, F_OK), -1);
    assert_true(journal_close(open_journal(path, JOURNAL_OVERWRITE)));
    assert_int_equal(access(h5, F_OK), -1);
}

static void overwriting_begins_with_nothing(void **state)
{
    (void)state;
    const char *path = write_journal("anew", 3);
    struct journal *j = open_journal(path, JOURNAL_OVERWRITE);
    append_samples(j, 0, 1);
    journal_close(j);
    struct sweep_state s = read_journal(path);
    assert_samples(&s, 1);
    sweep_state_clear(&s);
}

static void files_that_are_no_journal_are_refused_untouched(void **state)
{
    (void)state;
    static const char text[] = "these are my notes, not yours";
    const char *path = in_tmp("notes.journal");
    save(path, text, sizeof text);
    assert_refused(path, JOURNAL_RESUME, "not a journal", "notes.journal");
    assert_int_equal(size_of(path), sizeof text);
    struct sweep_state s;
    assert_false(journal_read(path, &s, error, sizeof error));
    assert_non_null(strstr(error, "not a journal"));
    assert_false(journal_read(in_tmp("absent.journal"), &s, error, sizeof error));
    assert_non_null(strstr(error, "No such file"));
    assert_false(journal_read(in_tmp("."), &s, error, sizeof error));
    assert_non_null(strstr(error, "directory"));
    assert_refused(in_tmp("absent/x.journal"), JOURNAL_NEW, "absent/x.journal", "No such file");
}

static void a_journal_of_other_columns_is_refused_by_version(void **state)
{
    (void)state;
    const char *path = write_journal("schema", 1);
    size_t bytes;
    char *data = load(path, &bytes);
    uint32_t crc;
    uint64_t payload;
    memcpy(&payload, data + 8, 8);
    data[24] ^= 1; /* the first byte of the header: of its schema */
    crc = (uint32_t)crc32(0, (unsigned char *)data, (unsigned)(24 + payload));
    memcpy(data + 24 + payload, &crc, 4);
    save(path, data, bytes);
    free(data);
    assert_refused(path, JOURNAL_RESUME, "dpsweep 0.1.0", "the dpsweep that wrote it");
    struct sweep_state s;
    assert_false(journal_read(path, &s, error, sizeof error));
    assert_int_equal(size_of(path), bytes);
}

/* ---- damage ------------------------------------------------------------------------------------------------- */

static void a_frame_torn_at_any_byte_costs_only_itself(void **state)
{
    (void)state;
    size_t bytes, before;
    struct record last = sample_record(2);
    const char *path = write_journal("torn", 2);
    struct journal *j = open_journal(path, JOURNAL_RESUME);
    assert_true(journal_commit(j));
    before = (size_t)size_of(path);
    journal_result(j, &last);
    assert_true(journal_close(j));
    record_clear(&last);
    bytes = (size_t)size_of(path);
    for (size_t n = bytes; n >= before; n--) {
        assert_int_equal(truncate(path, (off_t)n), 0);
        struct sweep_state s = read_journal(path);
        assert_samples(&s, n < bytes ? 2 : 3);
        assert_int_equal(s.torn_bytes, n < bytes ? n - before : 0);
        assert_int_equal(s.damaged_frames, 0);
        sweep_state_clear(&s);
    }
}

static void a_torn_tail_is_kept_beside_and_cut_on_resume(void **state)
{
    (void)state;
    size_t bytes, kept;
    const char *path = write_journal("tail", 6), *torn = in_tmp("tail.journal.torn");
    char *data = load(path, &bytes);
    save(path, data, bytes - 5);
    struct journal *j = open_journal(path, JOURNAL_RESUME);
    append_samples(j, 5, 8);
    assert_true(journal_close(j));
    struct sweep_state s = read_journal(path);
    assert_samples(&s, 8);
    assert_int_equal(s.torn_bytes + s.damaged_frames, 0);
    sweep_state_clear(&s);
    char *tail = load(torn, &kept);
    assert_memory_equal(tail, data + bytes - 5 - kept, kept);
    free(tail);
    free(data);
}

static void a_journal_torn_in_its_first_frame_can_be_resumed(void **state)
{
    (void)state;
    size_t bytes;
    const char *path = write_journal("first", 0);
    char *data = load(path, &bytes);
    for (size_t n = 0; n < bytes; n += 7) {
        save(path, data, n);
        struct journal *j = open_journal(path, JOURNAL_RESUME);
        append_samples(j, 0, 2);
        journal_close(j);
        struct sweep_state s = read_journal(path);
        assert_samples(&s, 2);
        sweep_state_clear(&s);
    }
    free(data);
}

static void a_flipped_bit_costs_one_frame(void **state)
{
    (void)state;
    size_t bytes;
    const char *path = write_journal("flip", 4);
    char *data = load(path, &bytes);
    uint64_t header;
    memcpy(&header, data + 8, 8);
    for (size_t at = 0; at < bytes; at += 101) {
        data[at] ^= 0x10;
        save(path, data, bytes);
        struct sweep_state s = read_journal(path);
        assert_true(s.damaged_frames + (s.torn_bytes > 0) <= 1);
        assert_true(s.n_records >= 3);
        for (size_t i = 0; i < s.n_records; i++)
            assert_true(is_sample(&s.record[i], (unsigned)s.record[i].run_id));
        sweep_state_clear(&s);
        data[at] ^= 0x10;
    }
    free(data);
}

static void damage_over_several_frames_is_counted(void **state)
{
    (void)state;
    size_t begin, end, bytes;
    free(load(write_journal("hole", 2), &begin));
    free(load(write_journal("hole", 4), &end));
    const char *path = write_journal("hole", 6);
    char *data = load(path, &bytes);
    memset(data + begin, 0, end - begin); /* started and result of two runs */
    save(path, data, bytes);
    free(data);
    struct sweep_state s = read_journal(path);
    assert_int_equal(s.damaged_frames, 4);
    assert_int_equal(s.torn_bytes, 0);
    assert_int_equal(s.n_records, 4);
    sweep_state_clear(&s);
    struct journal *j = open_journal(path, JOURNAL_RESUME); /* goes on behind it */
    append_samples(j, 2, 4);
    journal_close(j);
    s = read_journal(path);
    assert_samples(&s, 6);
    sweep_state_clear(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_comes_back),
        cmocka_unit_test(the_latest_result_wins_and_a_start_without_one_is_unfinished),
        cmocka_unit_test(a_resumed_sweep_keeps_its_identity_and_is_not_ended),
        cmocka_unit_test(journal_names_follow_the_names_of_results),
        cmocka_unit_test(an_existing_journal_is_neither_new_nor_touched),
        cmocka_unit_test(results_without_their_journal_are_refused),
        cmocka_unit_test(overwriting_begins_with_nothing),
        cmocka_unit_test(files_that_are_no_journal_are_refused_untouched),
        cmocka_unit_test(a_journal_of_other_columns_is_refused_by_version),
        cmocka_unit_test(a_frame_torn_at_any_byte_costs_only_itself),
        cmocka_unit_test(a_torn_tail_is_kept_beside_and_cut_on_resume),
        cmocka_unit_test(a_journal_torn_in_its_first_frame_can_be_resumed),
        cmocka_unit_test(a_flipped_bit_costs_one_frame),
        cmocka_unit_test(damage_over_several_frames_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
