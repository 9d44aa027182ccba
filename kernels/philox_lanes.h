/* philox_lanes.h - the Philox words of a stream, one block at a time or a tile of blocks in lanes; tiles of normals. */
#ifndef PHILOX_LANES_H
#define PHILOX_LANES_H
#include "kmath.h"
#include "kernels.h"

DEVICE void stream_words(struct philox_stream s, uint32_t block, uint32_t *w0, uint32_t *w1, uint32_t *w2, uint32_t *w3)
{
    k_philox4x32((uint32_t)s.seed, (uint32_t)(s.seed >> 32), block, s.stream, s.step, s.rank, w0, w1, w2, w3);
}

/* Words w0..w3 (LANE_VARs) of blocks q .. q+n-1, n <= LANES. */
#if defined(__x86_64__) && !defined(__CUDACC__) && !defined(EMU)
#include "philox_x86.h"
#define STREAM_LANES(s, q, n, w0, w1, w2, w3)                                                                    \
    philox_lanes((uint32_t)(s).seed, (uint32_t)((s).seed >> 32), (uint32_t)(q), (s).stream, (s).step, (s).rank, n, \
                 w0, w1, w2, w3)
#else
#define STREAM_LANES(s, q, n, w0, w1, w2, w3) \
    LANE_LOOP(l, n) stream_words(s, (uint32_t)(q) + l, &LANE(w0, l), &LANE(w1, l), &LANE(w2, l), &LANE(w3, l))
#endif

#define TILE_ELEMENTS (4 * LANES)

/* z, a __shared__ tile = the normals of blocks q .. q+n-1, n <= LANES; a barrier must follow. */
#define NORMAL_TILE(s, q, n, z)                                                        \
    do {                                                                               \
        LANE_VAR(uint32_t, w0);                                                        \
        LANE_VAR(uint32_t, w1);                                                        \
        LANE_VAR(uint32_t, w2);                                                        \
        LANE_VAR(uint32_t, w3);                                                        \
        STREAM_LANES(s, q, n, w0, w1, w2, w3);                                         \
        LANE_LOOP(l, n) {                                                              \
            k_normal_pair(LANE(w0, l), LANE(w1, l), (z) + 4 * l, (z) + 4 * l + 1);     \
            k_normal_pair(LANE(w2, l), LANE(w3, l), (z) + 4 * l + 2, (z) + 4 * l + 3); \
        }                                                                              \
    } while (0)

/* The counter has 32 bits for the block: past 2^34 elements numbers would repeat, which noise must never do. */
#define MAX_ELEMENTS  (4L << 32)
#define INVALID_VALUE 1 /* cudaErrorInvalidValue */
#endif
