/* step_test.h - is one run's step time another than the other's?
 *
 * The steps of a run are not independent: a neighbour or a clock that changes slows several in a row.  So the error of
 * a median comes from the moving-block bootstrap (Kuensch 1989), which draws runs of neighbouring steps, as long as the
 * correlation of one step with the next asks for.  What no series shows, that the whole of a run is a little faster or
 * slower than the next run of the same program, is added: `rerun_spread`, the standard deviation of log(ratio).
 * The interval of the ratio is log-symmetric, by Student's t with as many degrees of freedom as there are blocks. */
#ifndef STEP_TEST_H
#define STEP_TEST_H
#include <stddef.h>

struct series { const double *value; size_t n; };     /* times of a run's measured steps, in their order */
struct ratio { double estimate, low, high; };         /* of medians, b over a; NaN for a series of fewer than 2 */

/* confidence: 0.99 gives the 99 % interval.  Equal series give equal ratios: the draws are a function of the data. */
struct ratio step_time_ratio(struct series a, struct series b, double rerun_spread, double confidence);

double student_t(double p, double degrees);           /* quantile, 0.5 <= p < 1, degrees >= 1 */
#endif
