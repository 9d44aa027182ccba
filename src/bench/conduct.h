/* conduct.h - rank 0: from the points of a sweep to their records, with the help of all ranks. */
#ifndef CONDUCT_H
#define CONDUCT_H
#include "options.h"
#include "output.h"

/* Measures what the output does not hold yet, in children of the ranks, or with options->launcher by that.  *done
 * becomes how many of the points have a record there now: less than all after a signal or --time-limit, when what was
 * being measured is given up (EXIT_REQUEUE), or where the launcher fails (EXIT_ENVIRONMENT). */
enum exit_code conduct_sweep(struct output *, const struct options *, const struct sweep_points *, size_t *done);
#endif
