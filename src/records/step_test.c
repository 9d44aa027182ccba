#include "step_test.h"

#include "../base/quantile.h"
#include "buffer.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { DRAWS = 1000 };

static double mean(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return sum / (double)n;
}

/* Correlation of a step with the next, of logarithms, at most 0.9; 0 where there is none. */
static double correlation(const double *x, size_t n)
{
    double product = 0, square = 0, m = mean(x, n);
    for (size_t i = 0; i < n; i++) {
        square += (x[i] - m) * (x[i] - m);
        product += i ? (x[i] - m) * (x[i - 1] - m) : 0;
    }
    return square > 0 ? fmin(0.9, fmax(0, product / square)) : 0;
}

/* The length that is best for the variance of a mean of an AR(1) series (Politis and White 2004). */
static size_t block_length(double rho, size_t n)
{
    const double b = cbrt(2 * rho * rho / pow(1 - rho * rho, 2) * (double)n);
    return b < 1 ? 1 : b > (double)n / 4 ? n / 4 + 1 : (size_t)ceil(b);
}

static uint64_t next_word(uint64_t *state) /* splitmix64 */
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

struct median { double log_value, variance, blocks; };

static struct median median_of(struct series s)
{
    double *x = memory_get(s.n * sizeof *x), *drawn = memory_get(s.n * sizeof *drawn);
    double *medians = memory_get(DRAWS * sizeof *medians);
    uint64_t random = s.n;
    for (size_t i = 0; i < s.n; i++)
        x[i] = log(s.value[i]);
    const size_t length = block_length(correlation(x, s.n), s.n), starts = s.n - length + 1;
    for (size_t d = 0; d < DRAWS; d++) {
        for (size_t i = 0; i < s.n; i += length) {
            const size_t from = next_word(&random) % starts, n = s.n - i < length ? s.n - i : length;
            memcpy(drawn + i, x + from, n * sizeof *x);
        }
        medians[d] = quantile(drawn, s.n, 0.5);
    }
    struct median m = {.blocks = (double)s.n / (double)length};
    const double centre = mean(medians, DRAWS);
    for (size_t d = 0; d < DRAWS; d++)
        m.variance += (medians[d] - centre) * (medians[d] - centre) / (DRAWS - 1);
    m.log_value = quantile(x, s.n, 0.5);
    free(medians);
    free(drawn);
    free(x);
    return m;
}

/* Of the normal distribution: Abramowitz and Stegun 26.2.23, then three steps of Newton's method. */
static double normal_quantile(double p)
{
    const double t = sqrt(-2 * log(1 - p));
    double x = t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
    for (int i = 0; i < 3; i++) {
        const double tail = 0.5 * erfc(x / sqrt(2)), density = exp(-x * x / 2) / sqrt(2 * M_PI);
        x += (tail - (1 - p)) / density;
    }
    return x;
}

/* Hill, Algorithm 396: Student's t from the normal quantile, in powers of 1/degrees. */
double student_t(double p, double degrees)
{
    const double z = normal_quantile(p), z2 = z * z, v = degrees;
    if (v < 3) /* the series does not converge: exact for 1 and 2, the wider one in between */
        return v < 2 ? tan(M_PI * (p - 0.5)) : 2 * (p - 0.5) * sqrt(2 / (4 * p * (1 - p)));
    return z + z * (z2 + 1) / (4 * v) + z * (5 * z2 * z2 + 16 * z2 + 3) / (96 * v * v) +
           z * (3 * z2 * z2 * z2 + 19 * z2 * z2 + 17 * z2 - 15) / (384 * v * v * v);
}

struct ratio step_time_ratio(struct series a, struct series b, double rerun_spread, double confidence)
{
    if (a.n < 2 || b.n < 2)
        return (struct ratio){NAN, NAN, NAN};
    const struct median x = median_of(a), y = median_of(b);
    const double error = sqrt(x.variance + y.variance + rerun_spread * rerun_spread);
    const double reach = student_t(0.5 + confidence / 2, fmin(x.blocks, y.blocks)) * error;
    const double d = y.log_value - x.log_value;
    return (struct ratio){exp(d), exp(d - reach), exp(d + reach)};
}
