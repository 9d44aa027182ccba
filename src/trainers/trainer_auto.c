/* trainer_auto.c - the other trainers in one: m samples at a time, and each layer keeps what costs least (policy.h).
 *
 *     for each m samples:   forward;  backward: every layer forms n_b, and stores g_b or keeps dy
 *                           coef_b from n_b
 *                           sum += sum_b coef_b g_b,  from what is stored by a sweep over memory,
 *                                                     from dy by a product, as book-keeping (Bu et al. 2023) does
 *
 * m = 1 and all stored is microbatch, m = B dpsgd; all dy kept is bookkeeping, nothing kept and a second backward pass
 * ghost or fastclip.  In between, gradients of blocks are stored while the activations above them are given back, so
 * that both are never there as a whole.
 * Time and memory: those of the policy, which is chosen by estimates under a budget (bench/choose.h). */
#include "../device/ledger.h"
#include "../device/timer.h"
#include "trainer.h"

/* Samples [b, b + part.n) of the physical batch x. */
struct micro {
    struct trainer *t;
    const struct batch *x;
    const struct policy *policy;
    bool joins;                  /* m = 1, and the step began with this physical batch */
    int b;
    struct batch part;
};

static struct span in_batch(const struct micro *c, struct span s)
{
    return (struct span){c->b + s.b0, s.n};
}

/* As in microbatch: what the first sample stores is formed in the sum, and gets its coefficient with the second. */
static bool is_formed_in_sum(const struct micro *c)
{
    return c->joins && c->b == 0;
}

/* ---- until the norms are known ------------------------------------------------------------------------------- */

/* t->stored[layer] becomes (m, P_l) */
static void take_store(const struct micro *c, const struct layer *l)
{
    const size_t bytes = (size_t)(c->part.n * l->n_params) * sizeof(float);
    c->t->stored[l->index] = ledger_take(MEMORY_PER_SAMPLE_GRADIENTS, l->name, bytes);
}

static float *store_of(const struct micro *c, const struct layer *l)
{
    return is_formed_in_sum(c) ? c->t->sum + l->offset : c->t->stored[l->index];
}

static void store(struct micro *c, struct layer *l, struct span s)
{
    const bool begins = layer_begins(l);
    if (begins && !l->in_spans)
        take_store(c, l);
    float *g = store_of(c, begins ? l : l->tied) + s.b0 * l->n_params;
    l->ops->grad_sample(l, s, g, l->n_params, begins ? OVERWRITE : ADD);
    if (layer_completes(l))
        trainer_stored_sqnorm(c->t, l, g, l->n_params, in_batch(c, s));
}

/* Of a layer that does not store. */
static bool keeps_dy(const struct micro *c, const struct layer *l)
{
    return !c->policy->twice && (!l->in_spans || c->policy->keeps_logits);
}

/* Of the head, in spans: t->stored[layer] becomes dy (m,T,V). */
static void take_logits(const struct micro *c, const struct layer *l)
{
    const size_t bytes = (size_t)c->part.n * (size_t)c->part.T * (size_t)l->out * sizeof(float);
    c->t->stored[l->index] = ledger_take(MEMORY_OUTPUT_GRADIENTS, l->name, bytes);
}

static void keep_dy(const struct micro *c, struct layer *l, struct span s)
{
    const long row = (long)l->T * l->out;
    if (!l->in_spans)
        trainer_keep_dy(c->t, l, s);
    else
        KERNEL(copy, c->t->stored[l->index] + s.b0 * row, l->dy, s.n * row);
}

static void sqnorm(const struct micro *c, struct layer *l, struct span s)
{
    const int stride = c->t->config.physical_batch_size;
    float *sq = c->t->sq + (long)l->first_tensor * stride + c->b;
    PHASE(NORM) l->ops->sqnorm(l, s, policy_norm(c->policy, l), sq, stride);
}

static void first_visit(struct layer *l, struct span s, void *ctx)
{
    struct micro *c = ctx;
    if (policy_stores(c->policy, l)) {
        store(c, l, s);
        return;
    }
    if (keeps_dy(c, l))
        keep_dy(c, l, s);
    sqnorm(c, l, s);
}

/* ---- after that ---------------------------------------------------------------------------------------------- */

static void add_stored(const struct micro *c, const struct layer *l)
{
    const float *g = store_of(c, l);
    if (is_formed_in_sum(c) && c->x->n > 1)
        return;
    if (c->joins && c->b <= 1)
        trainer_join_stored(c->t, l, g, c->x, c->b + 1);
    else
        trainer_add_stored(c->t, l, g, l->n_params, c->x, (struct span){c->b, c->part.n});
}

static void add_all_stored(const struct micro *c)
{
    const struct model *m = c->t->model;
    for (int i = 0; i < m->n_layers; i++)
        if (policy_stores(c->policy, &m->layer[i]) && layer_begins(&m->layer[i])) {
            add_stored(c, &m->layer[i]);
            ledger_release(c->t->stored[i]);
        }
}

/* A second pass back-propagates the clipped losses, unless a sample's coefficients differ from tensor to tensor. */
static const float *loss_weights(const struct micro *c)
{
    return c->policy->twice && !c->t->layer_coef ? c->t->coef + c->part.first : NULL;
}

static void second_visit(struct layer *l, struct span s, void *ctx)
{
    struct micro *c = ctx;
    const bool dy_was_kept = keeps_dy(c, l);
    struct weights coef = UNWEIGHTED;
    if (policy_stores(c->policy, l))
        return;
    if (dy_was_kept)
        l->dy = c->t->stored[l->index];
    if (!loss_weights(c)) {
        coef = trainer_weights(c->t, l, c->x);
        coef.each += c->b;
    }
    trainer_add_weighted(c->t, l, s, coef);
    if (dy_was_kept)
        ledger_release(c->t->stored[l->index]);
}

static void visit_again(struct micro *c)
{
    struct model *m = c->t->model;
    const struct policy *p = c->policy;
    const enum revisit head = p->stored[KIND_HEAD] ? 0 : p->keeps_logits ? REVISIT_KEPT_HEAD : REVISIT_HEAD;
    const enum revisit blocks = policy_stores_blocks(p, m->shape.layers) ? 0 : REVISIT_BLOCKS;
    if (p->twice)
        model_backward(m, loss_weights(c), second_visit, c, NULL, LAST_PASS);
    else
        model_revisit(m, head | blocks, second_visit, c);
}

/* What has to outlive the first pass. */
static enum pass_kind first_pass(const struct micro *c)
{
    const struct policy *p = c->policy;
    if (p->twice || !policy_stores_blocks(p, c->t->model->shape.layers))
        return NOT_LAST_PASS;
    return p->stored[KIND_HEAD] ? LAST_PASS : HEAD_STAYS;
}

/* What is seen in spans is taken beforehand. */
static void before_spans(const struct micro *c)
{
    for (int i = 0; i < c->t->model->n_layers; i++) {
        const struct layer *l = &c->t->model->layer[i];
        if (l->in_spans && policy_stores(c->policy, l))
            take_store(c, l);
        else if (l->in_spans && keeps_dy(c, l))
            take_logits(c, l);
    }
}

static void micro_batch(struct micro *c)
{
    struct trainer *t = c->t;
    struct model *m = t->model;
    PHASE(FORWARD) model_forward(m, &c->part);
    PHASE(BACKWARD) {
        before_spans(c);
        if (c->policy->stored[KIND_HEAD])
            model_backward(m, NULL, first_visit, c, t->loss + c->part.first, first_pass(c));
        else
            trainer_norm_pass(t, &c->part, first_visit, c, first_pass(c));
    }
    PHASE(CLIP) {
        trainer_coefficients(t, c->x, (struct span){c->b, c->part.n});
        add_all_stored(c);
    }
    PHASE(BACKWARD) visit_again(c);
}

/* m samples, or of what is left over a power of two. */
static void next(struct micro *c)
{
    c->part = batch_slice(c->x, c->b, trainer_physical_size(c->x->n - c->b, c->policy->samples));
    micro_batch(c);
    c->b += c->part.n;
}

static void clipped_grad(struct trainer *t, const struct batch *x)
{
    const struct policy chosen = t->config.policy,
                        policy = chosen.samples ? chosen : policy_default(&t->model->shape, x->T);
    const int m = policy.samples;
    struct micro c = {t, x, &policy, .joins = m == 1 && trainer_sum_is_empty(t)};
    const size_t mark = ledger_mark();
    next(&c); /* once at least, for the ledger */
    if (c.joins && c.b < x->n) {
        ledger_rewind(mark);
        next(&c);
    }
    const int equal = (x->n - c.b) / m, after = c.b + equal * m, turns = work_turns_begin(equal);
    for (int i = 0; i < turns; i++) {
        ledger_rewind(mark);
        next(&c);
    }
    work_turns_end(equal);
    for (c.b = after; c.b < x->n;) {
        ledger_rewind(mark);
        next(&c);
    }
}

const struct trainer_ops trainer_auto = {
    .name = "auto",
    .summary = "chooses for each layer and shape: store, Gram, book-keep, micro-batch; under --memory-budget",
    .is_private = true,
    .chooses = true,
    .clipped_grad = clipped_grad,
};
