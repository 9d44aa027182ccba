/* loss.cu - cross-entropy over rows of V logits.
 *
 *   row_loss = log sum_j exp(x_j) - x_target,   loss_b = loss_scale[b] sum_t row_loss
 *   d loss / d x_j = loss_scale (p_j - [j = target]),   p = softmax(x)
 * A row without target (-1) has loss 0 and gradient 0.  One exp per logit; the gradient takes the logits' place, in
 * three passes over a row that stays in the second-level cache. */
#include "kmath.h"
#include "kernels.h"

__global__ void xent_fwd(const float *__restrict__ logits, const int *__restrict__ target, float *__restrict__ row_loss,
                         long rows, int V)
{
    ROW_LOOP(r, rows, V) {
        const int t = target[r], n = t < 0 ? 0 : V;
        const float *x = logits + r * V;
        float m = -INFINITY, z = 0.0f;
        BLOCK_LOOP_MAX(j, n, m) m = k_max(m, x[j]);
        m = block_max(m);
        BLOCK_LOOP_SUM(j, n, z) z += k_exp(x[j] - m);
        z = block_sum(z);
        if (IS_LEAD) row_loss[r] = t < 0 ? 0.0f : m + k_log(z) - x[t];
    }
}

__global__ void xent_bwd(float *__restrict__ logits, const int *__restrict__ target,
                         const float *__restrict__ loss_scale, const float *__restrict__ weight,
                         float *__restrict__ row_loss, long rows, int T, int V)
{
    ROW_LOOP(r, rows, V) {
        const int t = target[r], n = t < 0 ? 0 : V;
        const float w = loss_scale[r / T] * (weight ? weight[r / T] : 1.0f);
        float *x = logits + r * V;
        const float x_target = t < 0 ? 0.0f : x[t];
        float m = -INFINITY, z = 0.0f;
        BLOCK_LOOP_MAX(j, n, m) m = k_max(m, x[j]);
        m = block_max(m); /* its barriers also stand between the reading of x[t] and its overwriting */
        BLOCK_LOOP_SUM(j, n, z) {
            const float e = k_exp(x[j] - m);
            x[j] = e;
            z += e;
        }
        z = block_sum(z);
        const float factor = t < 0 ? 0.0f : w / z;
        BLOCK_LOOP(j, n) x[j] *= factor;
        BLOCK_LOOP(j, V - n) x[j] = 0.0f;
        __syncthreads();
        if (IS_LEAD && t >= 0) x[t] -= w;
        if (IS_LEAD) row_loss[r] = t < 0 ? 0.0f : m + k_log(z) - x_target;
    }
}

__global__ void loss_mean(const float *__restrict__ row_loss, const float *__restrict__ loss_scale,
                          float *__restrict__ loss, int n, int T)
{
    ROW_LOOP(b, n, T) {
        float s = 0.0f;
        BLOCK_LOOP_SUM(t, T, s) s += row_loss[b * T + t];
        s = block_sum(s);
        if (IS_LEAD) loss[b] = loss_scale[b] * s;
    }
}

/* Rows of the result are columns of the input: reads are strided, but rows x T of them are few beside T x V. */
__global__ void gather_columns(const float *__restrict__ dlogits, const int *__restrict__ id, long stride_id,
                               float *__restrict__ picked, int rows, int T, int V)
{
    ROW_LOOP(r, rows, T) {
        const float *column = dlogits + id[r * stride_id];
        float *to = picked + r * T;
        BLOCK_LOOP(u, T) to[u] = column[(long)u * V];
    }
}

API int k_xent_fwd(kstream st, const float *logits, const int *target, float *row_loss, long rows, int V)
{
    return LAUNCH(xent_fwd, ROW_GRID(rows), ROW_BLOCK(V), st, logits, target, row_loss, rows, V);
}
API int k_xent_bwd(kstream st, float *logits, const int *target, const float *loss_scale, const float *weight,
                   float *row_loss, int n, int T, int V)
{
    const long rows = (long)n * T;
    return LAUNCH(xent_bwd, ROW_GRID(rows), ROW_BLOCK(V), st, logits, target, loss_scale, weight, row_loss, rows, T, V);
}
API int k_gather_columns(kstream st, const float *dlogits, const int *id, long stride_id, float *picked, int rows,
                         int T, int V)
{
    return LAUNCH(gather_columns, ROW_GRID(rows), ROW_BLOCK(T), st, dlogits, id, stride_id, picked, rows, T, V);
}
API int k_loss_mean(kstream st, const float *row_loss, const float *loss_scale, float *loss, int n, int T)
{
    return LAUNCH(loss_mean, ROW_GRID(n), ROW_BLOCK(T), st, row_loss, loss_scale, loss, n, T);
}
