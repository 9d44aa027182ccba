#include "clip.h"

#include "../base/check.h"
#include "../device/device.h"

#include <math.h>

const char *const clipping_name[N_CLIPPINGS] = {"none", "flat", "automatic", "per_layer"};

void clip_coefficients(const struct clip *c, const float *sq, float *norm, float *coef, int n)
{
    CHECK(c->clipping == CLIPPING_FLAT || c->clipping == CLIPPING_AUTOMATIC);
    const float R = (float)c->max_grad_norm;
    if (c->clipping == CLIPPING_FLAT)
        KERNEL(clip_flat, sq, c->stride_sq, coef, norm, R, c->tensors, n);
    else
        KERNEL(clip_automatic, sq, c->stride_sq, coef, norm, R, c->tensors, n);
}

void clip_layer_coefficients(const struct clip *c, const float *sq, float *coef, int first, int n_tensors, int n)
{
    CHECK(c->clipping == CLIPPING_PER_LAYER);
    KERNEL(clip_per_layer, sq, c->stride_sq, coef, c->share + first, (float)c->max_grad_norm, n_tensors, n);
}

void clip_norms(const struct clip *c, const float *sq, float *norm, int n)
{
    KERNEL(norm_total, sq, c->stride_sq, norm, c->tensors, n);
}

double clip_coefficient(enum clipping clipping, double threshold, double norm)
{
    switch (clipping) {
    case CLIPPING_FLAT:
    case CLIPPING_PER_LAYER: return fmin(1.0, threshold / (norm + 1e-6));
    case CLIPPING_AUTOMATIC: return threshold / (norm + 0.01);
    default: return 1.0;
    }
}

double clip_sensitivity(enum clipping clipping, double max_grad_norm)
{
    return clipping == CLIPPING_NONE ? INFINITY : max_grad_norm;
}
