/* test_adaptive.c - thresholds that follow a quantile: the formulas, and where they end.
 * Seeds are fixed, so a test passes always or never. */
#include "../src/privacy/adaptive.h"
#include "../src/privacy/noise.h"
#include "arrays.h"
#include "statistics.h"

/* The counts' noise alone has multiplier 2 count_noise/sqrt(L); together with the sum's it is z. */
static void sum_and_counts_together_have_the_stated_multiplier(void **state)
{
    (void)state;
    for (double z = 0.3; z < 20; z *= 3)
        for (int counts = 1; counts < 400; counts *= 7) {
            const struct adaptive a = {0.5, 0.2, adaptive_usual_count_noise(z, counts, 64)};
            const double sum = adaptive_sum_multiplier(&a, z, counts), of_counts = 2 * a.count_noise / sqrt(counts);
            near("joint", counts, 1 / sqrt(1 / (sum * sum) + 1 / (of_counts * of_counts)), z, 1e-12 * z);
            assert_true(sum <= 1.021 * z);
            assert_true(a.count_noise >= 64 / 20.0);
        }
}

static void little_noise_on_the_counts_cannot_be_made_up_for(void **state)
{
    (void)state;
    assert_true(isinf(adaptive_sum_multiplier(&(struct adaptive){0.5, 0.2, 0.5}, 1, 1)));
    assert_true(isfinite(adaptive_sum_multiplier(&(struct adaptive){0.5, 0.2, 0.51}, 1, 1)));
    assert_true(adaptive_sum_multiplier(&(struct adaptive){0.0, 0.2, 0.1}, 1, 1) == 1); /* fixed */
    assert_true(adaptive_sum_multiplier(&(struct adaptive){0.5, 0.2, 0.0}, 0, 1) == 0); /* no privacy */
}

static void a_move_is_that_of_the_paper(void **state)
{
    (void)state;
    const struct adaptive a = {0.3, 0.2, 0.8};
    double R[2] = {2, 3};
    const double unclipped[2] = {7, 0};
    adaptive_move(&a, R, unclipped, (const double[]){0.5, -2}, 2, 10, 8);
    near("more than the quantile", 0, R[0], 2 * exp(-0.2 * (0.5 + (7 - 5.0 + 0.4) / 8 - 0.3)), 1e-7);
    near("none", 1, R[1], 3 * exp(-0.2 * (0.5 + (-5.0 - 1.6) / 8 - 0.3)), 1e-7);
}

/* A noisy count is 2^-20 times a whole number, whatever the count. */
static void noise_of_counts_is_on_a_grid(void **state)
{
    (void)state;
    const struct adaptive a = {0.5, 1.0, 0.7};
    for (double z = -3.3; z < 3.3; z += 0.71) {
        double R = 1.0;
        const double unclipped = 3.0, noise = adaptive_noise_of_count(&a, z), grid = COUNT_GRID;
        assert_true(noise / grid == rint(noise / grid));
        near("noise", 0, noise, 0.7 * z, grid / 2);
        adaptive_move(&a, &R, &unclipped, &z, 1, 5.0, 1.0);
        near("noisy count", 0, -log(R), 3.0 - 2.5 + noise, 1e-14);
    }
}

/* Norms of 100 samples a step are log-normal.  Where the threshold ends, the drift is 0; around that it is a random
 * walk that is pulled back: with learning rate r and a density f of log norms there, a step adds r times noise of
 * variance v = (q(1-q)/B + (noise/B)^2) and pulls by r f, so that the mean of log R over `steps` steps has the variance
 * v/(f^2 steps). */
static void the_threshold_ends_at_its_quantile(void **state)
{
    (void)state;
    enum { B = 100, STEPS = 4000, FIRST = 400 };
    static const double quantile[] = {0.2, 0.5, 0.9}, normal[] = {-0.841621, 0, 1.281552};
    const struct noise_source norms = {.seed = 11}, counts = {.seed = 5};
    for (int k = 0; k < COUNT(quantile); k++) {
        const struct adaptive a = {quantile[k], 0.2, 5};
        double R = 50, mean = 0;
        for (uint32_t step = 0; step < STEPS; step++) {
            double unclipped = 0, norm[B], z;
            noise_numbers(&norms, (struct noise_draw){NOISE_OF_SUM, step, 0}, norm, B);
            noise_numbers(&counts, (struct noise_draw){NOISE_OF_COUNTS, step, 0}, &z, 1);
            for (int i = 0; i < B; i++) unclipped += exp(0.3 + norm[i]) <= R;
            adaptive_move(&a, &R, &unclipped, &z, 1, B, B);
            if (step >= FIRST) mean += log(R) / (STEPS - FIRST);
        }
        const double q = quantile[k], f = exp(-normal[k] * normal[k] / 2) / sqrt(2 * M_PI);
        const double v = q * (1 - q) / B + 25.0 / (B * B);
        const double curvature = 0.01;
        at_most("log threshold", mean - (0.3 + normal[k]), SIGMAS * sqrt(v / (STEPS - FIRST)) / f + curvature);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sum_and_counts_together_have_the_stated_multiplier),
        TEST(little_noise_on_the_counts_cannot_be_made_up_for),
        TEST(a_move_is_that_of_the_paper),
        TEST(noise_of_counts_is_on_a_grid),
        TEST(the_threshold_ends_at_its_quantile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
