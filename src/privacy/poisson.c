#include "poisson.h"

#include "../base/check.h"
#include "../device/device.h"

#include <math.h>

double philox_uniform(const void *stream, long i)
{
    uint32_t word[4];
    k_philox(*(const struct philox_stream *)stream, (uint32_t)(i / 2), word);
    const uint64_t bits = (uint64_t)word[i % 2 * 2] << 32 | word[i % 2 * 2 + 1];
    return ((double)(bits >> 11) + 0.5) * 0x1p-53;
}

long poisson_draw(uniform_at *uniform, const void *stream, double q, long n, long *record, long capacity)
{
    CHECK(q > 0.0 && q <= 1.0);
    const double log_rest = log1p(-q); /* -inf for q = 1: gaps of 0 */
    long drawn = 0;
    for (double at = floor(log(uniform(stream, 0)) / log_rest); at < (double)n;
         at += 1.0 + floor(log(uniform(stream, drawn)) / log_rest)) {
        if (drawn < capacity)
            record[drawn] = (long)at;
        drawn++;
    }
    return drawn;
}

double poisson_tail(double q, long n, long c)
{
    const double N = (double)n, k = (double)c + 1.0;
    if (c >= n)
        return 0.0;
    if (k <= N * q)
        return 1.0;
    const double rest = k < N ? (N - k) * (log1p(-k / N) - log1p(-q)) : 0.0;
    return exp(-(k * log(k / (N * q)) + rest));
}

long poisson_capacity(double q, long n, double tail)
{
    long below = -1, enough = n;
    while (enough - below > 1) {
        const long middle = below + (enough - below) / 2;
        if (poisson_tail(q, n, middle) <= tail)
            enough = middle;
        else
            below = middle;
    }
    return enough;
}

long poisson_usual_capacity(long mean)
{
    const long n = 1L << 31;
    return poisson_capacity((double)mean / (double)n, n, 1e-18);
}
