/* test_rates.c - what is known of any device: more work takes longer, nothing is faster than its peak. */
#include "../src/device/rates.h"
#include "on_device.h"

static const struct peaks cpu = {false, 1e11, 1e10}, gpu = {true, 5e13, 2e12};

static void no_product_is_faster_than_the_peak(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        const struct peaks *peaks = i ? &gpu : &cpu;
        struct rates r;
        rates_guess(&r, peaks);
        for (long size = 1; size < 5000; size = 3 * size + 1) {
            const struct product p = {GEMM_TN, size, 7, 3 * size, 5}, more = {GEMM_TN, size, 8, 3 * size, 5};
            const double flops = 2.0 * 5 * (double)size * 7 * 3 * (double)size;
            assert_true(rates_product_s(&r, &p) * peaks->flops_per_s > flops);
            assert_true(rates_product_s(&r, &more) > rates_product_s(&r, &p));
        }
    }
}

static void a_product_takes_the_sum_of_its_terms(void **state)
{
    (void)state;
    struct rates r = {.product_s[GEMM_NN] = {[PRODUCT_CALL] = 5, [PRODUCT_K] = 10, [PRODUCT_PROBLEM] = 100,
        [PRODUCT_MN] = 1e3, [PRODUCT_MK] = 1e5, [PRODUCT_NK] = 1e7, [PRODUCT_MNK] = 1e9}};
    const struct product one = {GEMM_NN, 3, 2, 1, 1}, three = {GEMM_NN, 3, 2, 1, 3};
    assert_float_equal(rates_product_s(&r, &one), 5 + 10 + 100 + 6e3 + 3e5 + 2e7 + 6e9, 1e-3);
    assert_float_equal(rates_product_s(&r, &three), 5 + 10 + 3 * (100 + 6e3 + 3e5 + 2e7 + 6e9), 1e-3);
}

static void a_kernel_has_its_own_rate_or_that_of_all_others(void **state)
{
    (void)state;
    struct rates r = {.kernel = {{"", {1, 0.1, 0, 0}}, {"softmax_fwd", {2, 0.2, 0, 0}}}, .n_kernels = 2};
    assert_float_equal(rates_kernel_s(&r, "softmax_fwd", 10), 4, 1e-12);
    assert_float_equal(rates_kernel_s(&r, "softmax_bwd", 10), 2, 1e-12);
    const struct call kernel = {.name = "softmax_fwd", .bytes = 20};
    assert_float_equal(rates_call_s(&r, &kernel), 6, 1e-12);
}

static void bytes_that_no_cache_holds_cost_more(void **state)
{
    (void)state;
    struct rates r = {.kernel = {{"", {0, 1, 10, 100}}}, .n_kernels = 1};
    const double mib = 0x1p20;
    assert_float_equal(rates_kernel_s(&r, "", mib), mib, 0);
    assert_float_equal(rates_kernel_s(&r, "", 16 * mib), (16 + 150) * mib, 0);
    assert_float_equal(rates_kernel_s(&r, "", 20 * mib), (20 + 190 + 400) * mib, 0);
}

static void there_are_rates_before_any_are_measured(void **state)
{
    (void)state;
    const struct product p = {GEMM_NT, 100, 100, 100, 1};
    assert_true(rates_product_s(rates_now(), &p) > 0);
    assert_int_equal(rates_now()->threads, 1);
    struct rates mine = *rates_now();
    mine.product_s[GEMM_NT][PRODUCT_CALL] += 1;
    const double before_s = rates_product_s(rates_now(), &p);
    rates_use(&mine);
    assert_float_equal(rates_product_s(rates_now(), &p), before_s + 1, 1e-9);
}

int main(void)
{
    open_strict_device(1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_product_is_faster_than_the_peak),
        cmocka_unit_test(a_product_takes_the_sum_of_its_terms),
        cmocka_unit_test(a_kernel_has_its_own_rate_or_that_of_all_others),
        cmocka_unit_test(bytes_that_no_cache_holds_cost_more),
        cmocka_unit_test(there_are_rates_before_any_are_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
