/* noise.h - the Gaussian mechanism: sum + std z, z ~ N(0, I), z a function of (seed, step, element) alone, or of the
 * rank as well where every rank of a group adds a share. */
#ifndef NOISE_H
#define NOISE_H
#include "../../kernels/kernels.h"

struct philox_stream noise_stream(uint64_t seed, uint32_t step);
struct philox_stream noise_share_stream(uint64_t seed, uint32_t step, uint32_t rank);
struct philox_stream count_noise_stream(uint64_t seed, uint32_t step); /* of adaptive clipping's counts */
double noise_number(struct philox_stream, long i); /* the i-th normal of a stream for a few numbers of the host */
/* sum (n) += std z, where sum[0] is element `first` of the vector */
void noise_add(float *sum, long first, long n, double std, struct philox_stream);
#endif
