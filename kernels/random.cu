/* random.cu - counter-based random numbers: noise and sign projections.
 *
 * Element i of a stream belongs to Philox block i/4; words (0,1) make normals 0 and 1 of the block, words (2,3)
 * normals 2 and 3.  So a number depends on seed, stream, step, rank and its index alone: any split of a vector over
 * calls, threads or ranks draws the same noise, and no state is stored.  A lane makes one block, a tile LANES blocks.
 * Philox is not a cryptographic generator: the noise is for measuring, repeatably. */
#include "philox_lanes.h"

DEVICE float normal_at(struct philox_stream s, long element)
{
    uint32_t w0, w1, w2, w3;
    float z[2];
    stream_words(s, (uint32_t)(element / 4), &w0, &w1, &w2, &w3);
    k_normal_pair(element & 2 ? w2 : w0, element & 2 ? w3 : w1, &z[0], &z[1]);
    return element & 1 ? z[1] : z[0];
}

/* x[i] += std normal(first + i) in whole blocks: first is a multiple of 4 */
__global__ void noise_add_blocks(float *__restrict__ x, float std, uint64_t seed, uint32_t stream, uint32_t step,
                                 uint32_t rank, long first, long blocks)
{
    const struct philox_stream noise = {seed, stream, step, rank};
    ROW_LOOP(c, TILES(blocks, LANES), TILE_ELEMENTS) {
        const int n = tile_size(blocks, c * LANES, LANES);
        float *y = x + c * TILE_ELEMENTS;
        LANE_VAR(uint32_t, w0);
        LANE_VAR(uint32_t, w1);
        LANE_VAR(uint32_t, w2);
        LANE_VAR(uint32_t, w3);
        STREAM_LANES(noise, first / 4 + c * LANES, n, w0, w1, w2, w3);
        LANE_LOOP(l, n) {
            float z0, z1, z2, z3;
            k_normal_pair(LANE(w0, l), LANE(w1, l), &z0, &z1);
            k_normal_pair(LANE(w2, l), LANE(w3, l), &z2, &z3);
            y[4 * l] += std * z0;
            y[4 * l + 1] += std * z1;
            y[4 * l + 2] += std * z2;
            y[4 * l + 3] += std * z3;
        }
    }
}

/* The same for elements 0 .. head-1 and tail .. n-1, which share their blocks with elements of other calls. */
__global__ void noise_add_ends(float *__restrict__ x, float std, uint64_t seed, uint32_t stream, uint32_t step,
                               uint32_t rank, long first, long head, long tail, long n)
{
    const struct philox_stream noise = {seed, stream, step, rank};
    ITEM_LOOP(e, head + n - tail, 1) {
        const long i = e < head ? e : e - head + tail;
        x[i] += std * normal_at(noise, first + i);
    }
}

/* x, or -x where bit k of the word is 1 */
DEVICE float signed_by(float x, uint32_t word, int k)
{
    return k_bits_float(k_float_bits(x) ^ (word >> k & 1u) << 31);
}

/* Eight sums live in scalars s0..s7: an array would not stay in registers. */
#define EIGHT(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7)
#define ADD_SIGNED(k)                                                                      \
    s##k += (signed_by(x0, LANE(w0, l), k) + signed_by(x1, LANE(w1, l), k)) +              \
            (signed_by(x2, LANE(w2, l), k) + signed_by(x3, LANE(w3, l), k));
#define STORE_SUM(k)      \
    s##k = block_sum(s##k); \
    if (IS_LEAD) part[8 * c + k] = s##k;

/* part[c][k] = sum of sign_k(i) x[i] over chunk c.  x NULL: the normals of the noise stream instead.
 * A chunk is walked in tiles; elements of a block that lie outside of the chunk count as 0. */
__global__ void project(const float *__restrict__ x, uint64_t noise_seed, uint32_t noise_stream, uint32_t noise_step,
                        uint32_t noise_rank, uint64_t sign_seed, uint32_t sign_stream, uint32_t sign_step,
                        uint32_t sign_rank, long first, float *__restrict__ part, long n)
{
    const struct philox_stream noise = {noise_seed, noise_stream, noise_step, noise_rank};
    const struct philox_stream signs = {sign_seed, sign_stream, sign_step, sign_rank};
    ROW_LOOP(c, TILES(n, SQNORM_CHUNK), SQNORM_CHUNK) {
        const long begin = first + c * SQNORM_CHUNK, end = begin + tile_size(n, c * SQNORM_CHUNK, SQNORM_CHUNK);
        float s0 = 0.0f, s1 = 0.0f, s2 = 0.0f, s3 = 0.0f, s4 = 0.0f, s5 = 0.0f, s6 = 0.0f, s7 = 0.0f;
        for (long q = begin / 4; 4 * q < end; q += LANES) {
            __shared__ float v[TILE_ELEMENTS];
            const int blocks = tile_size(TILES(end, 4), q, LANES);
            const int lo = (int)(begin - 4 * q), hi = (int)(end - 4 * q);
            if (x) {
                BLOCK_LOOP(j, 4 * blocks) v[j] = j >= lo && j < hi ? x[4 * q - first + j] : 0.0f;
            } else {
                NORMAL_TILE(noise, q, blocks, v);
                __syncthreads();
                BLOCK_LOOP(j, 4 * blocks) v[j] = j >= lo && j < hi ? v[j] : 0.0f;
            }
            __syncthreads();
            LANE_VAR(uint32_t, w0);
            LANE_VAR(uint32_t, w1);
            LANE_VAR(uint32_t, w2);
            LANE_VAR(uint32_t, w3);
            STREAM_LANES(signs, q, blocks, w0, w1, w2, w3);
            LANE_LOOP_SUM(l, blocks, s0, s1, s2, s3, s4, s5, s6, s7) {
                const float x0 = v[4 * l], x1 = v[4 * l + 1], x2 = v[4 * l + 2], x3 = v[4 * l + 3];
                EIGHT(ADD_SIGNED)
            }
            __syncthreads(); /* v may be written again */
        }
        EIGHT(STORE_SUM)
    }
}

API void k_philox(struct philox_stream s, uint32_t block, uint32_t word[4])
{
    stream_words(s, block, word, word + 1, word + 2, word + 3);
}
API int k_noise_add(kstream st, float *x, float std, struct philox_stream noise, long first, long n)
{
    const long to_block = (4 - first % 4) % 4, head = n < to_block ? n : to_block;
    const long blocks = (n - head) / 4, tail = head + 4 * blocks;
    if (first + n > MAX_ELEMENTS) return INVALID_VALUE;
    int status = LAUNCH(noise_add_blocks, ROW_GRID(TILES(blocks, LANES)), LANES, st, x + head, std, noise.seed,
                        noise.stream, noise.step, noise.rank, first + head, blocks);
    if (!status)
        status = LAUNCH(noise_add_ends, 1, 32, st, x, std, noise.seed, noise.stream, noise.step, noise.rank, first,
                        head, tail, n);
    return status;
}
static int launch_project(kstream st, const float *x, struct philox_stream noise, struct philox_stream signs,
                          long first, float *part, long n)
{
    if (first + n > MAX_ELEMENTS) return INVALID_VALUE;
    return LAUNCH(project, ROW_GRID(TILES(n, SQNORM_CHUNK)), LANES, st, x, noise.seed, noise.stream, noise.step,
                  noise.rank, signs.seed, signs.stream, signs.step, signs.rank, first, part, n);
}
API int k_project(kstream st, const float *x, struct philox_stream signs, long first, float *part, long n)
{
    const struct philox_stream unused = {0, 0, 0, 0};
    return launch_project(st, x, unused, signs, first, part, n);
}
API int k_project_noise(kstream st, struct philox_stream noise, struct philox_stream signs, long first, float *part,
                        long n)
{
    return launch_project(st, NULL, noise, signs, first, part, n);
}
