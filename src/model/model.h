/* model.h - the transformer: its shape, parameters, forward and backward pass.
 *
 * The model knows nothing of privacy.  A trainer sees it through the hook of model_backward.
 * Memory of a pass: what the forward pass keeps is 10 D floats per token and block (q, k, v, attention output, the
 * inputs of both layernorms, and the 4D hidden units); layernorm outputs are formed again in the backward pass, and
 * attention's scores for some queries at a time; logits live for one sample.  With recompute it is D floats, the
 * block's input, and the rest of one block at a time. */
#ifndef MODEL_H
#define MODEL_H
#include "../layers/layer.h"

#include <stdint.h>

enum arch { ARCH_POSTLN, ARCH_GPT2, N_ARCHS };
extern const char *const arch_name[N_ARCHS];    /* "postln", "gpt2": the words of golden files */

struct model_shape {
    enum arch arch;
    int vocab, dim, layers, heads, max_seq;     /* V D L H, learned positions; the FFN is 4D wide */
};

struct tensor {                                 /* one parameter tensor */
    char name[48];                              /* "h.0.attn.q.weight" */
    int rows, cols;                             /* vectors: rows = 1 */
    long offset, size;                          /* in the flat vector, in floats */
    int layer;
};

/* Names and sizes of the presets: model_sizes.c.  NULL: unknown name. */
struct model_size { const char *name; struct model_shape shape; const char *help; };
const struct model_size *model_size_find(const char *name);
const struct model_size *model_size_at(int i);  /* i = 0, 1, ...; NULL after the last */

/* Why the shape is impossible, in one line, or NULL. */
const char *model_shape_error(const struct model_shape *);
long model_shape_params(const struct model_shape *);
int model_shape_tensors(const struct model_shape *);   /* parameter tensors; a tied one once */

struct batch {
    int n, T;                    /* samples (0 is legal), tokens of each */
    long first;                  /* index of sample 0 in the arrays of this rank */
    long place;                  /* its place in the logical batch: a rank of a group has a part of that */
    struct ids token, position;
    const int *target;           /* (n,T): the token to predict, -1: none */
    const int *length;           /* (n): tokens that may be attended to, 1..T */
    const float *loss_scale;     /* (n): 1/targets of the sample; 0 if it has none */
};
struct batch batch_slice(const struct batch *, int b0, int n);

/* Masks are a function of (seed, step, site, place of the sample in the logical batch, element): model_dropout.c */
struct dropout { double p; uint64_t seed; uint32_t step; };

/* What the forward pass keeps of a block: all that the backward pass needs, or its input alone, from which the rest is
 * formed again just before (activation recomputation, gradient checkpointing; Chen et al. 2016).  The numbers are the
 * same bits. */
enum recompute { RECOMPUTE_NONE, RECOMPUTE_BLOCK, N_RECOMPUTES };
extern const char *const recompute_name[N_RECOMPUTES]; /* "none", "block" */

struct model {
    struct model_shape shape;
    enum recompute recompute;    /* set by the trainer when it is created */
    struct dropout dropout;      /* set by the trainer before each step; p = 0: none */
    const struct arch_ops *arch; /* a block's algebra; model_pass.h */
    int n_layers, n_tensors;     /* layers with parameters; parameter tensors (fewer where layers are tied) */
    long n_params;               /* P */
    struct layer *layer;
    struct tensor *tensor;
    float *params;               /* (P) on the device; whoever writes them calls model_weights_changed */
    uint32_t *params_bf16;       /* in bf16: the weights of linear layers as products read them, rounded once */
    struct pass *pass;           /* what a forward pass keeps; model_pass.h */
};

struct model *model_create(const struct model_shape *);  /* NULL: out of memory, see ledger_message() */
void model_free(struct model *);
struct layer *
model_tied_embedding(const struct model *);              /* the embedding that is also the head's weights; NULL: none */
void model_init(struct model *, uint64_t seed);          /* N(0, 0.02), biases 0, layernorm 1 and 0 */

/* After params were written by any other than model_init, before the next pass. */
void model_weights_changed(struct model *);

enum pass_kind { LAST_PASS, NOT_LAST_PASS, HEAD_STAYS };
typedef void grad_hook(struct layer *, struct span, void *ctx);

/* Keeps what the backward pass needs.  Inside a ledger program, as all passes. */
void model_forward(struct model *, const struct batch *);

/* Back-propagates sum_b weight[b] loss[b] (weight (n), NULL: all 1) and shows each layer with parameters to the hook,
 * once or with several disjoint spans (so the head never stores B x T x V), at the moment x and dy are alive.
 * A sample of weight 0 is left out whatever it holds, also what is not finite; its activations are lost.
 * loss (n), if not NULL, gets each sample's loss: mean cross-entropy over its targets, unweighted.  It is computed
 * here and not in the forward pass, because loss and gradient share the logits, which are never stored for a batch.
 * After LAST_PASS the activations are gone; before it they stay intact for another pass.  After HEAD_STAYS there is
 * only the head's input. */
void model_backward(struct model *, const float *weight, grad_hook *, void *ctx, float *loss, enum pass_kind);

/* After a backward pass: shows layers with parameters to the hook once more with their input x, and back-propagates
 * nothing.  The hook finds dy where it kept it; the head's is formed again (of the sum of losses), unless it was kept.
 * Embeddings can be shown after every kind of pass, the head too after HEAD_STAYS, blocks only after NOT_LAST_PASS.
 * Then the activations are gone. */
enum revisit { REVISIT_EMBEDDINGS = 0, REVISIT_HEAD = 1, REVISIT_KEPT_HEAD = 2, REVISIT_BLOCKS = 4,
    REVISIT_ALL = REVISIT_HEAD | REVISIT_BLOCKS };
void model_revisit(struct model *, enum revisit, grad_hook *, void *ctx);

/* Instead of a backward pass: only the losses (n), then the activations are gone. */
void model_loss(struct model *, float *loss);
#endif
