/* test_random.c - Philox, normals, dropout and sign projections.
 *
 * Seeds are fixed, so a test passes always or never. */
#include "../kernels/kernels.h"
#include "../kernels/kmath.h"

#include "statistics.h"
#if __has_include(<Random123/philox.h>)
#include <Random123/philox.h>
#define HAVE_RANDOM123 1
#endif

#define N      (1L << 20)

static const struct philox_stream noise = {.seed = 0x0123456789abcdef, .stream = STREAM_NOISE, .step = 3};
static const struct philox_stream signs = {.seed = 42, .stream = STREAM_PROJECTION};

/* The stream whose counter is c and whose key is k. */
static struct philox_stream stream_of(const uint32_t c[4], const uint32_t k[2])
{
    return (struct philox_stream){.seed = (uint64_t)k[1] << 32 | k[0], .stream = c[1], .step = c[2], .rank = c[3]};
}

/* n standard normals of a stream from element `first` on; the caller frees */
static float *normals(struct philox_stream s, long first, long n)
{
    float *z = calloc((size_t)n, sizeof *z);
    assert_int_equal(k_noise_add(NULL, z, 1.0f, s, first, n), 0);
    return z;
}

/* ---- words ---------------------------------------------------------------------------------------------------- */

/* kat_vectors of Random123 1.14, lines "philox4x32 10": counter, key, result */
static void philox_gives_the_known_answers(void **state)
{
    (void)state;
    static const uint32_t kat[][10] = {
        {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
        {~0u, ~0u, ~0u, ~0u, ~0u, ~0u, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09, 0x94fdcceb, 0x5001e420,
         0x24126ea1},
    };
    for (size_t i = 0; i < sizeof kat / sizeof *kat; i++) {
        uint32_t word[4];
        k_philox(stream_of(kat[i], kat[i] + 4), kat[i][0], word);
        assert_memory_equal(word, kat[i] + 6, sizeof word);
    }
}

static void philox_agrees_with_random123(void **state)
{
    (void)state;
#ifdef HAVE_RANDOM123
    uint32_t c[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    for (int i = 0; i < 100000; i++) {
        const philox4x32_ctr_t counter = {{c[0], c[1], c[2], c[3]}};
        const philox4x32_key_t key = {{c[4], c[5]}};
        const philox4x32_ctr_t want = philox4x32(counter, key);
        uint32_t word[4];
        k_philox(stream_of(c, c + 4), c[0], word);
        assert_memory_equal(word, want.v, sizeof word);
        memmove(c + 4, c, 16); /* the next counter and key are results */
        memcpy(c, word, 16);
    }
#else
    print_message("librandom123-dev is not installed: known answers only\n");
    skip();
#endif
}

/* ---- elementary functions ------------------------------------------------------------------------------------- */

static double error_ulp(float got, double want)
{
    const float f = fabsf((float)want);
    return fabs((double)got - want) / (double)(nextafterf(f, INFINITY) - f);
}

static void exp_log_cos_and_sin_keep_their_error_bounds(void **state)
{
    (void)state;
    double exp_ulp = 0, log_ulp = 0, turn = 0;
    for (float x = -87.2f; x < 88.2f; x += 0.000173f) exp_ulp = max_of(exp_ulp, error_ulp(k_exp(x), exp(x)));
    for (uint32_t u = 0x2f000000u; u < 0x7f000000u; u += 1009) {
        const float x = k_bits_float(u);
        if (fabs(log(x)) > 1e-3) log_ulp = max_of(log_ulp, error_ulp(k_log(x), log(x)));
    }
    for (uint64_t u = 0; u < 1ull << 32; u += 4099) {
        const double angle = (double)u * (2 * M_PI / 4294967296.0);
        float c, s;
        k_cos_sin_turn((uint32_t)u, &c, &s);
        turn = max_of(turn, max_of(fabs(c - cos(angle)), fabs(s - sin(angle))));
    }
    at_most("exp, ulp", exp_ulp, 1.1);
    at_most("log, ulp", log_ulp, 0.9);
    at_most("cos and sin", turn, 1.2e-7);
    assert_true(k_exp(-INFINITY) == 0.0f && k_exp(INFINITY) > 1e38f && isnan(k_exp(NAN)));
}

/* ---- normals -------------------------------------------------------------------------------------------------- */

/* Box-Muller in double from the words and the same uniform: what remains is the error of log, sqrt, cos and sin. */
static void normals_are_box_muller_of_the_words(void **state)
{
    (void)state;
    const long first = 1000, n = 40000;
    float *z = normals(noise, first, n);
    for (long i = 0; i < n; i++) {
        uint32_t w[4];
        k_philox(noise, (uint32_t)((first + i) / 4), w);
        const uint32_t *pair = w + ((first + i) & 2);
        const double u = fmaf((float)pair[0], 2.32830644e-10f, 1.16415322e-10f);
        const double radius = sqrt(-2 * log(u)), angle = pair[1] * (2 * M_PI / 4294967296.0);
        at_most("normal", z[i] - radius * ((first + i) & 1 ? sin(angle) : cos(angle)), radius * 2.5e-7 + 1e-7);
    }
    free(z);
}

static void normals_are_gaussian(void **state)
{
    (void)state;
    float *z = normals(noise, 0, 4 * N);
    moments_of_a_gaussian(z, N);
    tails_of_a_gaussian(z, 4 * N);
    distribution_of_a_gaussian(z + 7, N / 4);
    free(z);
}

static void seeds_streams_steps_and_ranks_are_independent(void **state)
{
    (void)state;
    const struct { const char *what; struct philox_stream s; } others[] = {
        {"next step", {noise.seed, noise.stream, noise.step + 1, 0}},
        {"another stream", {noise.seed, STREAM_NOISE_SHARE, noise.step, 0}},
        {"the stream of another tensor", {noise.seed, STREAM_OF(NOISE, 1), noise.step, 0}},
        {"another rank", {noise.seed, noise.stream, noise.step, 1}},
        {"next seed", {noise.seed + 1, noise.stream, noise.step, 0}},
        {"high half of the seed", {noise.seed + (1ull << 32), noise.stream, noise.step, 0}},
    };
    float *z = normals(noise, 0, N);
    for (size_t k = 0; k < sizeof others / sizeof *others; k++) {
        float *y = normals(others[k].s, 0, N);
        uncorrelated(others[k].what, z, y, N);
        free(y);
    }
    free(z);
}

static void neighbours_are_independent(void **state)
{
    (void)state;
    float *z = normals(noise, 0, N + 8);
    for (int lag = 1; lag <= 8; lag++) uncorrelated("neighbours", z, z + lag, N);
    free(z);
}

/* ---- splits --------------------------------------------------------------------------------------------------- */

static void any_split_of_a_vector_gives_the_same_noise(void **state)
{
    (void)state;
    enum { n = 70001 };
    static const long sizes[] = {1, 2, 3, 5, 4, 1003, 0, 1024, 33000, 7};
    for (long first = 0; first < 8; first++) {
        float *whole = normals(noise, first, n), *parts = calloc(n, sizeof *parts);
        for (long i = 0, k = 0, step; i < n; i += step, k++) {
            step = sizes[k % 10] < n - i ? sizes[k % 10] : n - i;
            k_noise_add(NULL, parts + i, 1.0f, noise, first + i, step);
        }
        assert_memory_equal(whole, parts, n * sizeof *parts);
        free(whole);
        free(parts);
    }
}

static void single_elements_give_the_same_noise(void **state)
{
    (void)state;
    enum { n = 2051 };
    float *whole = normals(noise, 1, n), *parts = calloc(n, sizeof *parts);
    for (long i = 0; i < n; i++) k_noise_add(NULL, parts + i, 1.0f, noise, 1 + i, 1);
    assert_memory_equal(whole, parts, n * sizeof *parts);
    free(whole);
    free(parts);
}

static void noise_is_scaled_added_and_stays_in_bounds(void **state)
{
    (void)state;
    enum { n = 1003 };
    float *z = normals(noise, 5, n), x[n + 2];
    for (long i = 0; i < n + 2; i++) x[i] = (float)i;
    assert_int_equal(k_noise_add(NULL, x + 1, 0.5f, noise, 5, n), 0);
    for (long i = 0; i < n; i++) at_most("x + std z", x[i + 1] - (i + 1 + 0.5 * z[i]), 0x1p-24 * (i + 5));
    assert_true(x[0] == 0 && x[n + 1] == n + 1);
    assert_int_equal(k_noise_add(NULL, x, 1.0f, noise, 5, 0), 0);
    assert_true(x[0] == 0);
    free(z);
}

static void elements_past_the_counter_are_refused(void **state)
{
    (void)state;
    float x[4] = {0}, part[8];
    assert_int_equal(k_noise_add(NULL, x, 1.0f, noise, (4L << 32) - 4, 4), 0);
    assert_true(x[3] != 0);
    assert_int_not_equal(k_noise_add(NULL, x, 1.0f, noise, (4L << 32) - 3, 4), 0);
    assert_int_not_equal(k_project(NULL, x, signs, (4L << 32) - 3, part, 4), 0);
    assert_int_not_equal(k_project_noise(NULL, noise, signs, (4L << 32) - 3, part, 4), 0);
}

/* Weights, two moments and a sum of n numbers; the second moment is not negative. */
struct state { float *w, *m, *v, *g; };
static struct state state_of(long n)
{
    struct state s = {normals(signs, 0, n), normals(signs, n, n), normals(signs, 2 * n, n), normals(signs, 3 * n, n)};
    for (long i = 0; i < n; i++) s.v[i] *= s.v[i];
    return s;
}

static void free_state(struct state s)
{
    free(s.w);
    free(s.m);
    free(s.v);
    free(s.g);
}

static void update(struct state s, float std, long first, long n, int *status)
{
    status[0] = k_sgd(NULL, s.w, s.m, s.g, 0.1f, 0.9f, 0.25f, std, noise, first, n);
    status[1] = k_adamw(NULL, s.w, s.m, s.v, s.g, 0.01f, 0.9f, 0.99f, 1e-8f, 0.1f, 0.25f, 3, std, noise, first, n);
}

static void updates_draw_the_noise_that_would_be_added_before(void **unused)
{
    (void)unused;
    static const long sizes[] = {0, 1, 1003, 1024, 100003}; /* the last one is shared by threads */
    for (int i = 0; i < 10; i++) {
        const long n = sizes[i / 2], first = i % 2 ? 4096 : 0;
        const size_t bytes = (size_t)n * sizeof(float);
        struct state drawn = state_of(n), added = state_of(n), before = state_of(n);
        int status[2];
        k_noise_add(NULL, added.g, 0.3f, noise, first, n);
        update(added, 0, 0, n, status);
        update(drawn, 0.3f, first, n, status);
        assert_true(status[0] == 0 && status[1] == 0);
        assert_memory_equal(drawn.w, added.w, bytes);
        assert_memory_equal(drawn.m, added.m, bytes);
        assert_memory_equal(drawn.v, added.v, bytes);
        assert_memory_equal(drawn.g, before.g, bytes);
        update(drawn, 0.3f, first + 2, n, status); /* not at the beginning of a block */
        assert_true(status[0] != 0 && status[1] != 0);
        free_state(before);
        free_state(added);
        free_state(drawn);
    }
}

/* ---- dropout ---------------------------------------------------------------------------------------------------- */

/* From any first element, whole and in place, an element follows its own word. */
static void dropout_drops_the_elements_of_small_words(void **state)
{
    (void)state;
    enum { n = 5003 };
    const float p = 0.25f;
    for (long first = 0; first < 8; first++) {
        float *x = normals(noise, 0, n), y[n];
        assert_int_equal(k_dropout(NULL, x, y, signs, p, first, n), 0);
        for (long i = 0; i < n; i++) {
            uint32_t word[4];
            k_philox(signs, (uint32_t)((first + i) / 4), word);
            const double want = word[(first + i) % 4] < 1u << 30 ? 0 : x[i] / (1 - (double)p);
            at_most("dropout", y[i] - want, 0x1p-23 * fabs(want)); /* two roundings: of 1/(1-p) and of the product */
        }
        assert_int_equal(k_dropout(NULL, x, x, signs, p, first, n), 0);
        assert_memory_equal(x, y, sizeof y);
        assert_int_equal(k_dropout(NULL, x, x, signs, p, first, 0), 0);
        assert_memory_equal(x, y, sizeof y);
        free(x);
    }
}

/* ---- sign projections ----------------------------------------------------------------------------------------- */

static int sign(long element, int k)
{
    uint32_t word[4];
    k_philox(signs, (uint32_t)(element / 4), word);
    return word[element % 4] >> k & 1 ? -1 : 1;
}

/* A chunk's sum has at most (elements) roundings: error <= elements 2^-24 sum |x|. */
static void projections_are_sums_of_signed_elements(void **state)
{
    (void)state;
    static const long firsts[] = {0, 3, 1022}, sizes[] = {0, 1, 5, 1003, 2 * SQNORM_CHUNK + 5};
    float *x = normals(noise, 0, 3 * SQNORM_CHUNK), part[3 * 8];
    for (int f = 0; f < 3; f++) {
        for (int z = 0; z < 5; z++) {
            assert_int_equal(k_project(NULL, x, signs, firsts[f], part, sizes[z]), 0);
            for (long c = 0; c * SQNORM_CHUNK < sizes[z]; c++) {
                double want[8] = {0}, magnitude = 0;
                const long end = sizes[z] < (c + 1) * SQNORM_CHUNK ? sizes[z] : (c + 1) * SQNORM_CHUNK;
                for (long i = c * SQNORM_CHUNK; i < end; i++) {
                    for (int k = 0; k < 8; k++) want[k] += sign(firsts[f] + i, k) * (double)x[i];
                    magnitude += fabs(x[i]);
                }
                for (int k = 0; k < 8; k++)
                    at_most("projection", part[8 * c + k] - want[k], SQNORM_CHUNK * 0x1p-24 * magnitude);
            }
        }
    }
    free(x);
}

/* Sums of n independent signs have standard deviation sqrt(n); so have their pairwise products. */
static void signs_are_balanced_and_pairwise_independent(void **state)
{
    (void)state;
    const long n = N / 4;
    double sum[8][8] = {{0}};
    for (long i = 0; i < n; i++) {
        uint32_t word[4];
        k_philox(signs, (uint32_t)(i / 4), word);
        for (int k = 0; k < 8; k++)
            for (int l = k; l < 8; l++)
                sum[k][l] += ((word[i % 4] >> k ^ (k == l ? 0 : word[i % 4] >> l)) & 1) ? -1 : 1;
    }
    for (int k = 0; k < 8; k++)
        for (int l = k; l < 8; l++)
            at_most(k == l ? "sum of signs" : "sum of products of signs", sum[k][l], SIGMAS * sqrt((double)n));
}

static void projected_noise_is_the_projection_of_the_noise(void **state)
{
    (void)state;
    enum { n = 2 * SQNORM_CHUNK + 77, first = 9 };
    float a[3 * 8], b[3 * 8], *z = normals(noise, first, n);
    assert_int_equal(k_project_noise(NULL, noise, signs, first, a, n), 0);
    assert_int_equal(k_project(NULL, z, signs, first, b, n), 0);
    assert_memory_equal(a, b, sizeof a);
    free(z);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_known_answers),
        cmocka_unit_test(philox_agrees_with_random123),
        cmocka_unit_test(exp_log_cos_and_sin_keep_their_error_bounds),
        cmocka_unit_test(normals_are_box_muller_of_the_words),
        cmocka_unit_test(normals_are_gaussian),
        cmocka_unit_test(seeds_streams_steps_and_ranks_are_independent),
        cmocka_unit_test(neighbours_are_independent),
        cmocka_unit_test(any_split_of_a_vector_gives_the_same_noise),
        cmocka_unit_test(single_elements_give_the_same_noise),
        cmocka_unit_test(noise_is_scaled_added_and_stays_in_bounds),
        cmocka_unit_test(elements_past_the_counter_are_refused),
        cmocka_unit_test(updates_draw_the_noise_that_would_be_added_before),
        cmocka_unit_test(dropout_drops_the_elements_of_small_words),
        cmocka_unit_test(projections_are_sums_of_signed_elements),
        cmocka_unit_test(signs_are_balanced_and_pairwise_independent),
        cmocka_unit_test(projected_noise_is_the_projection_of_the_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
