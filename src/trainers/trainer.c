/* trainer.c - the table of trainers and the step they share:
 *
 *     sum = sum over the logical batch of clipped gradients     (the trainer, one physical batch at a time)
 *     sum = sum over the ranks of a group                       (each has a share of the batch)
 *     sum += noise_std z                                        (before the sum over ranks, here, or in the update)
 *     w  -= optimizer(sum / expected batch size) */
#include "trainer.h"

#include "../base/check.h"
#include "../device/ledger.h"
#include "../device/timer.h"
#include "../privacy/noise.h"
#include "../../mpi/group.h"

#include <math.h>
#include <stdlib.h>

#define TRAINER_LIST(X)                                                       \
    X(standard) X(dpsgd) X(fastclip) X(ghost) X(bookkeeping) X(mixed) X(microbatch) X(auto)          \
    X(broken_noclip) X(broken_batchclip) X(broken_embedding) X(broken_uncounted) X(broken_tied)          \
    X(broken_divisor) X(broken_drawn) X(broken_noise) X(broken_sigma) X(broken_samekey) X(broken_shares)

#define DECLARE_TRAINER(name) extern const struct trainer_ops trainer_##name;
TRAINER_LIST(DECLARE_TRAINER)

#define TRAINER_ROW(name) &trainer_##name,
static const struct trainer_ops *const table[] = {TRAINER_LIST(TRAINER_ROW)};

const struct trainer_ops *trainer_at(int i)
{
    return i < (int)(sizeof table / sizeof *table) ? table[i] : NULL;
}

const struct trainer_ops *trainer_find(const char *name)
{
    for (int i = 0; trainer_at(i); i++)
        if (strcmp(name, table[i]->name) == 0 || (table[i]->long_name && strcmp(name, table[i]->long_name) == 0))
            return table[i];
    return NULL;
}

bool trainer_takes_clipping(const struct trainer_ops *ops, enum clipping clipping)
{
    return ops->is_private == (clipping != CLIPPING_NONE);
}

const char *trainer_refusal(const struct trainer_ops *ops, const struct model_shape *shape,
    const struct trainer_config *config)
{
    return ops->hidden_by ? ops->hidden_by(shape, config) : NULL;
}

/* ---- create and free ----------------------------------------------------------------------------------------- */

const char *const noise_placement_name[N_NOISE_PLACEMENTS] = {"sum", "shares", "sharded"};
const char *const accumulation_name[N_ACCUMULATIONS] = {"sum", "momentum"};

static int ranks_of(const struct trainer_config *config)
{
    return config->ranks > 1 ? config->ranks : 1;
}

int trainer_share(const struct trainer_config *config)
{
    return (config->batch_size + ranks_of(config) - 1) / ranks_of(config);
}

/* What the rank updates and how much noise it adds. */
static void take_role(struct trainer *t)
{
    const int ranks = t->config.ranks;
    const bool sharded = t->config.noise_placement == NOISE_SHARDED, shares = t->config.noise_placement == NOISE_SHARES;
    CHECK(ledger_is_dry() || ranks == group()->size);
    const struct part own = group_part(t->model->n_params, sharded ? group()->rank : 0, sharded ? ranks : 1);
    t->own_begin = own.begin;
    t->own_n = own.end - own.begin;
    t->noise_factor = shares ? 1.0 / sqrt(ranks) : 1.0;
    t->noise_rank = (uint32_t)group()->rank;
    t->divisor = t->config.expected_batch_size;
}

/* Keys are made anew for each run and never leave its processes. */
static void take_noise(struct trainer *t)
{
    t->noise = (struct noise_source){.generator = t->config.noise_generator, .seed = t->config.seed};
    t->own_noise = t->noise;
    trainer_renew_keys(t);
}

void trainer_renew_keys(struct trainer *t)
{
    if (t->config.noise_generator != NOISE_CHACHA20 || ledger_is_dry() || ledger_is_rehearsing())
        return;
    t->noise.key = secure_key_new();
    t->own_noise.key = secure_key_new();
    group_share(&t->noise.key, sizeof t->noise.key);
}

/* The largest part of a group, so that all ranks take the same memory. */
static long optimizer_room(const struct trainer *t)
{
    const int ranks = t->config.noise_placement == NOISE_SHARDED ? t->config.ranks : 1;
    const struct part last = group_part(t->model->n_params, ranks - 1, ranks);
    return last.end - last.begin;
}

static float *floats(enum memory_kind kind, const char *name, long n)
{
    return ledger_alloc(kind, name, (size_t)n * sizeof(float));
}

/* Optimizer state and the sum, which may be the same. */
static bool create_sum(struct trainer *t)
{
    const bool apart = t->config.accumulation == ACCUMULATE_SUM;
    if (apart && !(t->sum = floats(MEMORY_GRADIENTS, "sum of gradients", t->model->n_params)))
        return false;
    if (!optimizer_create(&t->optimizer, &t->config.optimizer, t->own_n, optimizer_room(t)))
        return false;
    t->sum = apart ? t->sum : t->optimizer.m;
    return true;
}

struct trainer *trainer_create(const struct trainer_ops *ops, struct model *model, const struct trainer_config *config)
{
    CHECK(trainer_takes_clipping(ops, config->clipping));
    struct trainer *t = calloc(1, sizeof *t);
    float **stored = calloc((size_t)model->n_layers, sizeof *stored);
    bool *begun = calloc((size_t)model->n_tensors, sizeof *begun);
    if (!t || !stored || !begun)
        die(EXIT_ENVIRONMENT, "out of host memory");
    *t = (struct trainer){.ops = ops, .config = *config, .model = model, .stored = stored, .sum_begun = begun};
    sum_parts_create(&t->parts, model);
    t->config.ranks = ranks_of(config);
    model->recompute = config->recompute;
    take_role(t);
    take_noise(t);
    if (ops->spoil)
        ops->spoil(t);
    const long B = trainer_share(config);
    const bool per_layer = config->clipping == CLIPPING_PER_LAYER;
    const int thresholds = per_layer ? model->n_tensors : 1;
    if (!create_sum(t) ||
        !(t->sq = floats(MEMORY_PER_SAMPLE_GRADIENTS, "squared norms",
                         (long)model->n_tensors * config->physical_batch_size)) ||
        !(t->norm = floats(MEMORY_PER_SAMPLE_GRADIENTS, "norms", B)) ||
        !(t->coef = floats(MEMORY_PER_SAMPLE_GRADIENTS, "clipping coefficients", B)) ||
        !(t->loss = floats(MEMORY_PER_SAMPLE_GRADIENTS, "losses", B)) ||
        !thresholds_create(&t->thresholds, &config->adaptive, config->max_grad_norm, thresholds) ||
        (per_layer &&
         !(t->layer_coef = floats(MEMORY_PER_SAMPLE_GRADIENTS, "clipping coefficients of tensors",
                                  (long)model->n_tensors * config->physical_batch_size)))) {
        trainer_free(t);
        return NULL;
    }
    trainer_reset(t);
    return t;
}

void trainer_free(struct trainer *t)
{
    if (!t)
        return;
    ledger_free(t->layer_coef);
    thresholds_free(&t->thresholds);
    ledger_free(t->loss);
    ledger_free(t->coef);
    ledger_free(t->norm);
    ledger_free(t->sq);
    optimizer_free(&t->optimizer);
    if (t->config.accumulation == ACCUMULATE_SUM)
        ledger_free(t->sum);
    sum_parts_free(&t->parts);
    free(t->sum_begun);
    free(t->stored);
    free(t);
}

static bool is_adaptive(const struct trainer *t)
{
    return t->config.adaptive.quantile > 0.0;
}

void trainer_reset(struct trainer *t)
{
    optimizer_reset(&t->optimizer);
    thresholds_reset(&t->thresholds);
    if (is_adaptive(t))
        t->config.max_grad_norm = t->thresholds.initial;
    t->step = 0;
}

static double noise_multiplier_of_sum(const struct trainer *t)
{
    return adaptive_sum_multiplier(&t->config.adaptive, t->config.noise_multiplier, t->thresholds.counts);
}

static int rounded_sums(const struct trainer *t)
{
    return t->config.noise_placement == NOISE_SHARES ? t->config.ranks : 1;
}

static double noise_grid(const struct trainer *t)
{
    return secure_noise_grid(t->config.max_grad_norm, noise_multiplier_of_sum(t), t->model->n_params, rounded_sums(t));
}

double trainer_sensitivity(const struct trainer *t)
{
    const double R = clip_sensitivity(t->config.clipping, t->config.max_grad_norm);
    const bool on_grid = t->config.noise_generator == NOISE_CHACHA20 && noise_multiplier_of_sum(t) > 0.0;
    return on_grid ? secure_noise_sensitivity(R, noise_grid(t), t->model->n_params, rounded_sums(t)) : R;
}

double trainer_stated_noise_std(const struct trainer *t)
{
    return t->ops->is_private ? noise_multiplier_of_sum(t) * trainer_sensitivity(t) : 0.0;
}

enum { SLACK_ROUNDINGS = 5 };

double trainer_norm_slack(const struct trainer_ops *ops)
{
    return !ops->is_private || ops->adds_stored || precision_now() == PRECISION_FP32
               ? 0.0 : SLACK_ROUNDINGS * precision_rounding();
}

/* ---- the step ------------------------------------------------------------------------------------------------ */

/* A mask belongs to a place in the batch, so that with one sample more those behind it have other masks.  That moves
 * the sum by more than one sample, but its distribution by no more, if the masks are as secret as the noise. */
static uint64_t dropout_seed(const struct trainer *t)
{
    const struct noise_draw draw = {NOISE_OF_DROPOUT, t->step, 0};
    const struct secure_stream stream = noise_chacha20(&t->noise.key, draw);
    return t->noise.generator == NOISE_CHACHA20 ? secure_word(&stream, 0) : t->config.seed;
}

void trainer_set_dropout(struct trainer *t)
{
    t->model->dropout = (struct dropout){t->config.dropout, dropout_seed(t), t->step};
}

int trainer_physical_size(int left, int physical_batch_size)
{
    int n = left > 0;
    while (n && 2 * n <= left)
        n *= 2;
    return left >= physical_batch_size ? physical_batch_size : n;
}

static void count_unclipped(struct trainer *t, const struct batch *physical)
{
    const float *coef = t->layer_coef ? t->layer_coef : t->coef + physical->first;
    thresholds_count(&t->thresholds, coef, t->config.physical_batch_size, physical->n);
}

void trainer_clipped_sum(struct trainer *t, const struct batch *x, physical_hook *hook, void *ctx)
{
    const int most = t->config.physical_batch_size;
    ledger_start(PROGRAM_STEP);
    trainer_set_dropout(t);
    trainer_begin_sum(t, x->n);
    PHASE(CLIP) thresholds_begin(&t->thresholds);
    const size_t mark = ledger_mark();
    int b = 0;
    do { /* an empty batch is one physical batch of no samples */
        ledger_rewind(mark);
        const struct batch physical = batch_slice(x, b, trainer_physical_size(x->n - b, most));
        PHASE(NORM) KERNEL(fill, t->sq, 0.0f, (long)t->model->n_tensors * most);
        sum_parts_of(&t->parts, &physical, b + physical.n >= x->n);
        t->ops->clipped_grad(t, &physical);
        PHASE(CLIP) count_unclipped(t, &physical);
        if (hook)
            hook(t, &physical, ctx);
        b += physical.n;
    } while (b < x->n);
    ledger_finish();
}

static void rehearse_size(struct trainer *t, const struct batch *x, int n)
{
    if (n > x->n)
        return;
    const struct batch some = batch_slice(x, 0, n);
    trainer_step(t, &some);
}

void trainer_rehearse_sizes(struct trainer *t, const struct batch *x)
{
    const int most = t->config.physical_batch_size;
    rehearse_size(t, x, 0);
    for (int n = 1; n < most; n *= 2) {
        rehearse_size(t, x, n);
        rehearse_size(t, x, 3 * n < most ? 3 * n : most + n); /* 2 n, or a full one, and then n */
    }
    rehearse_size(t, x, 2 * most);
}

void trainer_sum_over_group(struct trainer *t, float *x)
{
    PHASE(AGGREGATE) group_sum(x, t->model->n_params);
}

/* The part of the sum that this rank updates becomes the sum over the group, with noise but for what is returned: that
 * is left to the update. */
static struct drawn_noise sum_with_noise(struct trainer *t)
{
    const struct drawn_noise none = {.std = 0.0};
    const long P = t->model->n_params, begin = t->own_begin;
    const double std = t->noise_factor * trainer_stated_noise_std(t), grid = noise_grid(t);
    struct noise_draw draw = {NOISE_OF_SUM, t->step, 0};
    switch (t->config.noise_placement) {
    case NOISE_SHARES:
        draw = (struct noise_draw){NOISE_OF_SHARE, t->step, t->noise_rank};
        PHASE(NOISE) noise_add(&t->own_noise, draw, t->sum, 0, P, std, grid);
        trainer_sum_over_group(t, t->sum);
        return none;
    case NOISE_SHARDED:
        draw.rank = t->noise_rank;
        PHASE(AGGREGATE) group_reduce_scatter(t->sum, P);
        break;
    default:
        if (!sum_parts_join(&t->parts))
            trainer_sum_over_group(t, t->sum);
        break;
    }
    if (t->noise.generator == NOISE_PHILOX)
        return (struct drawn_noise){std, noise_philox(t->noise.seed, draw), begin};
    PHASE(NOISE) noise_add(&t->noise, draw, t->sum + begin, begin, t->own_n, std, grid);
    return none;
}

static void move_thresholds(struct trainer *t, int n)
{
    t->config.max_grad_norm = thresholds_move(&t->thresholds, n, t->config.expected_batch_size, &t->noise,
        (struct noise_draw){NOISE_OF_COUNTS, t->step, 0});
}

void trainer_step(struct trainer *t, const struct batch *x)
{
    float *w = t->model->params;
    sum_parts_begin(&t->parts, t->sum, t->config.noise_placement == NOISE_SUM);
    trainer_clipped_sum(t, x, NULL, NULL);
    const struct drawn_noise noise = sum_with_noise(t);
    PHASE(UPDATE) optimizer_update(&t->optimizer, w + t->own_begin, t->sum + t->own_begin, 1.0 / t->divisor, noise);
    if (t->config.noise_placement == NOISE_SHARDED)
        PHASE(AGGREGATE) group_all_gather(w, t->model->n_params);
    PHASE(UPDATE) model_weights_changed(t->model);
    if (is_adaptive(t))
        PHASE(CLIP) move_thresholds(t, x->n);
    t->step++;
}
