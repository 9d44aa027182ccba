/* clip.cu - clipping coefficients from squared gradient norms, sq (tensors, stride_sq), one column per sample.
 *
 *   flat        min(1, R/(|g_b| + 1e-6))      Abadi et al. 2016; the 1e-6 as Opacus
 *   automatic   R/(|g_b| + 0.01)              Bu et al. 2023, AUTO-S
 *   per layer   min(1, R_p/(|g_bp| + 1e-6))      R_p = share_p R
 * A gradient whose norm is not a finite number must not reach the sum: its coefficient is 0.  Cost: nothing. */
#include "kmath.h"
#include "kernels.h"

#define FLAT_EPS      1e-6f
#define AUTOMATIC_EPS 0.01f

/* false for infinities and NaN */
DEVICE int is_finite(float x) { return x - x == 0.0f; }

/* Sums of products of both signs (Gram matrices, cross terms) may round to less than 0; NaN stays NaN. */
DEVICE float root(float sq) { return sqrtf(sq < 0.0f ? 0.0f : sq); }

DEVICE float clip_min1(float norm, float max_norm)
{
    const float c = max_norm / (norm + FLAT_EPS);
    return !is_finite(norm) ? 0.0f : c < 1.0f ? c : 1.0f;
}

/* Norm of sample b over all tensors. */
DEVICE float sample_norm(const float *sq, int stride_sq, int tensors, long b)
{
    float s = 0.0f;
    for (long p = 0; p < tensors; p++) s += sq[p * stride_sq + b];
    return root(s);
}

__global__ void clip_flat(const float *__restrict__ sq, int stride_sq, float *__restrict__ coef,
                          float *__restrict__ norm, float max_norm, int tensors, int n)
{
    ITEM_LOOP(b, n, tensors) {
        norm[b] = sample_norm(sq, stride_sq, tensors, b);
        coef[b] = clip_min1(norm[b], max_norm);
    }
}

__global__ void clip_automatic(const float *__restrict__ sq, int stride_sq, float *__restrict__ coef,
                               float *__restrict__ norm, float max_norm, int tensors, int n)
{
    ITEM_LOOP(b, n, tensors) {
        norm[b] = sample_norm(sq, stride_sq, tensors, b);
        coef[b] = is_finite(norm[b]) ? max_norm / (norm[b] + AUTOMATIC_EPS) : 0.0f;
    }
}

__global__ void clip_per_layer(const float *__restrict__ sq, int stride_sq, float *__restrict__ coef,
                               const float *__restrict__ share, float max_norm, int tensors, int n)
{
    ITEM_LOOP(b, n, tensors) {
        for (long p = 0; p < tensors; p++)
            coef[p * stride_sq + b] = clip_min1(root(sq[p * stride_sq + b]), share[p] * max_norm);
    }
}

__global__ void count_unclipped(const float *__restrict__ coef, int stride, float *__restrict__ count, int rows, int n)
{
    ROW_LOOP(p, rows, n) {
        float unclipped = 0.0f;
        BLOCK_LOOP_SUM(b, n, unclipped) unclipped += coef[p * stride + b] == 1.0f ? 1.0f : 0.0f;
        unclipped = block_sum(unclipped);
        if (IS_LEAD) count[p] += unclipped;
    }
}

__global__ void norm_total(const float *__restrict__ sq, int stride_sq, float *__restrict__ norm, int tensors, int n)
{
    ITEM_LOOP(b, n, tensors) norm[b] = sample_norm(sq, stride_sq, tensors, b);
}

API int k_clip_flat(kstream st, const float *sq, int stride_sq, float *coef, float *norm, float max_norm, int tensors,
                    int n)
{
    return LAUNCH(clip_flat, ELT_GRID(n), ELT_BLOCK, st, sq, stride_sq, coef, norm, max_norm, tensors, n);
}
API int k_clip_automatic(kstream st, const float *sq, int stride_sq, float *coef, float *norm, float max_norm,
                         int tensors, int n)
{
    return LAUNCH(clip_automatic, ELT_GRID(n), ELT_BLOCK, st, sq, stride_sq, coef, norm, max_norm, tensors, n);
}
API int k_clip_per_layer(kstream st, const float *sq, int stride_sq, float *coef, const float *share, float max_norm,
                         int tensors, int n)
{
    return LAUNCH(clip_per_layer, ELT_GRID(n), ELT_BLOCK, st, sq, stride_sq, coef, share, max_norm, tensors, n);
}
API int k_count_unclipped(kstream st, const float *coef, int stride, float *count, int rows, int n)
{
    return LAUNCH(count_unclipped, ROW_GRID(rows), ROW_BLOCK(n), st, coef, stride, count, rows, n);
}
API int k_norm_total(kstream st, const float *sq, int stride_sq, float *norm, int tensors, int n)
{
    return LAUNCH(norm_total, ELT_GRID(n), ELT_BLOCK, st, sq, stride_sq, norm, tensors, n);
}
