/* privacy.h - what a configuration's training gives: epsilon at its --delta for its steps, or why there is no number.
 *
 * An epsilon belongs to the sampling that ran: Poisson sampling of n records at rate batch_size/n has one, a shuffle
 * has none.  Batches larger than --max-batch-size are cut; how likely that is, in any step, is taken off delta:
 *     delta' = delta - steps P[Binomial(n, q) > max_batch_size] (1 + e^epsilon) */
#ifndef PRIVACY_H
#define PRIVACY_H
#include "../privacy/accountant.h"
#include "config.h"

struct privacy {
    double sample_rate;              /* NaN: not a rate */
    uint64_t steps;
    struct privacy_epsilon epsilon;  /* NaN where there is none */
    char guarantee[TEXT_BYTES];      /* what is guaranteed, or why nothing is */
};

/* Of a resolved configuration, on n_records records.  Up to seconds the first time, at once for what was asked before:
 * not while anything is measured. */
struct privacy privacy_of(const struct config *, long n_records);

/* Sets the noise multiplier that --target-epsilon asks for, and the count noise that goes with it; without it does
 * nothing.  False: there is none, `error` is one line with the reason and the remedy. */
bool privacy_calibrate(struct config *, long n_records, char *error, size_t error_bytes);
#endif
