/* trainer_microbatch.c - one sample at a time (Abadi et al. 2016, Algorithm 1, as written).
 *
 *     for each sample b:  g = gradient of loss_b;  sum += min(1, R/|g|) g
 *
 * The ordinary gradient of a batch of one is the per-sample gradient, so no layer needs a rule of its own.
 * Time: one forward and one backward pass, plus two sweeps over P numbers a sample; GEMMs have T rows.
 * Memory: activations of one sample, one P for its gradient. */
#include "../device/ledger.h"
#include "../device/timer.h"
#include "trainer.h"

struct sample { struct trainer *t; float *g; int b; };

static void write_grad(struct layer *l, struct span s, void *ctx)
{
    const struct sample *sample = ctx;
    float *g = sample->g + l->offset;
    l->ops->grad(l, s, UNWEIGHTED, g, layer_begins(l) ? OVERWRITE : ADD);
    if (layer_completes(l))
        trainer_stored_sqnorm(sample->t, l, g, l->n_params, (struct span){sample->b, s.n});
}

/* sum += coef_b g.  Of the first two samples of a step, the first is in the sum, without its coefficient as yet. */
static void add(struct trainer *t, const struct batch *x, struct span s, const float *g)
{
    const struct model *m = t->model;
    const bool joins = trainer_sum_is_empty(t);
    if (joins && s.b0 == 0 && x->n > 1)
        return;
    for (int l = 0; l < m->n_layers; l++)
        if (layer_begins(&m->layer[l]) && joins)
            trainer_join_stored(t, &m->layer[l], g + m->layer[l].offset, x, s.b0 + 1);
        else if (layer_begins(&m->layer[l]))
            trainer_add_stored(t, &m->layer[l], g + m->layer[l].offset, m->n_params, x, s);
}

static void one_sample(struct trainer *t, const struct batch *x, int b, float *g)
{
    struct model *m = t->model;
    const struct span span = {b, x->n ? 1 : 0};
    const struct batch one = batch_slice(x, b, span.n);
    struct sample sample = {t, b == 0 && trainer_sum_is_empty(t) ? t->sum : g, b};
    PHASE(FORWARD) model_forward(m, &one);
    PHASE(BACKWARD) model_backward(m, NULL, write_grad, &sample, t->loss + one.first, LAST_PASS);
    PHASE(CLIP) {
        trainer_coefficients(t, x, span);
        add(t, x, span, g);
    }
}

void microbatch_clipped_grad(struct trainer *t, const struct batch *x)
{
    float *g =
        ledger_take(MEMORY_PER_SAMPLE_GRADIENTS, "one sample's gradient", (size_t)t->model->n_params * sizeof *g);
    const size_t mark = ledger_mark();
    for (int b = 0; b == 0 || b < x->n; b++) { /* once at least, for the ledger */
        ledger_rewind(mark);
        one_sample(t, x, b, g);
    }
    ledger_release(g);
}

const struct trainer_ops trainer_microbatch = {
    .name = "microbatch",
    .summary = "one sample at a time: gradient, clip, accumulate; memory of batch 1 plus one P",
    .is_private = true,
    .adds_stored = true,
    .clipped_grad = microbatch_clipped_grad,
};
