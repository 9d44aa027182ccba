/* clip.h - clipping: how one sample's gradient g_b is bounded before it is added.  n_b = |g_b|, threshold R.
 *
 *   none         coef_b  = 1                                  no privacy
 *   flat         coef_b  = min(1, R/(n_b + 1e-6))             Abadi et al. 2016, Algorithm 1
 *   automatic    coef_b  = R/(n_b + 0.01)                     Bu et al. 2023, AUTO-S
 *   per_layer    coef_bp = min(1, R_p/(n_bp + 1e-6))          each parameter tensor p by itself (McMahan et al. 2018),
 *                R_p = R/sqrt(number of tensors); adaptive.h moves R and R_p in other directions
 *
 * The sensitivity of the sum to one sample is R in all three.  A norm that is not finite gives coefficient 0, and a
 * sample (per layer: a tensor of it) of coefficient 0 is left out of the sum whatever it holds. */
#ifndef CLIP_H
#define CLIP_H
enum clipping { CLIPPING_NONE, CLIPPING_FLAT, CLIPPING_AUTOMATIC, CLIPPING_PER_LAYER, N_CLIPPINGS };
extern const char *const clipping_name[N_CLIPPINGS];

/* What coefficients are computed from: sq[p*stride_sq + b], squared norms of `tensors` tensors. */
struct clip {
    enum clipping clipping;
    double max_grad_norm;
    const float *share;      /* per_layer: (tensors) on the device, R_p = share_p R with sum share_p^2 = 1 */
    int tensors, stride_sq;
};

/* flat, automatic: norm (n) over all tensors and coef (n) */
void clip_coefficients(const struct clip *, const float *sq, float *norm, float *coef, int n);
/* per_layer: coef[p*stride_sq + b] of the n_tensors tensors from `first` on, whose squared norms begin at sq */
void clip_layer_coefficients(const struct clip *, const float *sq, float *coef, int first, int n_tensors, int n);
/* norm (n) over all tensors */
void clip_norms(const struct clip *, const float *sq, float *norm, int n);

/* The same on the host, for one threshold and one norm: R and n_b, or R_p and n_bp for per_layer. */
double clip_coefficient(enum clipping, double threshold, double norm);
double clip_sensitivity(enum clipping, double max_grad_norm); /* of the sum to one sample added or removed */
#endif
