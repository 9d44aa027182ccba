/* plan.c - every point goes through run_predict: the code of a run, with no memory behind it. */
#include "plan.h"

#include "../base/check.h"
#include "../base/text.h"
#include "../device/device.h"
#include "../device/profile.h"
#include "../trainers/trainer.h"
#include "../../mpi/world.h"
#include "choose.h"
#include "frontier.h"
#include "options.h"
#include "output.h"
#include "run.h"
#include "sweep_header.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct plan {
    const struct options *options;
    const struct sweep_points *points;
    struct target target[TARGETS_MOST];
    int n_targets;
    struct planned_run *run[TARGETS_MOST]; /* (points): those that fit */
    struct plan_total total[TARGETS_MOST];
    struct cJSON *json;                /* NULL: as text */
    struct output *output;             /* NULL: none */
};

static int refuse(const char *why)
{
    log_error("%s", why);
    return EXIT_USAGE;
}

/* Of the runs that are planned: as many as a run here would have. */
static int threads_of_runs(const struct options *options)
{
    struct device_info info = {.threads = 1};
    if (!device_is_gpu()) {
        device_open((int)options->threads);
        device_describe(&info);
    }
    return info.threads;
}

static int largest_group(const struct sweep_points *points)
{
    uint64_t most = 1;
    for (size_t i = 0; i < points->n; i++)
        most = points->config[i].ranks_per_run > most ? points->config[i].ranks_per_run : most;
    return (int)most;
}

/* What a run here would estimate with.  Looking for a GPU in this process is no harm: plan is not a parent of runs. */
static bool choose_profile(const char *path, char *error, size_t error_bytes)
{
    char text[256];                /* "<identity> <name>, <memory> MiB" */
    if (!device_is_gpu() || device_absent() || !device_gpu(0, text, sizeof text))
        return profile_choose(path, NULL, error, error_bytes);
    *strrchr(text, ',') = '\0';
    return profile_choose(path, strchr(text, ' ') + 1, error, error_bytes);
}

static bool chooses(const struct config *c)
{
    return trainer_find(c->trainer)->chooses;
}

static bool any_chooses(const struct sweep_points *points)
{
    size_t i = 0;
    while (i < points->n && !chooses(&points->config[i]))
        i++;
    return i < points->n;
}

/* ---- a point ------------------------------------------------------------------------------------------------- */

static void keep(struct plan *p, size_t run_id, struct record *r, const struct forecast *f)
{
    r->run_id = run_id;
    r->attempt = 1;
    config_sha256(&r->config, r->config_sha256);
    snprintf(r->target, sizeof r->target, "%s", f->target->name);
    snprintf(r->host, sizeof r->host, "%s", world()->host);
    r->estimated_step_time = f->times.step_s;
    r->estimated_run_time = f->times.run_s;
#define PHASE_ESTIMATE(NAME, name, help) r->estimated_time_##name = f->times.phase_s[PHASE_##NAME];
    PHASE_LIST(PHASE_ESTIMATE)
    char needed[32], usable[32];
    text_from_bytes((double)r->predicted_peak, needed, sizeof needed);
    text_from_bytes(f->usable_bytes, usable, sizeof usable);
    record_set_status(r, f->fits ? STATUS_PREDICTED : STATUS_OOM_PREDICTED, "needs %s, %s has %s", needed,
                      f->target->name, usable);
    output_result(p->output, r);
}

static void say_point(struct plan *p, const struct record *r, const struct forecast *forecast, int n_targets)
{
    struct choice choice;
    const bool explain = p->options->budget && r->policy[0];
    if (explain)
        choose_policy(&r->config, (int)p->options->threads, &choice);
    if (p->json)
        plan_json_point(p->json, r, forecast, n_targets, explain ? &choice : NULL);
    else
        plan_text_point(r, forecast, n_targets, p->options->phases);
    if (explain && !p->json)
        choose_print(&choice, &r->config);
}

static void add_to_total(struct plan *p, int t, const struct forecast *f, int ranks)
{
    struct plan_total *total = &p->total[t];
    if (f->fits)
        p->run[t][total->n - total->n_too_large] = (struct planned_run){f->times.run_s, ranks};
    total->n_too_large += !f->fits;
    total->n++;
    if (f->rates_date[0]) {
        total->n_profiled++;
        snprintf(total->rates_date, sizeof total->rates_date, "%s", f->rates_date);
    }
}

/* On n targets from the first one, which trainer auto chooses for. */
static void plan_for(struct plan *p, size_t i, int first, int n)
{
    struct record record;
    struct forecast forecast[TARGETS_MOST];
    record_init(&record);
    choose_for(&p->target[first]);
    run_predict(&p->points->config[i], (int)p->options->threads, &record);
    for (int t = 0; t < n; t++) {
        forecast_make(&forecast[t], &record, &p->target[first + t]);
        add_to_total(p, first + t, &forecast[t], (int)record.config.ranks_per_run);
    }
    say_point(p, &record, forecast, n);
    if (p->output)
        keep(p, i, &record, &forecast[0]);
    record_clear(&record);
}

static void plan_point(struct plan *p, size_t i)
{
    const int n = chooses(&p->points->config[i]) ? 1 : p->n_targets;
    for (int first = 0; first < p->n_targets; first += n)
        plan_for(p, i, first, n);
}

static void plan_points(struct plan *p)
{
    for (int t = 0; t < p->n_targets; t++)
        CHECK(p->run[t] = calloc(p->points->n + 1, sizeof *p->run[t]));
    if (!p->json)
        plan_text_heading();
    for (size_t i = 0; i < p->points->n; i++)
        plan_point(p, i);
    for (int t = 0; t < p->n_targets; t++) {
        struct plan_total *total = &p->total[t];
        total->ranks = p->options->ranks ? (int)p->options->ranks : largest_group(p->points);
        total->sweep_s = forecast_sweep_s(p->run[t], total->n - total->n_too_large, total->ranks);
        free(p->run[t]);
    }
    if (p->json)
        plan_json_total(p->json, p->target, p->total, p->n_targets);
    else
        plan_text_total(p->target, p->total, p->n_targets);
}

/* ---- the command --------------------------------------------------------------------------------------------- */

static int plan_into_file(struct plan *p, int argc, char **argv)
{
    char error[1024];
    struct output output;
    struct sweep_header header;
    sweep_header_fill(&header, p->options->output, p->points->text, argc, argv);
    int code = output_open(&output, p->options, &header, error, sizeof error) ? EXIT_OK : refuse(error);
    if (code == EXIT_OK) {
        p->output = &output;
        plan_points(p);
        output_ended(&output);
        code = output_publish(&output) ? EXIT_OK : EXIT_ENVIRONMENT;
    }
    output_close(&output);
    sweep_header_clear(&header);
    return code;
}

static int plan(struct plan *p, int argc, char **argv)
{
    char error[1024];
    if (!choose_profile(p->options->profile, error, sizeof error))
        return refuse(error);
    if (p->options->ranks && (int)p->options->ranks < largest_group(p->points)) {
        snprintf(error, sizeof error, "--ranks %d: a run of this plan needs %d (--ranks-per-run)",
                 (int)p->options->ranks, largest_group(p->points));
        return refuse(error);
    }
    if (!targets_find(p->options->target, threads_of_runs(p->options), p->target, &p->n_targets, error, sizeof error))
        return refuse(error);
    if (p->options->budget && (p->options->frontier || !any_chooses(p->points)))
        return refuse("--budget says what trainer auto chooses from; give --trainer auto, and no --frontier");
    if (p->options->output && p->n_targets > 1)
        return refuse("--output: a file holds the predictions for one target; name one with --target");
    if (p->options->frontier)
        return frontier(p->points, p->target, p->n_targets, p->options);
    p->json = p->options->json ? plan_json_begin() : NULL;
    int code = EXIT_OK;
    if (p->options->output)
        code = plan_into_file(p, argc, argv);
    else
        plan_points(p);
    if (p->json)
        plan_json_end(p->json);
    return code;
}

int plan_main(int argc, char **argv)
{
    struct options options;
    struct sweep_points points = {0};
    int code = options_parse("plan", argc, argv, &options, &points);
    if (code >= 0)
        return code;
    if (world_rank_of_launcher() < 0)  /* else one rank of several is here alone, and MPI is for all of them */
        world_open(&argc, &argv);
    code = plan(&(struct plan){.options = &options, .points = &points}, argc, argv);
    sweep_points_clear(&points);
    return code;
}
