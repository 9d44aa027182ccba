/* record.h - the result of one run.  RESULT_FIELDS is the one list of its columns: journal, HDF5, CSV, JSON and
 * docs/results-format.md come from it, after the columns of CONFIG_FIELDS.
 *   F(kind, name, unit, help)     kind: TEXT, LONG (text), U64 or F64;  F64 not known: NaN;  time_ and memory_ columns
 *                                 repeat per phase, kind and stage by the lists they belong to */
#ifndef RECORD_H
#define RECORD_H
#include "../bench/config.h"
#include "../device/ledger.h"
#include "../device/timer.h"
#include "../device/trace.h"

#define STATUS_LIST(X)                                                              \
    X(OK, ok, "measured")                                                           \
    X(INVALID, invalid, "its clipped gradient or noise is wrong: not timed")        \
    X(OOM_DEVICE, oom_device, "device memory or --memory-limit was not enough")     \
    X(OOM_HOST, oom_host, "the operating system ran out of memory")                 \
    X(OOM_PREDICTED, oom_predicted, "does not fit by prediction, not started")      \
    X(TIMEOUT, timeout, "took longer than allowed")                                 \
    X(CRASHED, crashed, "died of a signal")                                         \
    X(FAILED, failed, "ended with an error of its own or of a library")             \
    X(SKIPPED, skipped, "not started, because a smaller one ran out of memory")     \
    X(PREDICTED, predicted, "not run: plan only")
#define STATUS_ENUM(NAME, name, help) STATUS_##NAME,
enum status { STATUS_LIST(STATUS_ENUM) N_STATUSES };
extern const char *const status_name[N_STATUSES];

#define STAGE_LIST(X)                                                      \
    X(INITIAL, initial, "process started")                                 \
    X(BEFORE_MODEL, before_model, "device open, model not created")        \
    X(AFTER_MODEL, after_model, "model created")                           \
    X(AFTER_PROFILING, after_profiling, "after the last measured step")    \
    X(AFTER_CLEANUP, after_cleanup, "trainer freed, model alive")
#define STAGE_ENUM(NAME, name, help) STAGE_##NAME,
enum stage { STAGE_LIST(STAGE_ENUM) N_STAGES };
extern const char *const stage_name[N_STAGES];

#define RESULT_FIELDS(F)                                                                                            \
    F(U64, run_id, "1", "index of the configuration in the sweep")                                                  \
    F(TEXT, config_sha256, "", "identity: SHA-256 of the configuration's fields in table order")                    \
    F(U64, attempt, "1", "1 for the first try")                                                                     \
    F(TEXT, status, "", "how the run ended")                                                                        \
    F(LONG, message, "", "why, when status is not ok")                                                              \
    F(TEXT, verdict, "", "VALID, WARN or INVALID: gradient, noise and update, verified before the first step")      \
    F(F64, grad_rel_err, "1", "largest relative error of the clipped sum over parameter tensors")                   \
    F(F64, norm_rel_err, "1", "largest relative error of per-sample gradient norms")                                \
    F(F64, step_rel_err, "1", "the same of what the optimizer got and kept: sum, noise, divisor, momentum")         \
    F(F64, update_rel_err, "1", "the same of what it made of the weights")                                          \
    F(F64, valid_rel_err, "1", "limit of these errors up to which the verdict is VALID")                            \
    F(F64, warn_rel_err, "1", "limit of these errors up to which the verdict is WARN")                              \
    F(F64, noise_variance_ratio, "1", "measured over stated variance of the noise")                                 \
    F(F64, start_time, "seconds since 1970-01-01T00:00:00Z", "start of the run")                                    \
    F(F64, end_time, "seconds since 1970-01-01T00:00:00Z", "end of the run")                                        \
    F(U64, n_params, "1", "parameters of the model")                                                                \
    F(U64, token_count, "1", "valid input tokens of all measured steps")                                            \
    F(F64, step_time_p50, "s", "median over measured steps")                                                        \
    F(F64, step_time_min, "s", "fastest measured step")                                                             \
    F(F64, step_time_p25, "s", "lower quartile; NaN for fewer than 5 steps")                                        \
    F(F64, step_time_p75, "s", "upper quartile; NaN for fewer than 5 steps")                                        \
    F(F64, step_cpu_time_p50, "s", "median CPU time of all threads")                                                \
    F(F64, throughput_p50, "s-1", "valid input tokens of a step over its median time")                              \
    F(F64, throughput_min, "s-1", "the same over the slowest measured step")                                        \
    F(F64, throughput_max, "s-1", "the same over the fastest measured step")                                        \
    F(F64, loss_first, "1", "mean loss of the first step")                                                          \
    F(F64, loss_last, "1", "mean loss of the last step")                                                            \
    F(F64, weights_projection, "1", "projection of the weights after the last step on signs made from the seed")    \
    F(F64, clip_fraction, "1", "share of coefficients below 1, measured steps")                                     \
    F(F64, batch_size_mean, "1", "samples of a step, mean over measured steps")                                     \
    F(U64, samples_left_out, "1", "samples whose gradient was not finite, left out of the sum, all steps")          \
    F(F64, flops, "1", "of all matrix products of one step")                                                        \
    F(F64, flop_rate, "s-1", "flops over median step time")                                                         \
    F(U64, communication_bytes, "byte", "that a rank of a group has to send at least in a step")                    \
    F(F64, bytes_moved, "byte", "operands that all products and kernels of one step read and write")                \
    F(TEXT, target, "", "of `plan`: what the estimated times are for")                                              \
    F(F64, estimated_step_time, "s", "estimated beforehand, by a profile of `tune` or default rates")                \
    F(F64, estimated_run_time, "s", "the same, of verification and all steps")                                      \
    F(U64, predicted_peak, "byte", "device bytes reserved at most, from the dry run of the parent")                 \
    F(U64, peak_ledger, "byte", "device bytes reserved at most, in the run")                                        \
    F(TEXT, policy, "", "of auto: m samples at once, layers that store, how others form norms, whose dy is kept")   \
    F(TEXT, peak_phase, "", "phase of the step in which most bytes are in use")                                     \
    F(U64, peak_rss, "byte", "highest resident set of the process")                                                 \
    F(F64, noise_std, "1", "standard deviation of the noise on the sum")                                            \
    F(F64, norm_slack, "1", "clipped to R/(1 + this): what is added may be so much longer than its norm says")      \
    F(F64, sensitivity, "1", "of the sum to adding or removing one sample")                                         \
    F(F64, expected_batch_size, "1", "what the noisy sum is divided by")                                            \
    F(U64, clip_groups, "1", "of parameters, each clipped to max_grad_norm/sqrt(clip_groups); 0: none is clipped")  \
    F(F64, noise_variance_allowed, "1", "half width of the 99.99 % interval around 1 for noise_variance_ratio")     \
    F(TEXT, noise_source, "", "random numbers that the noise is made of")                                           \
    F(F64, sample_rate, "1", "probability of each record to be in a batch; NaN: batches are not drawn so")          \
    F(F64, epsilon_prv_upper, "1", "at delta, for privacy_steps or the steps of the run: the epsilon to state")     \
    F(F64, epsilon_prv_lower, "1", "no smaller epsilon holds")                                                      \
    F(F64, epsilon_rdp, "1", "by Renyi divergences: holds too, larger")                                             \
    F(F64, epsilon_gdp, "1", "by the central limit theorem: for orientation, not a guarantee")                      \
    F(TEXT, guarantee, "", "what privacy is guaranteed, or why none is")                                            \
    F(TEXT, neighbouring, "", "data sets that the sensitivity tells apart")                                         \
    F(U64, unprotected_params, "1", "parameters that are updated without clipping or without noise")                \
    F(U64, rank, "1", "MPI rank that ran it, of a group the first")                                                 \
    F(U64, world_size, "1", "MPI ranks of the sweep")                                                               \
    F(U64, threads, "1", "CPU threads of the run")                                                                  \
    F(U64, busy_neighbours, "1", "other ranks on the same host that were measuring when it started")                \
    F(TEXT, host, "", "name of the machine, of a group those of all its ranks")                                     \
    F(TEXT, device_name, "", "processor or GPU")                                                                    \
    F(TEXT, libraries, "", "versions of the libraries that compute")

#define RESULT_MEMBER(kind, name, unit, help) FIELD_TYPE_##kind(name)
#define PHASE_MEMBER(NAME, name, help) double time_##name;
#define PHASE_WORK_MEMBERS(NAME, name, help)                        \
    double flops_##name, bytes_##name;                              \
    uint64_t in_use_##name;                                         \
    double estimated_time_##name;
#define KIND_MEMBERS(NAME, name, help) uint64_t predicted_##name, peak_##name;
#define STAGE_MEMBERS(NAME, name, help) uint64_t memory_##name, device_used_##name, rss_##name;

struct step_row {          /* one optimizer step, warm-up included */
    uint64_t step, measured, tokens;
    uint64_t batch_size, dropped, left_out; /* samples; drawn beyond --max-batch-size; whose gradient is not finite */
    double time_s, step_time_s, cpu_time_s; /* end since start of the run, duration, CPU time */
    double loss, grad_norm, clip_fraction;  /* means over the samples; grad_norm before clipping, of the finite ones */
    double max_grad_norm;                   /* R of the step */
    double flops;                           /* of matrix products */
    PHASE_LIST(PHASE_MEMBER)                /* seconds in each phase */
};
struct memory_row {        /* the ledger at one stage */
    uint64_t stage;        /* enum stage */
    double time_s;
    uint64_t bytes[N_MEMORY_KINDS];
};

struct record {
    struct config config;
    RESULT_FIELDS(RESULT_MEMBER)
    PHASE_LIST(PHASE_MEMBER)          /* seconds of a measured step, median */
    PHASE_LIST(PHASE_WORK_MEMBERS)    /* what a step has to do, and how much memory is in use meanwhile */
    MEMORY_KIND_LIST(KIND_MEMBERS)    /* bytes at the peak of the step: from the dry run, in the run */
    STAGE_LIST(STAGE_MEMBERS)         /* ledger, device and resident set at each stage */
    uint64_t n_steps, n_memory, n_timeline;
    struct step_row *steps;           /* owned */
    struct memory_row *memory;        /* owned */
    struct trace_row *timeline;       /* owned: the last step before the measured ones, change by change */
    bool borrows_rows;                /* of record_view: they are not owned, and no rows can be added */
};

extern const struct field record_field[];      /* config fields first; offsets in struct record */
extern const int n_record_fields;
const struct field *record_field_find(const char *name);   /* NULL: unknown */

void record_init(struct record *);             /* numbers 0, F64 NaN, texts empty, config default, no rows */
void record_clear(struct record *);            /* frees the series */
enum status record_status(const struct record *); /* N_STATUSES: none yet */
/* On a CPU: were its threads not running most of the time?  Then its time says more about the machine than about the
 * trainer. */
bool record_is_disturbed(const struct record *);
void record_set_status(struct record *, enum status, const char *format, ...) __attribute__((format(printf, 3, 4)));
void record_add_step(struct record *, const struct step_row *);
void record_add_memory(struct record *, const struct memory_row *);
void record_add_timeline(struct record *, const struct trace_row *);

/* To and from bytes, for pipes, MPI messages and the journal.  record_decode overwrites the record; false: they are
 * not a record of a program with these columns.  Its texts are made UTF-8. */
void *record_encode(const struct record *, size_t *bytes);       /* malloc'ed */
bool record_decode(struct record *, const void *, size_t bytes);
/* The same, but the rows stay where they are: the bytes, at a multiple of 8, must outlive the record. */
bool record_view(struct record *, const void *, size_t bytes);
uint64_t record_schema(void);                  /* fingerprint of the field list: equal programs agree */
#endif
