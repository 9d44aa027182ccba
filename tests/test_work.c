/* test_work.c - calls are counted where they are made, equal ones together. */
#include "../src/device/work.h"
#include "on_device.h"

static const struct call *call_at(size_t i, size_t of)
{
    size_t n;
    const struct call *call = work_calls(&n);
    assert_int_equal(n, of);
    return &call[i];
}

static void equal_calls_count_together(void **state)
{
    (void)state;
    work_reset();
    for (int i = 0; i < 3; i++) {
        PHASE(FORWARD) work_add("a", 3);
        PHASE(FORWARD) work_add("b", 3);
        PHASE(NORM) work_add("a", 3);
    }
    work_add("a", 4);
    assert_int_equal(call_at(0, 4)->count, 3);
    assert_int_equal(call_at(2, 4)->phase, PHASE_NORM);
    assert_int_equal(call_at(3, 4)->count, 1);
    assert_int_equal(call_at(3, 4)->phase, N_PHASES);
}

static void products_differ_by_shape_though_their_work_is_equal(void **state)
{
    (void)state;
    work_reset();
    for (int i = 0; i < 2; i++) {
        work_add_product((struct product){GEMM_NT, 2, 3, 4, 5}, 6);
        work_add_product((struct product){GEMM_NT, 3, 2, 4, 5}, 6);
        work_add_product((struct product){GEMM_NN, 2, 3, 4, 5}, 6);
    }
    assert_int_equal(call_at(1, 3)->product.m, 3);
    assert_int_equal(call_at(2, 3)->product.op, GEMM_NN);
    assert_int_equal(call_at(2, 3)->count, 2);
    assert_float_equal(work_flops(), 3 * 2 * (2 * 2 * 3 * 4 * 5), 0);
    work_reset();
    assert_float_equal(work_flops(), 0, 0);
}

static void what_is_set_apart_is_in_no_phase(void **state)
{
    (void)state;
    work_reset();
    work_set_apart(true);
    PHASE(CLIP) work_add("a", 1);
    work_set_apart(false);
    PHASE(CLIP) work_add("a", 1);
    assert_int_equal(call_at(0, 2)->phase, N_PHASES);
    assert_int_equal(call_at(1, 2)->phase, PHASE_CLIP);
}

static void one_turn_counts_for_all_where_nothing_is_computed(void **state)
{
    (void)state;
    ledger_open(LEDGER_DRY, 0);
    work_reset();
    const int outer = work_turns_begin(3), inner = work_turns_begin(5);
    assert_true(outer == 1 && inner == 1);
    work_add("a", 1);
    work_turns_end(5);
    work_add("b", 1);
    work_turns_end(3);
    assert_int_equal(work_turns_begin(0), 0);
    work_turns_end(0);
    work_add("c", 1);
    assert_int_equal(call_at(0, 3)->count, 15);
    assert_int_equal(call_at(1, 3)->count, 3);
    assert_int_equal(call_at(2, 3)->count, 1);
    ledger_open(LEDGER_REAL, 0);
    assert_int_equal(work_turns_begin(3), 3);
    work_turns_end(3);
    ledger_close();
}

static void calls_are_timed_when_that_is_asked_for(void **state)
{
    (void)state;
    const float zero[1000] = {0};
    ledger_open(LEDGER_REAL, 0);
    float *device = send(zero, 1000);
    work_reset();
    KERNEL(fill, device, 1.0f, 1000);
    assert_true(call_at(0, 1)->s == 0.0);
    work_time(true);
    KERNEL(fill, device, 1.0f, 1000);
    work_time(false);
    const double once_s = call_at(0, 1)->s;
    assert_true(once_s > 0.0);
    KERNEL(fill, device, 1.0f, 1000);
    assert_true(call_at(0, 1)->s == once_s);
    assert_int_equal(call_at(0, 1)->count, 3);
    drop_all();
    ledger_close();
}

static void many_different_calls_are_kept_apart(void **state)
{
    (void)state;
    enum { MANY = 5000 };
    work_reset();
    for (int turn = 0; turn < 2; turn++)
        for (int i = 0; i < MANY; i++) work_add("a", 2.0 * i);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(call_at(i, MANY)->count, 2);
        assert_float_equal(call_at(i, MANY)->bytes, 2.0 * (double)i, 0);
    }
}

/* The same in a rehearsal, dry or not, and in a step: y = x W^T and a kernel. */
enum { M = 3, N = 5, K = 7 };
static float *x, *w, *y;
static void body(void *unused)
{
    (void)unused;
    PHASE(FORWARD) device_gemm(&(struct gemm){.op = GEMM_NT, .m = M, .n = N, .k = K, .a = x, .b = w, .c = y, .add = y});
    PHASE(UPDATE) KERNEL(add, y, w, M * N);
}

static void assert_products_and_kernels(void)
{
    const struct call *gemm = call_at(0, 2), *add = call_at(1, 2);
    assert_string_equal(gemm->name, "gemm");
    assert_float_equal(gemm->flops, 2 * M * N * K, 0);
    assert_float_equal(gemm->bytes, 4 * (M * K + N * K + 2 * M * N), 0);
    assert_string_equal(add->name, "add");
    assert_float_equal(add->bytes, 4 * 3 * M * N, 0);
    assert_int_equal(gemm->count, add->count);
    assert_int_equal(work_live_bytes(PHASE_UPDATE), ledger_live_bytes());
    assert_int_equal(work_live_bytes(PHASE_NOISE), 0);
}

static void products_and_kernels_are_counted_in_steps_as_in_rehearsals(void **state)
{
    (void)state;
    for (int mode = 0; mode < 2; mode++) {
        ledger_open((enum ledger_mode)mode, 0);
        const float zero[N * K] = {0};
        x = send(zero, M * K), w = send(zero, N * K), y = send(zero, M * N);
        work_reset();
        ledger_rehearse_begin();
        run_body(body, NULL);
        ledger_rehearse_end();
        assert_products_and_kernels();
        assert_true(ledger_commit());
        work_reset();
        run_body(body, NULL);
        assert_products_and_kernels();
        ledger_retire();
        drop_all();
        ledger_close();
    }
}

int main(void)
{
    open_strict_device(1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_calls_count_together),
        cmocka_unit_test(products_differ_by_shape_though_their_work_is_equal),
        cmocka_unit_test(what_is_set_apart_is_in_no_phase),
        cmocka_unit_test(one_turn_counts_for_all_where_nothing_is_computed),
        cmocka_unit_test(calls_are_timed_when_that_is_asked_for),
        cmocka_unit_test(many_different_calls_are_kept_apart),
        cmocka_unit_test(products_and_kernels_are_counted_in_steps_as_in_rehearsals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
