/* run.h - the measurement of one configuration: verified, then timed. */
#ifndef RUN_H
#define RUN_H
#include "../records/record.h"

/* In the process that calls it, on OMP_NUM_THREADS threads.  `config` is resolved.  Fills everything of the record
 * that the run itself knows; out of memory and INVALID are results, not errors. */
void run_config(const struct config *, struct record *);

/* The dry run: the same create and step code with no memory behind it.  Fills predicted_*, flops, n_params, and the
 * fields that follow from the configuration. */
void run_predict(const struct config *, int threads, struct record *);
#endif
