/* attention.cu - softmax of the scaled scores of one sample's heads, s (heads, queries, keys), and its gradient.
 *
 *   p_ij = exp(scale s_ij - lse_i),  lse_i = log sum_j exp(scale s_ij),  j over the keys that query i sees
 *   ds_ij = scale p_ij (dp_ij - delta_i),  delta_i = sum_j p_ij dp_ij
 * scale > 0.  The backward pass makes p again from the scores and lse, so that no pass has to keep T x T.  A row
 * stays in cache between its passes; one exp per visible pair. */
#include "kmath.h"
#include "kernels.h"

/* Keys 0 .. n-1 are visible to the query. */
DEVICE int visible_keys(int query, int length, int causal)
{
    return causal && query + 1 < length ? query + 1 : length;
}

__global__ void softmax_fwd(float *__restrict__ s, const int *__restrict__ length, float *__restrict__ lse, float scale,
                            int causal, int first, int queries, int keys, long rows, int T)
{
    ROW_LOOP(r, rows, keys) {
        const int query = first + (int)(r % queries), n = visible_keys(query, *length, causal);
        float *sr = s + r * keys;
        float m = -INFINITY, z = 0.0f;
        BLOCK_LOOP_MAX(j, n, m) m = k_max(m, sr[j]);
        m = block_max(m) * scale;
        BLOCK_LOOP_SUM(j, n, z) {
            const float e = k_exp(sr[j] * scale - m);
            sr[j] = e;
            z += e;
        }
        z = block_sum(z);
        const float inv = 1.0f / z;
        BLOCK_LOOP(j, n) sr[j] *= inv;
        BLOCK_LOOP(j, keys - n) sr[n + j] = 0.0f;
        if (IS_LEAD) lse[r / queries * T + query] = m + k_log(z);
    }
}

__global__ void softmax_bwd(float *__restrict__ s, float *__restrict__ ds, const float *__restrict__ lse,
                            const int *__restrict__ length, float scale, int causal, int first, int queries,
                            int keys, long rows, int T)
{
    ROW_LOOP(r, rows, keys) {
        const int query = first + (int)(r % queries), n = visible_keys(query, *length, causal);
        const float l = lse[r / queries * T + query];
        float *sr = s + r * keys, *dsr = ds + r * keys;
        float delta = 0.0f;
        BLOCK_LOOP_SUM(j, n, delta) {
            const float p = k_exp(sr[j] * scale - l);
            sr[j] = p;
            delta += p * dsr[j];
        }
        delta = block_sum(delta);
        BLOCK_LOOP(j, n) dsr[j] = scale * sr[j] * (dsr[j] - delta);
        BLOCK_LOOP(j, keys - n) sr[n + j] = 0.0f;
        BLOCK_LOOP(j, keys - n) dsr[n + j] = 0.0f;
    }
}

API int k_softmax_fwd(kstream st, float *s, const int *length, float *lse, float scale, int causal, int heads,
                      struct score_rows q, int T)
{
    const long rows = (long)heads * q.queries;
    return LAUNCH(softmax_fwd, ROW_GRID(rows), ROW_BLOCK(q.keys), st, s, length, lse, scale, causal, q.first, q.queries,
                  q.keys, rows, T);
}
API int k_softmax_bwd(kstream st, float *s, float *ds, const float *lse, const int *length, float scale, int causal,
                      int heads, struct score_rows q, int T)
{
    const long rows = (long)heads * q.queries;
    return LAUNCH(softmax_bwd, ROW_GRID(rows), ROW_BLOCK(q.keys), st, s, ds, lse, length, scale, causal, q.first,
                  q.queries, q.keys, rows, T);
}
