/* per_sample.h - layers with few parameters (biases, layernorm): their per-sample gradients (n, P) are small, so they
 * are formed in scratch memory and then summed or squared. */
#ifndef PER_SAMPLE_H
#define PER_SAMPLE_H
#include "layer.h"

float *per_sample_begin(int n, long P);           /* (n,P) zeros, to be released by per_sample_end */
void per_sample_end(float *each);
/* g (P) += sum_b weight[b] each[b], rows of `each` are `stride` apart; weight (n) or NULL */
void per_sample_sum(const float *each, long stride, int n, long P, const float *weight, float *g, enum destination);
/* Of a sum down the T rows of a sample: into how many pieces of T/pieces rows it is cut.  They are formed as if they
 * were samples, and then added up. */
int per_sample_pieces(int T);
void per_sample_clear(float *each, long stride, int n, long P); /* zeros */
/* sq (n) += |each[b]|^2, rows of P floats, `stride` from one to the next */
void per_sample_sqnorm(const float *each, long stride, int n, long P, float *sq);
#endif
