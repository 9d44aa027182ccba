/* optimizer.cu - one step of SGD with momentum or AdamW (Loshchilov, Hutter 2019): one pass over weights and state. */
#include "kmath.h"
#include "kernels.h"

__global__ void sgd(float *__restrict__ w, float *__restrict__ m, const float *__restrict__ g, float lr, float momentum,
                    float scale, long n)
{
    GRID_LOOP(i, n) {
        const float mi = momentum * m[i] + scale * g[i];
        m[i] = mi;
        w[i] -= lr * mi;
    }
}

/* m and v start at zero; correct1 = 1/(1 - beta1^step) and correct2 take that bias away. */
__global__ void adamw(float *__restrict__ w, float *__restrict__ m, float *__restrict__ v, const float *__restrict__ g,
                      float lr, float beta1, float beta2, float eps, float weight_decay, float scale, float correct1,
                      float correct2, long n)
{
    GRID_LOOP(i, n) {
        const float gi = scale * g[i];
        const float mi = beta1 * m[i] + (1.0f - beta1) * gi;
        const float vi = beta2 * v[i] + (1.0f - beta2) * gi * gi;
        m[i] = mi;
        v[i] = vi;
        w[i] -= lr * (mi * correct1 / (sqrtf(vi * correct2) + eps) + weight_decay * w[i]);
    }
}

API int k_sgd(kstream st, float *w, float *m, const float *g, float lr, float momentum, float scale, long n)
{
    return LAUNCH(sgd, ELT_GRID(n), ELT_BLOCK, st, w, m, g, lr, momentum, scale, n);
}
API int k_adamw(kstream st, float *w, float *m, float *v, const float *g, float lr, float beta1, float beta2, float eps,
                float weight_decay, float scale, int step, long n)
{
    const float correct1 = (float)(1.0 / (1.0 - pow((double)beta1, step)));
    const float correct2 = (float)(1.0 / (1.0 - pow((double)beta2, step)));
    return LAUNCH(adamw, ELT_GRID(n), ELT_BLOCK, st, w, m, v, g, lr, beta1, beta2, eps, weight_decay, scale, correct1,
                  correct2, n);
}
