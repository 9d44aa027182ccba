/* test_secure_noise.c - noise of a cryptographic generator, on a grid.  The key of a test is fixed, so a test passes
 * always or never. */
#include "../src/privacy/secure_noise.h"
#include "on_device.h"
#include "statistics.h"

#define N (1L << 20)

static const struct secure_key key = {"dpsweep: a key that is known"};
static const double grid = 0x1p-20;

/* n values of x + std z from the device */
static float *noised(const float *x, long n, double std, double g, uint64_t nonce)
{
    float *sum = ledger_alloc(MEMORY_GRADIENTS, "test", (size_t)n * sizeof *sum), *host = zeros(n);
    device_copy_in(sum, x, (size_t)n * sizeof *sum);
    secure_noise_add(sum, n, std, g, &key, nonce);
    device_copy_out(host, sum, (size_t)n * sizeof *sum);
    ledger_free(sum);
    return host;
}

/* libsodium's stream for key and nonce 0 (draft-agl-tls-chacha20poly1305): 76b8e0ad a0f13d90 405d6ae5 5386bd28 */
static void the_words_are_those_of_chacha20(void **state)
{
    (void)state;
    const struct secure_key zero = {{0}};
    double z[2];
    const uint64_t word[] = {0x903df1a0ade0b876, 0x28bd8653e56a5d40};
    const double u[] = {((double)(word[0] >> 11) + 0.5) / 0x1p53, ((double)(word[1] >> 11) + 0.5) / 0x1p53};
    secure_normals(z, 0, 2, &zero, 0);
    assert_true(fabs(z[0] - sqrt(-2 * log(u[0])) * cos(2 * M_PI * u[1])) < 1e-14);
    assert_true(fabs(z[1] - sqrt(-2 * log(u[0])) * sin(2 * M_PI * u[1])) < 1e-14);
}

static void noise_is_gaussian(void **state)
{
    (void)state;
    float *z = noised(zeros(4 * N), 4 * N, 1.0, grid, 1);
    moments_of_a_gaussian(z, N);
    tails_of_a_gaussian(z, 4 * N);
    distribution_of_a_gaussian(z, N / 4);
    for (int lag = 1; lag <= 8; lag++) uncorrelated("neighbours", z, z + lag, N);
}

static void steps_are_independent(void **state)
{
    (void)state;
    const float *zero = zeros(N);
    uncorrelated("another nonce", noised(zero, N, 1.0, grid, 1), noised(zero, N, 1.0, grid, 2), N);
}

static void new_keys_differ(void **state)
{
    (void)state;
    const struct secure_key a = secure_key_new(), b = secure_key_new();
    assert_memory_not_equal(&a, &b, sizeof a);
}

static void a_result_is_on_the_grid_whatever_the_sum_is(void **state)
{
    (void)state;
    enum { n = 20011 };
    const float *x = numbers(n, 0, 0.7f), *y = noised(x, n, 0.3, grid, 3);
    for (long i = 0; i < n; i++) near("multiple of the grid", i, y[i] / grid, rint(y[i] / grid), 0);
}

/* x + n = rint(x) + rint(n): to shift the sum by multiples of the grid shifts the result, bit by bit. */
static void noise_does_not_depend_on_the_sum(void **state)
{
    (void)state;
    enum { n = 20011 };
    float *x = zeros(n);
    const float *z = noised(x, n, 0.3, grid, 3);
    for (long i = 0; i < n; i++) x[i] = (float)(grid * (double)(next_word() % 1000));
    const float *y = noised(x, n, 0.3, grid, 3);
    for (long i = 0; i < n; i++) near("shifted", i, (double)y[i] - z[i], x[i], 0);
}

/* More than one chunk, no multiple of anything: each element as secure_normals says, nothing beyond the end. */
static void elements_are_those_of_the_stream(void **state)
{
    (void)state;
    const long n = N + 5001;
    const float *x = zeros(n), *y = noised(x, n, 2.0, grid, 9);
    double *z = array((size_t)n, sizeof *z);
    secure_normals(z, 0, n, &key, 9);
    for (long i = 0; i < n; i++) near("element", i, y[i], grid * rint(2.0 * z[i] / grid), 0);
}

static void without_noise_the_sum_is_rounded(void **state)
{
    (void)state;
    const float x[] = {0.1f, -3.0f, 1e-9f, 0.0f}, *y = noised(x, 4, 0.0, grid, 1);
    for (int i = 0; i < 4; i++) near("rounded", i, y[i], grid * rint(x[i] / grid), 0);
}

static void the_grid_is_fine_enough(void **state)
{
    (void)state;
    for (long P = 1; P < 2000000000; P *= 37)
        for (double R = 1e-3; R < 1e3; R *= 7)
            for (double s = 0.3; s < 20; s *= 3) {
                const int sums = s < 1 ? 1 : 8;
                const double g = secure_noise_grid(R, s, P, sums);
                int exponent;
                assert_true(frexp(g, &exponent) == 0.5);
                assert_true(g <= 0x1p-20 * R * fmin(1, s));
                const double sensitivity = secure_noise_sensitivity(R, g, P, sums);
                assert_true(sensitivity > R && sensitivity <= 1.001 * R);
                near("g/2 of each sum, twice", P, sensitivity - R, sums * g * sqrt((double)P), 1e-12 * R);
            }
}

static int open_device(void **state)
{
    (void)state;
    open_strict_device(1);
    ledger_open(LEDGER_REAL, 0);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_words_are_those_of_chacha20),
        TEST(noise_is_gaussian),
        TEST(steps_are_independent),
        TEST(new_keys_differ),
        TEST(a_result_is_on_the_grid_whatever_the_sum_is),
        TEST(noise_does_not_depend_on_the_sum),
        TEST(elements_are_those_of_the_stream),
        TEST(without_noise_the_sum_is_rounded),
        TEST(the_grid_is_fine_enough),
    };
    return cmocka_run_group_tests(tests, open_device, NULL);
}
