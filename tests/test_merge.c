/* test_merge.c - which result of a configuration is kept, and what becomes of the rest. */
#include "sample_records.h"

#include "../src/records/buffer.h"
#include "../src/records/merge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* A result of configuration `config` that ended at `end_time`, as run `run_id`. */
static void add(struct sweep_state *s, unsigned config, enum status status, double end_time, uint64_t run_id)
{
    struct record r = sample_record(config);
    record_set_status(&r, status, "ended at %g", end_time);
    r.end_time = end_time;
    r.run_id = run_id;
    s->record = memory_resize(s->record, (s->n_records + 1) * sizeof r);
    s->record[s->n_records++] = r;
}

static void begun(struct sweep_state *s, unsigned config, uint64_t attempt)
{
    s->unfinished = memory_resize(s->unfinished, (s->n_unfinished + 1) * sizeof *s->unfinished);
    snprintf(s->unfinished[s->n_unfinished].config_sha256, 65, "%064x", config);
    s->unfinished[s->n_unfinished++].attempt = attempt;
}

static struct sweep_state part_of(const char *host, bool ended)
{
    struct sweep_state s = {.ended = ended, .header = {.mpi_size = 2, .start_time = 1e9}};
    snprintf(s.header.hostname, TEXT_BYTES, "%s", host);
    return s;
}

static struct sweep_state merged(struct sweep_state *part, size_t n, struct merge_summary *summary)
{
    struct sweep_state s = {.header = {.sweep_name = "both", .start_time = 2e9}};
    *summary = merge_states(part, n, &s);
    for (size_t i = 0; i < n; i++)
        sweep_state_clear(&part[i]);
    return s;
}

/* The better and later of the two, whichever of them comes first. */
static void assert_kept(enum status a, double a_end, enum status b, double b_end, double kept)
{
    for (int swapped = 0; swapped < 2; swapped++) {
        struct merge_summary summary;
        struct sweep_state part[2] = {part_of("x", true), part_of("y", true)};
        add(&part[swapped], 7, a, a_end, 0);
        add(&part[!swapped], 7, b, b_end, 0);
        struct sweep_state s = merged(part, 2, &summary);
        assert_int_equal(s.n_records, 1);
        assert_int_equal(summary.n_repeated, 1);
        assert_true(s.record[0].end_time == kept);
        assert_int_equal(s.record[0].n_steps, 7 % 4);
        sweep_state_clear(&s);
    }
}

static void the_last_successful_result_is_kept(void **state)
{
    (void)state;
    assert_kept(STATUS_OK, 10, STATUS_OK, 20, 20);
    assert_kept(STATUS_OK, 10, STATUS_CRASHED, 20, 10);
    assert_kept(STATUS_FAILED, 10, STATUS_CRASHED, 20, 20);
    assert_kept(STATUS_FAILED, 10, STATUS_SKIPPED, 20, 10);
    assert_kept(STATUS_OOM_DEVICE, 10, STATUS_SKIPPED, NAN, 10);
}

static void runs_keep_their_numbers_unless_these_meet(void **state)
{
    (void)state;
    for (uint64_t meet = 0; meet < 2; meet++) {
        struct merge_summary summary;
        struct sweep_state part[2] = {part_of("x", true), part_of("y", true)};
        add(&part[0], 1, STATUS_OK, 1, 4);
        add(&part[1], 2, STATUS_OK, 1, meet ? 4 : 9);
        struct sweep_state s = merged(part, 2, &summary);
        assert_int_equal(summary.renumbered, meet);
        assert_int_equal(s.record[0].run_id, meet ? 0 : 4);
        assert_int_equal(s.record[1].run_id, meet ? 1 : 9);
        sweep_state_clear(&s);
    }
}

static void what_was_begun_and_has_no_result_is_still_begun(void **state)
{
    (void)state;
    struct merge_summary summary;
    struct sweep_state part[2] = {part_of("x", true), part_of("y", false)};
    add(&part[0], 1, STATUS_OK, 1, 0);
    begun(&part[1], 1, 2); /* has one in the other part */
    begun(&part[1], 3, 2);
    struct sweep_state s = merged(part, 2, &summary);
    assert_int_equal(s.n_unfinished, 1);
    assert_int_equal(s.unfinished[0].attempt, 2);
    assert_false(s.ended);
    sweep_state_clear(&s);
}

static void the_header_names_what_the_parts_name_once_each(void **state)
{
    (void)state;
    struct merge_summary summary;
    struct sweep_state part[3] = {part_of("node1", true), part_of("node12", true), part_of("node1", true)};
    for (int i = 0; i < 3; i++)
        part[i].header.environment = strdup(i == 1 ? "A=2" : "A=1");
    struct sweep_state s = merged(part, 3, &summary);
    assert_string_equal(s.header.hostname, "node1, node12");
    assert_string_equal(s.header.sweep_name, "both");
    assert_string_equal(s.header.environment, "A=1\n\nA=2");
    assert_int_equal(s.header.mpi_size, 6);
    assert_true(s.header.start_time == 1e9);
    assert_true(s.ended && s.n_records == 0);
    sweep_state_clear(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_successful_result_is_kept),
        cmocka_unit_test(runs_keep_their_numbers_unless_these_meet),
        cmocka_unit_test(what_was_begun_and_has_no_result_is_still_begun),
        cmocka_unit_test(the_header_names_what_the_parts_name_once_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
