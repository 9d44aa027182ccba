/* statistics.h - for tests of random numbers: what independent standard normals look like.
 *
 * Limits are SIGMAS standard deviations of a statistic's own sampling error, which a correct generator exceeds once in
 * 150000 seeds. */
#ifndef STATISTICS_H
#define STATISTICS_H
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define SIGMAS 4.5

static inline void at_most(const char *what, double value, double limit)
{
    if (!(fabs(value) <= limit)) fail_msg("%s: %.4g is beyond %.4g", what, value, limit);
}

static inline double max_of(double a, double b) { return a > b ? a : b; }

/* The variance of the mean of z^k is (E z^2k - (E z^k)^2) / n. */
static inline void moments_of_a_gaussian(const float *z, long n)
{
    double m[5] = {0};
    for (long i = 0; i < n; i++)
        for (int k = 1; k <= 4; k++) m[k] += pow(z[i], k) / (double)n;
    at_most("mean", m[1], SIGMAS * sqrt(1.0 / (double)n));
    at_most("variance", m[2] - 1, SIGMAS * sqrt(2.0 / (double)n));
    at_most("third moment", m[3], SIGMAS * sqrt(15.0 / (double)n));
    at_most("fourth moment", m[4] - 3, SIGMAS * sqrt(96.0 / (double)n));
}

/* Counts beyond t are binomial. */
static inline void tails_of_a_gaussian(const float *z, long n)
{
    for (int t = 1; t <= 4; t++) {
        const double p = erfc(t / sqrt(2)) / 2, expected = (double)n * p;
        long above = 0, below = 0;
        for (long i = 0; i < n; i++) {
            above += z[i] > (float)t;
            below += z[i] < (float)-t;
        }
        at_most("upper tail", (double)above - expected, SIGMAS * sqrt(expected * (1 - p)));
        at_most("lower tail", (double)below - expected, SIGMAS * sqrt(expected * (1 - p)));
    }
}

static inline int ascending_floats(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Kolmogorov-Smirnov: P(sqrt(n) distance > x) < 2 exp(-2 x^2), which at 2.51 is the probability of 4.5 sigma. */
static inline void distribution_of_a_gaussian(const float *z, long n)
{
    float *sorted = malloc((size_t)n * sizeof *sorted);
    double distance = 0;
    assert_non_null(sorted);
    memcpy(sorted, z, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, ascending_floats);
    for (long i = 0; i < n; i++) {
        const double p = erfc(-sorted[i] / sqrt(2)) / 2;
        distance = max_of(distance, max_of(p - (double)i / (double)n, (double)(i + 1) / (double)n - p));
    }
    free(sorted);
    at_most("Kolmogorov-Smirnov distance", distance * sqrt((double)n), 2.51);
}

/* For independent normals the means of a b and (a^2-1)(b^2-1)/2 have standard deviation 1/sqrt(n). */
static inline void uncorrelated(const char *what, const float *a, const float *b, long n)
{
    double product = 0, squares = 0;
    for (long i = 0; i < n; i++) {
        product += (double)a[i] * b[i];
        squares += ((double)a[i] * a[i] - 1) * ((double)b[i] * b[i] - 1) / 2;
    }
    at_most(what, product / (double)n, SIGMAS / sqrt((double)n));
    at_most(what, squares / (double)n, SIGMAS / sqrt((double)n));
}
#endif
