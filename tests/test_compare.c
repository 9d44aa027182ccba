/* test_compare.c - the verdicts on recorded, planted and simulated differences.
 * Simulated step times: AR(1) on logarithms, now and then a step that takes half as long again, and each run as a whole
 * a little faster or slower than the next. */
#include "../src/records/buffer.h"
#include "../src/records/compare.h"
#include "arrays.h"
#include "sample_records.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct compare_limits limits = COMPARE_LIMITS_DEFAULT;

/* An undisturbed run that took `n` measured steps. */
static struct record run_of(unsigned config, const double *time, size_t n)
{
    struct record r;
    record_init(&r);
    snprintf(r.config_sha256, sizeof r.config_sha256, "%064x", config);
    snprintf(r.status, sizeof r.status, "ok");
    snprintf(r.verdict, sizeof r.verdict, "VALID");
    snprintf(r.config.device, sizeof r.config.device, "cuda"); /* not judged by CPU time */
    r.peak_ledger = 1 << 30;
    r.grad_rel_err = r.norm_rel_err = 3e-7;
    r.valid_rel_err = 1e-4;
    record_add_step(&r, &(struct step_row){.step_time_s = 99}); /* warm-up: does not count */
    for (size_t i = 0; i < n; i++)
        record_add_step(&r, &(struct step_row){.step = i + 1, .measured = 1, .step_time_s = time[i]});
    return r;
}

static struct comparison compare_one(const struct record *a, const struct record *b)
{
    struct sweep_state x = {.record = (struct record *)a, .n_records = 1};
    struct sweep_state y = {.record = (struct record *)b, .n_records = 1};
    struct comparisons c = compare_sweeps(&x, &y, limits);
    assert_int_equal(c.n, 1);
    const struct comparison one = c.of[0];
    comparisons_clear(&c);
    return one;
}

static struct comparison compare_series(const double *a, const double *b, size_t n)
{
    struct record x = run_of(1, a, n), y = run_of(1, b, n);
    const struct comparison c = compare_one(&x, &y);
    record_clear(&x);
    record_clear(&y);
    return c;
}

/* ---- recorded steps ------------------------------------------------------------------------------------------ */

enum { TRAINERS = 4, RECORDED = 40 };
static double recorded[2][TRAINERS][RECORDED];

static void read_recorded(void)
{
    char line[160], trainer[32], last[32] = "";
    int sweep, t = -1, last_sweep = -1, i = 0;
    double s;
    FILE *f = fopen("tests/data/step_times.csv", "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "%d,%31[^,],%lf", &sweep, trainer, &s) != 3)
            continue;
        if (sweep != last_sweep || strcmp(trainer, last))
            t = sweep != last_sweep ? 0 : t + 1, i = 0;
        last_sweep = sweep;
        strcpy(last, trainer);
        assert_true(sweep < 2 && t < TRAINERS && i < RECORDED);
        recorded[sweep][t][i++] = s;
    }
    fclose(f);
    assert_true(sweep == 1 && t == TRAINERS - 1 && i == RECORDED);
}

static void scale(const double *from, size_t n, double factor, double *to)
{
    for (size_t i = 0; i < n; i++)
        to[i] = from[i] * factor;
}

static void a_recorded_rerun_is_the_same(void **state)
{
    (void)state;
    read_recorded();
    for (int t = 0; t < TRAINERS; t++)
        for (size_t n = 30; n <= RECORDED; n += 10) {
            const struct comparison c = compare_series(recorded[0][t], recorded[1][t], n);
            assert_int_equal(c.time_change, CHANGE_SAME);
            assert_true(c.time.low < c.time.estimate && c.time.estimate < c.time.high);
        }
}

static void recorded_steps_scaled_by_five_percent_are_found(void **state)
{
    (void)state;
    double scaled[RECORDED];
    read_recorded();
    for (int sweep = 0; sweep < 2; sweep++)
        for (int t = 0; t < TRAINERS; t++) {
            scale(recorded[sweep][t], 30, 1.05, scaled);
            const struct comparison slower = compare_series(recorded[sweep][t], scaled, 30);
            assert_int_equal(slower.time_change, CHANGE_WORSE);
            assert_true(fabs(slower.time.estimate - 1.05) < 1e-9);
            assert_true(is_regression(&slower));
            const struct comparison faster = compare_series(scaled, recorded[sweep][t], 30);
            assert_int_equal(faster.time_change, CHANGE_BETTER);
            assert_false(is_regression(&faster));
        }
}

/* ---- simulated steps ------------------------------------------------------------------------------------------ */

enum { PAIRS = 100, STEPS = 30 };

static double normal(void)
{
    const double u = (next_word() + 0.5) / 0x1p32, v = (next_word() + 0.5) / 0x1p32;
    return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

struct simulation { double rho, sigma, rerun, spikes; };
static void simulate(struct simulation s, double *time)
{
    const double run = s.rerun / sqrt(2) * normal();
    double x = s.sigma * normal();
    for (int i = 0; i < STEPS; i++) {
        x = s.rho * x + s.sigma * sqrt(1 - s.rho * s.rho) * normal();
        time[i] = 0.1 * exp(run + x) * (next_word() < s.spikes * 0x1p32 ? 1.5 : 1);
    }
}

/* Pairs of the same program that are called slower or faster, and pairs at 1.05 that are called slower. */
static void count(struct simulation s, int *alarms, int *found)
{
    double a[STEPS], b[STEPS], scaled[STEPS];
    *alarms = *found = 0;
    for (int i = 0; i < PAIRS; i++) {
        simulate(s, a);
        simulate(s, b);
        scale(b, STEPS, 1.05, scaled);
        const enum change change = compare_series(a, b, STEPS).time_change;
        *alarms += change == CHANGE_WORSE || change == CHANGE_BETTER;
        *found += compare_series(a, scaled, STEPS).time_change == CHANGE_WORSE;
    }
}

/* docs/measuring.md has this table.  At a confidence of 99 %, more than 5 alarms in 100 pairs have a probability below
 * 0.06 %.  30 steps of correlation 0.9 are hardly more than one independent step, which no test makes up for. */
static void false_alarms_are_rare(void **state)
{
    (void)state;
    static const struct { const char *what; struct simulation s; int most; } cases[] = {
        {"independent steps, spread 1 %", {0, 0.01, 0.01, 0}, 5},
        {"independent steps, spread 2 %, 5 % of them half as long again", {0, 0.02, 0.01, 0.05}, 5},
        {"correlation 0.5, spread 1 %", {0.5, 0.01, 0.01, 0}, 5},
        {"correlation 0.5, spread 2 %", {0.5, 0.02, 0.01, 0}, 5},
        {"correlation 0.8, spread 2 %", {0.8, 0.02, 0.01, 0}, 5},
        {"correlation 0.9, spread 3 %", {0.9, 0.03, 0.01, 0}, 15},
    };
    for (int i = 0; i < COUNT(cases); i++) {
        int alarms, found;
        count(cases[i].s, &alarms, &found);
        printf("# %s: %d false alarms in %d pairs, 1.05 found in %d\n", cases[i].what, alarms, PAIRS, found);
        assert_true(alarms <= cases[i].most);
    }
}

static void students_t_is_that_of_the_tables(void **state)
{
    (void)state;
    static const double want[][3] = {
        {0.995, 1, 63.657}, {0.995, 2, 9.925}, {0.995, 4, 4.604}, {0.995, 10, 3.169}, {0.995, 30, 2.750},
        {0.975, 5, 2.571}, {0.975, 30, 2.042}, {0.995, 1e6, 2.5758},
    };
    for (int i = 0; i < COUNT(want); i++)
        assert_true(fabs(student_t(want[i][0], want[i][1]) / want[i][2] - 1) < 0.02);
}

/* ---- the rest ------------------------------------------------------------------------------------------------ */

static void too_few_or_disturbed_steps_are_ambiguous(void **state)
{
    (void)state;
    double time[STEPS], slow[STEPS];
    for (int i = 0; i < STEPS; i++)
        time[i] = 1 + 0.001 * (i % 3), slow[i] = 2 * time[i];
    assert_int_equal(compare_series(time, slow, STEPS).time_change, CHANGE_WORSE);
    assert_int_equal(compare_series(time, slow, 9).time_change, CHANGE_AMBIGUOUS);
    struct record a = run_of(1, time, STEPS), b = run_of(1, slow, STEPS);
    snprintf(b.config.device, sizeof b.config.device, "cpu");
    b.threads = 2;
    b.step_time_p50 = 2;
    b.step_cpu_time_p50 = 3.1; /* of 4 */
    const struct comparison c = compare_one(&a, &b);
    assert_int_equal(c.time_change, CHANGE_AMBIGUOUS);
    assert_string_equal(c.why, "threads that were not running");
    record_clear(&a);
    record_clear(&b);
}

/* A change of b's record, and the comparison with what it was. */
#define PLANTED(change_of_b)                                       \
    ({                                                             \
        static const double steady[] = {1, 1, 1, 1};               \
        struct record a = run_of(1, steady, 4), b = run_of(1, steady, 4); \
        change_of_b;                                               \
        const struct comparison c = compare_one(&a, &b);           \
        record_clear(&a);                                          \
        record_clear(&b);                                          \
        c;                                                         \
    })

static void planted_changes_are_found(void **state)
{
    (void)state;
    const struct comparison same = PLANTED((void)0);
    assert_int_equal(same.memory_change, CHANGE_SAME);
    assert_int_equal(same.status_change, CHANGE_SAME);
    assert_int_equal(same.error_change, CHANGE_SAME);
    assert_false(is_regression(&same));
    const struct comparison more = PLANTED(b.peak_ledger = b.peak_ledger / 100 * 101);
    assert_int_equal(more.memory_change, CHANGE_WORSE);
    assert_true(is_regression(&more));
    assert_int_equal(PLANTED(a.peak_ledger = a.peak_ledger / 100 * 101).memory_change, CHANGE_BETTER);
    const struct comparison failed = PLANTED(record_set_status(&b, STATUS_OOM_DEVICE, "no memory"));
    assert_int_equal(failed.status_change, CHANGE_WORSE);
    assert_int_equal(failed.time_change, CHANGE_NONE);
    assert_int_equal(failed.memory_change, CHANGE_NONE);
    assert_true(is_regression(&failed));
    assert_int_equal(PLANTED(record_set_status(&a, STATUS_CRASHED, "died")).status_change, CHANGE_BETTER);
    assert_int_equal(PLANTED(b.grad_rel_err = 9e-6).error_change, CHANGE_SAME); /* rounding */
    assert_int_equal(PLANTED(b.grad_rel_err = 2e-5).error_change, CHANGE_WORSE);
    assert_int_equal(PLANTED(strcpy(b.verdict, "WARN")).error_change, CHANGE_WORSE);
    assert_int_equal(PLANTED(strcpy(a.verdict, "WARN")).error_change, CHANGE_BETTER);
}

static void configurations_meet_by_identity(void **state)
{
    (void)state;
    static const double time[] = {1, 1};
    struct record a[3] = {run_of(1, time, 2), run_of(2, time, 2), run_of(3, time, 2)};
    struct record b[2] = {run_of(3, time, 2), run_of(9, time, 2)};
    struct sweep_state x = {.record = a, .n_records = 3}, y = {.record = b, .n_records = 2};
    struct comparisons c = compare_sweeps(&x, &y, limits);
    assert_int_equal(c.n, 1);
    assert_ptr_equal(c.of[0].a, &a[2]);
    assert_ptr_equal(c.of[0].b, &b[0]);
    assert_int_equal(c.only_in_a, 2);
    assert_int_equal(c.only_in_b, 1);
    comparisons_clear(&c);
    for (int i = 0; i < 3; i++)
        record_clear(&a[i]);
    for (int i = 0; i < 2; i++)
        record_clear(&b[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_recorded_rerun_is_the_same),
        cmocka_unit_test(recorded_steps_scaled_by_five_percent_are_found),
        cmocka_unit_test(false_alarms_are_rare),
        cmocka_unit_test(students_t_is_that_of_the_tables),
        cmocka_unit_test(too_few_or_disturbed_steps_are_ambiguous),
        cmocka_unit_test(planted_changes_are_found),
        cmocka_unit_test_teardown(configurations_meet_by_identity, free_arrays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
