/* trainer_norms.c - from the norms of per-sample gradients to the coefficients that clip them.
 *
 *     n_b^2 = sum over tensors of sq[p][b]            taken layer by layer in a backward pass
 *     coef_b = what the clipping makes of n_b         (privacy/clip.h)
 *
 * With per-layer clipping a tensor's coefficients are known when its norms are, in the middle of that pass. */
#include "../device/ledger.h"
#include "../device/timer.h"
#include "trainer.h"

static long sq_stride(const struct trainer *t)
{
    return t->config.physical_batch_size;
}

void trainer_stored_sqnorm(struct trainer *t, const struct layer *l, const float *g, long stride, struct span s)
{
    for (int p = l->first_tensor; p < l->first_tensor + l->n_tensors; p++) {
        const struct tensor *tensor = &t->model->tensor[p];
        const long chunks = (tensor->size + SQNORM_CHUNK - 1) / SQNORM_CHUNK;
        float *part = ledger_take(MEMORY_WORKSPACE, "partial sums", (size_t)(s.n * chunks) * sizeof(float));
        PHASE(NORM) KERNEL(sqnorm_rows, g + tensor->offset - l->offset, stride, part,
            t->sq + p * sq_stride(t) + s.b0, s.n, tensor->size);
        ledger_release(part);
    }
}

void trainer_keep_dy(struct trainer *t, struct layer *l, struct span s)
{
    if (l->dy_may_stay) {
        l->keep_dy = true;
        t->stored[l->index] = (float *)l->dy;
    } else {
        const long n = (long)s.n * l->T * l->out;
        t->stored[l->index] = ledger_take(MEMORY_OUTPUT_GRADIENTS, l->name, (size_t)n * sizeof(float));
        KERNEL(copy, t->stored[l->index], l->dy, n);
    }
}

void trainer_layer_sqnorm(struct trainer *t, struct layer *l, struct span s, enum norm_mode mode)
{
    PHASE(NORM) l->ops->sqnorm(l, s, mode, t->sq + l->first_tensor * sq_stride(t), sq_stride(t));
}

void trainer_norm_pass(struct trainer *t, const struct batch *x, grad_hook *hook, void *ctx, enum pass_kind kind)
{
    struct layer *wte = model_tied_embedding(t->model);
    const size_t bytes = (size_t)x->n * (size_t)x->T * (size_t)t->model->shape.dim * sizeof(float);
    if (wte)
        wte->cross = wte->tied->cross = ledger_take(MEMORY_WORKSPACE, "cross term of the tied head", bytes);
    model_backward(t->model, NULL, hook, ctx, t->loss + x->first, kind);
    if (wte) {
        ledger_release(wte->cross);
        wte->cross = wte->tied->cross = NULL;
    }
}

static struct clip clip_of(const struct trainer *t)
{
    const double threshold = t->config.max_grad_norm / (1.0 + trainer_norm_slack(t->ops));
    return (struct clip){t->config.clipping, threshold, t->thresholds.share, t->model->n_tensors, (int)sq_stride(t)};
}

void trainer_coefficients(struct trainer *t, const struct batch *x, struct span s)
{
    const struct clip clip = clip_of(t);
    const float *sq = t->sq + s.b0;
    float *norm = t->norm + x->first + s.b0;
    if (t->layer_coef) {
        clip_norms(&clip, sq, norm, s.n);
        clip_layer_coefficients(&clip, sq, t->layer_coef + s.b0, 0, clip.tensors, s.n);
    } else {
        clip_coefficients(&clip, sq, norm, t->coef + x->first + s.b0, s.n);
    }
}

struct weights trainer_weights(const struct trainer *t, const struct layer *l, const struct batch *x)
{
    if (t->layer_coef)
        return (struct weights){t->layer_coef + l->first_tensor * sq_stride(t), sq_stride(t)};
    return (struct weights){t->coef + x->first, 0};
}

struct layer_clip {
    struct trainer *t;
    const struct batch *x;
    grad_hook *sqnorm_of;
    float *tied_dy;              /* (n,T,D) of a tied embedding, for later */
};

static void clip_layer(struct layer_clip *c, const struct layer *l, struct span s)
{
    struct trainer *t = c->t;
    const struct clip clip = clip_of(t);
    const long at = l->first_tensor * sq_stride(t) + s.b0;
    PHASE(CLIP) clip_layer_coefficients(&clip, t->sq + at, t->layer_coef + at, l->first_tensor,
        l->n_tensors, s.n);
}

static void add_clipped(struct layer_clip *c, struct layer *l, struct span s)
{
    trainer_add_weighted(c->t, l, s, trainer_weights(c->t, l, c->x));
    sum_parts_grew(&c->t->parts, l, s);
}

static void clip_and_add(struct layer *l, struct span s, void *ctx)
{
    struct layer_clip *c = ctx;
    c->sqnorm_of(l, s, c->t);
    if (!l->tied) {
        clip_layer(c, l, s);
        add_clipped(c, l, s);
    } else if (!l->in_spans) {
        KERNEL(copy, c->tied_dy, l->dy, (long)s.n * l->T * l->out);
    }
}

/* The norm of a tied tensor is known only after both of its layers: they are shown once more. */
static void add_tied(struct layer *l, struct span s, void *ctx)
{
    struct layer_clip *c = ctx;
    if (!l->tied)
        return;
    if (!l->in_spans)
        l->dy = c->tied_dy;
    add_clipped(c, l, s);
}

void trainer_clip_layers(struct trainer *t, const struct batch *x, grad_hook *sqnorm_of)
{
    struct layer_clip c = {.t = t, .x = x, .sqnorm_of = sqnorm_of};
    const struct layer *wte = model_tied_embedding(t->model);
    const struct clip clip = clip_of(t);
    PHASE(FORWARD) model_forward(t->model, x);
    PHASE(BACKWARD) {
        if (wte)
            c.tied_dy = ledger_take(MEMORY_OUTPUT_GRADIENTS, wte->name,
                (size_t)x->n * (size_t)x->T * (size_t)wte->out * sizeof(float));
        trainer_norm_pass(t, x, clip_and_add, &c, wte ? NOT_LAST_PASS : LAST_PASS);
        if (wte) {
            clip_layer(&c, wte, (struct span){0, x->n});
            model_revisit(t->model, REVISIT_HEAD, add_tied, &c);
            ledger_release(c.tied_dy);
        }
    }
    PHASE(CLIP) clip_norms(&clip, t->sq, t->norm + x->first, x->n);
}
