/* model_pass.h - what a forward pass keeps for the backward pass; private to src/model. */
#ifndef MODEL_PASS_H
#define MODEL_PASS_H
#include "../layers/attention.h"
#include "model.h"

#include <stdbool.h>

/* One block: its layers, and what is kept of them.  Arrays are (n,T,D) unless said. */
struct block {
    struct layer *q, *k, *v, *o, *ln_1, *up, *down, *ln_2;
    float *input;                    /* where activations are recomputed: kept in their place.  Else NULL */
    float *q_out, *k_out, *v_out, *attended;
    float *lse;                      /* (n,H,T) */
    float *in_1, *in_2;              /* inputs of ln_1 and ln_2 */
    float *mean_1, *rstd_1, *mean_2, *rstd_2; /* (n,T) */
    float *hidden;                   /* (n,T,4D): postln after the activation, gpt2 before it */
};

struct pass {
    struct block *block;
    struct layer *wte, *wpe, *ln_f, *head;
    struct batch batch;
    float *in_f, *mean_f, *rstd_f;   /* input of ln_f (n,T,D), its statistics (n,T) */
    float *out_f;                    /* what the head sees (n,T,D) */
    /* the backward pass at work */
    grad_hook *hook;
    void *ctx;
    enum pass_kind kind;
    bool again;                      /* not the first pass after the forward pass */
    const float *weight;             /* (n) of samples in a weighted pass; those of weight 0 are left out.  Else NULL */
};

long pass_rows(const struct model *);                              /* n T */
float *pass_keep(const struct model *, const char *name, long columns);   /* activation (n,T,columns) */
float *pass_gradient(const struct model *, const char *name, long columns); /* output gradient (n,T,columns) */
void pass_drop(const struct model *, float *activation);           /* gone after the last pass only */
void pass_show(const struct model *, struct layer *, float *x, const float *dy); /* all samples to the hook */
void pass_show_layernorm(const struct model *, struct layer *, float *x, const float *mean, const float *rstd,
    const float *dy);
void pass_release_dy(const struct layer *, float *dy);             /* unless the hook kept it */

/* y = layernorm(x); the statistics are kept */
void pass_layernorm(const struct model *, const struct layer *, const float *x, float *y, float *mean, float *rstd);
/* Shows ln to the hook and replaces dy, the gradient of its output, by the gradient of its input x. */
void pass_layernorm_backward(const struct model *, struct layer *ln, float *x, const float *mean,
    const float *rstd, float *dy);
void pass_embed(const struct model *, float *x);                   /* x = token + position embedding */

/* Dropout (model_dropout.c) after the attention output, the activation and the FFN output of block l.  x has `columns`
 * numbers a token.  Without dropout none of these does or takes anything. */
enum dropout_site { DROPOUT_ATTENTION, DROPOUT_ACTIVATION, DROPOUT_FFN, N_DROPOUT_SITES };
void dropout_in_place(const struct model *, int l, enum dropout_site, float *x, long columns);
float dropout_scale(const struct model *); /* of what is not dropped: 1/(1-p) */
float *dropout_gradient(const struct model *, int l, enum dropout_site, float *dy); /* dy (n,T,D), or a masked copy */
void dropout_gradient_end(const struct model *, float *masked);
/* y = residual + dropout(layer(x)); y may be residual */
void dropout_residual(const struct model *, int l, enum dropout_site, const struct layer *, const float *x,
    const float *residual, float *y);

struct attention pass_attention(const struct model *);
/* Shows a linear layer whose input is a layernorm's output, which is formed again from the layernorm's input. */
struct normed { const struct layer *ln; const float *x, *mean, *rstd; };
float *pass_normed(const struct model *, struct normed);           /* taken from the ledger, to be released */

/* One architecture is one of these, in model_<arch>.c. */
struct arch_ops {
    float *(*forward)(const struct model *, int l, float *x);  /* keeps x, returns block l's output */
    void (*activate)(const struct model *, int l, float *x);   /* the same, without the output */
    void (*backward)(const struct model *, int l, float *dy);  /* dy: of block l's output -> of its input */
    void (*revisit)(const struct model *, int l);              /* shows block l's layers with their x */
    bool causal, tied_head;
};
extern const struct arch_ops arch_postln, arch_gpt2;

/* model_rounded.c: room for the rounded weights, if there are any.  False: out of memory. */
bool rounded_create(struct model *);

/* model_head.c: logits and cross-entropy for a few samples at a time. */
void head_backward(const struct model *, const float *weight, float *loss, float *dx);
void head_revisit(const struct model *);
void head_loss(const struct model *, float *loss);
#endif
