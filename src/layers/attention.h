/* attention.h - scaled dot-product attention, softmax(q k^T / sqrt(D/H) + mask) v; no parameters.
 *
 * Scores exist for one sample, one or all heads and some queries at a time (as many as fit the cache, 128 at least), so
 * memory is linear in T; the forward pass keeps the log-sum-exp of each row and the backward pass forms them again. */
#ifndef ATTENTION_H
#define ATTENTION_H
#include <stdbool.h>

struct attention { int n, T, D, H; bool causal; const int *length; /* (n): keys that are visible */ };

/* q, k, v (n,T,D), heads side by side in a row;  out (n,T,D), lse (n,H,T) */
void attention_forward(const struct attention *, const float *q, const float *k, const float *v, float *out,
                       float *lse);
/* dq, dk, dv (n,T,D) from dout (n,T,D) */
void attention_backward(const struct attention *, const float *q, const float *k, const float *v, const float *lse,
    const float *dout, float *dq, float *dk, float *dv);
#endif
