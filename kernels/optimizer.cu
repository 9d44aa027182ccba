/* optimizer.cu - one step of SGD with momentum or AdamW (Loshchilov, Hutter 2019): one pass over weights and state.
 *
 * The gradient is scale (g + std z).  The noise z is drawn here where nothing stands between noise and update: the sum
 * need not be read and written once more for it.  The numbers are those of noise_add on the sum and an update without
 * noise, to the bit. */
#include "philox_lanes.h"

/* v = g, or g + std z if there is noise, for a tile of n elements, whose first begins a Philox block.  A thread meets
 * the element that it wrote in every other BLOCK_LOOP over the tile. */
#define NOISY_TILE(v, g, std, noise, first, n)                       \
    do {                                                             \
        if ((std) == 0.0f) {                                         \
            BLOCK_LOOP(j, n) (v)[j] = (g)[j];                        \
        } else {                                                     \
            NORMAL_TILE(noise, (first) / 4, TILES(n, 4), v);         \
            __syncthreads();                                         \
            BLOCK_LOOP(j, n) (v)[j] = (g)[j] + (std) * (v)[j];       \
        }                                                            \
    } while (0)

/* g may be m: a tile is read before it is written. */
__global__ void sgd(float *__restrict__ w, float *m, const float *g, float lr, float momentum, float scale, float std,
                    uint64_t seed, uint32_t stream, uint32_t step, uint32_t rank, long first, long n)
{
    const struct philox_stream noise = {seed, stream, step, rank};
    ROW_LOOP(c, TILES(n, TILE_ELEMENTS), TILE_ELEMENTS) {
        __shared__ float v[TILE_ELEMENTS];
        const long i0 = c * TILE_ELEMENTS;
        const int width = tile_size(n, i0, TILE_ELEMENTS);
        float *wt = w + i0, *mt = m + i0;
        NOISY_TILE(v, g + i0, std, noise, first + i0, width);
        BLOCK_LOOP(j, width) {
            const float mj = momentum * mt[j] + scale * v[j];
            mt[j] = mj;
            wt[j] -= lr * mj;
        }
        __syncthreads(); /* v may be written again */
    }
}

/* m and v start at zero; correct1 = 1/(1 - beta1^step) and correct2 take that bias away. */
__global__ void adamw(float *__restrict__ w, float *__restrict__ m, float *__restrict__ v, const float *__restrict__ g,
                      float lr, float beta1, float beta2, float eps, float weight_decay, float scale, float correct1,
                      float correct2, float std, uint64_t seed, uint32_t stream, uint32_t step, uint32_t rank,
                      long first, long n)
{
    const struct philox_stream noise = {seed, stream, step, rank};
    ROW_LOOP(c, TILES(n, TILE_ELEMENTS), TILE_ELEMENTS) {
        __shared__ float noisy[TILE_ELEMENTS];
        const long i0 = c * TILE_ELEMENTS;
        const int width = tile_size(n, i0, TILE_ELEMENTS);
        float *wt = w + i0, *mt = m + i0, *vt = v + i0;
        NOISY_TILE(noisy, g + i0, std, noise, first + i0, width);
        BLOCK_LOOP(j, width) {
            const float gj = scale * noisy[j];
            const float mj = beta1 * mt[j] + (1.0f - beta1) * gj;
            const float vj = beta2 * vt[j] + (1.0f - beta2) * gj * gj;
            mt[j] = mj;
            vt[j] = vj;
            wt[j] -= lr * (mj * correct1 / (sqrtf(vj * correct2) + eps) + weight_decay * wt[j]);
        }
        __syncthreads(); /* noisy may be written again */
    }
}

/* Noise is drawn in whole Philox blocks. */
static int refuses(float std, long first, long n)
{
    return std != 0.0f && (first % 4 != 0 || first + n > MAX_ELEMENTS);
}

API int k_sgd(kstream st, float *w, float *m, const float *g, float lr, float momentum, float scale, float std,
              struct philox_stream noise, long first, long n)
{
    if (refuses(std, first, n)) return INVALID_VALUE;
    return LAUNCH(sgd, ROW_GRID(TILES(n, TILE_ELEMENTS)), LANES, st, w, m, g, lr, momentum, scale, std, noise.seed,
                  noise.stream, noise.step, noise.rank, first, n);
}
API int k_adamw(kstream st, float *w, float *m, float *v, const float *g, float lr, float beta1, float beta2, float eps,
                float weight_decay, float scale, int t, float std, struct philox_stream noise, long first, long n)
{
    const float correct1 = (float)(1.0 / (1.0 - pow((double)beta1, t)));
    const float correct2 = (float)(1.0 / (1.0 - pow((double)beta2, t)));
    if (refuses(std, first, n)) return INVALID_VALUE;
    return LAUNCH(adamw, ROW_GRID(TILES(n, TILE_ELEMENTS)), LANES, st, w, m, v, g, lr, beta1, beta2, eps, weight_decay,
                  scale, correct1, correct2, std, noise.seed, noise.stream, noise.step, noise.rank, first, n);
}
