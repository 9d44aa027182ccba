/* timed_steps.h - the steps of a run: some to warm up, then the measured ones. */
#ifndef TIMED_STEPS_H
#define TIMED_STEPS_H
#include "../records/record.h"
#include "rig.h"

/* wait, warm-up and active steps; fills step rows, times, throughput, losses, flops and clip_fraction.
 * started_s: clock_wall_s() at the start of the run. */
void timed_steps(struct rig *, const struct dataset *, const struct config *, double started_s, struct record *);
#endif
