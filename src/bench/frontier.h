/* frontier.h - `plan --frontier`: the largest batch, sequence and model that fit into the memory of a target. */
#ifndef FRONTIER_H
#define FRONTIER_H
#include "options.h"
#include "target.h"

/* Prints them for the points of a sweep.  With --measure runs what was found and one more, on this machine.
 * EXIT_SOME_FAILED: a run ended otherwise than predicted. */
int frontier(const struct sweep_points *, const struct target *, int n_targets, const struct options *);
#endif
