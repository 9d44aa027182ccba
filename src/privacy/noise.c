#include "noise.h"

#include "../device/device.h"

struct philox_stream noise_stream(uint64_t seed, uint32_t step)
{
    return (struct philox_stream){.seed = seed, .stream = STREAM_OF(NOISE, 0), .step = step};
}

void noise_add(float *sum, long P, double std, struct philox_stream stream)
{
    if (std > 0.0)
        KERNEL(noise_add, sum, (float)std, stream, 0, P);
}
