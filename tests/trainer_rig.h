/* trainer_rig.h - for tests of trainers: a trainer on a random model and batch, and what its clipped sum should be, by
 * a loop over samples in double precision. */
#ifndef TRAINER_RIG_H
#define TRAINER_RIG_H
#include "../src/trainers/trainer.h"
#include "random_model.h"

#include <stdio.h>

/* ---- the loop -------------------------------------------------------------------------------------------------- */

enum { MOST = 5 };
static char who[96]; /* is at work: trainer, clipping, architecture */

/* Gradients of the samples of a batch, one at a time, and what follows from them in double precision. */
struct truth {
    int n, n_tensors;
    long P;
    double *g;                       /* (n,P) */
    double *tensor_norm, *norm;      /* (n, tensors), (n) */
    float *loss;                     /* (n) */
};

static inline double length_of(const double *x, long n)
{
    double sq = 0;
    for (long i = 0; i < n; i++) sq += x[i] * x[i];
    return sqrt(sq);
}

static inline struct truth truth_of(struct model *m, const struct batch *x, float *g, float *loss)
{
    const long P = m->n_params;
    struct truth t = {x->n, m->n_tensors, P, array((size_t)(x->n * P), sizeof(double)),
        array((size_t)(x->n * m->n_tensors), sizeof(double)), array((size_t)x->n, sizeof(double)), zeros(x->n)};
    for (int b = 0; b < x->n; b++) {
        const struct batch one = batch_slice(x, b, 1);
        gradient_program(m, &one, NULL, g, loss);
        const float *found = fetch(g, P);
        t.loss[b] = fetch(loss, 1)[0];
        for (long i = 0; i < P; i++) t.g[b * P + i] = found[i];
        for (int p = 0; p < t.n_tensors; p++)
            t.tensor_norm[b * t.n_tensors + p] = length_of(t.g + b * P + m->tensor[p].offset, m->tensor[p].size);
        t.norm[b] = length_of(t.g + b * P, P);
    }
    return t;
}

/* The definitions.  A clipping that is not among them fails every test that meets it. */
static inline double coefficient(enum clipping clipping, double R, const struct truth *t, int b, int p)
{
    const double norm = t->norm[b], tensor_norm = t->tensor_norm[b * t->n_tensors + p];
    const char *name = clipping_name[clipping];
    if (strcmp(name, "none") == 0)
        return 1;
    if (!isfinite(strcmp(name, "per_layer") ? norm : tensor_norm))
        return 0;
    if (strcmp(name, "flat") == 0)
        return fmin(1, R / (norm + 1e-6));
    if (strcmp(name, "automatic") == 0)
        return R / (norm + 0.01);
    if (strcmp(name, "per_layer") == 0)
        return fmin(1, R / sqrt(t->n_tensors) / (tensor_norm + 1e-6));
    fail_msg("what is clipping '%s'?", name);
    return NAN;
}

static inline double clipped_number(const struct truth *t, enum clipping clipping, double R, int p, long i)
{
    double sum = 0;
    for (int b = 0; b < t->n; b++) {
        const double coef = coefficient(clipping, R, t, b, p);
        sum += coef ? coef * t->g[b * t->P + i] : 0; /* 0 leaves out what is not finite */
    }
    return sum;
}

/* The length of the error, against the lengths of all that is added. */
static inline void check_clipped_sum(const struct model *m, const struct truth *t, enum clipping clipping, double R,
    const float *got, double rel_limit)
{
    double size = 0, sq = 0;
    for (int p = 0; p < m->n_tensors; p++) {
        for (int b = 0; b < t->n; b++) {
            const double coef = coefficient(clipping, R, t, b, p);
            size += coef ? coef * t->tensor_norm[b * t->n_tensors + p] : 0;
        }
        for (long i = m->tensor[p].offset; i < m->tensor[p].offset + m->tensor[p].size; i++) {
            const double err = got[i] - clipped_number(t, clipping, R, p, i);
            sq += err * err;
        }
    }
    if (!(sqrt(sq) <= rel_limit * size))
        fail_msg("%s: the clipped sum of length %.3g is off by %.3g", who, size, sqrt(sq));
}

/* ---- a trainer on a random batch ------------------------------------------------------------------------------- */

struct rig {
    struct model *m;
    struct batch x;
    struct trainer *t;
    float *g, *loss;
    struct truth truth;
};
static struct rig rig;                /* one at a time; m is NULL if there is none */

struct rig_wish {
    const struct trainer_ops *ops;
    enum clipping clipping;
    struct model_shape shape;
    struct batch_wish batch;
    int physical;                     /* samples in memory at once; 0: all */
    enum norm_mode norm_mode;
    struct policy policy;
    double dropout, noise_multiplier;
    enum recompute recompute;
    enum optimizer_kind optimizer;
    struct adaptive adaptive;
};

static inline struct trainer_config config_of(const struct rig_wish *w)
{
    return (struct trainer_config){.clipping = w->clipping, .batch_size = w->batch.n,
        .physical_batch_size = w->physical ? w->physical : w->batch.n, .max_grad_norm = 1,
        .noise_multiplier = w->noise_multiplier, .expected_batch_size = 3, .norm_mode = w->norm_mode,
        .policy = w->policy,
        .optimizer = {w->optimizer, 0.1, 0.9, 0.8, 0.9, 1e-3, 0.2}, .dropout = w->dropout, .recompute = w->recompute,
        .adaptive = w->adaptive, .seed = 5};
}

static inline struct rig *rig_open(const struct rig_wish *w)
{
    const struct trainer_config config = config_of(w);
    ledger_open(LEDGER_REAL, 0);
    struct rig *r = &rig;
    *r = (struct rig){.m = random_model(w->shape), .x = random_batch(&w->shape, w->batch)};
    r->g = send(zeros(r->m->n_params), r->m->n_params);
    r->loss = send(zeros(1), 1);
    r->t = trainer_create(w->ops, r->m, &config);
    assert_non_null(r->t);
    const struct batch one = batch_slice(&r->x, 0, 1);
    ledger_rehearse_begin();
    trainer_clipped_sum(r->t, &r->x, NULL, NULL);
    trainer_clipped_sum(r->t, &one, NULL, NULL);
    gradient_program(r->m, &one, NULL, r->g, r->loss);
    ledger_rehearse_end();
    assert_true(ledger_commit());
    trainer_reset(r->t);
    return r;
}

/* Of the weights and, if there is dropout, the masks of the first step. */
static inline void rig_find_truth(struct rig *r)
{
    r->m->dropout = (struct dropout){r->t->config.dropout, r->t->config.seed, 0};
    r->truth = truth_of(r->m, &r->x, r->g, r->loss);
}

static inline void rig_close(void)
{
    ledger_retire();
    trainer_free(rig.t);
    drop_all();
    model_free(rig.m);
    rig.m = NULL;
    for (int k = 0; k < N_MEMORY_KINDS; k++) assert_int_equal(ledger_live((enum memory_kind)k), 0);
    ledger_close();
    free_arrays(NULL);
}

/* After a failure the rig is still there. */
static inline int close_what_is_open(void **state)
{
    if (rig.m)
        rig_close();
    precision_set(PRECISION_FP32);
    return free_arrays(state);
}

/* Each trainer that is not a control, with each clipping it takes, on each architecture. */
struct pairing { const struct trainer_ops *ops; enum clipping clipping; enum arch arch; };
static inline void for_each_pairing(void (*test)(struct pairing))
{
    for (int i = 0; trainer_at(i); i++)
        for (int c = 0; c < N_CLIPPINGS && !trainer_at(i)->is_control; c++)
            for (int a = 0; a < N_ARCHS && trainer_takes_clipping(trainer_at(i), (enum clipping)c); a++) {
                snprintf(who, sizeof who, "%s, %s, %s", trainer_at(i)->name, clipping_name[c], arch_name[a]);
                test((struct pairing){trainer_at(i), (enum clipping)c, (enum arch)a});
            }
}

static inline struct model_shape small_shape(enum arch arch)
{
    return (struct model_shape){arch, .vocab = 9, .dim = 6, .layers = 1, .heads = 2, .max_seq = 11};
}
/* A threshold that clips none, some or all of the samples. */
enum clipped { NONE_CLIPPED, SOME_CLIPPED, ALL_CLIPPED };
static inline double threshold(const struct truth *t, enum clipped clipped)
{
    double least = INFINITY, greatest = 0;
    for (int b = 0; b < t->n; b++) {
        least = t->norm[b] > 0 ? fmin(least, t->norm[b]) : least;
        greatest = fmax(greatest, t->norm[b]);
    }
    if (greatest == 0)
        return 1;
    return clipped == ALL_CLIPPED    ? 1e-3 * least
           : clipped == SOME_CLIPPED ? sqrt(least * greatest)
                                     : 2 * greatest * sqrt(t->n_tensors); /* also if a tensor has R/sqrt(tensors) */
}

#define CLOSED(test) cmocka_unit_test_teardown(test, close_what_is_open)
#endif
