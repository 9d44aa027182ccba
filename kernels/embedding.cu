/* embedding.cu - rows of a table picked by ids: y[b,t] = table[id(b,t)].
 *
 * The id of (b, t) is id[b*stride_b + t*stride_t]; a stride of 0 repeats one id.  A row of the gradient is the SUM of
 * dy over the positions that hold its id.  No atomics: a block owns a tile of columns of the rows of a class of ids and
 * walks over all positions, so no two blocks share an address and the sum is in the order of the positions.  Cost: one
 * pass over dy, and a look at all ids by every block.
 * The squared norm needs no (V, D) gradient: n T^2 integer comparisons link equal ids, then one pass over dy. */
#include "kmath.h"
#include "kernels.h"

__global__ void embedding_rows(const int *__restrict__ id, long stride_b, long stride_t,
                               const float *__restrict__ table, float *__restrict__ y, int adds, long rows, int T,
                               int D)
{
    ROW_LOOP(r, rows, D) {
        const float *e = table + (long)id[r / T * stride_b + r % T * stride_t] * D;
        float *yr = y + r * D;
        if (adds) {
            BLOCK_LOOP(j, D) yr[j] += e[j];
        } else {
            BLOCK_LOOP(j, D) yr[j] = e[j];
        }
    }
}

/* `groups` destinations, stride_g apart, each of n samples: one of all samples, or one per sample. */
__global__ void embedding_grad(const int *__restrict__ id, long stride_b, long stride_t,
                               const float *__restrict__ weight, const float *__restrict__ dy, float *__restrict__ g,
                               long stride_g, int groups, int n, int T, int D)
{
    const int tiles = TILES(D, LANES);
    ROW_LOOP(k, (long)groups * ID_CLASSES * tiles, (long)n * T * LANES / ID_CLASSES) {
        const long group = k / tiles / ID_CLASSES;
        const int own = (int)(k / tiles % ID_CLASSES);
        const int c0 = (int)(k % tiles) * LANES, width = tile_size(D, c0, LANES);
        float *to = g + group * stride_g + c0;
        for (long b = group * n; b < (group + 1) * n; b++) {
            const float w = weight ? weight[b] : 1.0f;
            if (w == 0.0f) continue; /* a sample left out, whatever it holds */
            for (long t = 0; t < T; t++) {
                const int row_id = id[b * stride_b + t * stride_t];
                if (row_id % ID_CLASSES != own) continue; /* another block's */
                float *row = to + (long)row_id * D;
                const float *from = dy + (b * T + t) * D + c0;
                LANE_LOOP(l, width) row[l] += w * from[l];
            }
        }
    }
}

/* next (n, T): the next position of the sample with the same id, T if there is none; its complement (negative) where
 * the position is not the id's first. */
__global__ void embedding_link(const int *__restrict__ id, long stride_b, long stride_t, int *__restrict__ next,
                               long rows, int T)
{
    ITEM_LOOP(r, rows, T) {
        const int *sample = id + r / T * stride_b;
        const int t = (int)(r % T), mine = sample[t * stride_t];
        int first = T, after = T;
        for (int u = 0; u < T; u++) {
            const int equal = sample[u * stride_t] == mine ? u : T, later = u > t ? equal : T;
            first = equal < first ? equal : first;
            after = later < after ? later : after;
        }
        next[r] = first == t ? after : ~after;
    }
}

/* part (n, T): at the first position of each id |sum of dy over its positions|^2, elsewhere 0 */
__global__ void embedding_sqnorm(const float *__restrict__ dy, const int *__restrict__ next, float *__restrict__ part,
                                 long rows, int T, int D)
{
    ROW_LOOP(r, rows, D) {
        const long sample = r - r % T;
        float q = 0.0f;
        for (int c0 = 0; next[r] >= 0 && c0 < D; c0 += LANES) {
            const int width = tile_size(D, c0, LANES);
            LANE_VAR(float, a);
            LANE_LOOP(l, width) LANE(a, l) = dy[r * D + c0 + l];
            for (int u = next[r]; u < T; u = ~next[sample + u]) {
                const float *from = dy + (sample + u) * D + c0;
                LANE_LOOP(l, width) LANE(a, l) += from[l];
            }
            LANE_LOOP_SUM(l, width, q) q += LANE(a, l) * LANE(a, l);
        }
        q = block_sum(q);
        if (IS_LEAD) part[r] = q;
    }
}

API int k_embedding_fwd(kstream st, const int *id, long stride_b, long stride_t, const float *table, float *y,
                        int n, int T, int D)
{
    const long rows = (long)n * T;
    return LAUNCH(embedding_rows, ROW_GRID(rows), ROW_BLOCK(D), st, id, stride_b, stride_t, table, y, 0, rows, T, D);
}
API int k_embedding_add(kstream st, const int *id, long stride_b, long stride_t, const float *table, float *y,
                        int n, int T, int D)
{
    const long rows = (long)n * T;
    return LAUNCH(embedding_rows, ROW_GRID(rows), ROW_BLOCK(D), st, id, stride_b, stride_t, table, y, 1, rows, T, D);
}
API int k_embedding_grad(kstream st, const int *id, long stride_b, long stride_t, const float *weight,
                         const float *dy, float *g, int n, int T, int D)
{
    return LAUNCH(embedding_grad, ROW_GRID(ID_CLASSES * TILES(D, LANES)), LANES, st, id, stride_b, stride_t, weight, dy,
                  g, 0L, 1, n, T, D);
}
API int k_embedding_grad_sample(kstream st, const int *id, long stride_b, long stride_t, const float *dy, float *g,
                                long stride_g, int n, int T, int D)
{
    const float *no_weight = NULL;
    return LAUNCH(embedding_grad, ROW_GRID((long)n * ID_CLASSES * TILES(D, LANES)), LANES, st, id, stride_b, stride_t,
                  no_weight, dy, g, stride_g, n, 1, T, D);
}
API int k_embedding_sqnorm(kstream st, const int *id, long stride_b, long stride_t, const float *dy, int *next,
                           float *part, float *sq, int n, int T, int D)
{
    const long rows = (long)n * T;
    int status = LAUNCH(embedding_link, ELT_GRID(rows), ELT_BLOCK, st, id, stride_b, stride_t, next, rows, T);
    if (!status) status = LAUNCH(embedding_sqnorm, ROW_GRID(rows), LANES, st, dy, next, part, rows, T, D);
    if (!status) status = k_sum_rows(st, part, sq, n, T);
    return status;
}
