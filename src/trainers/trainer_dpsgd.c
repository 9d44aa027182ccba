/* trainer_dpsgd.c - DP-SGD with stored per-sample gradients (Abadi et al. 2016; the hooks of Opacus).
 *
 *     backward: every layer stores g_b for all samples;  n_b = |g_b|;  sum += sum_b min(1, R/n_b) g_b
 *
 * Time: one forward and one backward pass, the weighted sum reads B P numbers.  Memory: B P for the gradients. */
#include "../device/ledger.h"
#include "../device/timer.h"
#include "trainer.h"

struct store { struct trainer *t; int n; };

/* stored[layer] (n, P_l) */
static void take_store(struct store *s, const struct layer *l)
{
    const size_t bytes = (size_t)(s->n * l->n_params) * sizeof(float);
    s->t->stored[l->index] = ledger_take(MEMORY_PER_SAMPLE_GRADIENTS, l->name, bytes);
}

static void store_grad_sample(struct layer *l, struct span span, void *ctx)
{
    struct store *s = ctx;
    const bool begins = layer_begins(l);
    if (!l->in_spans && begins)
        take_store(s, l);
    float *g = s->t->stored[begins ? l->index : l->tied->index] + span.b0 * l->n_params;
    l->ops->grad_sample(l, span, g, l->n_params, begins ? OVERWRITE : ADD);
    if (layer_completes(l))
        trainer_stored_sqnorm(s->t, l, g, l->n_params, span);
}

static void clipped_grad(struct trainer *t, const struct batch *x)
{
    struct model *m = t->model;
    const struct span all = {0, x->n};
    struct store store = {t, x->n};
    PHASE(FORWARD) model_forward(m, x);
    PHASE(BACKWARD) {
        for (int l = 0; l < m->n_layers; l++)
            if (m->layer[l].in_spans)
                take_store(&store, &m->layer[l]);
        model_backward(m, NULL, store_grad_sample, &store, t->loss + x->first, LAST_PASS);
    }
    PHASE(CLIP) {
        trainer_coefficients(t, x, all);
        for (int l = 0; l < m->n_layers; l++)
            if (layer_begins(&m->layer[l])) {
                trainer_add_stored(t, &m->layer[l], t->stored[l], m->layer[l].n_params, x, all);
                ledger_release(t->stored[l]);
            }
    }
}

const struct trainer_ops trainer_dpsgd = {
    .name = "dpsgd",
    .long_name = "DPSGDTrainer",
    .summary = "stores every per-sample gradient (B x P), then clips",
    .is_private = true,
    .adds_stored = true,
    .clipped_grad = clipped_grad,
};
