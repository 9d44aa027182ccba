/* forecast.h - a configuration on a target: whether it fits, and how long it takes.
 *
 * Times are the roofline's (Williams, Waterman, Patterson 2009): each product and kernel takes flops/peak or
 * bytes/bandwidth, whichever is longer.  They are estimates, of what is possible at best. */
#ifndef FORECAST_H
#define FORECAST_H
#include "target.h"

struct forecast {
    const struct target *target;
    double usable_bytes;
    bool fits;
    double phase_s[N_PHASES], step_s;
    double run_s;                  /* verification and all steps */
};
/* Of the configuration that was predicted last (run_predict). */
void forecast_make(struct forecast *, const struct record *, const struct target *);
/* Seconds until n runs are done by `ranks` ranks, each with such a device: the longest first, to whoever is free. */
double forecast_sweep_s(const double *run_s, size_t n, int ranks);
#endif
