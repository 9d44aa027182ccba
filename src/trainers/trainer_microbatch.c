/* trainer_microbatch.c - one sample at a time (Abadi et al. 2016, Algorithm 1, as written).
 *
 *     for each sample b:  g = gradient of loss_b;  sum += min(1, R/|g|) g
 *
 * The ordinary gradient of a batch of one is the per-sample gradient, so no layer needs a rule of its own.  Of an
 * embedding (unless it is the head too) only rows of the sample's tokens have one: its dy is kept instead.
 * The first sample's gradient is formed in the sum itself: sum = coef_0 sum + coef_1 g comes with the second.
 * Time: one forward and one backward pass, plus two sweeps over P numbers a sample; GEMMs have T rows.
 * Memory: activations of one sample, one P without embeddings for its gradient. */
#include "../device/ledger.h"
#include "../device/timer.h"
#include "trainer.h"

struct sample {
    struct trainer *t;
    const struct batch *x;       /* the physical batch, */
    struct span span;            /* of which this one: n is 0 if the batch is empty */
    bool joins;                  /* the step began with this physical batch */
    long from;                   /* element of the flat vector ... */
    float *g;                    /* ... that g[0] is; g has all from there on */
    float *dy;                   /* (T,D), of all embeddings */
};

static bool is_sparse(const struct layer *l)
{
    return l->ops == &layer_embedding && !l->tied;
}

static bool is_dense(const struct layer *l)
{
    return !is_sparse(l) && layer_begins(l);
}

/* The flat vector begins with embeddings. */
static long first_dense(const struct model *m)
{
    int l = 0;
    while (is_sparse(&m->layer[l]))
        l++;
    return m->layer[l].offset;
}

static bool is_formed_in_sum(const struct sample *s)
{
    return s->joins && s->span.b0 == 0;
}

static void keep_embedding(const struct sample *sample, struct layer *l, struct span s)
{
    const struct trainer *t = sample->t;
    const int stride = t->config.physical_batch_size;
    float *sq = t->sq + (long)l->first_tensor * stride + sample->span.b0;
    PHASE(NORM) l->ops->sqnorm(l, s, NORM_INSTANTIATE, sq, stride);
    KERNEL(copy, sample->dy, l->dy, (long)s.n * l->T * l->out); /* all embeddings have the same */
}

static void write_grad(struct layer *l, struct span s, void *ctx)
{
    const struct sample *sample = ctx;
    struct trainer *t = sample->t;
    if (is_sparse(l)) {
        keep_embedding(sample, l, s);
        return;
    }
    float *g = is_formed_in_sum(sample) ? t->sum + l->offset : sample->g + (l->offset - sample->from);
    l->ops->grad(l, s, UNWEIGHTED, g, layer_begins(l) ? OVERWRITE : ADD);
    if (layer_completes(l))
        trainer_stored_sqnorm(t, l, g, l->n_params, (struct span){sample->span.b0, s.n});
}

static void add_embedding(const struct sample *s, struct layer *l)
{
    struct weights coef = trainer_weights(s->t, l, s->x);
    coef.each += s->span.b0;
    l->dy = s->dy;
    trainer_add_weighted(s->t, l, (struct span){0, s->span.n}, coef);
}

/* Of the first two samples the first is in the sum, without its coefficient; it gets it with the second, or alone. */
static void add_dense(const struct sample *s, const struct layer *l)
{
    const float *g = s->g + (l->offset - s->from);
    const int b = s->span.b0;
    if (s->joins && b == 0 && s->x->n > 1)
        return;
    if (s->joins && b <= 1)
        trainer_join_stored(s->t, l, g, s->x, b + 1);
    else
        trainer_add_stored(s->t, l, g, l->n_params, s->x, s->span);
}

static void one_sample(struct sample *s)
{
    struct trainer *t = s->t;
    struct model *m = t->model;
    const struct batch one = batch_slice(s->x, s->span.b0, s->span.n);
    PHASE(FORWARD) model_forward(m, &one);
    PHASE(BACKWARD) model_backward(m, NULL, write_grad, s, t->loss + one.first, LAST_PASS);
    PHASE(CLIP) {
        trainer_coefficients(t, s->x, s->span);
        for (int l = 0; l < m->n_layers; l++)
            if (is_sparse(&m->layer[l]))
                add_embedding(s, &m->layer[l]);
            else if (is_dense(&m->layer[l]))
                add_dense(s, &m->layer[l]);
    }
}

static void samples_one_by_one(struct sample *s, size_t mark, int begin, int end)
{
    for (int b = begin; b < end; b++) {
        ledger_rewind(mark);
        s->span = (struct span){b, s->x->n ? 1 : 0};
        one_sample(s);
    }
}

void microbatch_clipped_grad(struct trainer *t, const struct batch *x)
{
    const struct model *m = t->model;
    struct sample s = {.t = t, .x = x, .joins = trainer_sum_is_empty(t), .from = first_dense(m)};
    const size_t dense = (size_t)(m->n_params - s.from), wide = (size_t)x->T * (size_t)m->shape.dim;
    s.g = ledger_take(MEMORY_PER_SAMPLE_GRADIENTS, "one sample's gradient", dense * sizeof *s.g);
    s.dy = ledger_take(MEMORY_PER_SAMPLE_GRADIENTS, "output gradient of embeddings", wide * sizeof *s.dy);
    const size_t mark = ledger_mark();
    const int first = x->n < 2 ? 1 : 2, others = x->n > 2 ? x->n - 2 : 0; /* once at least, for the ledger */
    samples_one_by_one(&s, mark, 0, first);
    samples_one_by_one(&s, mark, first, first + work_turns_begin(others));
    work_turns_end(others);
    ledger_release(s.dy);
    ledger_release(s.g);
}

const struct trainer_ops trainer_microbatch = {
    .name = "microbatch",
    .summary = "one sample at a time: gradient, clip, accumulate; memory of batch 1 plus one P",
    .is_private = true,
    .adds_stored = true,
    .clipped_grad = microbatch_clipped_grad,
};
