/* arrays.h - numbers for kernel tests, and the comparison with double-precision loops.
 *
 * Each array is its own allocation of exactly its size, so that AddressSanitizer sees an overrun.
 * Limits follow from float rounding, u = 2^-24: a sum of n terms, each of k roundings, is off by at most
 * (n + k) u sum |term|, whatever the order (Higham, Accuracy and Stability of Numerical Algorithms, ch. 4). */
#ifndef ARRAYS_H
#define ARRAYS_H
#include "../kernels/kernels.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define U        0x1p-24
#define COUNT(a) (int)(sizeof(a) / sizeof *(a))

static void *held[4096];
static int n_held;

static inline void *array(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);
    assert_non_null(p);
    assert_true(n_held < COUNT(held));
    return held[n_held++] = p;
}

/* Teardown of every test. */
static inline int free_arrays(void **state)
{
    (void)state;
    while (n_held) free(held[--n_held]);
    return 0;
}

static inline float *zeros(long n) { return array((size_t)n, sizeof(float)); }

static uint64_t random_state = 0x9e3779b97f4a7c15; /* set back, it gives the same numbers again */
static inline uint32_t next_word(void)
{
    random_state = random_state * 6364136223846793005 + 1442695040888963407; /* Knuth's MMIX generator */
    return (uint32_t)(random_state >> 32);
}

/* n numbers in centre +- spread */
static inline float *numbers(long n, float centre, float spread)
{
    float *x = zeros(n);
    for (long i = 0; i < n; i++) x[i] = centre + spread * ((float)next_word() * 0x1p-31f - 1.0f);
    return x;
}

static inline float *copy(const float *x, long n)
{
    return memcpy(zeros(n), x, (size_t)n * sizeof *x);
}

static inline void near(const char *what, long i, double got, double want, double limit)
{
    if (!(fabs(got - want) <= limit))
        fail_msg("%s[%ld] is %.9g, should be %.9g +- %.2g", what, i, got, want, limit);
}

static inline void same(const char *what, const float *a, const float *b, long n)
{
    for (long i = 0; i < n; i++)
        if (memcmp(a + i, b + i, sizeof *a)) fail_msg("%s[%ld]: %.9g and %.9g differ", what, i, a[i], b[i]);
}

#define TEST(f) cmocka_unit_test_teardown(f, free_arrays)
#endif
