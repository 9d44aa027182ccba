/* run.h - the measurement of one configuration: verified, then timed. */
#ifndef RUN_H
#define RUN_H
#include "../records/record.h"

/* Both take the policy that is in the record, if there is one, and else choose it. */

/* In the process that calls it, on OMP_NUM_THREADS threads.  `config` is resolved.  Fills everything of the record
 * that the run itself knows; out of memory and INVALID are results, not errors. */
void run_config(const struct config *, struct record *);

/* The dry run: the same create and step code with no memory behind it.  Fills predicted_*, n_params, the work of a
 * step, estimated times and the fields that follow from the configuration.  work_calls() are those of a step until the
 * next run; outside the phases are those of verification. */
void run_predict(const struct config *, int threads, struct record *);
/* Its predicted_peak alone. */
uint64_t run_predict_peak(const struct config *, int threads);
#endif
