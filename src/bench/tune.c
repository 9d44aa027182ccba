/* tune.c - real steps of small models with all kinds of trainers, in which each call is timed; the terms of rates.h are
 * fitted to them.
 *
 * Calls are timed where they will be made, after one another with operands that the one before left in a cache or did
 * not.  The least of some steps counts, and each call as much as its share of the step. */
#include "tune.h"

#include "../base/check.h"
#include "../base/host_memory.h"
#include "../base/quantile.h"
#include "../device/ledger.h"
#include "../device/profile.h"
#include "fit.h"
#include "options.h"
#include "trial.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Ascending work.  Sizes are far from one another and are none of the presets', which others compare estimates on. */
static const struct shape {
    const char *trainer, *model;
    int dim, heads, vocab, batch_size, seq_len;
    const char *also;              /* "field=value", or NULL */
} shapes[] = {
    {"dpsgd", "tiny", 48, 3, 300, 2, 12, NULL},
    {"microbatch", "gpt2", 80, 5, 700, 3, 24, NULL},
    {"bookkeeping", "tiny", 96, 2, 1500, 5, 40, "optimizer=adamw"},
    {"standard", "tiny", 96, 2, 4324, 6, 97, NULL},
    {"dpsgd", "small", 320, 5, 3370, 20, 8, NULL},
    {"fastclip", "gpt2", 384, 6, 6750, 6, 15, "clipping=per_layer"},
    {"mixed", "gpt2", 160, 5, 933, 12, 70, "dropout=0.1"},
    {"bookkeeping", "gpt2", 640, 20, 778, 3, 27, NULL},
    {"standard", "small", 64, 1, 37289, 9, 22, NULL},
    {"bookkeeping", "gpt2", 1184, 37, 444, 1, 29, NULL},
    {"ghost", "small", 128, 4, 655, 3, 368, NULL},
    {"fastclip", "small", 1088, 17, 566, 2, 18, "optimizer=adamw"},
    {"microbatch", "gpt2", 32, 1, 39732, 1, 502, NULL},
    {"standard", "small", 32, 2, 5069, 37, 108, NULL},
    {"dpsgd", "small", 64, 1, 38672, 6, 55, NULL},
    {"dpsgd", "small", 72, 3, 829, 37, 167, NULL},
    {"microbatch", "gpt2", 1152, 18, 6237, 2, 21, NULL},
    {"ghost", "small", 96, 1, 40394, 33, 13, NULL},
    {"microbatch", "gpt2", 480, 15, 1016, 9, 45, NULL},
    {"standard", "gpt2", 1472, 23, 15013, 2, 11, NULL},
    {"fastclip", "gpt2", 800, 10, 1109, 3, 60, NULL},
    {"bookkeeping", "small", 1728, 27, 24001, 1, 14, NULL},
    {"bookkeeping", "gpt2", 96, 3, 1790, 37, 124, "clipping=automatic"},
    {"ghost", "small", 128, 2, 3473, 4, 458, NULL},
    {"dpsgd", "small", 1280, 20, 2980, 1, 83, NULL},
    {"standard", "gpt2", 448, 7, 20011, 2, 200, NULL},
    {"bookkeeping", "gpt2", 64, 1, 44261, 1, 751, NULL},
    {"dpsgd", "gpt2", 640, 10, 599, 7, 64, NULL},
    {"fastclip", "small", 384, 12, 9001, 16, 34, NULL},
    {"standard", "small", 1408, 22, 12007, 4, 48, NULL},
    {"mixed", "small", 576, 9, 17003, 3, 300, NULL},
    {"standard", "gpt2", 1280, 20, 30011, 8, 128, NULL},
    {"fastclip", "small", 1152, 18, 20011, 8, 250, NULL},
    {"bookkeeping", "gpt2", 1536, 24, 40009, 8, 512, NULL},
    {"dpsgd", "gpt2", 896, 14, 25013, 32, 384, NULL},
    {"standard", "small", 2304, 36, 32003, 16, 1024, NULL},
};
enum { N_SHAPES = sizeof shapes / sizeof *shapes, LEAST_SHAPES = 4 };
enum { STEPS = 3, MOST_STEPS = 30, DEFAULT_LIMIT_S = 40 };
#define MOST_ERROR 0.35 /* median; 0.07 on a quiet machine */
static const double SHORT_S = 0.2;     /* steps of short ones are repeated for so long */

/* Equal calls of a step. */
struct observation {
    struct call call;
    double s, share;               /* of one, on average; of the step's time, all of them */
};

struct tuning {
    struct rates rates;
    struct observation *seen;
    size_t n, room;
    size_t first[N_SHAPES + 1];    /* of each shape, in `seen` */
    double step_s[N_SHAPES], timing_s[N_SHAPES]; /* a step; what a call takes longer when it is timed */
    int n_shapes;                  /* measured */
    double start_s, limit_s;
};

/* ---- measuring ----------------------------------------------------------------------------------------------- */

static void set(struct config *c, const char *field, const char *value)
{
    char error[256];
    CHECK(config_set(c, config_field_find(field), value, error, sizeof error));
}

static struct config config_of(const struct shape *s, enum precision precision)
{
    struct config c;
    char error[256], field[64];
    config_default(&c);
    set(&c, "trainer", s->trainer);
    set(&c, "model", s->model);
    set(&c, "precision", precision_name[precision]);
    c.layers = 1;
    c.dim = (uint64_t)s->dim;
    c.heads = (uint64_t)s->heads;
    c.vocab = (uint64_t)s->vocab;
    c.batch_size = (uint64_t)s->batch_size;
    c.seq_len = c.max_seq = (uint64_t)s->seq_len;
    c.memory_limit = device_is_gpu() ? 0 : host_memory_bytes("") / 2;
    if (s->also) {
        snprintf(field, sizeof field, "%.*s", (int)strcspn(s->also, "="), s->also);
        set(&c, field, strchr(s->also, '=') + 1);
    }
    CHECK(config_resolve(&c, error, sizeof error));
    return c;
}

/* The least time that the calls of a step took, and the step when they are not timed. */
struct least { double *call_s, step_s; size_t n; };

static double step_s(struct trial *trial)
{
    struct device_info info;
    device_describe(&info);
    trial_step(trial);
    return device_is_gpu() || info.threads > 1 ? trial->wall_s : trial->cpu_s;
}

/* The first step warms up: it makes what the libraries make once. */
static struct least time_steps(struct trial *trial)
{
    struct least least = {.step_s = INFINITY};
    trial_step(trial);
    const double start_s = clock_wall_s();
    for (int step = 0; step < STEPS || (clock_wall_s() - start_s < SHORT_S && step < MOST_STEPS); step++) {
        least.step_s = fmin(least.step_s, step_s(trial));
        work_reset();
        work_time(true);
        trial_step(trial);
        work_time(false);
        const struct call *call = work_calls(&least.n);
        if (!least.call_s)
            CHECK(least.call_s = calloc(least.n + 1, sizeof *least.call_s));
        for (size_t i = 0; i < least.n; i++)
            least.call_s[i] = step ? fmin(least.call_s[i], call[i].s) : call[i].s;
    }
    return least;
}

static void keep(struct tuning *t, struct least least)
{
    size_t n;
    const struct call *call = work_calls(&n);
    double sum_s = 0.0, count = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum_s += least.call_s[i];
        count += (double)call[i].count;
    }
    if (t->n + n > t->room) {
        t->room = 2 * (t->n + n);
        CHECK(t->seen = realloc(t->seen, t->room * sizeof *t->seen));
    }
    for (size_t i = 0; i < n; i++)
        t->seen[t->n++] = (struct observation){call[i], least.call_s[i] / (double)call[i].count,
            least.call_s[i] / sum_s};
    t->step_s[t->n_shapes] = least.step_s;
    t->timing_s[t->n_shapes] = fmax(0, sum_s - least.step_s) / count;
    t->first[++t->n_shapes] = t->n;
}

static void measure(struct tuning *t, const struct shape *shape)
{
    char why[512];
    struct trial trial;
    const struct config c = config_of(shape, t->rates.precision);
    if (!trial_open(&trial, &c, why, sizeof why)) {
        log_warn("tune: a shape is left out: %s", why);
        return;
    }
    const struct least least = time_steps(&trial);
    keep(t, least);
    free(least.call_s);
    trial_close(&trial);
}

static void measure_all(struct tuning *t)
{
    for (int i = 0; i < N_SHAPES && (i < LEAST_SHAPES || clock_wall_s() - t->start_s < t->limit_s); i++) {
        log_progress("%d of at most %d shapes measured", i, (int)N_SHAPES);
        measure(t, &shapes[i]);
    }
    log_progress(NULL);
    const double timing_s = quantile(t->timing_s, (size_t)t->n_shapes, 0.5); /* sorts */
    for (size_t i = 0; i < t->n; i++)
        t->seen[i].s = fmax(1e-9, t->seen[i].s - timing_s);
}

/* ---- fitting ------------------------------------------------------------------------------------------------- */

static bool is_product(const struct observation *o)
{
    return o->call.product.batch > 0;
}

/* What few shapes leave open comes from the guess: it weighs so little that it decides nothing else. */
static const double GUESS_WEIGHT = 1e-3;

static void fit_products(struct tuning *t, const struct rates *guess, struct fit_row *row)
{
    for (int op = 0; op < N_GEMM_OPS; op++) {
        const struct product large = {(enum gemm_op)op, 1024, 1024, 1024, 1};
        size_t n = 0;
        row[n] = (struct fit_row){.t = rates_product_s(guess, &large), .weight = GUESS_WEIGHT};
        rates_product_terms(&large, row[n++].x);
        for (size_t i = 0; i < t->n; i++)
            if (is_product(&t->seen[i]) && t->seen[i].call.product.op == (enum gemm_op)op) {
                row[n] = (struct fit_row){.t = t->seen[i].s, .weight = t->seen[i].share};
                rates_product_terms(&t->seen[i].call.product, row[n++].x);
            }
        fit(row, n, N_PRODUCT_TERMS, t->rates.product_s[op]);
    }
}

/* Of the kernel of this name; "": of all. */
static void fit_kernel(struct tuning *t, const char *name, const struct rates *guess, struct fit_row *row)
{
    struct kernel_rate *kernel = &t->rates.kernel[t->rates.n_kernels++];
    size_t n = 0;
    snprintf(kernel->name, sizeof kernel->name, "%s", name);
    for (double bytes = 0; bytes <= 0x1p26; bytes += 0x1p26) {
        row[n] = (struct fit_row){.t = rates_kernel_s(guess, name, bytes), .weight = GUESS_WEIGHT};
        rates_kernel_terms(bytes, row[n++].x);
    }
    for (size_t i = 0; i < t->n; i++)
        if (!is_product(&t->seen[i]) && (!name[0] || strcmp(t->seen[i].call.name, name) == 0)) {
            row[n] = (struct fit_row){.t = t->seen[i].s, .weight = t->seen[i].share};
            rates_kernel_terms(t->seen[i].call.bytes, row[n++].x);
        }
    fit(row, n, N_KERNEL_TERMS, kernel->s);
}

static bool has_rate(const struct rates *r, const char *name)
{
    for (int k = 0; k < r->n_kernels; k++)
        if (strcmp(r->kernel[k].name, name) == 0)
            return true;
    return false;
}

static void fit_all(struct tuning *t)
{
    struct rates guess;
    struct fit_row *row = calloc(t->n + 2, sizeof *row);
    CHECK(row);
    rates_default(&guess, t->rates.threads, t->rates.precision);
    fit_products(t, &guess, row);
    fit_kernel(t, "", &guess, row);
    guess = t->rates;                /* for a kernel of which little is known: what holds for all */
    for (size_t i = 0; i < t->n; i++)
        if (!is_product(&t->seen[i]) && t->rates.n_kernels < KERNEL_RATES_MOST &&
            !has_rate(&t->rates, t->seen[i].call.name))
            fit_kernel(t, t->seen[i].call.name, &guess, row);
    free(row);
}

/* Of steps that were measured: the median of |estimated / measured - 1|. */
static double error_of_steps(const struct tuning *t)
{
    double error[N_SHAPES];
    for (int i = 0; i < t->n_shapes; i++) {
        double sum_s = 0.0;
        for (size_t k = t->first[i]; k < t->first[i + 1]; k++)
            sum_s += (double)t->seen[k].call.count * rates_call_s(&t->rates, &t->seen[k].call);
        error[i] = fabs(sum_s / t->step_s[i] - 1);
    }
    return quantile(error, (size_t)t->n_shapes, 0.5);
}

/* ---- saying it ----------------------------------------------------------------------------------------------- */

static double large_product_flops_per_s(const struct rates *r, enum gemm_op op)
{
    const struct product p = {op, 4096, 4096, 4096, 1};
    return 2 * 0x1p36 / rates_product_s(r, &p);
}

static double update_bytes_per_s(const struct rates *r)
{
    return 0x1p30 / rates_kernel_s(r, "sgd", 0x1p30);
}

static void print_text(const struct tuning *t, const char *path)
{
    const struct rates *r = &t->rates;
    printf("%s", r->device);
    if (r->threads)
        printf(", %d thread%s", r->threads, r->threads == 1 ? "" : "s");
    printf(", %s\n", precision_name[r->precision]);
    printf("  large products  %.0f, %.0f, %.0f GFLOP/s (NT, NN, TN)\n",
           1e-9 * large_product_flops_per_s(r, GEMM_NT), 1e-9 * large_product_flops_per_s(r, GEMM_NN),
           1e-9 * large_product_flops_per_s(r, GEMM_TN));
    printf("  memory          %.1f GB/s (updates of weights)\n", 1e-9 * update_bytes_per_s(r));
    printf("  the steps of %d shapes are estimated with a median error of %.0f %%\n", t->n_shapes,
           100 * error_of_steps(t));
    printf("%s has it, for plan, sweep and run\n", path);
}

static void print_json(const struct tuning *t, const char *path)
{
    const struct rates *r = &t->rates;
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "device", r->device);
    cJSON_AddNumberToObject(object, "threads", r->threads);
    cJSON_AddStringToObject(object, "precision", precision_name[r->precision]);
    cJSON_AddStringToObject(object, "date", r->date);
    cJSON_AddNumberToObject(object, "product_flops_per_s", large_product_flops_per_s(r, GEMM_NT));
    cJSON_AddNumberToObject(object, "bytes_per_s", update_bytes_per_s(r));
    cJSON_AddNumberToObject(object, "shapes", t->n_shapes);
    cJSON_AddNumberToObject(object, "median_error_of_steps", error_of_steps(t));
    cJSON_AddNumberToObject(object, "took_s", clock_wall_s() - t->start_s);
    cJSON_AddStringToObject(object, "profile", path);
    char *text = cJSON_Print(object);
    puts(text);
    cJSON_free(text);
    cJSON_Delete(object);
}

/* ---- the command --------------------------------------------------------------------------------------------- */

static void describe(struct rates *r, enum precision precision)
{
    struct device_info info;
    const time_t now = time(NULL);
    device_describe(&info);
    *r = (struct rates){.threads = device_is_gpu() ? 0 : info.threads, .precision = precision};
    snprintf(r->device, sizeof r->device, "%s", info.name);
    strftime(r->date, sizeof r->date, "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
}

static int tune(const struct options *o, enum precision precision, const char *path)
{
    char error[4096];
    struct tuning *t = calloc(1, sizeof *t);
    CHECK(t);
    t->start_s = clock_wall_s();
    t->limit_s = o->time_limit_s > 0 ? o->time_limit_s : DEFAULT_LIMIT_S;
    describe(&t->rates, precision);
    measure_all(t);
    fit_all(t);
    if (error_of_steps(t) > MOST_ERROR)
        log_warn("the steps that were measured are estimated with a median error of %.0f %%: was the machine busy? "
                 "tune again when it is not", 100 * error_of_steps(t));
    const bool kept = profile_keep(path, &t->rates, error, sizeof error);
    if (kept)
        (o->json ? print_json : print_text)(t, path);
    else
        log_error("%s", error);
    free(t->seen);
    free(t);
    return kept ? EXIT_OK : EXIT_ENVIRONMENT;
}

/* N_PRECISIONS: `why` this device does not have it. */
static enum precision precision_asked(const struct options *o, const char **why)
{
    int p = 0;
    while (o->precision && strcmp(o->precision, precision_name[p]) != 0)
        p++;
    *why = device_lacks((enum precision)p);
    return (enum precision)p;
}

int tune_main(int argc, char **argv)
{
    struct options options;
    char usual[4096], error[4096];
    int code = options_parse("tune", argc, argv, &options, NULL);
    if (code >= 0)
        return code;
    profile_default_path(usual, sizeof usual);
    const char *path = options.profile ? options.profile : usual, *why = device_absent();
    struct profile *before = calloc(1, sizeof *before);
    CHECK(before);
    if (!path[0])
        die(EXIT_USAGE, "tune: there is no folder for the profile; name a file with --profile");
    if (access(path, F_OK) == 0 && !profile_read(before, path, error, sizeof error))
        die(EXIT_USAGE, "%s", error);  /* before a minute is spent */
    free(before);
    if (why)
        die(EXIT_ENVIRONMENT, "%s", why);
    if (!profile_is_writable(path, error, sizeof error))
        die(EXIT_ENVIRONMENT, "%s", error);
    device_open((int)options.threads);
    const enum precision precision = precision_asked(&options, &why);
    if (why)
        die(EXIT_ENVIRONMENT, "--precision %s: %s", precision_name[precision], why);
    code = tune(&options, precision, path);
    device_close();
    return code;
}
