#include "rig.h"

#include "../base/check.h"
#include "../device/ledger.h"
#include "verify.h"

#include <string.h>

static int index_of(const char *word, const char *const *words, int n)
{
    for (int i = 0; i < n; i++)
        if (strcmp(word, words[i]) == 0)
            return i;
    CHECK(!"a resolved configuration has known words");
    return 0;
}

enum precision rig_precision(const struct config *c)
{
    return (enum precision)index_of(c->precision, precision_name, N_PRECISIONS);
}

void rig_trainer_config(const struct config *c, struct trainer_config *t)
{
    const bool is_private = trainer_find(c->trainer)->is_private;
    *t = (struct trainer_config){
        .batch_size = (int)c->max_batch_size,
        .sizes_vary = strcmp(c->sampling, sampling_name[SAMPLING_POISSON]) == 0,
        .ranks = (int)c->ranks_per_run,
        .noise_placement =
            (enum noise_placement)index_of(c->noise_placement, noise_placement_name, N_NOISE_PLACEMENTS),
        .physical_batch_size = (int)c->physical_batch_size,
        .max_grad_norm = c->max_grad_norm,
        .noise_multiplier = c->noise_multiplier,
        .noise_generator =
            (enum noise_generator)index_of(c->noise_generator, noise_generator_name, N_NOISE_GENERATORS),
        .adaptive = {is_private ? c->clip_quantile : 0.0, c->clip_learning_rate, c->clip_count_noise},
        .expected_batch_size = (double)c->batch_size,
        .optimizer = {(enum optimizer_kind)index_of(c->optimizer, optimizer_name, N_OPTIMIZERS), c->learning_rate,
            c->momentum, c->adam_beta1, c->adam_beta2, c->adam_eps, c->weight_decay},
        .accumulation = (enum accumulation)index_of(c->accumulate, accumulation_name, N_ACCUMULATIONS),
        .clipping = (enum clipping)index_of(c->clipping, clipping_name, N_CLIPPINGS),
        .norm_mode = (enum norm_mode)index_of(c->norm_mode, norm_mode_name, N_NORM_MODES),
        .dropout = c->dropout,
        .recompute = (enum recompute)index_of(c->recompute, recompute_name, N_RECOMPUTES),
        .seed = c->seed,
    };
}

struct sampler rig_sampler(const struct config *c, const struct trainer *t, long n_records)
{
    const struct secure_key *key = t->config.noise_generator == NOISE_CHACHA20 ? &t->noise.key : NULL;
    return (struct sampler){(enum sampling)index_of(c->sampling, sampling_name, N_SAMPLINGS), c->seed, n_records,
        (long)c->batch_size, (long)c->max_batch_size, key};
}

bool rig_create_model(struct rig *r, const struct model_shape *shape)
{
    *r = (struct rig){.model = model_create(shape)};
    return r->model != NULL;
}

static struct batch samples_of_view(void *buffer, struct part share)
{
    return batch_buffer_view(buffer, (int)(share.end - share.begin));
}

/* Samples of a batch of which each rank has full physical batches, as many as a step has on average, and a rest. */
static int with_rests(const struct trainer_config *t, int rest)
{
    const int ranks = t->ranks > 1 ? t->ranks : 1, share = (int)t->expected_batch_size / ranks;
    const int n = ranks * (share - share % t->physical_batch_size + rest);
    return n < t->batch_size ? n : t->batch_size;
}

/* A rest is cut into powers of two, its binary digits: those of the longest, and those that the longest lacks. */
struct sample_source rig_samples_to_verify(const struct trainer_config *t, samples_of *samples, void *ctx)
{
    const int expected = (int)t->expected_batch_size, longest = t->physical_batch_size - 1;
    int all = 1;
    while (all < t->physical_batch_size)
        all *= 2;
    const int most = with_rests(t, longest), other = with_rests(t, (all - 1) & ~longest);
    const int n = t->sizes_vary && most > expected ? most : expected;
    return (struct sample_source){n, t->sizes_vary && 0 < other && other < n ? other : n, samples, ctx};
}

void rig_rehearse_verification(struct rig *r)
{
    struct verification unused;
    const struct sample_source source = rig_samples_to_verify(&r->trainer->config, samples_of_view, r->buffer);
    verify_trainer(r->trainer, &source, &unused);
}

/* The sequences that a run goes through, each once, so that the ledger knows them: on every rank of a group those of
 * all, the larger and the smaller shares, so that all have the same arena. */
static void rehearse(struct rig *r, int expected)
{
    const struct trainer_config *config = &r->trainer->config;
    const int fewest = expected / config->ranks, most = (expected + config->ranks - 1) / config->ranks;
    const struct batch batch = batch_buffer_view(r->buffer, most), smaller = batch_slice(&batch, 0, fewest);
    ledger_rehearse_begin();
    trainer_step(r->trainer, &batch);
    if (fewest < most)
        trainer_step(r->trainer, &smaller);
    if (config->sizes_vary) {
        const int two = 2 * config->physical_batch_size, share = trainer_share(config);
        const struct batch large = batch_buffer_view(r->buffer, two < share ? two : share);
        trainer_rehearse_sizes(r->trainer, &large);
    }
    rig_rehearse_verification(r);
    trainer_reset(r->trainer);
    ledger_rehearse_end();
}

bool rig_create_parts(struct rig *r, const struct trainer_ops *ops, const struct trainer_config *config, int T)
{
    r->buffer = batch_buffer_create(trainer_share(config), T);
    r->trainer = r->buffer ? trainer_create(ops, r->model, config) : NULL;
    return r->trainer != NULL;
}

bool rig_create_trainer(struct rig *r, const struct trainer_ops *ops, const struct trainer_config *config, int T)
{
    if (!rig_create_parts(r, ops, config, T))
        return false;
    rehearse(r, (int)config->expected_batch_size);
    return ledger_commit();
}

void rig_begin_dry(struct rig *r, const struct config *c, int threads, const struct policy *policy)
{
    struct model_shape shape;
    struct trainer_config trainer_config;
    config_model_shape(c, &shape);
    rig_trainer_config(c, &trainer_config);
    trainer_config.policy = *policy;
    ledger_open(LEDGER_DRY, 0); /* first: a dry ledger keeps the device closed */
    device_open(threads);
    precision_set(rig_precision(c));
    CHECK(rig_create_model(r, &shape)); /* nothing is too large for a ledger without memory and without limit */
    CHECK(rig_create_parts(r, trainer_find(c->trainer), &trainer_config, (int)c->seq_len));
}

void rig_create_dry(struct rig *r, const struct config *c, int threads, const struct policy *policy)
{
    rig_begin_dry(r, c, threads, policy);
    rehearse(r, (int)c->batch_size);
    CHECK(ledger_commit());
}

void rig_free_trainer(struct rig *r)
{
    ledger_retire();
    trainer_free(r->trainer);
    batch_buffer_free(r->buffer);
    r->trainer = NULL;
    r->buffer = NULL;
}

void rig_free(struct rig *r)
{
    rig_free_trainer(r);
    model_free(r->model);
    r->model = NULL;
}
