/* launch.h - `dpsweep launch`: one mpirun or srun for each configuration, from one journal.  It has no MPI of its own,
 * so a rank or a node that dies costs one configuration. */
#ifndef LAUNCH_H
#define LAUNCH_H
#include "options.h"
#include "../../mpi/schedule.h"

enum launched {
    LAUNCHED_ENDED,        /* *record is what came of it, crashed and timeout included */
    LAUNCHED_STOPPED,      /* by a signal to this process, or because it was late */
    LAUNCHED_NOTHING,      /* the launcher ended before the run began; *record says failed and why */
};

/* Runs the point by options->launcher, until deadline_s (monotonic; 0: for ever) at most; ends a launcher that hangs.
 * Its own results file is in FILE.launch beside the sweep's, with what the launcher said. */
enum launched launch_point(const struct options *, const struct point *, double deadline_s, struct record *);
void launch_clean(const struct options *);    /* removes FILE.launch if it is empty */

const char *launch_default(void);             /* the launcher, if none is asked for */
#endif
