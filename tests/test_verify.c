/* test_verify.c - every good trainer is found VALID, every negative control INVALID, and no trace is left. */
#include "../src/bench/rig.h"
#include "../src/bench/verify.h"
#include "on_device.h"

#include <stdio.h>
#include <unistd.h>

enum { T = 24, BATCH = 4 };

/* ---- data ------------------------------------------------------------------------------------------------------ */

static char text_file[512];

static int write_lines(const char *const *line, int n)
{
    FILE *file = fopen(text_file, "w");
    for (int i = 0; i < n && file; i++) fprintf(file, "%s\n", line[i]);
    return file ? fclose(file) : -1;
}

/* Lines of different lengths, with few different characters. */
static int write_text(void **state)
{
    static const char *const line[] = {"to be or not to be, that is the question", "a b a b a b", "row, row, row",
        "the rain in spain stays mainly in the plain", "no, no, no, no, no, no", "tomorrow and tomorrow"};
    (void)state;
    const char *folder = getenv("TMPDIR");
    snprintf(text_file, sizeof text_file, "%s/lines-%d.txt", folder ? folder : "/tmp", (int)getpid());
    return write_lines(line, COUNT(line));
}

static int remove_text(void **state)
{
    (void)state;
    return unlink(text_file);
}

enum source { RANDOM_TOKENS, TEXT, N_SOURCES };
static struct dataset *open_data(enum source source, int vocab)
{
    char error[512];
    const char *name = source == TEXT ? text_file : "random";
    struct dataset *data = dataset_open(name, "line", T, vocab, BATCH, 1, error, sizeof error);
    if (!data)
        fail_msg("%s", error);
    return data;
}

/* ---- one verification ------------------------------------------------------------------------------------------ */

struct trial {
    const struct trainer_ops *ops;
    enum clipping clipping;
    struct model_shape shape;
    enum source source;
    int physical;
    double noise_multiplier;
    enum optimizer_kind optimizer;
    enum noise_generator generator;
    double dropout;
    enum accumulation accumulation;
    bool vary;                         /* batches do */
    double quantile;                   /* that thresholds follow; 0: they stay */
    void (*tamper)(struct trainer *);  /* before it is verified; NULL: nothing */
};

static struct trainer_config config_of(const struct trial *a)
{
    return (struct trainer_config){.clipping = a->clipping, .batch_size = a->vary ? 2 * BATCH : BATCH,
        .sizes_vary = a->vary, .physical_batch_size = a->physical,
        .max_grad_norm = 0.7, .noise_multiplier = a->noise_multiplier, .expected_batch_size = BATCH,
        .optimizer = {a->optimizer, 0.1, 0.9, 0.9, 0.99, 1e-8, 0.1}, .noise_generator = a->generator,
        .adaptive = {a->quantile, 0.2, 7.0}, .dropout = a->dropout, .accumulation = a->accumulation, .seed = 3};
}

struct state_of_training { float *params, *m, *v; uint32_t step; int updates; double learning_rate, max_grad_norm; };
static struct state_of_training state_of(const struct trainer *t)
{
    const long P = t->model->n_params;
    return (struct state_of_training){fetch(t->model->params, P), fetch(t->optimizer.m, P),
        t->optimizer.v ? fetch(t->optimizer.v, P) : NULL, t->step, t->optimizer.step, t->optimizer.config.learning_rate,
        t->config.max_grad_norm};
}

static void assert_unchanged(const struct trainer *t, struct state_of_training before)
{
    const struct state_of_training now = state_of(t);
    same("weights", now.params, before.params, t->model->n_params);
    same("first moment", now.m, before.m, t->model->n_params);
    if (now.v)
        same("second moment", now.v, before.v, t->model->n_params);
    assert_int_equal(now.step, before.step);
    assert_int_equal(now.updates, before.updates);
    assert_true(now.learning_rate == before.learning_rate && now.max_grad_norm == before.max_grad_norm);
}

struct origin { const struct dataset *data; struct batch_buffer *buffer; };
static struct batch samples(void *ctx, struct part places)
{
    const struct origin *s = ctx;
    return dataset_batch_to_verify(s->data, s->buffer, places);
}

/* Verification tells something of the noise that it drew: the noise of training must be other. */
static void assert_new_keys(const struct trainer *t, struct noise_source before, struct noise_source own_before)
{
    const bool secret = t->config.noise_generator == NOISE_CHACHA20;
    assert_true((memcmp(&t->noise.key, &before.key, sizeof before.key) != 0) == secret);
    assert_true((memcmp(&t->own_noise.key, &own_before.key, sizeof before.key) != 0) == secret);
}

static struct verification verify(const struct trial *a)
{
    struct verification v;
    struct rig rig;
    const struct trainer_config config = config_of(a);
    struct dataset *data = open_data(a->source, a->shape.vocab);
    ledger_open(LEDGER_REAL, 0);
    assert_true(rig_create_model(&rig, &a->shape) && rig_create_trainer(&rig, a->ops, &config, T));
    model_init(rig.model, 3);
    if (a->tamper)
        a->tamper(rig.trainer);
    const struct state_of_training before = state_of(rig.trainer);
    const struct noise_source noise = rig.trainer->noise, own_noise = rig.trainer->own_noise;
    struct origin origin = {data, rig.buffer};
    const struct sample_source source = rig_samples_to_verify(&config, samples, &origin);
    verify_trainer(rig.trainer, &source, &v);
    assert_unchanged(rig.trainer, before);
    assert_new_keys(rig.trainer, noise, own_noise);
    rig_free(&rig);
    ledger_close();
    dataset_close(data);
    free_arrays(NULL);
    return v;
}

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

static void assert_verdict(const struct trial *a, const struct verification *v, enum verdict wanted)
{
    if (v->verdict != wanted)
        fail_msg("%s, %s, %s: %s: %s", a->ops->name, clipping_name[a->clipping], arch_name[a->shape.arch],
            verdict_name[v->verdict], v->message);
}

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

/* ---- mistakes that show in some samples or some steps only ------------------------------------------------------- */

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
        TEST(rests_of_every_size_are_verified_where_sizes_vary),
        TEST(all_samples_are_verified),
        TEST(thresholds_of_the_run_and_of_each_tensor_are_verified),
        TEST(moving_thresholds_are_verified),
        TEST(updates_are_verified),
        TEST(extreme_optimizers_are_valid),
        TEST(so_many_are_verified_that_physical_batches_are_full_and_not),
        TEST(every_control_is_invalid),
        TEST(a_batch_without_targets_cannot_be_verified),
        TEST(errors_are_judged_by_the_stated_limits),
    };
    const int failed = cmocka_run_group_tests(tests, write_text, remove_text);
    device_close();
    return failed;
}
