/* verify_rig.h - for suites about the verification: a trainer on data of its own, verified once. */
#ifndef VERIFY_RIG_H
#define VERIFY_RIG_H
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

static void assert_verdict(const struct trial *a, const struct verification *v, enum verdict wanted)
{
    if (v->verdict != wanted)
        fail_msg("%s, %s, %s: %s: %s", a->ops->name, clipping_name[a->clipping], arch_name[a->shape.arch],
            verdict_name[v->verdict], v->message);
}
#endif
