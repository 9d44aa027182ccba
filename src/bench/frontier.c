/* frontier.c - by bisection on the dry run, a few milliseconds each.
 *
 * Memory grows with batch and sequence, so what fits ends somewhere; and where a library's workspace made it dip, the
 * answer would still be one that fits, while its successor does not. */
#include "frontier.h"

#include "../base/check.h"
#include "../device/device.h"
#include "../model/model.h"
#include "../../mpi/worker.h"
#include "../../mpi/world.h"
#include "choose.h"
#include "frontier_answer.h"
#include "plan.h"
#include "run.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_BATCH = 1024 };

/* ---- what is varied ------------------------------------------------------------------------------------------ */

bool frontier_is_split(const struct config *c)
{
    return c->physical_batch_size != c->batch_size;
}

static bool set_batch(struct config *c, uint64_t n)
{
    char error[512];
    c->physical_batch_size = frontier_is_split(c) && c->physical_batch_size < n ? c->physical_batch_size : n;
    c->batch_size = n;
    c->max_batch_size = 0;
    return config_resolve(c, error, sizeof error);
}

static bool set_seq(struct config *c, uint64_t n)
{
    c->seq_len = n;
    return true;
}

/* The n-th of the presets by number of parameters, from 1. */
static const struct model_size *preset(uint64_t n)
{
    const struct model_size *size, *found = NULL;
    for (long least = 0; n; n--, least = model_shape_params(&found->shape)) {
        found = NULL;
        for (int i = 0; (size = model_size_at(i)); i++) {
            const long params = model_shape_params(&size->shape);
            if (params > least && (!found || params < model_shape_params(&found->shape)))
                found = size;
        }
    }
    return found;
}

static uint64_t n_presets(const struct config *c)
{
    uint64_t n = 0;
    (void)c;
    while (model_size_at((int)n))
        n++;
    return n;
}

static bool set_preset(struct config *c, uint64_t n)
{
    char error[512];
    snprintf(c->model, sizeof c->model, "%s", preset(n)->name);
    c->layers = c->dim = c->heads = c->vocab = c->max_seq = 0;
    return config_resolve(c, error, sizeof error);
}

static uint64_t most_batch(const struct config *c)
{
    (void)c;
    return MOST_BATCH;
}

static uint64_t most_seq(const struct config *c)
{
    return c->max_seq;
}

static const struct axis axes[] = {
    {"batch_size", "Largest batch", "no more was tried", set_batch, 1, most_batch, COLUMN_BATCH, true},
    {"seq_len", "Longest sequence", "the model has no more positions", set_seq, 2, most_seq, COLUMN_SEQ, true},
    {"model", "Largest model", "there is no larger preset", set_preset, 1, n_presets, COLUMN_MODEL, false},
};
enum { N_AXES = sizeof axes / sizeof *axes };

/* ---- searching ----------------------------------------------------------------------------------------------- */

static bool fits(const struct question *q, const struct config *config, uint64_t n)
{
    struct config c = *config;
    choose_for(q->target);
    return q->axis->set(&c, n) && !((double)run_predict_peak(&c, q->threads) > target_usable_bytes(q->target, &c));
}

/* The least n that is possible at all: a group's batch has a sample for each rank. */
static uint64_t least_count(const struct question *q, const struct config *config)
{
    uint64_t n = q->axis->least;
    for (struct config c = *config; n < q->axis->most(&c) && !q->axis->set(&c, n); c = *config)
        n++;
    return n;
}

/* The largest n that fits; 0: none.  Doubles until it does not fit, then bisects. */
static uint64_t largest_count(const struct question *q, const struct config *c)
{
    const uint64_t most = q->axis->most(c);
    uint64_t good = 0, bad = least_count(q, c);
    while (bad <= most && fits(q, c, bad)) {
        good = bad;
        bad = good < most && 2 * good > most ? most : 2 * good;
    }
    if (good == 0)
        return 0;
    while (good + 1 < bad && good < most) {
        const uint64_t middle = good + (bad - good) / 2;
        if (fits(q, c, middle))
            good = middle;
        else
            bad = middle;
    }
    return good;
}

/* Presets differ in more than their size: each is asked. */
static uint64_t largest_preset(const struct question *q, const struct config *c)
{
    uint64_t n = q->axis->most(c);
    while (n && !fits(q, c, n))
        n--;
    return n;
}

static uint64_t largest(const struct question *q, const struct config *c)
{
    return (q->axis->is_count ? largest_count : largest_preset)(q, c);
}

/* The same for standard: what privacy costs is in the ratio.  Trainers of one shape are neighbours: asked once. */
static uint64_t largest_of_standard(const struct question *q, const struct config *c)
{
    static struct { const struct target *target; char config_sha256[65]; uint64_t n; } last;
    char identity[65];
    struct config standard = *c;
    snprintf(standard.trainer, sizeof standard.trainer, "standard");
    snprintf(standard.clipping, sizeof standard.clipping, "none");
    standard.clip_quantile = standard.clip_count_noise = 0.0;
    config_sha256(&standard, identity);
    if (last.target != q->target || strcmp(last.config_sha256, identity) != 0) {
        last.target = q->target;
        strcpy(last.config_sha256, identity);
        last.n = largest(q, &standard);
    }
    return last.n;
}

/* ---- confirming ---------------------------------------------------------------------------------------------- */

static enum status run_one(const struct question *q, const struct config *config, uint64_t n)
{
    struct record record;
    struct task task = {.config = *config, .threads = (uint64_t)q->threads};
    q->axis->set(&task.config, n);
    task.config.memory_limit = (uint64_t)target_usable_bytes(q->target, config);
    task.config.wait_steps = task.config.warmup_steps = 0;
    task.config.active_steps = 1;
    struct worker *w = worker_spawn(&task);
    while (!worker_ended(w, &record))
        worker_wait(w, 5);
    worker_free(w);
    const enum status status = record_status(&record);
    if (status != STATUS_OK && status != STATUS_OOM_DEVICE)
        log_warn("%s B=%llu T=%llu: %s: %s", config->trainer, (unsigned long long)task.config.batch_size,
                 (unsigned long long)task.config.seq_len, record.status, record.message);
    record_clear(&record);
    return status;
}

/* ---- one answer ---------------------------------------------------------------------------------------------- */

static struct answer find_answer(const struct question *q, const struct config *c, bool measure)
{
    struct answer a = {.config = *c, .n = largest(q, c), .measured = N_STATUSES, .one_more = N_STATUSES};
    a.at_end = a.n == q->axis->most(c);
    if (a.n)
        q->axis->set(&a.config, a.n);
    if (q->axis->is_count)
        a.of_standard = largest_of_standard(q, c);
    if (measure && q->axis->is_count) {
        a.measured = a.n ? run_one(q, c, a.n) : N_STATUSES;
        a.one_more = a.at_end ? N_STATUSES : run_one(q, c, a.n ? a.n + 1 : least_count(q, c));
    }
    return a;
}

static bool is_confirmed(const struct answer *a)
{
    return (a->measured == STATUS_OK || a->measured == N_STATUSES) &&
           (a->one_more == STATUS_OOM_DEVICE || a->one_more == N_STATUSES);
}

/* ---- all answers --------------------------------------------------------------------------------------------- */

/* Points that differ in nothing but what is varied are one. */
static struct sweep_points rest_of_points(const struct sweep_points *points, const struct axis *axis)
{
    struct sweep_points rest = {.n = points->n, .config = calloc(points->n + 1, sizeof *rest.config)};
    CHECK(rest.config);
    memcpy(rest.config, points->config, points->n * sizeof *rest.config);
    for (size_t i = 0; i < rest.n; i++)
        axis->set(&rest.config[i], axis->most(&rest.config[i]));
    points_remove_repeated(&rest);
    return rest;
}

/* False: a run ended otherwise than predicted. */
static bool answer_all(const struct question *q, const struct sweep_points *points, bool measure, cJSON *json)
{
    struct sweep_points rest = rest_of_points(points, q->axis);
    bool confirmed = true, any_end = false;
    if (!json)
        frontier_print_heading(q, measure);
    for (size_t i = 0; i < rest.n; i++) {
        const struct answer a = find_answer(q, &rest.config[i], measure);
        confirmed = confirmed && is_confirmed(&a);
        any_end = any_end || (a.at_end && q->axis->is_count);
        if (json)
            frontier_add_answer(json, q, &a, measure);
        else
            frontier_print_answer(q, &a, measure);
    }
    if (any_end && !json)
        printf("+: %s\n", q->axis->end);
    sweep_points_clear(&rest);
    return confirmed;
}

/* NULL, or why what was found for a target cannot be tried here. */
static const char *cannot_measure(const struct sweep_points *points, const struct target *t)
{
    static char why[256];
    for (size_t i = 0; i < points->n; i++)
        if (points->config[i].ranks_per_run > 1)
            return "--measure: groups of ranks are not run from here; leave --ranks-per-run out";
    if (strcmp(t->device, DPSWEEP_DEVICE) != 0)
        snprintf(why, sizeof why, "--measure: %s is not what this program is built for; choose local", t->name);
    else if (!(t->memory_bytes - t->kept_bytes <= target_local_share(1)) && !device_is_gpu())
        snprintf(why, sizeof why, "--measure: this machine has less memory than %s; choose local", t->name);
    else
        return NULL;
    return why;
}

static int say_all(const struct sweep_points *points, const struct target *target, int n_targets,
    const struct options *options, cJSON *json)
{
    int code = EXIT_OK;
    for (int t = 0; t < n_targets; t++) {
        for (int i = 0; i < N_AXES; i++) {
            const struct question q = {&axes[i], &target[t], (int)options->threads};
            if (!answer_all(&q, points, options->measure, json))
                code = EXIT_SOME_FAILED;
        }
        if (!json)
            plan_text_build(&target[t]);
    }
    return code;
}

int frontier(const struct sweep_points *points, const struct target *target, int n_targets,
    const struct options *options)
{
    for (int t = 0; t < n_targets; t++)
        if (isnan(target[t].memory_bytes))
            return log_error("--frontier: the memory of %s is not known; name a --target", target[t].name), EXIT_USAGE;
    for (int t = 0; t < n_targets && options->measure; t++)
        if (cannot_measure(points, &target[t]))
            return log_error("%s", cannot_measure(points, &target[t])), EXIT_USAGE;
    if (!options->json)
        return say_all(points, target, n_targets, options, NULL);
    cJSON *json = cJSON_CreateArray();
    const int code = say_all(points, target, n_targets, options, json);
    char *text = cJSON_Print(json);
    puts(text);
    cJSON_free(text);
    cJSON_Delete(json);
    return code;
}
