#include "../src/bench/resume.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Three configurations, and a journal that knows something about some of them. */
enum { N = 3 };
static struct config config[N];
static struct record record[N];
static struct journal_start unfinished[N];
static struct sweep_state journal;
static struct point point[N];

static int setup(void **state)
{
    (void)state;
    for (int i = 0; i < N; i++) {
        config_default(&config[i]);
        config[i].seed = (uint64_t)i + 1;
    }
    journal = (struct sweep_state){.record = record, .unfinished = unfinished};
    return 0;
}

static void journal_has_result(int i, uint64_t run_id, enum status status, uint64_t attempt)
{
    struct record *r = &record[journal.n_records++];
    record_init(r);
    record_set_status(r, status, "because of the test");
    config_sha256(&config[i], r->config_sha256);
    r->run_id = run_id;
    r->attempt = attempt;
}

static void journal_has_start(int i, uint64_t attempt)
{
    struct journal_start *s = &unfinished[journal.n_unfinished++];
    config_sha256(&config[i], s->config_sha256);
    s->attempt = attempt;
}

static void resume(bool retry_failed)
{
    resume_points(point, config, N, &journal, retry_failed);
}

static void an_empty_journal_leaves_all_to_do(void **state)
{
    (void)state;
    resume(false);
    for (int i = 0; i < N; i++) {
        assert_int_equal(point[i].state, POINT_WAITING);
        assert_int_equal(point[i].run_id, i);
        assert_int_equal(point[i].attempt, 1);
        assert_int_equal(point[i].vain_starts, 0);
        assert_ptr_equal(point[i].config, &config[i]);
        char hex[65];
        config_sha256(&config[i], hex);
        assert_string_equal(point[i].config_sha256, hex);
    }
}

/* What was not measured, and what now may be. */
static bool is_open(enum status s)
{
    return s == STATUS_SKIPPED || s == STATUS_PREDICTED;
}

static void results_are_kept_and_the_skipped_are_not(void **state)
{
    (void)state;
    for (enum status s = 0; s < N_STATUSES; s++) {
        setup(NULL);
        journal_has_result(1, 1, s, 1);
        resume(false);
        assert_int_equal(point[1].state, is_open(s) ? POINT_WAITING : POINT_DONE);
        assert_int_equal(point[0].state, POINT_WAITING);
    }
}

static void retry_failed_redoes_what_failed(void **state)
{
    (void)state;
    for (enum status s = 0; s < N_STATUSES; s++) {
        const bool failed = s == STATUS_CRASHED || s == STATUS_FAILED || s == STATUS_TIMEOUT ||
                            s == STATUS_OOM_DEVICE || s == STATUS_OOM_HOST || s == STATUS_OOM_PREDICTED;
        setup(NULL);
        journal_has_result(1, 1, s, 2);
        resume(true);
        assert_int_equal(point[1].state, failed || is_open(s) ? POINT_WAITING : POINT_DONE);
        assert_int_equal(point[1].attempt, 3);
        assert_int_equal(point[1].vain_starts, 0);
    }
}

static void what_was_in_flight_is_done_again(void **state)
{
    (void)state;
    journal_has_start(0, 2);
    journal_has_result(1, 1, STATUS_CRASHED, 1);
    journal_has_start(1, 2);               /* its retry was in flight */
    resume(false);
    assert_int_equal(point[0].state, POINT_WAITING);
    assert_int_equal(point[0].attempt, 3);
    assert_int_equal(point[0].vain_starts, 2);
    assert_int_equal(point[1].state, POINT_WAITING);
    assert_int_equal(point[1].attempt, 3);
    assert_int_equal(point[1].vain_starts, 1);
}

static void points_keep_their_run_id_and_others_get_free_ones(void **state)
{
    (void)state;
    journal_has_result(2, 0, STATUS_OK, 1);
    journal_has_result(0, 1000000, STATUS_SKIPPED, 0);
    resume(false);
    assert_int_equal(point[2].run_id, 0);
    assert_int_equal(point[0].run_id, 1000000);
    assert_int_equal(point[1].run_id, 1);
}

static void run_ids_of_points_no_longer_listed_stay_taken(void **state)
{
    (void)state;
    journal_has_result(0, 0, STATUS_OK, 1);
    memset(record[0].config_sha256, 'f', 64);
    resume(false);
    assert_int_equal(point[0].run_id, 1);
    assert_int_equal(point[1].run_id, 2);
    assert_int_equal(point[2].run_id, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_empty_journal_leaves_all_to_do, setup),
        cmocka_unit_test_setup(results_are_kept_and_the_skipped_are_not, setup),
        cmocka_unit_test_setup(retry_failed_redoes_what_failed, setup),
        cmocka_unit_test_setup(what_was_in_flight_is_done_again, setup),
        cmocka_unit_test_setup(points_keep_their_run_id_and_others_get_free_ones, setup),
        cmocka_unit_test_setup(run_ids_of_points_no_longer_listed_stay_taken, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
