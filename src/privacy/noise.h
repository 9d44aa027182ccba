/* noise.h - the Gaussian mechanism: sum + std z, z ~ N(0, I), z a function of (seed, step, element) alone. */
#ifndef NOISE_H
#define NOISE_H
#include "../../kernels/kernels.h"

struct philox_stream noise_stream(uint64_t seed, uint32_t step);
/* sum (P) += std z */
void noise_add(float *sum, long P, double std, struct philox_stream);
#endif
