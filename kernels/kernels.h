/* kernels.h - every kernel launcher, as C11 host code sees it.
 *
 * Each call enqueues on a stream and returns 0 or a cudaError_t.  Pointers are device pointers, arrays row-major
 * with the last index fastest.  Hosts call them through KERNEL() of device/device.h.
 * n is the number of samples, T tokens per sample, D, O, V row lengths, P a number of parameters.
 * Per-sample gradients g (n, P_l) have `stride_g` floats from one sample's row to the next.
 * In sums a weight of 0 leaves its sample out, even one that holds NaN: this is how clipping drops such a sample.
 * "+=" and "=" say whether the destination is added to or overwritten. */
#ifndef KERNELS_H
#define KERNELS_H
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
typedef void *kstream; /* a cudaStream_t; ignored by the CPU build */

/* ---- element-wise: elementwise.cu ---------------------------------------------------------------------------- */
int k_fill(kstream, float *x, float value, long n);                       /* x = value */
int k_copy(kstream, float *y, const float *x, long n);                    /* y = x */
int k_scale(kstream, float *x, float factor, long n);                     /* x *= factor */
int k_add(kstream, float *y, const float *x, long n);                     /* y += x */
int k_scale_rows(kstream, const float *x, const float *weight, float *y, int n, long cols);
/* y[b,:] = weight[b] x[b,:], 0 where weight[b] is 0; y may be x */
int k_leave_out(kstream, float *x, const float *weight, int n, long cols); /* x[b,:] = 0 where weight[b] is 0 */
int k_epilogue(kstream, float *c, long ld, const float *bias, const float *add, int relu, long rows, int cols);
/* c (rows, cols, rows ld apart) += bias (cols) or NULL, += add (as c) or NULL, then ReLU if asked */
#define BF16_ROW_WORDS(cols) (((cols) + 7) / 8 * 4)
int k_to_bf16(kstream, const float *x, long ld, long stride, uint32_t *y, int batch, long rows, int cols);
/* y (batch, rows, BF16_ROW_WORDS(cols)): two numbers a word, then zeros, rows 16 bytes apart or a multiple of it, as
 * tensor cores want them = x (batch, rows, cols) rounded to nearest, ties to even; its rows are ld and problems stride
 * apart */
int k_relu_bwd(kstream, const float *dy, const float *y, float scale, float *dx, long n);
                                                         /* dx = y > 0 ? scale dy : 0; dx may be dy */
int k_gelu_fwd(kstream, const float *x, float *y, long n);                /* tanh form, as GPT-2 */
int k_gelu_bwd(kstream, const float *dy, const float *x, float *dx, long n); /* dx may be dy */

/* ---- embedding: embedding.cu; id of (b, t) is id[b*stride_b + t*stride_t]: repeated, strided, broadcast (0) ids - */
int k_embedding_fwd(kstream, const int *id, long stride_b, long stride_t, const float *table, /* (V, D) */
                    float *y, int n, int T, int D);                       /* y (n,T,D) = table[id] */
int k_embedding_add(kstream, const int *id, long stride_b, long stride_t, const float *table,
                    float *y, int n, int T, int D);                       /* y (n,T,D) += table[id] */
int k_embedding_grad(kstream, const int *id, long stride_b, long stride_t, const float *weight, /* (n) or NULL: 1 */
                     const float *dy, float *g, int n, int T, int D);     /* g (V,D): g[id] += weight[b] dy[b,t] */
int k_embedding_grad_sample(kstream, const int *id, long stride_b, long stride_t, const float *dy,
                            float *g, long stride_g, int n, int T, int D); /* g[b][id] += dy[b,t] */
int k_embedding_sqnorm(kstream, const int *id, long stride_b, long stride_t, const float *dy,
                       int *next, float *part, /* workspaces (n,T) */
                       float *sq, int n, int T, int D); /* sq (n) += |g_b|^2, rows of equal ids summed first */

/* ---- layernorm: layernorm.cu; x (rows, D), eps 1e-5 ---------------------------------------------------------- */
int k_layernorm_fwd(kstream, const float *x, const float *gamma, const float *beta,
                    float *y, float *mean, float *rstd, long rows, int D);
int k_layernorm_apply(kstream, const float *x, const float *gamma, const float *beta, const float *mean,
                      const float *rstd, float *y, long rows, int D);     /* the same y again, same bits */
int k_layernorm_bwd(kstream, const float *dy, const float *x, const float *gamma, const float *mean,
                    const float *rstd, float *dx, long rows, int D);      /* dx = ; dx may be dy */
int k_layernorm_bwd_add(kstream, const float *dy, const float *x, const float *gamma, const float *mean,
                        const float *rstd, float *dx, long rows, int D);  /* dx += */
int k_layernorm_grad_sample(kstream, const float *dy, const float *x, const float *mean, const float *rstd,
                            float *g, long stride_g, int n, int T, int D); /* g[b] (2D) += [dgamma, dbeta] */

/* ---- sums over rows: rows.cu --------------------------------------------------------------------------------- */
int k_bias_grad_sample(kstream, const float *dy, float *g, long stride_g, int n, int T, int O);
                                                                          /* g[b] (O) += sum_t dy[b,t,:] */
int k_weighted_sum(kstream, const float *g, long stride_g, const float *weight, /* (n) or NULL: 1 */
                   float *sum, int n, long P);                            /* sum (P) = sum_b weight[b] g[b] */
int k_weighted_add(kstream, const float *g, long stride_g, const float *weight, float *sum, int n, long P); /* += */
int k_weighted_join(kstream, const float *g, long stride_g, const float *weight, /* (1 + n) */
                    float *sum, int n, long P);         /* sum (P) = weight[0] sum + sum_b weight[1 + b] g[b] */
#define SQNORM_CHUNK 8192 /* part holds n * ceil(P / SQNORM_CHUNK) floats: the result does not depend on the grid */
int k_sqnorm_rows(kstream, const float *g, long stride_g, float *part, float *sq, int n, long P);
                                                                          /* sq (n) += |g[b]|^2 */
int k_sum_rows(kstream, const float *x, float *sum, int n, long cols);    /* x (n, cols): sum (n) += sum_j x[b,j] */
int k_dot_rows(kstream, const float *x, const float *y, float factor, float *part, float *dot, int n, long P);
                                       /* dot (n) += factor <x[b], y[b]>; x, y (n, P), part as for k_sqnorm_rows */

/* ---- attention: attention.cu; one sample, s (heads, queries, keys) of the queries `first` on and the keys 0 on; all
 *      keys that a query sees are among them: key j when j < *length and, if causal, j <= query.  lse (heads, T) is
 *      kept by the forward pass. --------------------------------------------------------------------------------- */
struct score_rows { int first, queries, keys; };
int k_softmax_fwd(kstream, float *s, const int *length, float *lse, float scale, int causal, int heads,
                  struct score_rows, int T); /* s = softmax(scale s), 0 where not visible */
int k_softmax_bwd(kstream, float *s, float *ds, const float *lse, const int *length, float scale, int causal,
                  int heads, struct score_rows, int T); /* s: scores -> p;  ds: dp -> gradient of the unscaled scores */

/* ---- cross-entropy: loss.cu; logits (n,T,V), target (n,T), -1 = none; loss_scale (n) = 1/targets of the sample --- */
int k_xent_fwd(kstream, const float *logits, const int *target, float *row_loss, long rows, int V);
int k_xent_bwd(kstream, float *logits, const int *target, const float *loss_scale, const float *weight, /* (n)|NULL */
               float *row_loss, int n, int T, int V); /* logits = gradient of weight[b] loss[b]; row_loss unweighted */
int k_gather_columns(kstream, const float *dlogits, const int *id, long stride_id, float *picked, int rows, int T,
                     int V);
/* picked (rows,T) = dlogits (T,V) at column id[r*stride_id], transposed */
int k_loss_mean(kstream, const float *row_loss, const float *loss_scale, float *loss, int n, int T);
                                                                          /* loss (n) = loss_scale[b] sum_t row_loss */

/* ---- clipping: clip.cu; sq (tensors, stride_sq): squared gradient norms, sq[p*stride_sq + b] ----------------- */
int k_clip_flat(kstream, const float *sq, int stride_sq, float *coef, float *norm, float max_norm, int tensors, int n);
                            /* norm (n) = sqrt(sum_p sq);  coef (n) = min(1, R/(norm+1e-6));  not finite: 0 */
int k_clip_automatic(kstream, const float *sq, int stride_sq, float *coef, float *norm, float max_norm, int tensors,
                     int n);                                              /* coef = R/(norm+0.01) */
int k_clip_per_layer(kstream, const float *sq, int stride_sq, float *coef, const float *share, float max_norm,
                     int tensors, int n);
             /* coef (tensors, stride_sq) = min(1, share_p R/(norm_p+1e-6)), share (tensors);  not finite: 0 */
int k_count_unclipped(kstream, const float *coef, int stride, float *count, int rows, int n);
             /* count (rows) += how many of coef[p*stride + b], b < n, are 1 */
int k_norm_total(kstream, const float *sq, int stride_sq, float *norm, int tensors, int n); /* norm as of clip_flat */

/* ---- random numbers and noise: random.cu; Philox4x32-10, key = seed, counter = (element/4, stream, step, rank) --- */
/* Streams keep the numbers of different uses apart; STREAM_OF(INIT, p) is tensor p's, DROPOUT's index is the site. */
enum stream {
    STREAM_INIT, STREAM_DATA, STREAM_SAMPLING, STREAM_NOISE, STREAM_NOISE_SHARE, /* the only one with a rank */
    STREAM_DROPOUT, STREAM_PROJECTION, STREAM_AUDIT
};
#define STREAM_OF(name, index) ((uint32_t)STREAM_##name | (uint32_t)(index) << 8)
struct philox_stream { uint64_t seed; uint32_t stream, step, rank; };
void k_philox(struct philox_stream, uint32_t block, uint32_t word[4]);   /* host: four words, any build */
int k_noise_add(kstream, float *x, float std, struct philox_stream, long first, long n);
                            /* x[i] += std z[first+i], z standard normal; any split gives the same z */
int k_dropout(kstream, const float *x, float *y, struct philox_stream mask, float p, long first, long n);
                            /* y[i] = 0 with probability p by element first+i's word, else x[i]/(1-p); y may be x;
                             * dropout.cu */
/* Projections on 8 sign vectors: element i's sign k is bit k of its Philox word of `signs`.
 * part (ceil(n/SQNORM_CHUNK), 8) partial sums. */
int k_project(kstream, const float *x, struct philox_stream signs, long first, float *part, long n);
int k_project_noise(kstream, struct philox_stream noise, struct philox_stream signs, long first, float *part, long n);

/* ---- optimizers: optimizer.cu; the gradient is scale (g[i] + std z[first+i]), z as of k_noise_add, scale = 1/expected
 *      batch size, g the sum: with std 0 one that has its noise already, else first is a multiple of 4 ------------- */
int k_sgd(kstream, float *w, float *m, const float *g, float lr, float momentum, float scale, float std,
          struct philox_stream, long first, long n);  /* m = momentum m + gradient;  w -= lr m; g may be m */
int k_adamw(kstream, float *w, float *m, float *v, const float *g, float lr, float beta1, float beta2, float eps,
            float weight_decay, float scale, int t, float std, struct philox_stream, long first, long n);
                                                                          /* t: of the update, from 1 */
#ifdef __cplusplus
}
#endif
#endif
