#include "noise.h"

#include "../device/device.h"
#include "poisson.h"

#include <math.h>

struct philox_stream noise_stream(uint64_t seed, uint32_t step)
{
    return (struct philox_stream){.seed = seed, .stream = STREAM_OF(NOISE, 0), .step = step};
}

struct philox_stream count_noise_stream(uint64_t seed, uint32_t step)
{
    return (struct philox_stream){.seed = seed, .stream = STREAM_OF(NOISE, 1), .step = step};
}

double noise_number(struct philox_stream stream, long i)
{
    return sqrt(-2.0 * log(philox_uniform(&stream, 2 * i))) * cos(2.0 * M_PI * philox_uniform(&stream, 2 * i + 1));
}

struct philox_stream noise_share_stream(uint64_t seed, uint32_t step, uint32_t rank)
{
    return (struct philox_stream){.seed = seed, .stream = STREAM_OF(NOISE_SHARE, 0), .step = step, .rank = rank};
}

void noise_add(float *sum, long first, long n, double std, struct philox_stream stream)
{
    if (std > 0.0 && n > 0)
        KERNEL(noise_add, sum, (float)std, stream, first, n);
}
