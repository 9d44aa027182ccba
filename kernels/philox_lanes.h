/* philox_lanes.h - the Philox words of a stream, one block at a time or a tile of blocks in lanes. */
#ifndef PHILOX_LANES_H
#define PHILOX_LANES_H
#include "kmath.h"
#include "kernels.h"

DEVICE void stream_words(struct philox_stream s, uint32_t block, uint32_t *w0, uint32_t *w1, uint32_t *w2, uint32_t *w3)
{
    k_philox4x32((uint32_t)s.seed, (uint32_t)(s.seed >> 32), block, s.stream, s.step, s.rank, w0, w1, w2, w3);
}

/* Words w0..w3 (LANE_VARs) of blocks q .. q+n-1, n <= LANES. */
#if defined(__AVX2__) && !defined(__CUDACC__) && !defined(EMU)
#include "philox_avx2.h"
#define STREAM_LANES(s, q, n, w0, w1, w2, w3)                                                                    \
    philox_lanes((uint32_t)(s).seed, (uint32_t)((s).seed >> 32), (uint32_t)(q), (s).stream, (s).step, (s).rank, n, \
                 w0, w1, w2, w3)
#else
#define STREAM_LANES(s, q, n, w0, w1, w2, w3) \
    LANE_LOOP(l, n) stream_words(s, (uint32_t)(q) + l, &LANE(w0, l), &LANE(w1, l), &LANE(w2, l), &LANE(w3, l))
#endif
#endif
