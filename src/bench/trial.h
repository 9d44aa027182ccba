/* trial.h - a configuration whose steps are timed one by one in this process, without verification or a record: for
 * `tune` and for the measurements of tests/bench. */
#ifndef TRIAL_H
#define TRIAL_H
#include "rig.h"

struct trial {
    struct config config;
    struct rig rig;
    struct dataset *data;
    uint32_t step;               /* of the next one */
    double wall_s, cpu_s;        /* of the last one */
};
/* The device is open.  False: out of memory, and nothing is left; `why` says so in one line. */
bool trial_open(struct trial *, const struct config *, char *why, size_t why_bytes);
void trial_step(struct trial *);
void trial_close(struct trial *);
#endif
