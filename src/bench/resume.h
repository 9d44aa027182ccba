/* resume.h - what of a sweep is left to do, given what its journal says. */
#ifndef RESUME_H
#define RESUME_H
#include "../records/journal.h"
#include "../../mpi/schedule.h"

/* A configuration that was begun so often and never came to a result (it killed its rank, or outlived every job). */
enum { RESUME_MOST_STARTS = 3 };

/* Fills point (n) for config (n) but for the predictions.  Done are those whose record is kept: not the skipped, and
 * with retry_failed not those that crashed, failed, timed out or ran out of memory.  Run ids that are taken stay;
 * the others get the lowest free ones in order. */
void resume_points(struct point *, const struct config *, size_t n, const struct sweep_state *, bool retry_failed);
#endif
