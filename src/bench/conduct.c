/* conduct.c - rank 0 of a sweep: predicts all points, hands them out, and turns what comes back into records. */
#include "conduct.h"
#include "choose.h"
#include "launch.h"
#include "privacy.h"
#include "progress.h"
#include "resume.h"
#include "run.h"
#include "target.h"
#include "verify.h"
#include "../base/check.h"
#include "../device/device.h"
#include "../device/profile.h"
#include "../../mpi/gather.h"
#include "../../mpi/world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* What a rank measures, alone or with others. */
struct lane {
    struct point *point;           /* NULL: nothing */
    int first;                     /* of the ranks that do */
    bool started;
    uint64_t busy_neighbours;      /* when it started */
};

struct sweep {
    const struct options *options;
    uint64_t threads;              /* of each run */
    struct schedule schedule;
    struct point *point;           /* (n), those of the schedule */
    const struct sweep_points *points;
    struct privacy *privacy;       /* (n), in the order of the points as listed */
    size_t n, done;
    struct lane *lane;             /* (ranks) */
    struct output *output;
    double start_s;
    double estimated_done_s;       /* of the points measured since this start, times their ranks */
    double estimated_left_s;       /* the same of those that have no record */
};

/* ---- before -------------------------------------------------------------------------------------------------- */

static void predict(const struct sweep *s, struct point *p)
{
    struct record record;
    record_init(&record);
    record.config = *p->config;
    snprintf(record.policy, sizeof record.policy, "%s", s->options->policy ? s->options->policy : "");
    run_predict(p->config, (int)s->threads, &record);
    profile_say_what_it_lacks(rates_now());
    p->predicted = (struct prediction){record.n_params, record.predicted_peak, {0}, record.flops,
        record.estimated_step_time, record.estimated_run_time, {0}};
    snprintf(p->predicted.policy, sizeof p->predicted.policy, "%s", record.policy);
#define KEEP_KIND(NAME, name, help) p->predicted.kind_bytes[MEMORY_##NAME] = record.predicted_##name;
    MEMORY_KIND_LIST(KEEP_KIND)
    record_clear(&record);
}

static struct privacy *privacy_of_point(const struct sweep *s, const struct point *p)
{
    return &s->privacy[p->config - s->points->config];
}

/* Time of ranks. */
static double estimated_s(const struct point *p)
{
    return (double)p->config->ranks_per_run * p->predicted.run_s;
}

static void account(const struct sweep *s, const struct point *p)
{
    *privacy_of_point(s, p) = privacy_of(p->config, s->points->records[p->config - s->points->config]);
}

static enum order order_of(const struct options *options)
{
    if (!options->order || strcmp(options->order, "longest") == 0)
        return ORDER_LONGEST;
    return strcmp(options->order, "shortest") == 0 ? ORDER_SHORTEST : ORDER_LISTED;
}

static bool stopped(const struct sweep *s)
{
    const double limit_s = s->options->time_limit_s;
    return gather_signal() || (limit_s > 0 && clock_wall_s() - s->start_s >= limit_s);
}

/* What a run on this rank's host may take beside those of the other ranks there, or on any rank's GPU; 0: not known, as
 * where a launcher goes. */
static double memory_of_a_run(const struct sweep *s)
{
    if (s->options->launcher)
        return 0.0;
    if (device_is_gpu())
        return gather_gpu_facts() ? gather_gpu_facts()->largest_share_bytes : 0.0;
    int most = 1;
    for (int rank = 0, n; rank < world()->size; rank++) {
        n = 0;
        for (int other = 0; other < world()->size; other++)
            n += world()->host_of[other] == world()->host_of[rank];
        most = n > most ? n : most;
    }
    return target_local_share(most);
}

static void plan(struct sweep *s, const struct sweep_points *points)
{
    struct sweep_state before;
    output_read(s->output, &before);
    resume_points(s->point, points->config, s->n, &before, s->options->retry_failed);
    sweep_state_clear(&before);
    choose_within(memory_of_a_run(s));
    for (size_t i = 0; i < s->n; i++)
        if (s->point[i].state == POINT_DONE)
            s->done++;
        else if (!stopped(s))
            predict(s, &s->point[i]), account(s, &s->point[i]);
    schedule_order(s->point, s->n, order_of(s->options));
    s->schedule = (struct schedule){s->point, s->n, 0};
    for (size_t i = 0; i < s->n; i++)
        s->estimated_left_s += s->point[i].state == POINT_DONE ? 0 : estimated_s(&s->point[i]);
}

/* ---- records ------------------------------------------------------------------------------------------------- */

/* An epsilon is that of the stated mechanism, which an INVALID run did not carry out. */
static void state_privacy(const struct privacy *privacy, struct record *r)
{
    r->sample_rate = privacy->sample_rate;
    if (strcmp(r->verdict, verdict_name[VERDICT_INVALID]) == 0 && !isnan(privacy->epsilon.prv_upper)) {
        snprintf(r->guarantee, sizeof r->guarantee, "none: verification found the run INVALID");
        return;
    }
    r->epsilon_prv_upper = privacy->epsilon.prv_upper;
    r->epsilon_prv_lower = privacy->epsilon.prv_lower;
    r->epsilon_rdp = privacy->epsilon.rdp;
    r->epsilon_gdp = privacy->epsilon.gdp;
    snprintf(r->guarantee, sizeof r->guarantee, "%s", privacy->guarantee);
}

static void state_prediction(const struct prediction *p, struct record *r)
{
    r->n_params = p->n_params;
    if (isnan(r->flops))
        r->flops = p->flops;
    r->predicted_peak = p->peak_bytes;
    r->estimated_step_time = p->step_s;
    r->estimated_run_time = p->run_s;
#define GIVE_KIND(NAME, name, help) r->predicted_##name = p->kind_bytes[MEMORY_##NAME];
    MEMORY_KIND_LIST(GIVE_KIND)
}

/* What the run itself cannot know.  One that was launched was predicted on its own host. */
static void complete_record(const struct sweep *s, struct record *r, const struct point *p)
{
    state_privacy(privacy_of_point(s, p), r);
    r->run_id = p->run_id;
    r->attempt = p->attempt;
    snprintf(r->config_sha256, sizeof r->config_sha256, "%s", p->config_sha256);
    if (!r->predicted_peak)
        state_prediction(&p->predicted, r);
}

static void finish(struct sweep *s, struct point *p, struct record *record)
{
    complete_record(s, record, p);
    p->state = POINT_DONE;
    s->done++;
    s->estimated_left_s -= estimated_s(p);
    output_result(s->output, record);
    if (s->n > 1)
        progress_say(record, s->done, s->n);
}

static void finish_unmeasured(struct sweep *s, struct point *p, enum status status, const char *why)
{
    struct record record;
    record_init(&record);
    record.config = *p->config;
    record_set_status(&record, status, "%s", why);
    p->attempt--;                  /* this one was not started */
    finish(s, p, &record);
    record_clear(&record);
}

static void give_up_hopeless(struct sweep *s)
{
    char why[TEXT_BYTES];
    snprintf(why, sizeof why, "started %d times without a result; --retry-failed tries again", RESUME_MOST_STARTS);
    for (size_t i = 0; i < s->n; i++)
        if (s->point[i].state == POINT_WAITING && s->point[i].vain_starts >= RESUME_MOST_STARTS)
            finish_unmeasured(s, &s->point[i], STATUS_CRASHED, why);
}

static void leave_out_too_large(struct sweep *s)
{
    char why[TEXT_BYTES];
    const double share = memory_of_a_run(s);
    for (size_t i = 0; i < s->n; i++) {
        struct point *p = &s->point[i];
        if (p->state == POINT_WAITING &&
            target_refuses(p->config, (double)p->predicted.peak_bytes, share, why, sizeof why))
            finish_unmeasured(s, p, STATUS_OOM_PREDICTED, why);
    }
}

static void skip_hopeless(struct sweep *s, const struct record *ended)
{
    char why[TEXT_BYTES];
    snprintf(why, sizeof why, "needs no less memory than run %llu, which ran out of it; --no-skip tries all the same",
             (unsigned long long)ended->run_id);
    for (size_t i = 0; i < s->n; i++)
        if (s->point[i].state == POINT_WAITING && schedule_is_hopeless(&s->point[i], ended))
            finish_unmeasured(s, &s->point[i], STATUS_SKIPPED, why);
}

/* What may end otherwise next time.  Out of memory and INVALID would not. */
static bool is_worth_a_retry(const struct sweep *s, const struct point *p, const struct record *record)
{
    const enum status status = record_status(record);
    return p->retries < s->options->retries &&
           (status == STATUS_CRASHED || status == STATUS_FAILED || status == STATUS_TIMEOUT);
}

/* The journal keeps the last try only, and of the others that they were begun. */
static void try_again(struct sweep *s, struct point *p, const struct record *record)
{
    p->retries++;
    p->attempt++;
    log_warn("run %llu %s: %s; trying again, %llu of %llu", (unsigned long long)p->run_id, record->status,
             record->message, (unsigned long long)p->retries, (unsigned long long)s->options->retries);
    schedule_again(&s->schedule, p);
}

static void finish_measured(struct sweep *s, struct point *p, struct record *record)
{
    if (is_worth_a_retry(s, p, record)) {
        try_again(s, p, record);
        record_clear(record);
        return;
    }
    finish(s, p, record);
    s->estimated_done_s += estimated_s(p);
    if (!s->options->no_skip)
        skip_hopeless(s, record);
    record_clear(record);
}

/* ---- measuring ----------------------------------------------------------------------------------------------- */

static struct task task_of(const struct sweep *s, const struct point *p)
{
    struct task task = {.config = *p->config, .threads = s->threads, .timeout_s = s->options->timeout_s,
        .stall_s = s->options->stall_s, .verbose = s->options->verbose};
    snprintf(task.policy, sizeof task.policy, "%s", p->predicted.policy);
    for (int r = 0; r < world()->size; r++)
        if (s->lane[r].point == p)
            task.member[task.n_members++] = r;
    return task;
}

/* On the host of a member, a rank that measures something else. */
static bool is_neighbour(const struct sweep *s, int rank, const struct task *task)
{
    const int *host_of = world()->host_of;
    for (int i = 0; i < task->n_members; i++)
        if (host_of[rank] == host_of[task->member[i]])
            return s->lane[rank].point && s->lane[rank].point != s->lane[task->member[i]].point;
    return false;
}

static void start(struct sweep *s, int first)
{
    struct lane *lane = &s->lane[first];
    const struct task task = task_of(s, lane->point);
    for (int r = 0; r < world()->size; r++)
        lane->busy_neighbours += is_neighbour(s, r, &task);
    lane->started = true;
    output_started(s->output, lane->point->config_sha256, lane->point->attempt, first);
    gather_start(&task);
}

static int ranks_of(const struct point *p)
{
    return p ? (int)p->config->ranks_per_run : 0;
}

/* Gives one point to ranks; false: there is none that could begin now. */
static bool hand_out_one(struct sweep *s)
{
    const int size = world()->size;
    int n_idle = 0, largest = 0, chosen[GROUP_MOST];
    bool *idle = calloc((size_t)size, sizeof *idle);
    CHECK(idle);
    for (int r = 0; r < size; r++) {
        const int n = ranks_of(s->lane[r].point);
        n_idle += idle[r] = !n;
        largest = n > largest ? n : largest;
    }
    struct point *p = schedule_fitting(&s->schedule, n_idle, largest);
    if (p) {
        p->state = POINT_RUNNING;
        schedule_ranks(idle, world()->host_of, size, ranks_of(p), chosen);
        for (int i = 0; i < ranks_of(p); i++)
            s->lane[chosen[i]] = (struct lane){.point = p, .first = chosen[0]};
    }
    free(idle);
    return p != NULL;
}

/* First who gets what, then the starts: so that ranks that start together count one another as neighbours. */
static void hand_out(struct sweep *s)
{
    while (hand_out_one(s))
        ;
    for (int r = 0; r < world()->size; r++)
        if (s->lane[r].point && s->lane[r].first == r && !s->lane[r].started)
            start(s, r);
}

static void take(struct sweep *s, struct record *record)
{
    const struct lane ended = s->lane[record->rank];
    for (int r = 0; r < world()->size; r++)
        if (s->lane[r].point == ended.point)
            s->lane[r] = (struct lane){0};
    record->busy_neighbours = ended.busy_neighbours;
    finish_measured(s, ended.point, record);
}

/* At first by the estimates, then as fast as it went so far. */
static double left_s(const struct sweep *s)
{
    const double rate = s->estimated_done_s / (clock_wall_s() - s->start_s);
    return s->estimated_left_s / (s->estimated_done_s > 0 ? rate : world()->size);
}

static void show_progress(const struct sweep *s)
{
    size_t running = 0;
    for (int rank = 0; rank < world()->size; rank++)
        running += s->lane[rank].point && s->lane[rank].first == rank;
    progress_show(s->done, s->n, running, left_s(s));
}

/* False: stopped before one came. */
static bool wait_for_record(const struct sweep *s, struct record *record)
{
    while (!stopped(s)) {
        if (gather_wait(record))
            return true;
        output_show_life(s->output);
    }
    return false;
}

static void measure_in_children(struct sweep *s)
{
    struct record record;
    while (s->done < s->n && !stopped(s)) {
        hand_out(s);
        show_progress(s);
        if (wait_for_record(s, &record))
            take(s, &record);
        output_publish_if_due(s->output);
    }
    progress_hide();
}

/* For debuggers: what goes wrong in a run goes wrong here. */
static void measure_here(struct sweep *s)
{
    struct point *p;
    while (!stopped(s) && (p = schedule_next(&s->schedule))) {
        struct record record;
        record_init(&record);
        record.config = *p->config;
        record.threads = s->threads;
        snprintf(record.policy, sizeof record.policy, "%s", p->predicted.policy);
        output_started(s->output, p->config_sha256, p->attempt, 0);
        run_config(p->config, &record);
        record.world_size = 1;
        snprintf(record.host, sizeof record.host, "%s", world()->host);
        finish_measured(s, p, &record);
    }
}

/* False: the launcher itself fails, again and again. */
static bool measure_by_launcher(struct sweep *s)
{
    enum { MOST_IN_VAIN = 3 };
    int in_vain = 0;
    const double limit_s = s->options->time_limit_s, deadline_s = limit_s > 0 ? s->start_s + limit_s : 0;
    struct point *p;
    while (!stopped(s) && in_vain < MOST_IN_VAIN && (p = schedule_next(&s->schedule))) {
        struct record record;
        output_started(s->output, p->config_sha256, p->attempt, 0);
        progress_show(s->done, s->n, 1, left_s(s));
        const enum launched launched = launch_point(s->options, p, deadline_s, &record);
        in_vain = launched == LAUNCHED_NOTHING ? in_vain + 1 : 0;
        if (launched == LAUNCHED_ENDED)
            finish_measured(s, p, &record);
        if (launched == LAUNCHED_NOTHING)
            log_error("run %llu has not begun: %s", (unsigned long long)p->run_id, record.message);
        output_publish_if_due(s->output);
    }
    progress_hide();
    launch_clean(s->options);
    return in_vain < MOST_IN_VAIN;
}

enum exit_code conduct_sweep(struct output *output, const struct options *options, const struct sweep_points *points,
                             size_t *done)
{
    bool possible = true;
    struct sweep *s = &(struct sweep){
        .options = options,
        .output = output,
        .threads = options->threads ? options->threads : (uint64_t)world()->cores,
        .points = points,
        .n = points->n,
        .start_s = clock_wall_s(),
    };
    CHECK(s->point = calloc(s->n + 1, sizeof *s->point));
    CHECK(s->privacy = calloc(s->n + 1, sizeof *s->privacy));
    CHECK(s->lane = calloc((size_t)world()->size, sizeof *s->lane));
    plan(s, points);
    give_up_hopeless(s);
    if (!options->try_anyway)
        leave_out_too_large(s);
    if (options->launcher)
        possible = measure_by_launcher(s);
    else if (options->no_isolate)
        measure_here(s);
    else
        measure_in_children(s);
    free(s->point);
    free(s->privacy);
    free(s->lane);
    *done = s->done;
    return s->done == s->n ? EXIT_OK : possible ? EXIT_REQUEUE : EXIT_ENVIRONMENT;
}
