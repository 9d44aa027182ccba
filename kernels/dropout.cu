/* dropout.cu - y = x/(1-p) or 0, with probability p (Srivastava et al. 2014).
 *
 * The mask of an element is a function of (stream, its index) alone: the same in both backward passes, in any split of
 * a batch, on any rank; it is never stored.  Cost: one pass and a Philox block for 4 elements. */
#include "philox_lanes.h"

/* Elements first .. first+n-1 of the stream; a word below `threshold` drops its element. */
__global__ void dropout(const float *x, float *y, uint64_t seed, uint32_t stream, uint32_t step, uint32_t rank,
                        uint32_t threshold, float scale, long first, long n)
{
    const struct philox_stream mask = {seed, stream, step, rank};
    const long q0 = first / 4, blocks = n > 0 ? TILES(first + n, 4) - q0 : 0;
    ROW_LOOP(c, TILES(blocks, LANES), TILE_ELEMENTS) {
        __shared__ uint32_t word[TILE_ELEMENTS];
        const int lanes = tile_size(blocks, c * LANES, LANES);
        const long begin = 4 * (q0 + c * LANES) - first; /* index in x of word[0]; negative at the start */
        LANE_VAR(uint32_t, w0);
        LANE_VAR(uint32_t, w1);
        LANE_VAR(uint32_t, w2);
        LANE_VAR(uint32_t, w3);
        STREAM_LANES(mask, q0 + c * LANES, lanes, w0, w1, w2, w3);
        LANE_LOOP(l, lanes) {
            word[4 * l] = LANE(w0, l);
            word[4 * l + 1] = LANE(w1, l);
            word[4 * l + 2] = LANE(w2, l);
            word[4 * l + 3] = LANE(w3, l);
        }
        __syncthreads();
        const int lo = begin < 0 ? (int)-begin : 0;
        const int hi = begin + 4 * lanes > n ? (int)(n - begin) : 4 * lanes;
        BLOCK_LOOP(j, hi - lo) {
            const float kept = scale * x[begin + lo + j]; /* read in any case: a masked load would be slower */
            y[begin + lo + j] = word[lo + j] < threshold ? 0.0f : kept;
        }
        __syncthreads(); /* word may be written again */
    }
}

API int k_dropout(kstream st, const float *x, float *y, struct philox_stream mask, float p, long first, long n)
{
    const uint32_t threshold = (uint32_t)((double)p * 4294967296.0);
    return LAUNCH(dropout, ROW_GRID(TILES(n, TILE_ELEMENTS) + 1), LANES, st, x, y, mask.seed, mask.stream, mask.step,
                  mask.rank, threshold, 1.0f / (1.0f - p), first, n);
}
