/* rows.cu - sums down and along rows; each costs one reading of its input.
 *
 * Down the rows (bias gradients, sums over samples) a block owns a tile of LANES columns: each destination is read
 * and written once, and the order of the sum is the order of the rows.  Along a row (squared norms) the row is cut into
 * chunks of fixed size, so that the result depends on neither grid nor device. */
#include "kmath.h"
#include "kernels.h"

__global__ void bias_grad_sample(const float *__restrict__ dy, float *__restrict__ g, long stride_g, int n, int T,
                                 int O)
{
    const int tiles = TILES(O, LANES);
    ROW_LOOP(k, (long)n * tiles, (long)T * LANES) {
        const long b = k / tiles;
        const int c0 = (int)(k % tiles) * LANES, width = tile_size(O, c0, LANES);
        float *to = g + b * stride_g + c0;
        LANE_VAR(float, a);
        for (long r = b * T; r < (b + 1) * T; r++) {
            const float *from = dy + r * O + c0;
            LANE_LOOP(l, width) LANE(a, l) += from[l];
        }
        LANE_LOOP(l, width) to[l] += LANE(a, l);
    }
}

/* What the sum holds counts `kept` times, or, where it joins the rows, weight[-1] times; 0: it is not read. */
__global__ void weighted_sum(const float *__restrict__ g, long stride_g, const float *__restrict__ weight, float kept,
                             int joins, float *__restrict__ sum, int n, long P)
{
    ROW_LOOP(k, TILES(P, LANES), (n + 1L) * LANES) {
        const long c0 = k * LANES;
        const int width = tile_size(P, c0, LANES);
        const float keep = joins ? weight[-1] : kept;
        LANE_VAR(float, a);
        if (keep != 0.0f) {
            LANE_LOOP(l, width) LANE(a, l) = keep * sum[c0 + l];
        }
        for (long b = 0; b < n; b++) {
            const float w = weight ? weight[b] : 1.0f;
            const float *from = g + b * stride_g + c0;
            if (w == 0.0f) continue; /* a sample left out, whatever it holds */
            LANE_LOOP(l, width) LANE(a, l) += w * from[l];
        }
        LANE_LOOP(l, width) sum[c0 + l] = LANE(a, l);
    }
}

/* part (n, chunks) = factor <x[b], y[b]> by chunks; x and y may be the same rows. */
__global__ void dot_chunks(const float *__restrict__ x, long stride_x, const float *__restrict__ y, long stride_y,
                           float factor, float *__restrict__ part, int n, long P)
{
    const long chunks = TILES(P, SQNORM_CHUNK);
    ROW_LOOP(k, n * chunks, SQNORM_CHUNK) {
        const long b = k / chunks, c0 = k % chunks * SQNORM_CHUNK;
        const int width = tile_size(P, c0, SQNORM_CHUNK);
        const float *xr = x + b * stride_x + c0, *yr = y + b * stride_y + c0;
        float q = 0.0f;
        BLOCK_LOOP_SUM(j, width, q) q += xr[j] * yr[j];
        q = block_sum(q);
        if (IS_LEAD) part[k] = factor * q;
    }
}

__global__ void sum_rows(const float *__restrict__ x, float *__restrict__ sum, int n, long cols)
{
    ROW_LOOP(r, n, cols) {
        float s = 0.0f;
        BLOCK_LOOP_SUM(j, cols, s) s += x[r * cols + j];
        s = block_sum(s);
        if (IS_LEAD) sum[r] += s;
    }
}

API int k_bias_grad_sample(kstream st, const float *dy, float *g, long stride_g, int n, int T, int O)
{
    return LAUNCH(bias_grad_sample, ROW_GRID((long)n * TILES(O, LANES)), LANES, st, dy, g, stride_g, n, T, O);
}
static int launch_weighted(kstream st, const float *g, long stride_g, const float *weight, float kept, int joins,
                           float *sum, int n, long P)
{
    return LAUNCH(weighted_sum, ROW_GRID(TILES(P, LANES)), LANES, st, g, stride_g, weight, kept, joins, sum, n, P);
}
API int k_weighted_sum(kstream st, const float *g, long stride_g, const float *weight, float *sum, int n, long P)
{
    return launch_weighted(st, g, stride_g, weight, 0.0f, 0, sum, n, P);
}
API int k_weighted_add(kstream st, const float *g, long stride_g, const float *weight, float *sum, int n, long P)
{
    return launch_weighted(st, g, stride_g, weight, 1.0f, 0, sum, n, P);
}
API int k_weighted_join(kstream st, const float *g, long stride_g, const float *weight, float *sum, int n, long P)
{
    return launch_weighted(st, g, stride_g, weight + 1, 0.0f, 1, sum, n, P);
}
static int launch_dot(kstream st, const float *x, long stride_x, const float *y, long stride_y, float factor,
                      float *part, float *dot, int n, long P)
{
    const long chunks = TILES(P, SQNORM_CHUNK);
    int status = LAUNCH(dot_chunks, ROW_GRID(n * chunks), ROW_BLOCK(P), st, x, stride_x, y, stride_y, factor, part, n,
                        P);
    if (!status) status = k_sum_rows(st, part, dot, n, chunks);
    return status;
}
API int k_sqnorm_rows(kstream st, const float *g, long stride_g, float *part, float *sq, int n, long P)
{
    return launch_dot(st, g, stride_g, g, stride_g, 1.0f, part, sq, n, P);
}
API int k_dot_rows(kstream st, const float *x, const float *y, float factor, float *part, float *dot, int n, long P)
{
    return launch_dot(st, x, P, y, P, factor, part, dot, n, P);
}
API int k_sum_rows(kstream st, const float *x, float *sum, int n, long cols)
{
    return LAUNCH(sum_rows, ROW_GRID(n), ROW_BLOCK(cols), st, x, sum, n, cols);
}
