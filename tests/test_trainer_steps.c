/* test_trainer_steps.c - whole steps: noise, update, thresholds, repeatability. */
#include "../src/privacy/noise.h"
#include "trainer_rig.h"

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
    noise_add(&r->t->noise, (struct noise_draw){NOISE_OF_SUM, 0, 0}, noisy, 0, P, std, 0);
    const float *w = fetch(r->m->params, P);
    trainer_step(r->t, &r->x);
    const float *sum = fetch(noisy, P), *got = fetch(r->m->params, P);
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

/* Thresholds after a step are those of adaptive_move with the samples that the definitions leave unclipped. */
static void adaptive_step(struct pairing p)
{
    const bool per_layer = p.clipping == CLIPPING_PER_LAYER;
    const struct rig_wish wish = {p.ops, p.clipping, small_shape(p.arch), {5, 8, 1, CONTIGUOUS, BROADCAST},
        .physical = 2, .noise_multiplier = 0.5, .adaptive = {0.4, 0.3, 7.0}};
    struct rig *r = rig_open(&wish);
    struct thresholds *got = &r->t->thresholds;
    rig_find_truth(r);
    r->t->thresholds.initial = threshold(&r->truth, SOME_CLIPPED);
    trainer_reset(r->t);
    r->t->step = 3;
    double *each = array((size_t)got->counts, sizeof *each), *unclipped = array((size_t)got->counts, sizeof *unclipped);
    memcpy(each, got->each, (size_t)got->counts * sizeof *each);
    const double R = r->t->config.max_grad_norm, counts = per_layer ? r->m->n_tensors : 1;
    near(who, 0, trainer_stated_noise_std(r->t), R / sqrt(1 / (0.5 * 0.5) - counts / (14.0 * 14.0)), 1e-12 * R);
    for (int b = 0; b < r->x.n; b++)
        for (int i = 0; i < got->counts; i++) unclipped[i] += coefficient(p.clipping, R, &r->truth, b, i) == 1;
    trainer_step(r->t, &r->x);
    double *z = array((size_t)got->counts, sizeof *z);
    noise_numbers(&r->t->noise, (struct noise_draw){NOISE_OF_COUNTS, 3, 0}, z, got->counts);
    adaptive_move(&wish.adaptive, each, unclipped, z, got->counts, r->x.n, r->t->config.expected_batch_size);
    const float *share = fetch(got->share, got->counts);
    for (int i = 0; i < got->counts; i++) {
        near(who, i, got->each[i], each[i], 1e-12 * each[i]);
        near(who, i, share[i] * r->t->config.max_grad_norm, each[i], 1e-6 * each[i]);
    }
    assert_true(got->each[0] != got->initial / sqrt(counts));
    trainer_reset(r->t);
    assert_true(r->t->config.max_grad_norm == got->initial);
    rig_close();
}

static void adaptive_thresholds_follow_the_counts(void **state)
{
    (void)state;
    for (int i = 0; trainer_at(i); i++)
        for (int a = 0; a < N_ARCHS && trainer_at(i)->is_private && !trainer_at(i)->is_control; a++) {
            adaptive_step((struct pairing){trainer_at(i), CLIPPING_FLAT, (enum arch)a});
            adaptive_step((struct pairing){trainer_at(i), CLIPPING_PER_LAYER, (enum arch)a});
        }
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

/* What products read after a step is what they would read if the weights were rounded now. */
static void rounded(struct pairing p)
{
    const struct rig_wish wish = {p.ops, p.clipping, small_shape(p.arch), {3, 8, 1, CONTIGUOUS, BROADCAST},
        .noise_multiplier = 1, .optimizer = optimizer_of(p)};
    struct rig *r = rig_open(&wish);
    const long rows = r->m->layer[r->m->n_layers - 1].out, words = rows * BF16_ROW_WORDS(r->m->shape.dim);
    const float *head = (const float *)r->m->layer[r->m->n_layers - 1].weight_bf16, *first = fetch(head, words);
    for (int step = 0; step < 2; step++) trainer_step(r->t, &r->x);
    const float *kept = fetch(head, words);
    model_weights_changed(r->m);
    assert_memory_equal(kept, fetch(head, words), (size_t)words * sizeof *kept);
    assert_memory_not_equal(kept, first, (size_t)words * sizeof *kept);
    rig_close();
}

static void products_in_bf16_read_the_weights_of_the_last_step(void **state)
{
    (void)state;
    if (device_lacks(PRECISION_BF16))
        skip();
    precision_set(PRECISION_BF16);
    for_each_pairing(rounded);
}

/* Three steps, the second one without samples; w and m after them. */
struct after { const float *w, *m; };
static struct after three_steps(struct rig *r, const float *params)
{
    const long P = r->m->n_params;
    const struct batch none = batch_slice(&r->x, 0, 0);
    device_copy_in(r->m->params, params, (size_t)P * sizeof *params);
    trainer_reset(r->t);
    for (int step = 0; step < 3; step++) trainer_step(r->t, step == 1 ? &none : &r->x);
    return (struct after){fetch(r->m->params, P), fetch(r->t->optimizer.m, P)};
}

static double length_of_floats(const float *x, long n)
{
    double sq = 0;
    for (long i = 0; i < n; i++) sq += (double)x[i] * x[i];
    return sqrt(sq);
}

/* With 3 for B and 0.9 for the momentum each step rounds m by a few units more, and moves w by 0.1 m.  Gradients follow
 * the weights: what was computed from slightly different ones is as near as fp32 lets it be, as in test_trainers.c. */
static void accumulated(struct pairing p)
{
    const struct rig_wish wish = {p.ops, p.clipping, small_shape(p.arch), {3, 8, 1, CONTIGUOUS, BROADCAST},
        .physical = 2, .noise_multiplier = 0.5, .dropout = 0.1};
    struct rig *r = rig_open(&wish);
    const long P = r->m->n_params;
    float *sum = r->t->sum;
    const float *params = fetch(r->m->params, P);
    const struct after apart = three_steps(r, params);
    r->t->config.accumulation = ACCUMULATE_MOMENTUM;
    r->t->sum = r->t->optimizer.m;
    const struct after joint = three_steps(r, params);
    const double size = length_of_floats(apart.m, P);
    for (long i = 0; i < P; i++) {
        near(who, i, joint.m[i], apart.m[i], 1e-5 * size);
        near(who, i, joint.w[i], apart.w[i], 1e-5 * size + 4 * U * fabs(apart.w[i]));
    }
    r->t->config.accumulation = ACCUMULATE_SUM;
    r->t->sum = sum;
    rig_close();
}

static void momentum_takes_in_the_gradients_of_a_step(void **state)
{
    (void)state;
    for_each_pairing(accumulated);
}

int main(void)
{
    open_strict_device(1);
    const struct CMUnitTest tests[] = {
        CLOSED(a_step_adds_noise_and_divides_by_the_expected_batch_size),
        CLOSED(adaptive_thresholds_follow_the_counts),
        CLOSED(equal_seeds_give_equal_weights_to_the_bit),
        CLOSED(products_in_bf16_read_the_weights_of_the_last_step),
        CLOSED(momentum_takes_in_the_gradients_of_a_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
