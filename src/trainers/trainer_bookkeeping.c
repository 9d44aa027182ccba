/* trainer_bookkeeping.c - book-keeping (Bu et al. 2023): one backward pass that keeps the output gradients, from which
 * the clipped sum is then formed layer by layer.
 *
 *     backward of sum_b loss_b:   n_b by Gram matrices, as ghost; dy of every linear layer is kept
 *     for each layer:             sum += sum_b coef_b dy_b^T x_b
 *
 * Gradients of layers with few parameters are kept as such; the head's dy (B T V) is formed again.
 * Time: one backward pass, Gram matrices, and the weight gradients once.  Memory: activations and output gradients of
 * the batch, about twice what standard needs for them. */
#include "../device/ledger.h"
#include "../device/timer.h"
#include "trainer.h"

struct book { struct trainer *t; const struct batch *x; };

/* t->stored[layer] becomes its per-sample gradients (n, P_l). */
static void keep_grad_sample(struct trainer *t, struct layer *l, struct span s)
{
    const size_t bytes = (size_t)(s.n * l->n_params) * sizeof(float);
    t->stored[l->index] = ledger_take(MEMORY_PER_SAMPLE_GRADIENTS, l->name, bytes);
    l->ops->grad_sample(l, s, t->stored[l->index], l->n_params, OVERWRITE);
}

static void norm_and_keep(struct layer *l, struct span s, void *ctx)
{
    struct book *book = ctx;
    if (l->ops == &layer_layernorm)
        keep_grad_sample(book->t, l, s);
    else if (!l->in_spans)
        trainer_keep_dy(book->t, l, s);
    trainer_layer_sqnorm(book->t, l, s, NORM_GRAM);
}

static void add_clipped(struct layer *l, struct span s, void *ctx)
{
    struct book *book = ctx;
    struct trainer *t = book->t;
    if (l->ops == &layer_layernorm) {
        trainer_add_stored(t, l, t->stored[l->index], l->n_params, book->x, s);
    } else {
        if (!l->in_spans)
            l->dy = t->stored[l->index];
        trainer_add_weighted(t, l, s, trainer_weights(t, l, book->x));
    }
    sum_parts_grew(&t->parts, l, s);
    if (!l->in_spans)
        ledger_release(t->stored[l->index]);
}

static void sqnorm(struct layer *l, struct span s, void *t)
{
    trainer_layer_sqnorm(t, l, s, NORM_GRAM);
}

static void clipped_grad(struct trainer *t, const struct batch *x)
{
    struct model *m = t->model;
    struct book book = {t, x};
    if (t->config.clipping == CLIPPING_PER_LAYER) { /* nothing to keep */
        trainer_clip_layers(t, x, sqnorm);
        return;
    }
    PHASE(FORWARD) model_forward(m, x);
    PHASE(BACKWARD) trainer_norm_pass(t, x, norm_and_keep, &book, NOT_LAST_PASS);
    PHASE(CLIP) trainer_coefficients(t, x, (struct span){0, x->n});
    PHASE(BACKWARD) model_revisit(m, REVISIT_ALL, add_clipped, &book);
}

const struct trainer_ops trainer_bookkeeping = {
    .name = "bookkeeping",
    .summary = "book-keeping: one backward pass that keeps output gradients, ghost norms",
    .is_private = true,
    .clipped_grad = clipped_grad,
};
