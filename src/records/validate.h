/* validate.h - do results agree with themselves?  Nothing but the results is looked at. */
#ifndef VALIDATE_H
#define VALIDATE_H
#include "journal.h"
#include "problems.h"

/* Per run: words and ranges of the configuration, its identity, verdict against errors, statistics against the rows of
 * steps, sums of kinds against totals, times in order; over all runs: numbers and configurations are unique. */
void validate_state(const struct sweep_state *, struct problems *);
/* Of an HDF5 file: every attribute and column there as described, the keys of rows and /tables/runs equal to /runs. */
void validate_file(const char *h5_path, const struct sweep_state *, struct problems *);
#endif
