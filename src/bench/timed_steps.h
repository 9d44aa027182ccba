/* timed_steps.h - the steps of a run: some to warm up, then the measured ones. */
#ifndef TIMED_STEPS_H
#define TIMED_STEPS_H
#include "../records/record.h"
#include "rig.h"

/* wait, warm-up and active steps; fills step rows, times, throughput, losses, flops and clip_fraction.
 * started_s: clock_wall_s() at the start of the run.
 * In a group times are those of this rank, all else is of the whole group.  False: its ranks ended with different
 * weights; then there are no times, and the record says INVALID and why. */
bool timed_steps(struct rig *, const struct dataset *, const struct config *, double started_s, struct record *);
#endif
