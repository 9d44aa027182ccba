/* kernel_bytes.h - the bytes that a call of each launcher of kernels.h moves: BYTES_<kernel>, a macro with the
 * launcher's parameters after the stream.  KERNEL() of device/device.h adds them up; without a line here a call does
 * not compile.
 *
 * Each element counts once where it is read and once where it is written, whether memory or a cache holds it; vectors
 * that are small beside the others are left out.  No row is taken for left out. */
#ifndef KERNEL_BYTES_H
#define KERNEL_BYTES_H

#define FLOATS_(n) (4.0 * (double)(n))
#define TOKENS_(n, T) ((double)(n) * (double)(T))

/* elementwise.cu */
#define BYTES_fill(x, value, n)                              FLOATS_(n)
#define BYTES_copy(y, x, n)                                  FLOATS_(2.0 * (n))
#define BYTES_scale(x, factor, n)                            FLOATS_(2.0 * (n))
#define BYTES_add(y, x, n)                                   FLOATS_(3.0 * (n))
#define BYTES_scale_rows(x, weight, y, n, cols)              FLOATS_(2.0 * (n) * (cols))
#define BYTES_leave_out(x, weight, n, cols)                  FLOATS_(n)
#define BYTES_epilogue(c, ld, bias, add, relu, rows, cols)   FLOATS_((2.0 + !!(add)) * (rows) * (cols))
#define BYTES_to_bf16(x, ld, stride, y, batch, rows, cols)   FLOATS_(1.5 * (batch) * (rows) * (cols))
#define BYTES_relu_bwd(dy, y, scale, dx, n)                  FLOATS_(3.0 * (n))
#define BYTES_gelu_fwd(x, y, n)                              FLOATS_(2.0 * (n))
#define BYTES_gelu_bwd(dy, x, dx, n)                         FLOATS_(3.0 * (n))

/* embedding.cu */
#define BYTES_embedding_fwd(id, stride_b, stride_t, table, y, n, T, D)        FLOATS_(TOKENS_(n, T) * (1 + 2.0 * (D)))
#define BYTES_embedding_add(id, stride_b, stride_t, table, y, n, T, D)        FLOATS_(TOKENS_(n, T) * (1 + 3.0 * (D)))
#define BYTES_embedding_grad(id, stride_b, stride_t, weight, dy, g, n, T, D)  FLOATS_(TOKENS_(n, T) * (1 + 3.0 * (D)))
#define BYTES_embedding_grad_sample(id, stride_b, stride_t, dy, g, stride_g, n, T, D) \
    FLOATS_(TOKENS_(n, T) * (1 + 3.0 * (D)))
#define BYTES_embedding_sqnorm(id, stride_b, stride_t, dy, next, part, sq, n, T, D) \
    FLOATS_(TOKENS_(n, T) * (5 + 1.0 * (D)))

/* layernorm.cu */
#define BYTES_layernorm_fwd(x, gamma, beta, y, mean, rstd, rows, D)           FLOATS_((rows) * (2 + 2.0 * (D)))
#define BYTES_layernorm_apply(x, gamma, beta, mean, rstd, y, rows, D)         FLOATS_((rows) * (2 + 2.0 * (D)))
#define BYTES_layernorm_bwd(dy, x, gamma, mean, rstd, dx, rows, D)            FLOATS_((rows) * (2 + 3.0 * (D)))
#define BYTES_layernorm_bwd_add(dy, x, gamma, mean, rstd, dx, rows, D)        FLOATS_((rows) * (2 + 4.0 * (D)))
#define BYTES_layernorm_grad_sample(dy, x, mean, rstd, g, stride_g, n, T, D) \
    FLOATS_(TOKENS_(n, T) * (2 + 2.0 * (D)) + 4.0 * (n) * (D))

/* rows.cu */
#define BYTES_bias_grad_sample(dy, g, stride_g, n, T, O)     FLOATS_((TOKENS_(n, T) + 2.0 * (n)) * (O))
#define BYTES_weighted_sum(g, stride_g, weight, sum, n, P)   FLOATS_((1.0 + (n)) * (P))
#define BYTES_weighted_add(g, stride_g, weight, sum, n, P)   FLOATS_((2.0 + (n)) * (P))
#define BYTES_weighted_join(g, stride_g, weight, sum, n, P)  FLOATS_((2.0 + (n)) * (P))
#define BYTES_sqnorm_rows(g, stride_g, part, sq, n, P)       FLOATS_(1.0 * (n) * (P))
#define BYTES_sum_rows(x, sum, n, cols)                      FLOATS_(1.0 * (n) * (cols))
#define BYTES_dot_rows(x, y, factor, part, dot, n, P)        FLOATS_(2.0 * (n) * (P))

/* attention.cu */
#define BYTES_softmax_fwd(s, length, lse, scale, causal, heads, rows, T) \
    FLOATS_(2.0 * (heads) * TOKENS_((rows).queries, (rows).keys))
#define BYTES_softmax_bwd(s, ds, lse, length, scale, causal, heads, rows, T) \
    FLOATS_(4.0 * (heads) * TOKENS_((rows).queries, (rows).keys))

/* loss.cu */
#define BYTES_xent_fwd(logits, target, row_loss, rows, V)                     FLOATS_((rows) * (2 + 1.0 * (V)))
#define BYTES_xent_bwd(logits, target, loss_scale, weight, row_loss, n, T, V) FLOATS_(TOKENS_(n, T) * (2 + 2.0 * (V)))
#define BYTES_gather_columns(dlogits, id, stride_id, picked, rows, T, V)      FLOATS_(2.0 * (rows) * (T))
#define BYTES_loss_mean(row_loss, loss_scale, loss, n, T)                     FLOATS_(TOKENS_(n, T))

/* clip.cu */
#define BYTES_clip_flat(sq, stride_sq, coef, norm, max_norm, tensors, n)      FLOATS_((2.0 + (tensors)) * (n))
#define BYTES_clip_automatic(sq, stride_sq, coef, norm, max_norm, tensors, n) FLOATS_((2.0 + (tensors)) * (n))
#define BYTES_clip_per_layer(sq, stride_sq, coef, share, max_norm, tensors, n) FLOATS_(2.0 * (tensors) * (n))
#define BYTES_count_unclipped(coef, stride, count, rows, n)                   FLOATS_(1.0 * (rows) * (n))
#define BYTES_norm_total(sq, stride_sq, norm, tensors, n)                     FLOATS_((1.0 + (tensors)) * (n))

/* random.cu, dropout.cu */
#define BYTES_noise_add(x, std, stream, first, n)            FLOATS_(2.0 * (n))
#define BYTES_dropout(x, y, mask, p, first, n)               FLOATS_(2.0 * (n))
#define BYTES_project(x, signs, first, part, n)              FLOATS_(n)
#define BYTES_project_noise(noise, signs, first, part, n)    0.0

/* optimizer.cu */
#define BYTES_sgd(w, m, g, lr, momentum, scale, std, noise, first, n) FLOATS_(5.0 * (n))
#define BYTES_adamw(w, m, v, g, lr, beta1, beta2, eps, weight_decay, scale, t, std, noise, first, n) FLOATS_(7.0 * (n))
#endif
