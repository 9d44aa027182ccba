/* timed_steps.c - a step is timed from before its batch is drawn until the device has finished it.  What the record
 * wants to know of it (losses, norms) is read back between steps. */
#include "timed_steps.h"

#include "../base/check.h"
#include "../base/quantile.h"
#include "../device/pulse.h"
#include "replica.h"
#include "verify.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MIN_FOR_QUARTILES = 5 };

/* ---- one step ------------------------------------------------------------------------------------------------ */

/* Sum of the finite ones of n values; *taken: how many those are.  NULL: the sum of all. */
static double sum_of(const float *device_values, float *host, int n, double *taken)
{
    double sum = 0.0;
    device_copy_out(host, device_values, (size_t)n * sizeof *host);
    for (int i = 0; i < n; i++)
        if (!taken || isfinite(host[i])) {
            sum += host[i];
            if (taken)
                ++*taken;
        }
    return sum;
}

static int last_physical_size(const struct trainer *t, int n)
{
    int size = 0;
    for (int left = n; left > 0; left -= size)
        size = trainer_physical_size(left, t->config.physical_batch_size);
    return size;
}

/* Coefficients, and how many are below 1: of n samples, or for per_layer clipping of the pairs of a tensor and a sample
 * of the last physical batch. */
static void count_clipped(const struct trainer *t, float *host, int n, double *below, double *all)
{
    const int tensors = t->layer_coef ? t->model->n_tensors : 1;
    const int stride = t->layer_coef ? t->config.physical_batch_size : n;
    const int samples = t->layer_coef ? last_physical_size(t, n) : n;
    device_copy_out(host, t->layer_coef ? t->layer_coef : t->coef, (size_t)tensors * (size_t)stride * sizeof *host);
    for (int p = 0; p < tensors; p++)
        for (int b = 0; b < samples; b++)
            *below += host[(long)p * stride + b] < 1.0f;
    *all = (double)tensors * samples;
}

/* n: samples of this rank.  The row is about the whole batch, whose size it has. */
static void read_back(const struct trainer *t, float *host, int n, struct step_row *row)
{
    enum { LOSS, NORM, FINITE, BELOW, COEFFICIENTS, TOKENS, FLOPS, N_SUMS };
    double sum[N_SUMS] = {[TOKENS] = (double)row->tokens, [FLOPS] = row->flops};
    sum[LOSS] = sum_of(t->loss, host, n, NULL);
    if (t->ops->is_private) {
        sum[NORM] = sum_of(t->norm, host, n, &sum[FINITE]);
        count_clipped(t, host, n, &sum[BELOW], &sum[COEFFICIENTS]);
    }
    group_sum_host(sum, N_SUMS);
    row->tokens = (uint64_t)sum[TOKENS];
    row->flops = sum[FLOPS];
    row->loss = row->grad_norm = row->clip_fraction = NAN;
    if (row->batch_size)
        row->loss = sum[LOSS] / (double)row->batch_size;
    if (row->batch_size && t->ops->is_private) {
        row->grad_norm = sum[NORM] / sum[FINITE];
        row->clip_fraction = sum[BELOW] / sum[COEFFICIENTS];
        row->left_out = row->batch_size - (uint64_t)sum[FINITE];
    }
}

/* Where batches come from, and where records that were drawn are listed.  Each rank of a group draws the whole batch
 * and takes its share. */
struct source {
    const struct dataset *data;
    struct sampler sampler;
    long *record;                /* (capacity) */
    int ranks;
};

static struct batch draw(const struct source *s, struct batch_buffer *buffer, struct step_row *row)
{
    const long drawn = sampler_draw(&s->sampler, (uint32_t)row->step, s->record);
    row->batch_size = (uint64_t)(drawn < s->sampler.capacity ? drawn : s->sampler.capacity);
    row->dropped = (uint64_t)drawn - row->batch_size;
    const struct part share = batch_share((long)row->batch_size, group()->rank, s->ranks);
    return dataset_batch(s->data, buffer, s->record, share, &row->tokens);
}

/* Returns the samples of this rank. */
static int time_step(struct rig *r, const struct source *source, struct step_row *row)
{
    struct batch batch;
    timer_reset();
    const double wall = clock_wall_s(), cpu = clock_cpu_s();
    row->max_grad_norm = r->trainer->ops->is_private ? r->trainer->config.max_grad_norm : NAN;
    PHASE(DATA) batch = draw(source, r->buffer, row);
    trainer_step(r->trainer, &batch);
    device_sync();
    row->time_s = clock_wall_s();
    row->step_time_s = row->time_s - wall;
    row->cpu_time_s = clock_cpu_s() - cpu;
#define PHASE_TIME(NAME, name, help) row->time_##name = timer_s(PHASE_##NAME);
    PHASE_LIST(PHASE_TIME)
    return batch.n;
}

/* ---- all of them --------------------------------------------------------------------------------------------- */

/* Median over n steps of the double at `offset` in struct step_row. */
static double median_of(const struct step_row *timed, size_t n, size_t offset)
{
    double *value = malloc((n + 1) * sizeof *value);
    CHECK(value != NULL);
    for (size_t i = 0; i < n; i++)
        value[i] = *(const double *)((const char *)&timed[i] + offset);
    const double median = quantile(value, n, 0.5);
    free(value);
    return median;
}

static void summarize_times(const struct step_row *timed, size_t n, struct record *r)
{
    double *value = malloc((n + 1) * sizeof *value);
    CHECK(value != NULL);
    r->token_count = 0;
    for (size_t i = 0; i < n; i++) {
        value[i] = timed[i].step_time_s;
        r->token_count += timed[i].tokens;
    }
    r->step_time_p50 = quantile(value, n, 0.5);
    r->step_time_min = quantile(value, n, 0.0);
    if (n >= MIN_FOR_QUARTILES) {
        r->step_time_p25 = quantile(value, n, 0.25);
        r->step_time_p75 = quantile(value, n, 0.75);
    }
    const double tokens = (double)r->token_count / (double)n;
    r->throughput_p50 = tokens / r->step_time_p50;
    r->throughput_max = tokens / r->step_time_min;
    r->throughput_min = tokens / quantile(value, n, 1.0);
    r->flop_rate = r->flops / r->step_time_p50;
    free(value);
}

/* An empty batch has no loss. */
static void summarize_samples(const struct step_row *timed, size_t n, struct record *r)
{
    for (size_t i = n; i-- > 0;)
        if (timed[i].batch_size)
            r->loss_first = timed[i].loss;
    for (size_t i = 0; i < n; i++) {
        if (timed[i].batch_size)
            r->loss_last = timed[i].loss;
        r->samples_left_out += timed[i].left_out;
    }
}

static void summarize(const struct step_row *timed, size_t n, struct record *r)
{
    double clipped = 0.0, samples = 0.0;
    for (size_t i = 0; i < n; i++) {
        clipped += timed[i].batch_size ? timed[i].clip_fraction * (double)timed[i].batch_size : 0.0;
        samples += (double)timed[i].batch_size;
    }
    r->clip_fraction = clipped / samples;
    r->batch_size_mean = samples / (double)n;
    r->flops = median_of(timed, n, offsetof(struct step_row, flops));
    r->step_cpu_time_p50 = median_of(timed, n, offsetof(struct step_row, cpu_time_s));
#define PHASE_MEDIAN(NAME, name, help) \
    r->time_##name = median_of(timed, n, offsetof(struct step_row, time_##name));
    PHASE_LIST(PHASE_MEDIAN)
    summarize_times(timed, n, r);
}

static void keep_trace(struct record *r)
{
    struct trace_row row[TRACE_MOST_ROWS];
    const size_t n = trace_end(row);
    for (size_t i = 0; i < n; i++)
        record_add_timeline(r, &row[i]);
}

static bool are_equal(const struct model *m, struct record *r)
{
    if (replicas_are_equal(m))
        return true;
    snprintf(r->verdict, sizeof r->verdict, "%s", verdict_name[VERDICT_INVALID]);
    snprintf(r->message, sizeof r->message, "the ranks of the group ended with different weights");
    return false;
}

bool timed_steps(struct rig *r, const struct dataset *data, const struct config *c, double started_s,
    struct record *record)
{
    const uint64_t unmeasured = c->wait_steps + c->warmup_steps, n = unmeasured + c->active_steps;
    struct step_row *timed = calloc(n, sizeof *timed);
    const size_t share = (size_t)trainer_share(&r->trainer->config);
    float *host = calloc(share * (size_t)r->model->n_tensors, sizeof *host); /* the most to read back */
    const struct source source = {data, rig_sampler(c, r->trainer, dataset_records(data)),
        calloc(c->max_batch_size, sizeof *source.record), (int)c->ranks_per_run};
    if (!timed || !host || !source.record)
        die(EXIT_ENVIRONMENT, "out of host memory for %llu steps", (unsigned long long)n);
    pulse_part(PART_STEPS);
    for (uint64_t i = 0; i < n; i++) {
        struct step_row *row = &timed[i];
        row->step = i;
        pulse_step(i);
        work_reset();
        if (i + 1 == unmeasured)
            trace_begin();
        const uint64_t bytes = group_bytes();
        const int samples = time_step(r, &source, row);
        record->communication_bytes = group_bytes() - bytes;
        if (i + 1 == unmeasured)
            keep_trace(record);
        row->flops = work_flops();
        read_back(r->trainer, host, samples, row);
        row->measured = i >= unmeasured;
        row->time_s -= started_s;
        record_add_step(record, row);
    }
    summarize_samples(timed, n, record);
    record->weights_projection = replica_projection(r->model, c->seed);
    const bool equal = are_equal(r->model, record);
    if (equal)
        summarize(timed + unmeasured, c->active_steps, record);
    free(source.record);
    free(host);
    free(timed);
    return equal;
}
