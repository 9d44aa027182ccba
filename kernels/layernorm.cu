/* layernorm.cu - y = (x - mean) rstd gamma + beta over rows of D, rstd = 1/sqrt(variance + 1e-5).
 *
 * With d = dy gamma and xhat = (x - mean) rstd:  dx = rstd (d - mean(d) - xhat mean(d xhat)),
 * dgamma = sum_t dy xhat, dbeta = sum_t dy.  A row stays in cache between its passes: each kernel costs one reading
 * of its inputs and one writing of its output. */
#include "kmath.h"
#include "kernels.h"

#define LAYERNORM_EPS 1e-5f

DEVICE float normalized(float x, float mean, float rstd, float gamma, float beta)
{
    return (x - mean) * rstd * gamma + beta;
}

__global__ void layernorm_fwd(const float *__restrict__ x, const float *__restrict__ gamma,
                              const float *__restrict__ beta, float *__restrict__ y, float *__restrict__ mean,
                              float *__restrict__ rstd, long rows, int D)
{
    ROW_LOOP(r, rows, D) {
        const float *xr = x + r * D;
        float *yr = y + r * D;
        float s = 0.0f, v = 0.0f;
        BLOCK_LOOP_SUM(j, D, s) s += xr[j];
        const float mu = block_sum(s) / D;
        BLOCK_LOOP_SUM(j, D, v) v += (xr[j] - mu) * (xr[j] - mu);
        const float rs = 1.0f / sqrtf(block_sum(v) / D + LAYERNORM_EPS);
        BLOCK_LOOP(j, D) yr[j] = normalized(xr[j], mu, rs, gamma[j], beta[j]);
        if (IS_LEAD) {
            mean[r] = mu;
            rstd[r] = rs;
        }
    }
}

__global__ void layernorm_apply(const float *__restrict__ x, const float *__restrict__ gamma,
                                const float *__restrict__ beta, const float *__restrict__ mean,
                                const float *__restrict__ rstd, float *__restrict__ y, long rows, int D)
{
    ROW_LOOP(r, rows, D) {
        const float *xr = x + r * D;
        float *yr = y + r * D;
        const float mu = mean[r], rs = rstd[r];
        BLOCK_LOOP(j, D) yr[j] = normalized(xr[j], mu, rs, gamma[j], beta[j]);
    }
}

/* dx and dy may be the same array: a thread writes an element after its last reading of it. */
__global__ void layernorm_bwd(const float *dy, const float *__restrict__ x, const float *__restrict__ gamma,
                              const float *__restrict__ mean, const float *__restrict__ rstd, float *dx, int adds,
                              long rows, int D)
{
    ROW_LOOP(r, rows, D) {
        const float *xr = x + r * D, *dyr = dy + r * D;
        float *dxr = dx + r * D;
        const float mu = mean[r], rs = rstd[r];
        float s = 0.0f, t = 0.0f;
        BLOCK_LOOP_SUM(j, D, s, t) {
            const float d = dyr[j] * gamma[j];
            s += d;
            t += d * (xr[j] - mu);
        }
        s = block_sum(s) / D;
        t = block_sum(t) / D * rs * rs;
        if (adds) {
            BLOCK_LOOP(j, D) dxr[j] += rs * (dyr[j] * gamma[j] - s - (xr[j] - mu) * t);
        } else {
            BLOCK_LOOP(j, D) dxr[j] = rs * (dyr[j] * gamma[j] - s - (xr[j] - mu) * t);
        }
    }
}

/* A block owns LANES columns of one sample and walks down its T rows. */
__global__ void layernorm_grad_sample(const float *__restrict__ dy, const float *__restrict__ x,
                                      const float *__restrict__ mean, const float *__restrict__ rstd,
                                      float *__restrict__ g, long stride_g, int n, int T, int D)
{
    const int tiles = TILES(D, LANES);
    ROW_LOOP(k, (long)n * tiles, (long)T * LANES) {
        const long b = k / tiles;
        const int c0 = (int)(k % tiles) * LANES, width = tile_size(D, c0, LANES);
        float *dgamma = g + b * stride_g + c0, *dbeta = dgamma + D;
        LANE_VAR(float, sum_gamma);
        LANE_VAR(float, sum_beta);
        for (long r = b * T; r < (b + 1) * T; r++) {
            const float mu = mean[r], rs = rstd[r];
            const float *xr = x + r * D + c0, *dyr = dy + r * D + c0;
            LANE_LOOP(l, width) {
                LANE(sum_gamma, l) += dyr[l] * ((xr[l] - mu) * rs);
                LANE(sum_beta, l) += dyr[l];
            }
        }
        LANE_LOOP(l, width) {
            dgamma[l] += LANE(sum_gamma, l);
            dbeta[l] += LANE(sum_beta, l);
        }
    }
}

API int k_layernorm_fwd(kstream st, const float *x, const float *gamma, const float *beta, float *y, float *mean,
                        float *rstd, long rows, int D)
{
    return LAUNCH(layernorm_fwd, ROW_GRID(rows), ROW_BLOCK(D), st, x, gamma, beta, y, mean, rstd, rows, D);
}
API int k_layernorm_apply(kstream st, const float *x, const float *gamma, const float *beta, const float *mean,
                          const float *rstd, float *y, long rows, int D)
{
    return LAUNCH(layernorm_apply, ROW_GRID(rows), ROW_BLOCK(D), st, x, gamma, beta, mean, rstd, y, rows, D);
}
API int k_layernorm_bwd(kstream st, const float *dy, const float *x, const float *gamma, const float *mean,
                        const float *rstd, float *dx, long rows, int D)
{
    return LAUNCH(layernorm_bwd, ROW_GRID(rows), ROW_BLOCK(D), st, dy, x, gamma, mean, rstd, dx, 0, rows, D);
}
API int k_layernorm_bwd_add(kstream st, const float *dy, const float *x, const float *gamma, const float *mean,
                            const float *rstd, float *dx, long rows, int D)
{
    return LAUNCH(layernorm_bwd, ROW_GRID(rows), ROW_BLOCK(D), st, dy, x, gamma, mean, rstd, dx, 1, rows, D);
}
API int k_layernorm_grad_sample(kstream st, const float *dy, const float *x, const float *mean, const float *rstd,
                                float *g, long stride_g, int n, int T, int D)
{
    return LAUNCH(layernorm_grad_sample, ROW_GRID((long)n * TILES(D, LANES)), LANES, st, dy, x, mean, rstd, g, stride_g,
                  n, T, D);
}
