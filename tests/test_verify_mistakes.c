/* test_verify_mistakes.c - mistakes that show in some samples or some steps only are found INVALID, and what is right
 * at the same places VALID. */
#include "verify_rig.h"

/* A trainer that is right but for `clipped_grad`, or for what the trial does to it. */
static void is_found(void (*clipped_grad)(struct trainer *, const struct batch *), struct trial a, enum verdict wanted)
{
    const struct trainer_ops spoilt = {.name = "spoilt", .is_private = true, .clipped_grad = clipped_grad};
    a.ops = &spoilt;
    a.shape = (struct model_shape){ARCH_GPT2, 300, 24, 1, 3, T};
    a.clipping = a.clipping == CLIPPING_NONE ? CLIPPING_FLAT : a.clipping;
    const struct verification v = verify(&a);
    assert_verdict(&a, &v, wanted);
}

static int wrong_size;
static void spoil_rests(struct trainer *t, const struct batch *x)
{
    microbatch_clipped_grad(t, x);
    if (x->n == wrong_size && x->n < t->config.physical_batch_size)
        KERNEL(scale, t->sum, 2.0f, t->model->n_params);
}

static void rests_of_every_size_are_verified_where_sizes_vary(void **state)
{
    (void)state;
    for (int physical = 1; physical <= BATCH; physical++)
        for (wrong_size = 1; wrong_size < physical; wrong_size *= 2)
            is_found(spoil_rests, (struct trial){.physical = physical, .vary = true}, VERDICT_INVALID);
    wrong_size = 2;
    is_found(spoil_rests, (struct trial){.physical = BATCH}, VERDICT_VALID); /* there are none */
}

static void clip_to(struct trainer *t, double R, const struct batch *x)
{
    const double own = t->config.max_grad_norm;
    t->config.max_grad_norm = R;
    microbatch_clipped_grad(t, x);
    t->config.max_grad_norm = own;
}

/* Clips the physical batches between the first and the last too much. */
static void spoil_middle(struct trainer *t, const struct batch *x)
{
    clip_to(t, t->config.max_grad_norm / (x->place > 0 && x->place + x->n < BATCH ? 2 : 1), x);
}

static void all_samples_are_verified(void **state)
{
    (void)state;
    is_found(spoil_middle, (struct trial){.physical = 1}, VERDICT_INVALID);
    is_found(spoil_middle, (struct trial){.physical = 2}, VERDICT_VALID); /* none between */
}

/* Right with thresholds above 1. */
static void clip_to_1_at_least(struct trainer *t, const struct batch *x)
{
    clip_to(t, fmax(1, t->config.max_grad_norm), x);
}

/* Right with one threshold for all tensors. */
static void clip_all_tensors_alike(struct trainer *t, const struct batch *x)
{
    const int n = t->model->n_tensors;
    float *share = array((size_t)n, sizeof *share);
    for (int p = 0; p < n; p++) share[p] = (float)(1.0 / sqrt(n));
    device_copy_in(t->thresholds.share, share, (size_t)n * sizeof *share);
    microbatch_clipped_grad(t, x);
}

static void thresholds_of_the_run_and_of_each_tensor_are_verified(void **state)
{
    (void)state;
    is_found(clip_to_1_at_least, (struct trial){.physical = 1, .clipping = CLIPPING_AUTOMATIC}, VERDICT_INVALID);
    is_found(clip_all_tensors_alike, (struct trial){.physical = 1, .clipping = CLIPPING_PER_LAYER}, VERDICT_INVALID);
}

static void seek_another_quantile(struct trainer *t) { t->thresholds.adaptive.quantile = 0.6; }
static void move_the_other_way(struct trainer *t) { t->thresholds.adaptive.learning_rate *= -1.0; }
static void count_without_noise(struct trainer *t) { t->thresholds.adaptive.count_noise = 0.0; }

/* Below what a norm may be wrong by: of the bias of the keys, whose gradient is 0, rounding decides whether it is
 * clipped; and below the 1e-6 in the coefficient, which then is below 1 whatever the norm. */
static void clip_to_a_millionth(struct trainer *t) { t->config.max_grad_norm = t->thresholds.initial = 1e-6; }

static void moving_thresholds_are_verified(void **state)
{
    (void)state;
    static const struct { void (*tamper)(struct trainer *); enum verdict verdict; } trial[] = {
        {NULL, VERDICT_VALID}, {clip_to_a_millionth, VERDICT_VALID}, {seek_another_quantile, VERDICT_INVALID},
        {move_the_other_way, VERDICT_INVALID}, {count_without_noise, VERDICT_INVALID}};
    for (int i = 0; i < COUNT(trial); i++)
        for (int per_layer = 0; per_layer < 2; per_layer++)
            is_found(microbatch_clipped_grad, (struct trial){.physical = 2, .noise_multiplier = 1, .quantile = 0.5,
                .clipping = per_layer ? CLIPPING_PER_LAYER : CLIPPING_FLAT, .tamper = trial[i].tamper},
                trial[i].verdict);
}

static void go_up(struct trainer *t) { t->optimizer.config.learning_rate *= -1.0; }
static void go_too_far(struct trainer *t) { t->optimizer.config.learning_rate *= 1.01; }
static void keep_less(struct trainer *t) { t->optimizer.config.momentum = t->optimizer.config.beta1 *= 0.99; }
static void square_less(struct trainer *t) { t->optimizer.config.beta2 = 0.9; }
static void divide_by_more(struct trainer *t) { t->optimizer.config.eps = 1e-2; }
static void decay_nothing(struct trainer *t) { t->optimizer.config.weight_decay = 0.0; }

/* Where the sum begins with the momentum: a hundredth of it is lost. */
static void lose_momentum(struct trainer *t, const struct batch *x)
{
    if (x->first == 0)
        KERNEL(scale, t->sum, 0.99f, t->model->n_params);
    microbatch_clipped_grad(t, x);
}

static void updates_are_verified(void **state)
{
    (void)state;
    static const struct { void (*tamper)(struct trainer *); bool sgd, adamw; } trial[] = {
        {NULL, false, false}, {go_up, true, true}, {go_too_far, true, true}, {keep_less, true, true},
        {square_less, false, true}, {divide_by_more, false, true}, {decay_nothing, false, true}};
    for (int i = 0; i < COUNT(trial); i++)
        for (int kind = 0; kind < N_OPTIMIZERS; kind++)
            is_found(microbatch_clipped_grad, (struct trial){.physical = 2, .noise_multiplier = 0.1,
                .optimizer = (enum optimizer_kind)kind, .tamper = trial[i].tamper},
                (kind == OPTIMIZER_ADAMW ? trial[i].adamw : trial[i].sgd) ? VERDICT_INVALID : VERDICT_VALID);
    is_found(lose_momentum, (struct trial){.physical = 2, .accumulation = ACCUMULATE_MOMENTUM}, VERDICT_INVALID);
}

static struct optimizer_config extreme;
static void be_extreme(struct trainer *t)
{
    extreme.kind = t->config.optimizer.kind;
    t->config.optimizer = t->optimizer.config = extreme;
}

static void extreme_optimizers_are_valid(void **state)
{
    (void)state;
    static const double x[][3] = {{0.999999, 0.999999, 100}, {0.9, 0, 0}, {0, 0.999999, 0}};
    for (int i = 0; i < 4 * COUNT(x); i++) {
        extreme = (struct optimizer_config){0, 1e-20, x[i / 4][0], x[i / 4][0], x[i / 4][1], 1e-30, x[i / 4][2]};
        is_found(microbatch_clipped_grad, (struct trial){.physical = 2, .noise_multiplier = i % 2,
            .optimizer = (enum optimizer_kind)(i / 2 % 2), .tamper = be_extreme}, VERDICT_VALID);
    }
}

int main(void)
{
    open_strict_device(1);
    const struct CMUnitTest tests[] = {
        TEST(rests_of_every_size_are_verified_where_sizes_vary),
        TEST(all_samples_are_verified),
        TEST(thresholds_of_the_run_and_of_each_tensor_are_verified),
        TEST(moving_thresholds_are_verified),
        TEST(updates_are_verified),
        TEST(extreme_optimizers_are_valid),
    };
    const int failed = cmocka_run_group_tests(tests, write_text, remove_text);
    device_close();
    return failed;
}
