/* validate.c - the numbers of a record that follow from others are computed again. */
#include "validate.h"

#include "../base/quantile.h"
#include "buffer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct check {                   /* of one run */
    struct problems *problems;
    const struct record *r;
};

/* NEED(c, condition, format, ...): the condition holds, or the run has the problem that is said. */
#define NEED(c, condition, format, ...)                                                                            \
    do {                                                                                                           \
        if (!(condition))                                                                                          \
            problem((c).problems, "run %llu (%s B=%llu T=%llu): " format, (unsigned long long)(c).r->run_id,       \
                    (c).r->config.trainer, (unsigned long long)(c).r->config.batch_size,                           \
                    (unsigned long long)(c).r->config.seq_len, ##__VA_ARGS__);                                     \
    } while (0)

static bool is(const char *text, const char *word)
{
    return strcmp(text, word) == 0;
}

static bool close_to(double a, double b)
{
    return fabs(a - b) <= 1e-9 * fmax(fabs(a), fabs(b));
}

static bool same_or_unknown(double stored, double computed)
{
    return close_to(stored, computed) || (isnan(stored) && isnan(computed));
}

/* ---- what was asked ------------------------------------------------------------------------------------------ */

static void check_config(struct check c)
{
    char text[TEXT_BYTES], error[512], sha256[65];
    struct config again = c.r->config;
    for (int i = 0; i < N_CONFIG_FIELDS; i++) {
        if (is(config_field[i].name, "device")) /* may be another build's */
            continue;
        field_text(&config_field[i], &c.r->config, text, sizeof text);
        NEED(c, config_set(&again, &config_field[i], text, error, sizeof error), "%s", error);
    }
    config_sha256(&c.r->config, sha256);
    NEED(c, !strcmp(sha256, c.r->config_sha256), "config_sha256 is not that of its configuration");
}

/* ---- how it ended -------------------------------------------------------------------------------------------- */

/* A trainer without norms has no error of norms, a record of an older program none of steps. */
static bool within(const struct record *r, double limit)
{
    return r->grad_rel_err <= limit && (r->norm_rel_err <= limit || (isnan(r->norm_rel_err) && !r->clip_groups)) &&
           !(r->step_rel_err > limit) && !(r->update_rel_err > limit) &&
           (isnan(r->noise_variance_ratio) || fabs(r->noise_variance_ratio - 1) <= r->noise_variance_allowed);
}

static void check_verdict(struct check c)
{
    const struct record *r = c.r;
    const enum status status = record_status(r);
    NEED(c, status != N_STATUSES, "status '%s' is not a status", r->status);
    NEED(c, is(r->verdict, "") || is(r->verdict, "VALID") || is(r->verdict, "WARN") || is(r->verdict, "INVALID"),
         "verdict '%s' is not a verdict", r->verdict);
    NEED(c, is(r->verdict, "INVALID") == (status == STATUS_INVALID), "status %s and verdict '%s' contradict each other",
         r->status, r->verdict);
    NEED(c, status != STATUS_OK || !is(r->verdict, ""), "status ok without a verdict");
    NEED(c, !is(r->verdict, "VALID") || within(r, r->valid_rel_err), "VALID, though an error is beyond its limit");
    NEED(c, !is(r->verdict, "WARN") || within(r, r->warn_rel_err), "WARN, though an error is beyond its limit");
    NEED(c, status == STATUS_OK || status == STATUS_PREDICTED || r->message[0], "status %s without a message",
         r->status);
    NEED(c, !(r->end_time < r->start_time), "it ended before it started");
}

/* ---- steps --------------------------------------------------------------------------------------------------- */

static double *measured_times(const struct record *r, size_t *n)
{
    double *time = memory_get(r->n_steps * sizeof *time);
    *n = 0;
    for (size_t i = 0; i < r->n_steps; i++)
        if (r->steps[i].measured)
            time[(*n)++] = r->steps[i].step_time_s;
    return time;
}

static double phases_s(const struct step_row *s)
{
    double sum = 0;
#define ADD(NAME, name, help) sum += s->time_##name;
    PHASE_LIST(ADD)
    return sum;
}

static void check_rows_of_steps(struct check c)
{
    const struct record *r = c.r;
    for (size_t i = 0; i < r->n_steps; i++) {
        const struct step_row *s = &r->steps[i];
        NEED(c, s->step == i, "row %zu of its steps is step %llu", i, (unsigned long long)s->step);
        NEED(c, s->step_time_s > 0 && isfinite(s->step_time_s), "step %zu took %g s", i, s->step_time_s);
        NEED(c, i == 0 || s->time_s >= r->steps[i - 1].time_s, "step %zu ended before the step before it", i);
        NEED(c, !(phases_s(s) > 1.001 * s->step_time_s + 1e-6), "the phases of step %zu take longer than the step", i);
        NEED(c, isfinite(s->loss) || s->tokens == 0, "step %zu has no loss", i);
    }
}

static void check_statistics(struct check c)
{
    const struct record *r = c.r;
    const struct config *config = &r->config;
    size_t n;
    uint64_t tokens = 0;
    double *time = measured_times(r, &n);
    for (size_t i = 0; i < r->n_steps; i++)
        tokens += r->steps[i].measured ? r->steps[i].tokens : 0;
    NEED(c, n == config->active_steps && r->n_steps == n + config->wait_steps + config->warmup_steps,
         "%zu of %zu steps are measured, which is not what the configuration says", n, (size_t)r->n_steps);
    NEED(c, tokens == r->token_count, "token_count is not the sum over measured steps");
    NEED(c, same_or_unknown(r->step_time_p50, quantile(time, n, 0.5)), "step_time_p50 is not the median of its steps");
    NEED(c, same_or_unknown(r->step_time_min, quantile(time, n, 0.0)), "step_time_min is not the fastest of its steps");
    NEED(c, n < 5 || (same_or_unknown(r->step_time_p25, quantile(time, n, 0.25)) &&
                      same_or_unknown(r->step_time_p75, quantile(time, n, 0.75))),
         "step_time_p25 and _p75 are not the quartiles of its steps");
    NEED(c, n == 0 || close_to(r->throughput_p50, (double)tokens / (double)n / r->step_time_p50),
         "throughput_p50 is not tokens over median time");
    free(time);
}

/* ---- memory -------------------------------------------------------------------------------------------------- */

static uint64_t sum_of(const uint64_t bytes[N_MEMORY_KINDS])
{
    uint64_t sum = 0;
    for (int k = 0; k < N_MEMORY_KINDS; k++)
        sum += bytes[k];
    return sum;
}

static void check_memory(struct check c)
{
    const struct record *r = c.r;
#define STAGE_BYTES(NAME, name, help) r->memory_##name,
    const uint64_t stage_bytes[N_STAGES] = {STAGE_LIST(STAGE_BYTES)};
#define KIND_PEAK(NAME, name, help) r->peak_##name,
    const uint64_t at_peak = sum_of((uint64_t[]){MEMORY_KIND_LIST(KIND_PEAK)});
#define KIND_PREDICTED(NAME, name, help) r->predicted_##name,
    const uint64_t predicted = sum_of((uint64_t[]){MEMORY_KIND_LIST(KIND_PREDICTED)});
    NEED(c, at_peak <= r->peak_ledger, "the kinds at its peak sum to more than peak_ledger");
    NEED(c, predicted <= r->predicted_peak, "the predicted kinds sum to more than predicted_peak");
    NEED(c, !r->config.memory_limit || r->peak_ledger <= r->config.memory_limit, "peak_ledger is above the limit");
    for (size_t i = 0; i < r->n_memory; i++) {
        const struct memory_row *row = &r->memory[i];
        NEED(c, row->stage < N_STAGES && sum_of(row->bytes) <= stage_bytes[row->stage],
             "row %zu of /memory has more bytes in use than were held at its stage", i);
        NEED(c, i == 0 || row->time_s >= r->memory[i - 1].time_s, "the stages of /memory are not in order of time");
    }
    for (size_t i = 0; i < r->n_timeline; i++) {
        NEED(c, sum_of(r->timeline[i].bytes) <= at_peak, "row %zu of its timeline is above its peak", i);
        NEED(c, i == 0 || r->timeline[i].time_s >= r->timeline[i - 1].time_s, "its timeline is not in order of time");
    }
}

/* ---- privacy ------------------------------------------------------------------------------------------------- */

static void check_mechanism(struct check c)
{
    const struct record *r = c.r;
    const bool noisy = r->noise_std > 0;
    NEED(c, !(r->noise_std < 0) && isfinite(r->noise_std), "noise_std is %g", r->noise_std);
    NEED(c, r->expected_batch_size > 0, "expected_batch_size is %g", r->expected_batch_size);
    NEED(c, (r->clip_groups > 0) == (r->sensitivity > 0 && isfinite(r->sensitivity)),
         "%llu clip groups and a sensitivity of %g contradict each other", (unsigned long long)r->clip_groups,
         r->sensitivity);
    NEED(c, r->unprotected_params == (r->clip_groups && noisy ? 0 : r->n_params),
         "unprotected_params does not fit to clipping and noise");
    NEED(c, !(r->clip_fraction < 0) && !(r->clip_fraction > 1), "clip_fraction is %g", r->clip_fraction);
}

/* ---- all ----------------------------------------------------------------------------------------------------- */

static void check_run(struct check c)
{
    check_config(c);
    check_verdict(c);
    check_rows_of_steps(c);
    check_memory(c);
    NEED(c, c.r->attempt > 0, "attempt is 0");
    if (c.r->peak_ledger)
        check_mechanism(c);
    if (record_status(c.r) == STATUS_OK)
        check_statistics(c);
    else
        NEED(c, isnan(c.r->step_time_p50) && isnan(c.r->throughput_p50), "status %s, and yet it has a time",
             c.r->status);
}

static int by_sha256(const void *a, const void *b)
{
    return strcmp((*(const struct record *const *)a)->config_sha256, (*(const struct record *const *)b)->config_sha256);
}

static int by_run_id(const void *a, const void *b)
{
    const uint64_t x = (*(const struct record *const *)a)->run_id, y = (*(const struct record *const *)b)->run_id;
    return (x > y) - (x < y);
}

static void check_unique(const struct sweep_state *s, int (*order)(const void *, const void *), const char *what,
                         struct problems *p)
{
    const struct record **r = memory_get(s->n_records * sizeof *r);
    for (size_t i = 0; i < s->n_records; i++)
        r[i] = &s->record[i];
    qsort(r, s->n_records, sizeof *r, order);
    for (size_t i = 1; i < s->n_records; i++)
        if (order(&r[i - 1], &r[i]) == 0)
            problem(p, "two runs have the same %s: run %llu and run %llu", what, (unsigned long long)r[i - 1]->run_id,
                    (unsigned long long)r[i]->run_id);
    free(r);
}

void validate_state(const struct sweep_state *s, struct problems *p)
{
    for (size_t i = 0; i < s->n_records; i++)
        check_run((struct check){p, &s->record[i]});
    check_unique(s, by_run_id, "run_id", p);
    check_unique(s, by_sha256, "configuration", p);
    if (s->damaged_frames)
        problem(p, "%zu frames of the journal are damaged", s->damaged_frames);
    if (s->torn_bytes)
        problem(p, "the journal ends in %zu bytes of a frame that is not complete", s->torn_bytes);
}
