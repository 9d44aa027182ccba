/* The noise of groups: the parts of a vector, the variance of each placement, and what must have nothing in common. */
#include "../mpi/group.h"
#include "../src/privacy/noise.h"
#include "../src/trainers/trainer.h"
#include "on_device.h"

enum { N = 40000, RANKS = 4 };

/* Less than one in 10^6 of the numbers of a normal distribution lies beyond so many standard deviations, so less than
 * one in 10^3 of the sets of all comparisons of this file.  Seeds are fixed: what passes does so always. */
#define QUANTILE 4.8916

/* ---- parts ------------------------------------------------------------------------------------------------------- */

static void parts_are_blocks_in_order_and_the_last_is_the_largest(void **state)
{
    (void)state;
    for (int size = 1; size <= 9; size++)
        for (long n = 0; n < 300; n += 7) {
            const struct part last = group_part(n, size - 1, size);
            for (int r = 0; r < size; r++) {
                const struct part part = group_part(n, r, size);
                assert_int_equal(part.begin, r ? group_part(n, r - 1, size).end : 0);
                assert_int_equal(part.begin % 4, 0);
                assert_true(part.end >= part.begin && part.end - part.begin <= last.end - last.begin);
            }
            assert_int_equal(last.end, n);
        }
}

static void physical_batches_are_full_and_then_powers_of_two(void **state)
{
    (void)state;
    for (int most = 1; most <= 9; most++)
        for (int n = 0; n <= 40; n++) {
            int left = n, before = most;
            while (left) {
                const int size = trainer_physical_size(left, most);
                assert_true(size == most || (size < before + (before == most) && (size & (size - 1)) == 0));
                assert_true(size == most || left < most);
                before = size;
                left -= size;
            }
            assert_int_equal(trainer_physical_size(0, most), 0);
        }
}

/* ---- noise ------------------------------------------------------------------------------------------------------- */

/* Both generators; the second adds on a grid. */
static const struct noise_source sources[] = {
    {.generator = NOISE_PHILOX, .seed = 5},
    {.generator = NOISE_CHACHA20, .key = {{1, 2, 3}}},
};
static const double grid = 0x1p-20;

static float *noise(const struct noise_source *source, struct noise_draw draw, double std)
{
    float *x = send(zeros(N), N);
    noise_add(source, draw, x, 0, N, std, grid);
    return fetch(x, N);
}

static double product(const float *a, const float *b, long n)
{
    double sum = 0;
    for (long i = 0; i < n; i++) sum += (double)a[i] * b[i];
    return sum / (double)n;
}

/* The mean product of n pairs of independent standard normals has a standard deviation of 1/sqrt(n). */
static void assert_uncorrelated(const float *a, const float *b, long n)
{
    const double correlation = product(a, b, n) / sqrt(product(a, a, n) * product(b, b, n));
    assert_true(fabs(correlation) < QUANTILE / sqrt((double)n));
}

static void assert_variance(const float *x, double variance)
{
    assert_true(fabs(product(x, x, N) / variance - 1) < QUANTILE * sqrt(2.0 / N));
}

static void noise_of_steps_ranks_and_placements_has_nothing_in_common(void **state)
{
    (void)state;
    for (int s = 0; s < COUNT(sources); s++) {
        const float *of[2 + 2 * RANKS];
        int n = 0;
        for (uint32_t step = 0; step < 2; step++) {
            of[n++] = noise(&sources[s], (struct noise_draw){NOISE_OF_SUM, step, 0}, 1);
            for (uint32_t rank = 0; rank < RANKS; rank++)
                of[n++] = noise(&sources[s], (struct noise_draw){NOISE_OF_SHARE, step, rank}, 1);
        }
        for (int i = 0; i < n; i++)
            for (int k = 0; k < i; k++) assert_uncorrelated(of[i], of[k], N);
    }
}

static void noise_of_tensors_has_nothing_in_common(void **state)
{
    (void)state;
    for (int s = 0; s < COUNT(sources); s++) {
        const float *x = noise(&sources[s], (struct noise_draw){NOISE_OF_SUM, 0, 0}, 1);
        for (int shift = 1; shift <= 8; shift++) assert_uncorrelated(x, x + shift, N - shift);
        for (int k = 1; k < 8; k++) assert_uncorrelated(x, x + k * N / 8, N / 8);
    }
}

static void shares_add_up_to_the_stated_variance(void **state)
{
    (void)state;
    const double std = 0.7;
    for (int s = 0; s < COUNT(sources); s++) {
        float *sum = zeros(N);
        for (uint32_t rank = 0; rank < RANKS; rank++) {
            const float *share = noise(&sources[s], (struct noise_draw){NOISE_OF_SHARE, 0, rank}, std / sqrt(RANKS));
            assert_variance(share, std * std / RANKS);
            for (int i = 0; i < N; i++) sum[i] += share[i];
        }
        assert_variance(sum, std * std);
    }
}

/* n elements, drawn part by part as ranks do */
static float *noise_in_parts(const struct noise_source *source, long n)
{
    float *x = send(zeros(n), n);
    for (int rank = 0; rank < RANKS; rank++) {
        const struct part own = group_part(n, rank, RANKS);
        noise_add(source, (struct noise_draw){NOISE_OF_SUM, 2, (uint32_t)rank}, x + own.begin, own.begin,
            own.end - own.begin, 0.7, grid);
    }
    return fetch(x, n);
}

static void philox_draws_in_parts_what_it_draws_for_the_whole(void **state)
{
    (void)state;
    const long n = N - 3;
    float *whole = send(zeros(n), n);
    noise_add(&sources[0], (struct noise_draw){NOISE_OF_SUM, 2, 0}, whole, 0, n, 0.7, grid);
    same("noise", noise_in_parts(&sources[0], n), fetch(whole, n), n);
}

static void parts_by_any_generator_have_nothing_in_common(void **state)
{
    (void)state;
    for (int s = 0; s < COUNT(sources); s++) {
        const float *x = noise_in_parts(&sources[s], N);
        assert_variance(x, 0.7 * 0.7);
        for (int k = 1; k < RANKS; k++) assert_uncorrelated(x, x + k * N / RANKS, N / RANKS);
    }
}

static int begin(void **state)
{
    (void)state;
    ledger_open(LEDGER_REAL, 0);
    return 0;
}

static int end(void **state)
{
    drop_all();
    ledger_close();
    return free_arrays(state);
}

#define CLOSED(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    open_strict_device(1);
    const struct CMUnitTest tests[] = {
        CLOSED(parts_are_blocks_in_order_and_the_last_is_the_largest),
        CLOSED(physical_batches_are_full_and_then_powers_of_two),
        CLOSED(noise_of_steps_ranks_and_placements_has_nothing_in_common),
        CLOSED(noise_of_tensors_has_nothing_in_common),
        CLOSED(shares_add_up_to_the_stated_variance),
        CLOSED(philox_draws_in_parts_what_it_draws_for_the_whole),
        CLOSED(parts_by_any_generator_have_nothing_in_common),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    device_close();
    return failed;
}
