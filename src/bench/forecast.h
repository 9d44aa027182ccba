/* forecast.h - how long a configuration takes by the rates of a device, and whether it fits on a target.
 *
 * A step is the sum over its products and kernels (src/device/rates.h), and for a group the sum over ranks: what each
 * has to send over an assumed bandwidth.  Estimates, not measurements. */
#ifndef FORECAST_H
#define FORECAST_H
#include "target.h"

struct times {
    double phase_s[N_PHASES], step_s;
    double run_s;                  /* verification and all steps */
};
/* Of the configuration that was predicted last (run_predict), whose parameters are so many. */
void forecast_times(struct times *, const struct config *, uint64_t n_params, const struct rates *);

struct forecast {
    const struct target *target;
    double usable_bytes;
    bool fits;
    struct times times;
    char rates_date[32];           /* of the profile; "": rates are guessed */
};
/* Of the configuration that was predicted last. */
void forecast_make(struct forecast *, const struct record *, const struct target *);

/* Seconds until all of n runs are done by `ranks` ranks, each with such a device, as a sweep hands them out: what needs
 * the most ranks first, then the longest, to those who are free first.  No run needs more than `ranks`. */
struct planned_run { double s; int ranks; };
double forecast_sweep_s(const struct planned_run *, size_t n, int ranks);
#endif
