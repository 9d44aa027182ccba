/* trainer_sum.c - the sum of clipped gradients.  It is never cleared: what comes first to a layer's part of it in a
 * step overwrites what the step before has left there, which saves a sweep of zeros and one of reads.  In the momentum
 * it begins with that instead. */
#include "../device/timer.h"
#include "trainer.h"

/* What the sum of a step begins with is this times what is there. */
static double kept(const struct trainer *t)
{
    return t->config.accumulation == ACCUMULATE_MOMENTUM ? t->config.optimizer.momentum * t->divisor : 0.0;
}

void trainer_begin_sum(struct trainer *t, int samples)
{
    const long P = t->model->n_params;
    const float keep = (float)kept(t);
    if (keep != 0.0f)
        PHASE(UPDATE) KERNEL(scale, t->sum, keep, P);
    else if (samples == 0) /* none will overwrite it */
        PHASE(UPDATE) KERNEL(fill, t->sum, 0.0f, P);
    for (int p = 0; p < t->model->n_tensors; p++)
        t->sum_begun[p] = keep != 0.0f || samples == 0;
}

/* Of what comes next to a layer's part of the sum.  Tied layers have the same part. */
static enum destination begin_in_sum(struct trainer *t, const struct layer *l)
{
    const bool begun = t->sum_begun[l->first_tensor];
    t->sum_begun[l->first_tensor] = true;
    return begun ? ADD : OVERWRITE;
}

bool trainer_sum_is_empty(const struct trainer *t)
{
    return !t->sum_begun[0];
}

void trainer_add_weighted(struct trainer *t, struct layer *l, struct span s, struct weights w)
{
    l->ops->grad(l, s, w, t->sum + l->offset, begin_in_sum(t, l));
}

void trainer_add_grad(struct layer *l, struct span s, void *ctx)
{
    struct trainer *t = ctx;
    trainer_add_weighted(t, l, s, UNWEIGHTED);
    sum_parts_grew(&t->parts, l, s);
}

void trainer_add_stored(struct trainer *t, const struct layer *l, const float *g, long stride, const struct batch *x,
    struct span s)
{
    const struct weights w = trainer_weights(t, l, x);
    const enum destination to = begin_in_sum(t, l);
    for (int p = 0; p < l->n_tensors; p++) {
        const struct tensor *tensor = &t->model->tensor[l->first_tensor + p];
        const float *rows = g + tensor->offset - l->offset, *weight = weights_of(w, p, s);
        if (to == OVERWRITE)
            KERNEL(weighted_sum, rows, stride, weight, t->sum + tensor->offset, s.n, tensor->size);
        else
            KERNEL(weighted_add, rows, stride, weight, t->sum + tensor->offset, s.n, tensor->size);
    }
}

void trainer_join_stored(struct trainer *t, const struct layer *l, const float *g, const struct batch *x, int n)
{
    const struct weights w = trainer_weights(t, l, x);
    t->sum_begun[l->first_tensor] = true;
    for (int p = 0; p < l->n_tensors; p++) {
        const struct tensor *tensor = &t->model->tensor[l->first_tensor + p];
        KERNEL(weighted_join, g + tensor->offset - l->offset, tensor->size, weights_of(w, p, (struct span){0, n}),
            t->sum + tensor->offset, n - 1, tensor->size);
    }
}
