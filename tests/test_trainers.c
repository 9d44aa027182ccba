/* test_trainers.c - every trainer with every clipping it takes, on every architecture, against a loop over samples in
 * double precision. */
#include "../src/privacy/noise.h"
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

static double length_of(const double *x, long n)
{
    double sq = 0;
    for (long i = 0; i < n; i++) sq += x[i] * x[i];
    return sqrt(sq);
}

static struct truth truth_of(struct model *m, const struct batch *x, float *g, float *loss)
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
static double coefficient(enum clipping clipping, double R, const struct truth *t, int b, int p)
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

static double clipped_number(const struct truth *t, enum clipping clipping, double R, int p, long i)
{
    double sum = 0;
    for (int b = 0; b < t->n; b++) {
        const double coef = coefficient(clipping, R, t, b, p);
        sum += coef ? coef * t->g[b * t->P + i] : 0; /* 0 leaves out what is not finite */
    }
    return sum;
}

/* The length of the error, against the lengths of all that is added. */
static void check_clipped_sum(const struct model *m, const struct truth *t, enum clipping clipping, double R,
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
    double dropout, noise_multiplier;
    enum optimizer_kind optimizer;
};

static struct trainer_config config_of(const struct rig_wish *w)
{
    return (struct trainer_config){.clipping = w->clipping, .batch_size = w->batch.n,
        .physical_batch_size = w->physical ? w->physical : w->batch.n, .max_grad_norm = 1,
        .noise_multiplier = w->noise_multiplier, .expected_batch_size = 3, .norm_mode = w->norm_mode,
        .optimizer = {w->optimizer, 0.1, 0.9, 0.8, 0.9, 1e-3, 0.2}, .dropout = w->dropout, .seed = 5};
}

static struct rig *rig_open(const struct rig_wish *w)
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
static void rig_find_truth(struct rig *r)
{
    r->m->dropout = (struct dropout){r->t->config.dropout, r->t->config.seed, 0};
    r->truth = truth_of(r->m, &r->x, r->g, r->loss);
}

static void rig_close(void)
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
static int close_what_is_open(void **state)
{
    if (rig.m)
        rig_close();
    return free_arrays(state);
}

/* Each trainer that is not a control, with each clipping it takes, on each architecture. */
struct pairing { const struct trainer_ops *ops; enum clipping clipping; enum arch arch; };
static void for_each_pairing(void (*test)(struct pairing))
{
    for (int i = 0; trainer_at(i); i++)
        for (int c = 0; c < N_CLIPPINGS && !trainer_at(i)->is_control; c++)
            for (int a = 0; a < N_ARCHS && trainer_takes_clipping(trainer_at(i), (enum clipping)c); a++) {
                snprintf(who, sizeof who, "%s, %s, %s", trainer_at(i)->name, clipping_name[c], arch_name[a]);
                test((struct pairing){trainer_at(i), (enum clipping)c, (enum arch)a});
            }
}

static struct model_shape small_shape(enum arch arch)
{
    return (struct model_shape){arch, .vocab = 9, .dim = 6, .layers = 1, .heads = 2, .max_seq = 11};
}

/* ---- the clipped sum ------------------------------------------------------------------------------------------- */

/* Norms, coefficients and sums are computed in fp32 from gradients that other GEMMs may have formed: of sums of some
 * hundred products with u = 6e-8 each, whose errors add up like a random walk, and through some layers. */
#define ROUNDING 1e-5

static void check_all(const struct rig *r)
{
    const struct trainer_config *c = &r->t->config;
    trainer_clipped_sum(r->t, &r->x, NULL, NULL);
    check_clipped_sum(r->m, &r->truth, c->clipping, c->max_grad_norm, fetch(r->t->sum, r->m->n_params), ROUNDING);
    const float *loss = fetch(r->t->loss, r->x.n), *norm = fetch(r->t->norm, r->x.n);
    for (int b = 0; b < r->x.n; b++) {
        near(who, b, loss[b], r->truth.loss[b], ROUNDING * r->truth.loss[b]);
        if (r->t->ops->is_private)
            near(who, b, norm[b], r->truth.norm[b], ROUNDING * r->truth.norm[b]);
    }
}

/* A threshold that clips none, some or all of the samples. */
enum clipped { NONE_CLIPPED, SOME_CLIPPED, ALL_CLIPPED };
static double threshold(const struct truth *t, enum clipped clipped)
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

static void random_shapes(struct pairing p)
{
    static const enum clipped clipped[] =
        {SOME_CLIPPED, ALL_CLIPPED, NONE_CLIPPED, SOME_CLIPPED, SOME_CLIPPED};
    for (int number = 0; number < COUNT(clipped); number++) {
        const int heads = random_int(1, 3), T = random_int(1, 23);
        const struct rig_wish wish = {p.ops, p.clipping,
            {p.arch, random_int(2, 40), heads * random_int(1, 6), random_int(1, 2), heads, random_int(T, 30)},
            {random_int(1, MOST), T, random_int(0, 2), (enum id_layout)random_int(0, N_ID_LAYOUTS - 1),
                (enum id_layout)random_int(0, N_ID_LAYOUTS - 1)},
            .norm_mode = number % 2 ? NORM_GRAM : NORM_INSTANTIATE, .dropout = number == 3 ? 0.3 : 0};
        struct rig *r = rig_open(&wish);
        rig_find_truth(r);
        r->t->config.max_grad_norm = threshold(&r->truth, clipped[number]);
        check_all(r);
        rig_close();
    }
}

static void clipped_sums_are_those_of_a_loop_over_samples(void **state)
{
    (void)state;
    for_each_pairing(random_shapes);
}

/* So long that the head shows two samples at a time and Gram matrices have more than one tile. */
static void long_sequences(struct pairing p)
{
    struct rig_wish wish = {p.ops, p.clipping, small_shape(p.arch), {MOST, 201, 1, CONTIGUOUS, BROADCAST},
        .norm_mode = NORM_GRAM};
    wish.shape.max_seq = 201;
    struct rig *r = rig_open(&wish);
    rig_find_truth(r);
    r->t->config.max_grad_norm = threshold(&r->truth, SOME_CLIPPED);
    check_all(r);
    rig_close();
}

static void long_sequences_make_no_difference(void **state)
{
    (void)state;
    for_each_pairing(long_sequences);
}

static void splits(struct pairing p)
{
    static const int physical[] = {1, 2};
    for (int k = 0; k < COUNT(physical); k++) {
        const struct rig_wish wish = {p.ops, p.clipping, small_shape(p.arch), {MOST, 8, 2, CONTIGUOUS, BROADCAST},
            .physical = physical[k], .dropout = k % 2 ? 0.2 : 0};
        struct rig *r = rig_open(&wish);
        rig_find_truth(r);
        r->t->config.max_grad_norm = threshold(&r->truth, SOME_CLIPPED);
        check_all(r);
        rig_close();
    }
}

static void physical_batches_make_one_logical_batch(void **state)
{
    (void)state;
    for_each_pairing(splits);
}

static void empty(struct pairing p)
{
    const struct rig_wish wish = {p.ops, p.clipping, small_shape(p.arch), {2, 8, 0, CONTIGUOUS, BROADCAST},
        .physical = 0};
    struct rig *r = rig_open(&wish);
    const struct batch none = batch_slice(&r->x, 0, 0);
    trainer_clipped_sum(r->t, &none, NULL, NULL);
    same(who, fetch(r->t->sum, r->m->n_params), zeros(r->m->n_params), r->m->n_params);
    rig_close();
}

static void an_empty_batch_adds_nothing(void **state)
{
    (void)state;
    for_each_pairing(empty);
}

/* ---- what one sample may do ------------------------------------------------------------------------------------ */

static double sum_length(const struct rig *r)
{
    const float *sum = fetch(r->t->sum, r->m->n_params);
    double sq = 0;
    for (long i = 0; i < r->m->n_params; i++) sq += (double)sum[i] * sum[i];
    return sqrt(sq);
}

static void one_sample(struct pairing p)
{
    const struct rig_wish wish = {p.ops, p.clipping, small_shape(p.arch), {2, 7, 1, STRIDED, BROADCAST}, .physical = 0};
    struct rig *r = rig_open(&wish);
    for (int b = 0; b < 2 && p.ops->is_private; b++)
        for (double R = 1e-3; R < 1e4; R *= 1e3) {
            const struct batch one = batch_slice(&r->x, b, 1);
            r->t->config.max_grad_norm = R;
            trainer_clipped_sum(r->t, &one, NULL, NULL);
            assert_true(sum_length(r) <= R * (1 + ROUNDING));
            assert_true(clip_sensitivity(p.clipping, R) == R);
        }
    rig_close();
}

static void one_sample_adds_at_most_the_threshold(void **state)
{
    (void)state;
    for_each_pairing(one_sample);
}

/* Positions that no two samples share, and one of sample 0's at infinity. */
static void make_sample_0_overflow(struct rig *r)
{
    const int n = r->x.n, T = r->x.T;
    int *position = array((size_t)(n * T), sizeof *position);
    for (int i = 0; i < n * T; i++) position[i] = i;
    r->x.position = (struct ids){send(position, n * T), T, 1};
    for (int p = 0; p < r->m->n_tensors; p++)
        if (strcmp(r->m->tensor[p].name, "wpe.weight") == 0)
            device_copy_in(r->m->params + r->m->tensor[p].offset, &(float){INFINITY}, sizeof(float));
}

static void overflow(struct pairing p)
{
    if (!p.ops->is_private)
        return;
    struct rig_wish wish = {p.ops, p.clipping, small_shape(p.arch), {3, 5, 0, CONTIGUOUS, CONTIGUOUS}, .physical = 0};
    wish.shape.max_seq = 15;
    struct rig *r = rig_open(&wish);
    make_sample_0_overflow(r);
    rig_find_truth(r);
    assert_true(!isfinite(r->truth.norm[0]) && isfinite(r->truth.norm[1]));
    trainer_clipped_sum(r->t, &r->x, NULL, NULL);
    check_clipped_sum(r->m, &r->truth, p.clipping, 1, fetch(r->t->sum, r->m->n_params), ROUNDING);
    rig_close();
}

static void a_sample_that_overflows_is_left_out(void **state)
{
    (void)state;
    for_each_pairing(overflow);
}

static void the_threshold_means_nothing_to_standard(void **state)
{
    (void)state;
    const struct rig_wish wish = {trainer_find("standard"), CLIPPING_NONE, small_shape(ARCH_POSTLN),
        {3, 8, 1, CONTIGUOUS, BROADCAST}, .noise_multiplier = 7};
    struct rig *r = rig_open(&wish);
    rig_find_truth(r);
    for (double R = 1e-9; R < 1e10; R *= 1e9) {
        r->t->config.max_grad_norm = R;
        check_all(r);
        assert_true(trainer_stated_noise_std(r->t) == 0);
    }
    rig_close();
}

/* ---- the step -------------------------------------------------------------------------------------------------- */

/* The weights after the first step from w, in double; g: what the optimizer gets. */
static double stepped(const struct optimizer_config *c, double w, double g)
{
    switch (c->kind) {
    case OPTIMIZER_SGD: return w - c->learning_rate * g;
    case OPTIMIZER_ADAMW: return w - c->learning_rate * (g / (fabs(g) + c->eps) + c->weight_decay * w);
    default: fail_msg("what is optimizer %d?", c->kind); return NAN;
    }
}

/* Each trainer with each optimizer. */
static enum optimizer_kind optimizer_of(struct pairing p)
{
    return (enum optimizer_kind)((p.clipping + p.arch) % N_OPTIMIZERS);
}

/* sum += std z, w -= optimizer(sum / expected batch size), whatever the size of the batch */
static void first_step(struct pairing p)
{
    const struct rig_wish wish = {p.ops, p.clipping, small_shape(p.arch), {MOST, 8, 1, CONTIGUOUS, BROADCAST},
        .physical = 2, .noise_multiplier = 0.5, .optimizer = optimizer_of(p)};
    struct rig *r = rig_open(&wish);
    const long P = r->m->n_params;
    const double std = p.ops->is_private ? 0.5 : 0, divisor = r->t->config.expected_batch_size;
    assert_true(trainer_stated_noise_std(r->t) == std);
    trainer_clipped_sum(r->t, &r->x, NULL, NULL);
    float *noisy = send(fetch(r->t->sum, P), P);
    noise_add(noisy, P, std, noise_stream(r->t->config.seed, 0));
    const float *w = fetch(r->m->params, P);
    trainer_step(r->t, &r->x);
    const float *sum = fetch(r->t->sum, P), *got = fetch(r->m->params, P);
    same(who, sum, fetch(noisy, P), P);
    for (long i = 0; i < P; i++) {
        const double want = stepped(&r->t->config.optimizer, w[i], sum[i] / divisor);
        near(who, i, got[i], want, 20 * U * (fabs(w[i]) + fabs(want - w[i])));
    }
    assert_int_equal(r->t->step, 1);
    rig_close();
}

static void a_step_adds_noise_and_divides_by_the_expected_batch_size(void **state)
{
    (void)state;
    for_each_pairing(first_step);
}

static const float *weights_after_three_steps(struct rig *r, const float *params)
{
    device_copy_in(r->m->params, params, (size_t)r->m->n_params * sizeof *params);
    trainer_reset(r->t);
    for (int step = 0; step < 3; step++) trainer_step(r->t, &r->x);
    return fetch(r->m->params, r->m->n_params);
}

static void repeated(struct pairing p)
{
    const struct rig_wish wish = {p.ops, p.clipping, small_shape(p.arch), {3, 8, 1, CONTIGUOUS, BROADCAST},
        .noise_multiplier = 1, .dropout = 0.1, .optimizer = optimizer_of(p)};
    struct rig *r = rig_open(&wish);
    const long P = r->m->n_params;
    const float *params = fetch(r->m->params, P), *once = weights_after_three_steps(r, params);
    same(who, weights_after_three_steps(r, params), once, P);
    for (long i = 0; i < P; i++) assert_true(isfinite(once[i]));
    assert_memory_not_equal(once, params, (size_t)P * sizeof *once);
    rig_close();
}

static void equal_seeds_give_equal_weights_to_the_bit(void **state)
{
    (void)state;
    for_each_pairing(repeated);
}

#define CLOSED(test) cmocka_unit_test_teardown(test, close_what_is_open)

int main(void)
{
    open_strict_device(1);
    const struct CMUnitTest tests[] = {
        CLOSED(clipped_sums_are_those_of_a_loop_over_samples),
        CLOSED(long_sequences_make_no_difference),
        CLOSED(physical_batches_make_one_logical_batch),
        CLOSED(an_empty_batch_adds_nothing),
        CLOSED(one_sample_adds_at_most_the_threshold),
        CLOSED(a_sample_that_overflows_is_left_out),
        CLOSED(the_threshold_means_nothing_to_standard),
        CLOSED(a_step_adds_noise_and_divides_by_the_expected_batch_size),
        CLOSED(equal_seeds_give_equal_weights_to_the_bit),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    device_close();
    return failed;
}
