/* trainer.h - a trainer computes the sum of clipped per-sample gradients; the rest of a step is shared.
 *
 * One trainer is one file trainer_<name>.c with one function, clipped_grad, and one row of the table in trainer.c. */
#ifndef TRAINER_H
#define TRAINER_H
#include "../model/model.h"
#include "../privacy/clip.h"
#include "optimizer.h"
#include "policy.h"
#include "sum_parts.h"
#include "thresholds.h"

#include <stdint.h>

/* Where the ranks of a group add their noise; all have the same variance in the sum.
 *   sum       after the sum, the same on every rank: any number of ranks gets the noise of one
 *   shares    before it, each rank its own of std/sqrt(ranks)
 *   sharded   after a reduce-scatter, to the own part of the sum, which alone is updated, with optimizer state of that
 *             part alone; then all get the parts of all (ZeRO-1, Rajbhandari et al. 2020) */
enum noise_placement { NOISE_SUM, NOISE_SHARES, NOISE_SHARDED, N_NOISE_PLACEMENTS };
extern const char *const noise_placement_name[N_NOISE_PLACEMENTS];

/* Where the gradients of a step are added up: in a vector of their own, or in SGD's momentum, on one rank:
 *     m = momentum B m + sum of clipped gradients + noise;  m /= B;  w -= lr m        B: expected batch size
 * is the same but for rounding, and needs P numbers less. */
enum accumulation { ACCUMULATE_SUM, ACCUMULATE_MOMENTUM, N_ACCUMULATIONS };
extern const char *const accumulation_name[N_ACCUMULATIONS];

struct trainer_config {
    enum clipping clipping;
    int batch_size;                  /* samples of one step (the logical batch), at most */
    bool sizes_vary;                 /* steps have fewer samples too: Poisson sampling */
    int ranks;                       /* that share them; 0 and 1: no group */
    enum noise_placement noise_placement;
    int physical_batch_size;         /* samples that are in memory at once */
    double max_grad_norm;            /* R; adaptive: of the coming step */
    double noise_multiplier;         /* of the mechanism; noise std = noise_multiplier * sensitivity if not adaptive */
    struct adaptive adaptive;
    enum noise_generator noise_generator;
    double expected_batch_size;      /* the public constant that the noisy sum is divided by */
    enum norm_mode norm_mode;        /* fastclip: how norms of linear layers are formed */
    struct policy policy;            /* auto */
    struct optimizer_config optimizer;
    enum accumulation accumulation;
    double dropout;                  /* probability */
    enum recompute recompute;        /* what is kept of the forward pass */
    uint64_t seed;
};

struct trainer;
struct trainer_ops {
    const char *name;                /* "dpsgd" */
    const char *long_name;           /* the original benchmark's: "DPSGDTrainer"; NULL: none */
    const char *summary;             /* one line for --help */
    bool is_private;
    bool is_control;                 /* deliberately wrong, must be found INVALID */
    bool chooses;                    /* takes a policy, which is to be chosen under a budget */
    bool adds_stored;                /* what it adds is the very gradient whose norm it took: trainer_norm_slack */
    /* sum (P) += sum_b coef[b] g_b over one physical batch x.  Fills sq, and loss, norm, coef at x->first. */
    void (*clipped_grad)(struct trainer *, const struct batch *x);
    void (*spoil)(struct trainer *); /* controls: changes what the step uses, after create; NULL: none */
    /* controls: why their mistake would not show in a configuration, with the remedy; NULL if it would */
    const char *(*hidden_by)(const struct model_shape *, const struct trainer_config *);
};

struct trainer {
    const struct trainer_ops *ops;
    struct trainer_config config;
    struct model *model;
    float *sum;                      /* (P): sum of clipped gradients, with noise unless the update draws it; in the
                                      * momentum: on top of what that held */
    bool *sum_begun;                 /* (tensors), host: by a layer's first tensor, whether something was added to its
                                      * part of the sum in this step: what comes first overwrites what is there */
    struct sum_parts parts;          /* of a group, see there */
    struct optimizer optimizer;
    float *sq;                       /* (tensors, physical batch size): squared norms of per-sample gradients */
    float *norm, *coef, *loss;       /* (the rank's share of the batch), of its samples in order; coef: not per_layer */
    struct thresholds thresholds;
    float *layer_coef;               /* (tensors, physical batch size): per_layer clipping only */
    float **stored;                  /* (layers), host: for trainers that keep something for each layer in a step */
    long own_begin, own_n;           /* the parameters that this rank updates: a part if sharded, else all */
    double noise_factor, divisor;    /* what the step really uses; factor: std of what this rank adds over the stated */
    struct noise_source noise;       /* the same on all ranks */
    struct noise_source own_noise;   /* of shares; Philox: the same, keyed by noise_rank */
    uint32_t noise_rank;
    uint32_t step;                   /* counts updates; keys the noise */
};

const struct trainer_ops *trainer_find(const char *name); /* short or long name; NULL: unknown */
const struct trainer_ops *trainer_at(int i);              /* table order, controls last; NULL after the last */
bool trainer_takes_clipping(const struct trainer_ops *, enum clipping);
/* Why a trainer cannot be run so, with the remedy, or NULL. */
const char *trainer_refusal(const struct trainer_ops *, const struct model_shape *, const struct trainer_config *);

/* Samples of a step on one rank, at most. */
int trainer_share(const struct trainer_config *);

/* Samples of the next physical batch when `left` are left of a step: as many as may be in memory at once, then what is
 * left over in powers of two, the largest first.  So few sizes occur, whatever the number of samples: each has matrix
 * products of its own, to be rehearsed, because smaller ones may need more workspace than larger ones. */
int trainer_physical_size(int left, int physical_batch_size);

/* NULL: out of memory, see ledger_message() */
struct trainer *trainer_create(const struct trainer_ops *, struct model *, const struct trainer_config *);
void trainer_free(struct trainer *);
void trainer_reset(struct trainer *);                     /* optimizer state 0, step 0, first thresholds */

/* New secret keys, if the noise has some: after verification, which drew the noise of the first steps and tells of it.
 * All ranks of a group together. */
void trainer_renew_keys(struct trainer *);

void trainer_set_dropout(struct trainer *);               /* the model's masks are those of the coming step */

/* Called after each physical batch, when sq of its samples can be read. */
typedef void physical_hook(struct trainer *, const struct batch *, void *ctx);

/* sum = sum of clipped gradients of a logical batch, in physical batches (n may be 0: Poisson sampling).
 * This and trainer_step run inside PROGRAM_STEP of the ledger. */
void trainer_clipped_sum(struct trainer *, const struct batch *, physical_hook *, void *ctx);
void trainer_step(struct trainer *, const struct batch *); /* sum over batch and group, noise, update */
/* Rehearses steps in which a physical batch of every size that occurs when batches vary in size comes first, and later:
 * products that overwrite the sum and that add to it need workspace of their own.  x: two physical batches, or the most
 * samples of a step. */
void trainer_rehearse_sizes(struct trainer *, const struct batch *x);

void trainer_sum_over_group(struct trainer *, float *);  /* x (P) = sum over ranks */

/* Of the sum of the coming step to one sample added or removed: R, or with noise on a grid a little more. */
double trainer_sensitivity(const struct trainer *);
/* As the mechanism states it: the sum's noise multiplier (adaptive.h) times that. */
double trainer_stated_noise_std(const struct trainer *);
/* In bf16 and tf32 a trainer that forms its sum anew rounds weighted factors, and what it adds may be longer than the
 * norm it took says, by up to this share: it clips to R/(1 + slack), so that the sensitivity is R.  Not a bound but a
 * measured figure with a margin: docs/algorithms.md, Precision.  0 in fp32. */
double trainer_norm_slack(const struct trainer_ops *);

/* ---- for trainer files --------------------------------------------------------------------------------------- */

/* trainer_norms.c: from norms to coefficients. */

/* sq += squared norms of the samples of a span whose gradients (n, P_l) of one layer are stored, rows `stride` apart.
 * Best right after they were written, when they are still in the cache. */
void trainer_stored_sqnorm(struct trainer *, const struct layer *, const float *g, long stride, struct span);
/* sq += squared norms of a layer's gradients for the samples of a span, not stored */
void trainer_layer_sqnorm(struct trainer *, struct layer *, struct span, enum norm_mode);
/* model_backward for a hook that asks for such norms: a tied head needs (B,T,D) numbers for its cross term. */
void trainer_norm_pass(struct trainer *, const struct batch *x, grad_hook *, void *ctx, enum pass_kind);
/* t->stored[layer] becomes the layer's dy (n,T,O) of the pass at work, to be released. */
void trainer_keep_dy(struct trainer *, struct layer *, struct span);
/* norm, and coef or layer_coef, of the samples of a span of the physical batch x, from sq */
void trainer_coefficients(struct trainer *, const struct batch *x, struct span);
/* How much each sample of x counts for the tensors of a layer, after trainer_coefficients. */
struct weights trainer_weights(const struct trainer *, const struct layer *, const struct batch *x);
/* Per-layer clipping without stored gradients, for any way to form norms: a layer's coefficients are known when its
 * norms are, so that one backward pass does it all. */
void trainer_clip_layers(struct trainer *, const struct batch *x, grad_hook *sqnorm_of);

/* trainer_sum.c: the sum is never cleared, the first of these calls for a layer overwrites what is there. */

void trainer_begin_sum(struct trainer *, int samples); /* of a logical batch; trainer_clipped_sum does it */
/* sum += the layer's weighted gradients of the samples of a span */
void trainer_add_weighted(struct trainer *, struct layer *, struct span, struct weights);
/* The same as a hook, unweighted: the gradient of the back-propagated loss.  ctx is the trainer. */
grad_hook trainer_add_grad;
/* sum += clipped gradients of the samples of a span that are stored: (n, P_l) of one layer, rows `stride` apart */
void trainer_add_stored(struct trainer *, const struct layer *, const float *g, long stride, const struct batch *x,
    struct span);
/* Whether no sample was added in this step.  Then a trainer may form the first one's gradient in the sum itself, and
 * trainer_join_stored gives it its coefficient later: sum = coef_0 sum + coef_1 g, for n = 2 samples; 1: without g. */
bool trainer_sum_is_empty(const struct trainer *);
void trainer_join_stored(struct trainer *, const struct layer *, const float *g, const struct batch *x, int n);

/* ---- for controls -------------------------------------------------------------------------------------------- */

void microbatch_clipped_grad(struct trainer *, const struct batch *);
#endif
