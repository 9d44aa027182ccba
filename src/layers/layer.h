/* layer.h - a layer with parameters, as a trainer sees it; g_b is sample b's gradient of this layer.
 *
 * A trainer meets layers in the hook of model_backward, at the moment their input x and output gradient dy are alive.
 * Everything DP training needs of a layer is one of three operations: a (weighted) sum over samples, the gradient of
 * each sample, and its squared norm. */
#ifndef LAYER_H
#define LAYER_H
#include "../device/device.h"

struct ids { const int *id; long stride_b, stride_t; };  /* id of (b, t): id[b*stride_b + t*stride_t] */
struct span { int b0, n; };  /* samples whose input x (n,T,I) and output gradient dy (n,T,O) are alive now */

/* What a gradient does to the numbers that are already there.  Overwriting saves a sweep of zeros and one of reads. */
enum destination { ADD, OVERWRITE };

/* How much each sample counts: tensor p of the layer, sample b of the batch count each[p*stride_tensor + b].
 * stride_tensor 0: the same for all tensors.  each NULL: all 1. */
struct weights { const float *each; long stride_tensor; };

/* How a linear layer forms the norm |dy_b^T x_b|: the gradient of a sample itself, or the Gram matrices of x_b and
 * dy_b (ghost norm, Li et al. 2022):  sum over t,u of <x_bt, x_bu> <dy_bt, dy_bu>. */
enum norm_mode { NORM_INSTANTIATE, NORM_GRAM, N_NORM_MODES };
extern const char *const norm_mode_name[N_NORM_MODES]; /* "instantiate", "ghost" */

struct layer;
struct layer_ops {
    const char *kind;
    /* g (P_l) += sum_b weight_b g_b.  A sample of weight 0 is left out even if it holds what is not finite: its input x
     * is lost then. */
    void (*grad)(struct layer *, struct span, struct weights, float *g, enum destination);
    /* g[b - b0] += g_b for each b of the span, rows of P_l floats, stride_g from one to the next */
    void (*grad_sample)(struct layer *, struct span, float *g, long stride_g, enum destination);
    /* sq[p*stride_sq + b] += |g_bp|^2 for each tensor p of the layer; g_b is not stored */
    void (*sqnorm)(struct layer *, struct span, enum norm_mode, float *sq, long stride_sq);
};

struct layer {
    const struct layer_ops *ops;
    const char *name;            /* "h.0.attn.q" */
    int index;                   /* in the model's list */
    int first_tensor, n_tensors; /* in the model's list of parameter tensors: weight, then bias if there is one */
    long offset, n_params;       /* place of its parameters (P_l) in the flat vector */
    int in, out;                 /* I, O: linear (out,in); embedding: in = V rows, out = D; layernorm: out = D */
    bool in_spans;               /* shown to the hook several times in one pass, for some samples each: what the hook
                                  * takes from the ledger for this layer it must take before the pass */
    bool dy_may_stay;            /* nothing overwrites dy after the hook ... */
    bool keep_dy;                /* ... so the hook may set this: dy is its own then, it releases it */
    int T;                       /* of the batch at hand */
    const float *weight, *bias;  /* bias NULL: none */
    const uint32_t *weight_bf16; /* of a linear layer: its weights rounded for products (gemm.b_bf16), or NULL */
    struct layer *tied;          /* embedding: the head that has the same weights and was shown before; head: the
                                  * embedding; NULL: nobody.  Their gradients add up in one tensor. */
    float *cross;                /* (B,T,D), both of a tied pair: scratch for <g_embedding, g_head>, NULL: no norms */
    /* at the hook: */
    float *x;                    /* (n,T,I) linear input; layernorm: its input (n,T,D) */
    const float *dy;             /* (n,T,O) */
    const float *mean, *rstd;    /* (n,T) layernorm */
    struct ids ids;              /* embedding, and a head tied to it: the samples' tokens */
};

extern const struct layer_ops layer_linear, layer_embedding, layer_layernorm;

/* Of two tied layers the head is shown first and the embedding adds its gradient in the same place: a gradient begins
 * with the first and is complete after the second. */
static inline bool layer_begins(const struct layer *l)
{
    return !l->tied || l->in_spans;
}
static inline bool layer_completes(const struct layer *l)
{
    return !l->tied || !l->in_spans;
}

#define UNWEIGHTED ((struct weights){NULL, 0})
/* The weights (n) of tensor p for the samples of a span; NULL: all 1. */
static inline const float *weights_of(struct weights w, int p, struct span s)
{
    return w.each ? w.each + p * w.stride_tensor + s.b0 : NULL;
}

double linear_norm_flops(const struct layer *, enum norm_mode); /* of one sample of T tokens */
/* y (rows, O) = x W^T + b [+ add], with relu on request */
struct linear_out { float *y; const float *add; bool relu; };
void linear_forward(const struct layer *, const float *x, long rows, struct linear_out);
/* dx (rows, I) = dy W [+ add]; add may be dx */
void linear_backward(const struct layer *, const float *dy, long rows, float *dx, const float *add);
#endif
