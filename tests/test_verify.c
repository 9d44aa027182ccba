/* test_verify.c - every good trainer is found VALID, every negative control INVALID, and no trace is left. */
#include "verify_rig.h"

/* A trainer with each clipping it takes on each architecture; the rest differs from one trial to the next. */
static void for_each_trial_of(const struct trainer_ops *ops, void (*test)(const struct trial *))
{
    int number = 0;
    for (int c = 0; c < N_CLIPPINGS; c++)
        for (int arch = 0; arch < N_ARCHS && trainer_takes_clipping(ops, (enum clipping)c); arch++)
            for (int source = 0; source < N_SOURCES; source++, number++) {
                const struct model_shape shape = {
                    (enum arch)arch, .vocab = 300, .dim = 24, .layers = 1, .heads = 3, .max_seq = T};
                const enum optimizer_kind optimizer = (enum optimizer_kind)(number / 2 % N_OPTIMIZERS);
                test(&(struct trial){ops, (enum clipping)c, shape, (enum source)source, .physical = number / 2 % 2 + 1,
                    .noise_multiplier = 1, optimizer, .accumulation = optimizer == OPTIMIZER_SGD && number % 2,
                    .vary = number / 4 % 2});
            }
}

/* ---- verdicts -------------------------------------------------------------------------------------------------- */

static void is_valid(const struct trial *a)
{
    const struct verification v = verify(a);
    assert_verdict(a, &v, VERDICT_VALID);
    assert_string_equal(v.message, "");
    assert_true(v.grad_rel_err < valid_rel_err() && v.step_rel_err < valid_rel_err());
    assert_true(v.update_rel_err < valid_rel_err());
    assert_true(a->ops->is_private ? v.norm_rel_err < valid_rel_err() : isnan(v.norm_rel_err));
    assert_true(a->ops->is_private ? fabs(v.noise_variance_ratio - 1) < 0.1 : isnan(v.noise_variance_ratio));
}

static void every_trainer_is_valid_with_every_clipping(void **state)
{
    (void)state;
    for (int i = 0; trainer_at(i); i++)
        if (!trainer_at(i)->is_control)
            for_each_trial_of(trainer_at(i), is_valid);
}

static void every_trainer_is_valid_in_bf16(void **state)
{
    (void)state;
    if (device_lacks(PRECISION_BF16))
        skip();
    precision_set(PRECISION_BF16);
    for (int i = 0; trainer_at(i); i++)
        if (!trainer_at(i)->is_control)
            for_each_trial_of(trainer_at(i), is_valid);
    precision_set(PRECISION_FP32);
}

static void secret_noise_and_masks_are_valid(void **state)
{
    (void)state;
    for (int i = 0; trainer_at(i); i++)
        if (trainer_at(i)->is_private && !trainer_at(i)->is_control)
            is_valid(&(struct trial){trainer_at(i), CLIPPING_FLAT, {ARCH_GPT2, 300, 24, 1, 3, T}, TEXT, .physical = 1,
                .noise_multiplier = 1, .generator = NOISE_CHACHA20, .dropout = 0.3});
}

static uint64_t mask_seed(struct trainer *t, uint32_t step)
{
    t->step = step;
    trainer_set_dropout(t);
    return t->model->dropout.seed;
}

static void masks_are_as_secret_as_the_noise(void **state)
{
    (void)state;
    for (int g = 0; g < N_NOISE_GENERATORS; g++) {
        const struct trial a = {trainer_find("ghost"), CLIPPING_FLAT, {ARCH_GPT2, 300, 24, 1, 3, T}, .physical = 1,
            .noise_multiplier = 1, .generator = (enum noise_generator)g, .dropout = 0.3};
        const struct trainer_config config = config_of(&a);
        struct rig rig;
        ledger_open(LEDGER_REAL, 0);
        assert_true(rig_create_model(&rig, &a.shape) && rig_create_trainer(&rig, a.ops, &config, T));
        const uint64_t first = mask_seed(rig.trainer, 0);
        assert_true(first == mask_seed(rig.trainer, 0));
        assert_true((first != config.seed) == (g == NOISE_CHACHA20));
        assert_true((first != mask_seed(rig.trainer, 1)) == (g == NOISE_CHACHA20));
        trainer_renew_keys(rig.trainer);
        assert_true((first != mask_seed(rig.trainer, 0)) == (g == NOISE_CHACHA20));
        rig_free(&rig);
        ledger_close();
    }
}

/* Memory is known for sizes that were rehearsed only. */
static bool was_met[BATCH + 1];
static void note_size(struct trainer *t, const struct batch *x)
{
    was_met[x->n] = true;
    microbatch_clipped_grad(t, x);
}

static void sizes_are_rehearsed_where_they_vary(void **state)
{
    (void)state;
    static const struct trainer_ops noting = {.name = "noting", .is_private = true, .clipped_grad = note_size};
    const struct trial a = {&noting, CLIPPING_FLAT, {ARCH_GPT2, 300, 24, 1, 3, T}, .physical = BATCH};
    for (int vary = 0; vary < 2; vary++) {
        struct trainer_config config = config_of(&a);
        struct rig rig;
        config.sizes_vary = vary;
        memset(was_met, 0, sizeof was_met);
        ledger_open(LEDGER_REAL, 0);
        assert_true(rig_create_model(&rig, &a.shape) && rig_create_trainer(&rig, a.ops, &config, T));
        assert_true(was_met[BATCH] && was_met[0] && was_met[1] == vary && was_met[2] == vary);
        rig_free(&rig);
        ledger_close();
    }
}

/* Of two samples that are opposite nothing is left, but the rounding of both. */
static void errors_are_held_against_what_is_added(void **state)
{
    (void)state;
    struct trainer t = {.ops = trainer_find("dpsgd"), .config.clipping = CLIPPING_FLAT, .thresholds.counts = 1};
    struct model model = {.n_tensors = 1};
    struct reference r = reference_create(2, 1);
    struct figures sum = figures_create(1);
    const double threshold = 3.0;
    t.model = &model;
    for (int b = 0; b < 2; b++)
        r.sample[b].norm[0] = 5.0;
    for (int k = 0; k < N_SIGNS; k++)
        r.sample[1].projection[k] = -(r.sample[0].projection[k] = 5.0);
    reference_sum(&r, &t, &threshold, 2, &sum);
    assert_float_equal(sum.projection[0], 0.0, 1e-12);
    assert_float_equal(sum.norm[0], sqrt(2.0) * 3.0, 1e-5);
    for (int k = 0; k < N_SIGNS; k++)
        r.sample[1].projection[k] = 5.0;
    reference_sum(&r, &t, &threshold, 2, &sum);
    assert_float_equal(sum.norm[0], 2.0 * 3.0, 1e-5);
    figures_free(&sum);
    reference_free(&r);
}

static void so_many_are_verified_that_physical_batches_are_full_and_not(void **state)
{
    (void)state;
    static const struct { double expected; int most, physical, ranks, wanted, step; } trial[] = {
        {7, 30, 7, 1, 7 + 4 + 2, 7 + 1}, {8, 30, 8, 1, 8 + 4 + 2 + 1, 8}, {7, 30, 3, 1, 3 + 3 + 2, 3 + 3 + 1},
        {7, 30, 1, 1, 7, 7}, {1, 9, 1, 1, 1, 1}, {7, 9, 7, 1, 9, 8}, {8, 30, 4, 2, 2 * (4 + 2 + 1), 2 * 4},
        {5, 30, 3, 2, 5, 2 * 1}};
    for (size_t i = 0; i < COUNT(trial); i++)
        for (int vary = 0; vary < 2; vary++) {
            const struct trainer_config config = {.expected_batch_size = trial[i].expected, .sizes_vary = vary,
                .batch_size = trial[i].most, .physical_batch_size = trial[i].physical, .ranks = trial[i].ranks};
            const struct sample_source source = rig_samples_to_verify(&config, samples, NULL);
            assert_int_equal(source.n, vary ? trial[i].wanted : (int)trial[i].expected);
            assert_int_equal(source.n_step, vary ? trial[i].step : (int)trial[i].expected);
        }
}

/* A control says itself where its mistake would not show.  It must be found by what it does, not by a NaN. */
static int n_invalid;
static void is_refused_or_invalid(const struct trial *a)
{
    const struct trainer_config config = config_of(a);
    if (trainer_refusal(a->ops, &a->shape, &config))
        return;
    const struct verification v = verify(a);
    assert_verdict(a, &v, VERDICT_INVALID);
    assert_string_not_equal(v.message, "");
    assert_true(isfinite(v.grad_rel_err) && isfinite(v.norm_rel_err) && isfinite(v.step_rel_err));
    n_invalid++;
}

/* Those are tested with real ranks: test_groups.sh. */
static bool needs_a_group(const struct trainer_ops *ops)
{
    struct trial a = {ops, CLIPPING_FLAT, {ARCH_GPT2, 300, 24, 1, 3, T}, .physical = 1, .noise_multiplier = 1};
    struct trainer_config config = config_of(&a);
    config.ranks = 2;
    config.noise_placement = NOISE_SHARES;
    const bool shows_in_group = !trainer_refusal(ops, &a.shape, &config);
    config.ranks = 1;
    return shows_in_group && trainer_refusal(ops, &a.shape, &config);
}

static void every_control_is_invalid(void **state)
{
    (void)state;
    for (int i = 0; trainer_at(i); i++)
        if (trainer_at(i)->is_control) {
            n_invalid = 0;
            for_each_trial_of(trainer_at(i), is_refused_or_invalid);
            assert_true(needs_a_group(trainer_at(i)) ? n_invalid == 0 : n_invalid > 0);
        }
}

static void a_batch_without_targets_cannot_be_verified(void **state)
{
    (void)state;
    write_lines((const char *const[]){"a", "b", "c", "d"}, BATCH);
    const struct trial a = {trainer_find("microbatch"), CLIPPING_FLAT, {ARCH_POSTLN, 300, 24, 1, 3, T}, TEXT,
        .physical = 1, .noise_multiplier = 1};
    const struct verification v = verify(&a);
    assert_verdict(&a, &v, VERDICT_INVALID);
    assert_non_null(strstr(v.message, "no token to predict"));
}

static void errors_are_judged_by_the_stated_limits(void **state)
{
    (void)state;
    assert_int_equal(verdict_of(0), VERDICT_VALID);
    assert_int_equal(verdict_of(1e-4), VERDICT_VALID);
    assert_int_equal(verdict_of(1.1e-4), VERDICT_WARN);
    assert_int_equal(verdict_of(1.1e-3), VERDICT_INVALID);
    assert_int_equal(verdict_of(NAN), VERDICT_INVALID);
    for (int p = PRECISION_TF32; p <= PRECISION_BF16; p++) {
        precision_set((enum precision)p);
        assert_int_equal(verdict_of(2e-2), VERDICT_VALID);
        assert_int_equal(verdict_of(2.1e-2), VERDICT_WARN);
        assert_int_equal(verdict_of(1.1e-1), VERDICT_INVALID);
    }
    precision_set(PRECISION_FP32);
}

int main(void)
{
    open_strict_device(1);
    const struct CMUnitTest tests[] = {
        TEST(every_trainer_is_valid_with_every_clipping),
        TEST(every_trainer_is_valid_in_bf16),
        TEST(secret_noise_and_masks_are_valid),
        TEST(masks_are_as_secret_as_the_noise),
        TEST(sizes_are_rehearsed_where_they_vary),
        TEST(errors_are_held_against_what_is_added),
        TEST(so_many_are_verified_that_physical_batches_are_full_and_not),
        TEST(every_control_is_invalid),
        TEST(a_batch_without_targets_cannot_be_verified),
        TEST(errors_are_judged_by_the_stated_limits),
    };
    const int failed = cmocka_run_group_tests(tests, write_text, remove_text);
    device_close();
    return failed;
}
