/* test_trace.c - the memory curve of a step: every change, or as many as fit with the peak among them. */
#include "../src/device/trace.h"
#include "on_device.h"

static struct trace_row row[TRACE_MOST_ROWS];

static size_t total(const struct trace_row *r)
{
    size_t bytes = 0;
    for (int k = 0; k < N_MEMORY_KINDS; k++)
        bytes += r->bytes[k];
    return bytes;
}

static void step(void *ctx)
{
    (void)ctx;
    float *x = NULL, *g = NULL;
    PHASE(FORWARD) x = ledger_take(MEMORY_ACTIVATIONS, "x", 512);
    PHASE(NORM) {
        g = ledger_take(MEMORY_WORKSPACE, "g", 256);
        ledger_release(g);
    }
    ledger_release(x);
}

static void each_change_is_a_row_with_its_phase(void **state)
{
    (void)state;
    enum { OUT = N_PHASES };
    static const struct { uint64_t phase, x, g; } want[] = {
        {OUT, 0, 0}, {PHASE_FORWARD, 0, 0}, {PHASE_FORWARD, 512, 0}, {OUT, 512, 0}, {PHASE_NORM, 512, 0},
        {PHASE_NORM, 512, 256}, {PHASE_NORM, 512, 0}, {OUT, 512, 0}, {OUT, 0, 0},
    };
    ledger_open(LEDGER_REAL, 0);
    void *weights = ledger_alloc(MEMORY_PARAMETERS, "weights", 1024);
    run_rehearsed(step, NULL, NULL); /* is not traced */
    trace_begin();
    run_body(step, NULL);
    assert_int_equal(trace_end(row), COUNT(want));
    run_body(step, NULL);            /* is not traced */
    for (int i = 0; i < COUNT(want); i++) {
        assert_int_equal(row[i].phase, want[i].phase);
        assert_int_equal(row[i].bytes[MEMORY_PARAMETERS], 1024);
        assert_int_equal(row[i].bytes[MEMORY_ACTIVATIONS], want[i].x);
        assert_int_equal(row[i].bytes[MEMORY_WORKSPACE], want[i].g);
        assert_int_equal(total(&row[i]), 1024 + want[i].x + want[i].g);
        assert_true(i == 0 || row[i].time_s >= row[i - 1].time_s);
    }
    ledger_free(weights);
    ledger_close();
}

/* `turns` takes and releases; that of turn `highest` is the largest. */
struct many { int turns, highest; };
static void many_changes(void *ctx)
{
    const struct many *m = ctx;
    for (int i = 0; i < m->turns; i++)
        ledger_release(ledger_take(MEMORY_WORKSPACE, "w", i == m->highest ? 4096 : 256));
}

static void a_long_step_is_thinned_evenly_and_keeps_its_peak(void **state)
{
    (void)state;
    for (int turns = 100; turns < 2000; turns += 211)
        for (int highest = 0; highest < turns; highest += turns / 3) {
            struct many m = {turns, highest};
            ledger_open(LEDGER_REAL, 0);
            run_rehearsed(many_changes, &m, &m);
            trace_begin();
            run_body(many_changes, &m);
            const size_t n = trace_end(row);
            const size_t changes = 1 + 2 * (size_t)turns; /* a row stands for `every` of them */
            size_t every = 1, peak = 0, at = 0;
            while ((changes + every - 1) / every > TRACE_MOST_ROWS)
                every *= 2;
            assert_int_equal(n, (changes + every - 1) / every);
            for (size_t i = 0; i < n; i++)
                if (total(&row[i]) > peak)
                    peak = total(&row[at = i]);
            assert_int_equal(peak, 4096);
            assert_int_equal(at, (1 + 2 * (size_t)highest) / every);
            ledger_close();
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(each_change_is_a_row_with_its_phase, free_arrays),
        cmocka_unit_test_teardown(a_long_step_is_thinned_evenly_and_keeps_its_peak, free_arrays),
    };
    open_strict_device(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
