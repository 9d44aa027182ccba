#include "config.h"

#include "../base/check.h"
#include "../base/text.h"
#include "../../mpi/group.h"
#include "../model/model.h"
#include "../privacy/poisson.h"
#include "../privacy/sampler.h"
#include "../trainers/trainer.h"
#include "choices.h"
#include "rig.h"

#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_TEXT(value) value
#define DEFAULT_U64(value) #value
#define DEFAULT_F64(value) #value
#define FIELD_ROW(kind_, name_, default_value, unit_, help_)                                          \
    {.kind = FIELD_##kind_, .name = #name_, .unit = unit_, .help = help_,                             \
     .default_text = DEFAULT_##kind_(default_value), .offset = offsetof(struct config, name_),        \
     .bytes = sizeof((struct config *)NULL)->name_},

const struct field config_field[N_CONFIG_FIELDS] = {CONFIG_FIELDS(FIELD_ROW)};
const int n_config_fields = N_CONFIG_FIELDS;

/* What a number may be.  The bounds keep products of sizes within 63 bits, together with model_shape_error and
 * resolve_batch. */
static const struct {
    const char *field;
    struct range range;
} ranges[] = {
    {"layers", {0, 1000}},
    {"dim", {0, 1 << 17}},
    {"heads", {0, 1 << 12}},
    {"vocab", {0, 1 << 24}},
    {"max_seq", {0, 1 << 20}},
    {"batch_size", {1, 1 << 16}},
    {"physical_batch_size", {0, 1 << 16}},
    {"max_batch_size", {0, 1 << 17}},
    {"seq_len", {2, 1 << 20}},
    {"learning_rate", {0, 1e30}},
    {"momentum", {0, 1}},
    {"adam_beta1", {0, 0.999999}},
    {"adam_beta2", {0, 0.999999}},
    {"adam_eps", {1e-30, 1}},
    {"weight_decay", {0, 1e30}},
    {"dropout", {0, 0.99}},
    {"ranks_per_run", {1, GROUP_MOST}},
    {"max_grad_norm", {1e-9, 1e9}},
    {"clip_quantile", {0, 1}},
    {"clip_learning_rate", {0, 10}},
    {"clip_count_noise", {0, 1e9}},
    {"noise_multiplier", {0, 1e6}},
    {"target_epsilon", {0, 10000}},
    {"delta", {1e-12, 1e-3}},
    {"privacy_steps", {0, 1000000}},
    {"wait_steps", {0, 1000000}},
    {"warmup_steps", {0, 1000000}},
    {"active_steps", {1, 1000000}},
    {"seed", {0, 0x1p64}},
    {"memory_budget", {0, 0x1p60}},
    {"memory_limit", {0, 0x1p60}},
};

/* ---- one field ----------------------------------------------------------------------------------------------- */

struct option_name option_of(const struct field *field)
{
    struct option_name option;
    snprintf(option.text, sizeof option.text, "%s", field->name);
    for (char *c = option.text; (c = strchr(c, '_'));)
        *c = '-';
    return option;
}

const struct field *config_field_find(const char *name)
{
    for (int i = 0; i < N_CONFIG_FIELDS; i++)
        if (strcmp(name, config_field[i].name) == 0 || strcmp(name, option_of(&config_field[i]).text) == 0)
            return &config_field[i];
    return NULL;
}

struct range config_range(const struct field *field)
{
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (strcmp(field->name, ranges[i].field) == 0)
            return ranges[i].range;
    CHECK(!"every number has a range");
    return (struct range){0, 0};
}

static bool is_bytes(const struct field *field)
{
    return strcmp(field->unit, "byte") == 0;
}

/* "1 to 65536" */
static void range_text(const struct field *field, char *text, size_t bytes)
{
    struct range range = config_range(field);
    if (is_bytes(field))
        snprintf(text, bytes, "bytes, or with K, M, G, KiB, MiB, GiB");
    else if (range.max >= 0x1p64)
        snprintf(text, bytes, "%g or more", range.min);
    else
        snprintf(text, bytes, field->kind == FIELD_U64 ? "%.0f to %.0f" : "%g to %g", range.min, range.max);
}

void config_values(const struct field *field, char *text, size_t bytes)
{
    if (field->kind == FIELD_TEXT)
        choices_list(field, text, bytes);
    else
        range_text(field, text, bytes);
}

static bool set_text(struct config *config, const struct field *field, const char *text, char *error, size_t bytes)
{
    bool takes_any = !choice_at(field, 0);
    const char *word = takes_any ? text : choice_find(field, text, error, bytes);
    if (!word)
        return false;
    if (strlen(word) >= field->bytes) {
        snprintf(error, bytes, "--%s: longer than %zu letters", option_of(field).text, field->bytes - 1);
        return false;
    }
    strcpy((char *)config + field->offset, word);
    return true;
}

static bool set_number(struct config *config, const struct field *field, const char *text, char *error, size_t bytes)
{
    struct range range = config_range(field);
    void *place = (char *)config + field->offset;
    uint64_t whole = 0;
    double number = 0;
    bool is_number;
    if (field->kind == FIELD_F64) {
        is_number = text_to_f64(text, &number);
    } else {
        is_number = is_bytes(field) ? text_to_bytes(text, &whole) : text_to_u64(text, &whole);
        number = (double)whole;
    }
    if (!is_number || number < range.min || number > range.max) {
        char values[128];
        range_text(field, values, sizeof values);
        snprintf(error, bytes, "--%s: '%s' is not a %s (%s)", option_of(field).text, text,
                 field->kind == FIELD_F64 ? "possible number" : "possible whole number", values);
        return false;
    }
    if (field->kind == FIELD_F64)
        memcpy(place, &number, sizeof number);
    else
        memcpy(place, &whole, sizeof whole);
    return true;
}

bool config_set(struct config *config, const struct field *field, const char *text, char *error, size_t error_bytes)
{
    return field->kind == FIELD_TEXT ? set_text(config, field, text, error, error_bytes)
                                     : set_number(config, field, text, error, error_bytes);
}

void field_text(const struct field *field, const void *base, char *text, size_t bytes)
{
    const char *place = (const char *)base + field->offset;
    uint64_t whole;
    double number;
    switch (field->kind) {
    case FIELD_TEXT:
        snprintf(text, bytes, "%s", place);
        break;
    case FIELD_U64:
        memcpy(&whole, place, sizeof whole);
        snprintf(text, bytes, "%llu", (unsigned long long)whole);
        break;
    case FIELD_F64:
        memcpy(&number, place, sizeof number);
        text_from_f64(number, text, bytes);
        break;
    }
}

/* ---- a configuration ----------------------------------------------------------------------------------------- */

/* Defaults are taken as they are: an empty text means that config_resolve decides. */
void config_default(struct config *config)
{
    char error[256];
    memset(config, 0, sizeof *config);
    for (const struct field *field = config_field; field < config_field + N_CONFIG_FIELDS; field++)
        if (field->kind == FIELD_TEXT)
            strcpy((char *)config + field->offset, field->default_text);
        else
            CHECK(set_number(config, field, field->default_text, error, sizeof error));
}

void config_model_shape(const struct config *config, struct model_shape *shape)
{
    *shape = (struct model_shape){
        .arch = model_size_find(config->model)->shape.arch,
        .vocab = (int)config->vocab,
        .dim = (int)config->dim,
        .layers = (int)config->layers,
        .heads = (int)config->heads,
        .max_seq = (int)config->max_seq,
    };
}

#define REFUSE(...) return snprintf(error, bytes, __VA_ARGS__), false

static bool resolve_precision(struct config *config, char *error, size_t bytes)
{
    const enum precision precision = rig_precision(config);
    const char *why = device_lacks(precision);
    if (why)
        REFUSE("--precision %s: %s", config->precision, why);
    if (precision != PRECISION_FP32 && trainer_find(config->trainer)->is_control)
        REFUSE("--precision %s: rounding could hide the mistake of trainer %s; choose fp32", config->precision,
               config->trainer);
    return true;
}

static bool resolve_model(struct config *config, char *error, size_t bytes)
{
    const struct model_shape *preset = &model_size_find(config->model)->shape;
#define FROM_PRESET(size) config->size = config->size ? config->size : (uint64_t)preset->size
    FROM_PRESET(layers);
    FROM_PRESET(dim);
    FROM_PRESET(heads);
    FROM_PRESET(vocab);
    FROM_PRESET(max_seq);
    if (config->vocab < 2)
        REFUSE("--vocab %llu: with a single token there is nothing to predict; choose 2 or more",
               (unsigned long long)config->vocab);
    struct model_shape shape;
    config_model_shape(config, &shape);
    const char *why = model_shape_error(&shape);
    if (why)
        REFUSE("%s", why);
    if (config->seq_len > config->max_seq)
        REFUSE("--seq-len %llu: model %s has %llu positions; choose at most that, or --max-seq %llu",
               (unsigned long long)config->seq_len, config->model, (unsigned long long)config->max_seq,
               (unsigned long long)config->seq_len);
    return true;
}

static bool resolve_clipping(struct config *config, char *error, size_t bytes)
{
    const struct trainer_ops *trainer = trainer_find(config->trainer);
    if (!config->clipping[0])
        strcpy(config->clipping, trainer->is_private ? "flat" : "none");
    if (!trainer->is_private && strcmp(config->clipping, "none") != 0)
        REFUSE("--clipping %s: trainer %s does not clip; leave --clipping out, or choose none", config->clipping,
               config->trainer);
    if (trainer->is_private && strcmp(config->clipping, "none") == 0)
        REFUSE("--clipping none: trainer %s must clip; choose flat, or --trainer standard", config->trainer);
    return true;
}

static int threshold_counts(const struct config *config)
{
    struct model_shape shape;
    config_model_shape(config, &shape);
    return strcmp(config->clipping, clipping_name[CLIPPING_PER_LAYER]) == 0 ? model_shape_tensors(&shape) : 1;
}

static bool has_quantile(const struct config *config)
{
    return config->clip_quantile != 0.0 && trainer_find(config->trainer)->is_private;
}

/* Squares of noisy gradients are added up in fp32: for the variance of the noise, and in AdamW's v. */
static bool resolve_noise(struct config *config, char *error, size_t bytes)
{
    const double least = 1e-15, R = config->max_grad_norm, B = (double)config->batch_size;
    const double std = config->noise_multiplier * R / B;
    if (std != 0.0 && std < least)
        REFUSE("--noise-multiplier %g: with --max-grad-norm %g and --batch-size %g noise of %g, whose square is 0 in "
               "fp32; choose 0, or %g or more", config->noise_multiplier, R, B, std, least * B / R);
    return true;
}

static bool resolve_adaptive(struct config *config, char *error, size_t bytes)
{
    if (has_quantile(config) && strcmp(config->clipping, clipping_name[CLIPPING_FLAT]) != 0 &&
        strcmp(config->clipping, clipping_name[CLIPPING_PER_LAYER]) != 0)
        REFUSE("--clip-quantile: --clipping %s has no threshold to stay below; choose flat or per_layer",
               config->clipping);
    return config->target_epsilon != 0.0 || config_resolve_count_noise(config, error, bytes);
}

bool config_resolve_count_noise(struct config *config, char *error, size_t bytes)
{
    const int counts = threshold_counts(config);
    const double z = config->noise_multiplier;
    if (!has_quantile(config))
        return true;
    if (config->clip_count_noise == 0.0)
        config->clip_count_noise = adaptive_usual_count_noise(z, counts, (double)config->batch_size);
    const struct adaptive adaptive = {config->clip_quantile, config->clip_learning_rate, config->clip_count_noise};
    if (!isfinite(adaptive_sum_multiplier(&adaptive, z, counts)))
        REFUSE("--clip-count-noise %g: counts alone spend more than --noise-multiplier %g says; choose more than %g",
               config->clip_count_noise, z, z * sqrt(counts) / 2);
    return true;
}

static bool resolve_batch(struct config *config, char *error, size_t bytes)
{
    unsigned long long B = config->batch_size, T = config->seq_len, physical = config->physical_batch_size;
    unsigned long long most = config->max_batch_size;
    const unsigned long long ranks = config->ranks_per_run, share = (B + ranks - 1) / ranks;
    const bool varies = strcmp(config->sampling, sampling_name[SAMPLING_POISSON]) == 0;
    if (most && (most < B || (most > B && !varies)))
        REFUSE("--max-batch-size %llu: %s", most, varies ? "less than --batch-size, the average of a batch"
                                                          : "batches have one size unless --sampling is poisson");
    most = !varies ? B : most ? most : (unsigned long long)poisson_usual_capacity((long)B);
    if (physical > B)
        REFUSE("--physical-batch-size %llu: more than --batch-size %llu; choose 0 to %llu", physical, B, B);
    if (physical > share)
        REFUSE("--physical-batch-size %llu: more than a rank's share of --batch-size %llu with --ranks-per-run %llu; "
               "choose 0 to %llu", physical, B, ranks, share);
    if (most * T > INT32_MAX)
        REFUSE("--batch-size %llu --seq-len %llu: more than %d tokens in a step; choose fewer", B, T, INT32_MAX);
    config->physical_batch_size = physical ? physical : share;
    config->max_batch_size = most;
    return true;
}

/* Momentum can take gradients in where nothing but adding is done with it. */
static bool resolve_accumulation(struct config *config, char *error, size_t bytes)
{
    if (strcmp(config->accumulate, accumulation_name[ACCUMULATE_MOMENTUM]) != 0)
        return true;
    if (strcmp(config->optimizer, optimizer_name[OPTIMIZER_SGD]) != 0)
        REFUSE("--accumulate momentum: %s needs the finished gradient for its second moment; choose --optimizer sgd, "
               "or --accumulate sum", config->optimizer);
    if (config->ranks_per_run > 1)
        REFUSE("--accumulate momentum: the ranks of a group would add up their momenta too; choose --ranks-per-run 1, "
               "or --accumulate sum");
    if (strcmp(config->noise_generator, noise_generator_name[NOISE_CHACHA20]) == 0)
        REFUSE("--accumulate momentum: --secure-noise rounds the sum to its grid before anything is added to it; "
               "choose --accumulate sum");
    return true;
}

static bool resolve_steps(const struct config *config, char *error, size_t bytes)
{
    const unsigned long long steps = config->wait_steps + config->warmup_steps + config->active_steps;
    const unsigned long long stated = config->privacy_steps;
    if (stated && stated < steps)
        REFUSE("--privacy-steps %llu: the run alone takes %llu steps, those of --wait-steps and --warmup-steps among "
               "them; choose %llu or more, or 0", stated, steps, steps);
    return true;
}

static bool resolve_trainer(struct config *config, char *error, size_t bytes)
{
    struct model_shape shape;
    struct trainer_config trainer_config;
    config_model_shape(config, &shape);
    rig_trainer_config(config, &trainer_config);
    const char *why = trainer_refusal(trainer_find(config->trainer), &shape, &trainer_config);
    if (why)
        REFUSE("--trainer %s: %s", config->trainer, why);
    return true;
}

bool config_resolve(struct config *config, char *error, size_t error_bytes)
{
    return resolve_precision(config, error, error_bytes) && resolve_model(config, error, error_bytes) &&
           resolve_clipping(config, error, error_bytes) && resolve_adaptive(config, error, error_bytes) &&
           resolve_batch(config, error, error_bytes) && resolve_noise(config, error, error_bytes) &&
           resolve_accumulation(config, error, error_bytes) && resolve_steps(config, error, error_bytes) &&
           resolve_trainer(config, error, error_bytes);
}

uint64_t config_memory(const struct config *c)
{
    const uint64_t limit = c->memory_limit, budget = c->memory_budget;
    return limit && (!budget || limit < budget) ? limit : budget;
}

void config_sha256(const struct config *config, char hex[65])
{
    crypto_hash_sha256_state state;
    unsigned char digest[crypto_hash_sha256_BYTES];
    CHECK(crypto_hash_sha256_init(&state) == 0);
    for (const struct field *field = config_field; field < config_field + N_CONFIG_FIELDS; field++) {
        char value[TEXT_BYTES], line[TEXT_BYTES + 64];
        field_text(field, config, value, sizeof value);
        int length = snprintf(line, sizeof line, "%s=%s\n", field->name, value);
        crypto_hash_sha256_update(&state, (const unsigned char *)line, (unsigned long long)length);
    }
    CHECK(crypto_hash_sha256_final(&state, digest) == 0);
    sodium_bin2hex(hex, 65, digest, sizeof digest);
}
