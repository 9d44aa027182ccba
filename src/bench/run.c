#include "run.h"

#include "../base/check.h"
#include "../device/profile.h"
#include "../device/pulse.h"
#include "choose.h"
#include "forecast.h"
#include "rig.h"
#include "timed_steps.h"
#include "verify.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

/* ---- what a stage looks like --------------------------------------------------------------------------------- */

/* A line "Name:   1234 kB" of /proc/self/status, in bytes. */
static uint64_t process_status(const char *name)
{
    char line[128];
    unsigned long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, name, strlen(name)) == 0 && sscanf(line + strlen(name), ": %lu", &kib) == 1)
            break;
    if (file)
        fclose(file);
    return (uint64_t)kib << 10;
}

static void stage(struct record *r, enum stage s, double started_s)
{
    struct memory_row row = {.stage = s, .time_s = clock_wall_s() - started_s};
    const uint64_t rss = process_status("VmRSS"), held = ledger_allocated(), used = device_memory_used();
    for (int k = 0; k < N_MEMORY_KINDS; k++)
        row.bytes[k] = ledger_live((enum memory_kind)k);
    record_add_memory(r, &row);
#define STAGE_SET(NAME, name, help) \
    if (s == STAGE_##NAME) {            \
        r->memory_##name = held;        \
        r->device_used_##name = used;   \
        r->rss_##name = rss;            \
    }
    STAGE_LIST(STAGE_SET)
}

static double unix_time(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- what follows from the configuration --------------------------------------------------------------------- */

static void describe_device(struct record *r)
{
    struct device_info info;
    device_describe(&info);
    snprintf(r->device_name, sizeof r->device_name, "%s", info.name);
    snprintf(r->libraries, sizeof r->libraries, "%s", info.libraries);
    r->threads = (uint64_t)info.threads;
}

/* What the mechanism does beyond the configuration. */
static void describe_protection(const struct trainer *t, struct record *r)
{
    const enum clipping clipping = t->config.clipping;
    r->clip_groups = clipping == CLIPPING_NONE ? 0 : clipping == CLIPPING_PER_LAYER ? (uint64_t)t->model->n_tensors : 1;
    const bool noisy = trainer_stated_noise_std(t) > 0;
    r->unprotected_params = r->clip_groups && noisy ? 0 : r->n_params;
    snprintf(r->neighbouring, sizeof r->neighbouring, "%s", r->clip_groups ? "one sample added or removed" : "");
    snprintf(r->noise_source, sizeof r->noise_source, "%s", !noisy ? "" : t->noise.generator == NOISE_PHILOX
        ? "Philox4x32-10 keyed by the seed: repeatable" : "ChaCha20 with a secret key, on a grid: not repeatable");
}

static void describe(const struct config *c, const struct rig *rig, struct record *r)
{
    r->n_params = (uint64_t)rig->model->n_params;
    r->expected_batch_size = (double)c->batch_size;
    r->noise_std = trainer_stated_noise_std(rig->trainer);
    r->norm_slack = trainer_norm_slack(rig->trainer->ops);
    r->sensitivity = trainer_sensitivity(rig->trainer);
    describe_protection(rig->trainer, r);
    if (rig->trainer->ops->chooses)
        policy_text(&rig->trainer->config.policy, &rig->model->shape, r->policy, sizeof r->policy);
}

/* The work of the step that was counted last, by phase. */
static void note_work(struct record *r)
{
    size_t n;
    const struct call *call = work_calls(&n);
    double flops[N_PHASES + 1] = {0}, bytes[N_PHASES + 1] = {0};
    for (size_t i = 0; i < n; i++) {
        flops[call[i].phase] += call[i].flops * (double)call[i].count;
        bytes[call[i].phase] += call[i].bytes * (double)call[i].count;
    }
    r->bytes_moved = 0.0;
#define PHASE_WORK(NAME, name, help)                    \
    r->flops_##name = flops[PHASE_##NAME];              \
    r->bytes_##name = bytes[PHASE_##NAME];              \
    r->in_use_##name = work_live_bytes(PHASE_##NAME);   \
    r->bytes_moved += bytes[PHASE_##NAME];
    PHASE_LIST(PHASE_WORK)
}

/* By the rates of this device. */
static void note_times(struct record *r)
{
    struct times times;
    forecast_times(&times, &r->config, r->n_params, rates_now());
    r->estimated_step_time = times.step_s;
    r->estimated_run_time = times.run_s;
#define PHASE_ESTIMATE(NAME, name, help) r->estimated_time_##name = times.phase_s[PHASE_##NAME];
    PHASE_LIST(PHASE_ESTIMATE)
}

/* FLOPs of one rank's step of n samples by another rehearsal of it.  Programs are known already, so nothing changes in
 * the ledger. */
static double step_flops_of_rank(struct rig *rig, int n)
{
    const struct batch batch = batch_buffer_view(rig->buffer, n);
    const double before = work_flops();
    trainer_step(rig->trainer, &batch);
    trainer_reset(rig->trainer);
    return work_flops() - before;
}

/* Of the whole group: some ranks have one sample more than the others. */
static double step_flops(struct rig *rig, const struct config *c)
{
    const int B = (int)c->batch_size, ranks = (int)c->ranks_per_run, more = B % ranks;
    const double flops = (ranks - more) * step_flops_of_rank(rig, B / ranks);
    return more ? flops + more * step_flops_of_rank(rig, B / ranks + 1) : flops;
}

/* Counts verification and the step of a rank with the larger share of the batch. */
static void count_work(struct rig *rig, const struct config *c)
{
    const int B = (int)c->batch_size, ranks = (int)c->ranks_per_run;
    work_reset();
    work_set_apart(true);
    rig_rehearse_verification(rig);
    work_set_apart(false);
    step_flops_of_rank(rig, (B + ranks - 1) / ranks);
}

/* What the trainer may ask the rates of this device for. */
static void use_precision_and_rates(const struct config *c)
{
    struct device_info info;
    struct rates rates;
    const char *lacks = device_lacks(rig_precision(c));
    if (lacks)
        die(EXIT_ENVIRONMENT, "--precision %s: %s", c->precision, lacks);
    precision_set(rig_precision(c));
    device_describe(&info);
    profile_rates(info.threads, precision_now(), &rates);
    rates_use(&rates);
}

/* The one in words, or without any the one that is chosen for so many threads. */
static void take_policy(const struct config *c, const char *text, int threads, struct policy *policy)
{
    struct choice choice;
    struct model_shape shape;
    config_model_shape(c, &shape);
    if (text[0] && !policy_read(text, &shape, policy))
        die(EXIT_USAGE, "no policy: %s", text);
    if (text[0])
        return;
    choose_policy(c, threads, &choice);
    *policy = choice.policy;
}

/* ---- the dry run --------------------------------------------------------------------------------------------- */

uint64_t run_predict_peak(const struct config *c, int threads)
{
    struct rig rig;
    struct choice choice;
    choose_policy(c, threads, &choice);
    rig_create_dry(&rig, c, threads, &choice.policy);
    const uint64_t peak = ledger_reserved_peak();
    rig_free(&rig);
    ledger_close();
    return peak;
}

void run_predict(const struct config *c, int threads, struct record *r)
{
    struct rig rig;
    struct policy policy;
    r->config = *c;
    take_policy(c, r->policy, threads, &policy);
    rig_create_dry(&rig, c, threads, &policy);
    use_precision_and_rates(c);
    describe_device(r);
    describe(c, &rig, r);
    r->flops = step_flops(&rig, c);
    count_work(&rig, c);
    note_work(r);
    note_times(r);
    r->predicted_peak = ledger_reserved_peak();
    snprintf(r->peak_phase, sizeof r->peak_phase, "%s", ledger_peak_phase());
#define KIND_PREDICTED(NAME, name, help) r->predicted_##name = ledger_peak(MEMORY_##NAME);
    MEMORY_KIND_LIST(KIND_PREDICTED)
    rig_free(&rig);
    ledger_close();
}

/* ---- the run ------------------------------------------------------------------------------------------------- */

struct origin { const struct dataset *data; struct batch_buffer *buffer; };

static struct batch samples_to_verify(void *ctx, struct part places)
{
    const struct origin *o = ctx;
    return dataset_batch_to_verify(o->data, o->buffer, places);
}

static bool verify(struct rig *rig, const struct dataset *data, struct record *r)
{
    struct origin origin = {data, rig->buffer};
    const struct sample_source source = rig_samples_to_verify(&rig->trainer->config, samples_to_verify, &origin);
    struct verification v;
    pulse_part(PART_VERIFICATION);
    verify_trainer(rig->trainer, &source, &v);
    snprintf(r->verdict, sizeof r->verdict, "%s", verdict_name[v.verdict]);
    r->grad_rel_err = v.grad_rel_err;
    r->norm_rel_err = v.norm_rel_err;
    r->step_rel_err = v.step_rel_err;
    r->update_rel_err = v.update_rel_err;
    r->valid_rel_err = valid_rel_err();
    r->warn_rel_err = warn_rel_err();
    r->noise_variance_ratio = v.noise_variance_ratio;
    r->noise_variance_allowed = v.noise_variance_allowed;
    if (v.verdict != VERDICT_VALID)
        snprintf(r->message, sizeof r->message, "%s", v.message);
    return v.verdict != VERDICT_INVALID;
}

static void note_peak(struct record *r)
{
    r->peak_ledger = ledger_reserved_peak();
    snprintf(r->peak_phase, sizeof r->peak_phase, "%s", ledger_peak_phase());
#define KIND_MEASURED(NAME, name, help) r->peak_##name = ledger_peak(MEMORY_##NAME);
    MEMORY_KIND_LIST(KIND_MEASURED)
}

/* Everything between the stages before_model and after_cleanup. */
static void run_in_memory(struct rig *rig, const struct dataset *data, const struct config *c,
    const struct policy *policy, double started_s, struct record *r)
{
    struct trainer_config trainer_config;
    rig_trainer_config(c, &trainer_config);
    trainer_config.policy = *policy;
    if (!rig_create_trainer(rig, trainer_find(c->trainer), &trainer_config, (int)c->seq_len)) {
        record_set_status(r, STATUS_OOM_DEVICE, "%s", ledger_message());
        return;
    }
    describe(c, rig, r);
    model_init(rig->model, c->seed);
    const bool valid = verify(rig, data, r) && timed_steps(rig, data, c, started_s, r);
    snprintf(r->status, sizeof r->status, "%s", status_name[valid ? STATUS_OK : STATUS_INVALID]);
    if (valid)
        note_work(r);
    pulse_part(PART_END);
    note_peak(r);
    stage(r, STAGE_AFTER_PROFILING, started_s);
}

void run_config(const struct config *c, struct record *r)
{
    const double started_s = clock_wall_s();
    struct model_shape shape;
    struct rig rig;
    struct policy policy;
    char error[512];
    config_model_shape(c, &shape);
    r->config = *c;
    r->start_time = unix_time();
    stage(r, STAGE_INITIAL, started_s);
    struct dataset *data = dataset_open(c->data, c->record, (int)c->seq_len, shape.vocab, (int)c->batch_size, c->seed,
        error, sizeof error);
    if (!data) {
        record_set_status(r, STATUS_FAILED, "%s", error);
        return;
    }
    device_open(0);
    take_policy(c, r->policy, 0, &policy);
    use_precision_and_rates(c);
    group_open();
    describe_device(r);
    ledger_open(LEDGER_REAL, c->memory_limit);
    stage(r, STAGE_BEFORE_MODEL, started_s);
    if (rig_create_model(&rig, &shape)) {
        stage(r, STAGE_AFTER_MODEL, started_s);
        run_in_memory(&rig, data, c, &policy, started_s, r);
        rig_free_trainer(&rig);
        stage(r, STAGE_AFTER_CLEANUP, started_s);
    } else {
        record_set_status(r, STATUS_OOM_DEVICE, "%s", ledger_message());
    }
    rig_free(&rig);
    ledger_close();
    group_close();
    dataset_close(data);
    r->peak_rss = process_status("VmHWM");
    r->end_time = unix_time();
}
