/* compare.h - the same configurations in two sweeps: what became slower, larger, worse? */
#ifndef COMPARE_H
#define COMPARE_H
#include "journal.h"
#include "step_test.h"

#include <stdio.h>

struct compare_limits {
    double time;                 /* share by which a median must change to matter: 0.03 */
    double memory;               /* share by which the peak must change to matter: 0.001 */
    double error;                /* factor by which a gradient error must change to matter: 10 */
    double rerun_spread;         /* standard deviation of the ratio of two runs of the same program: 0.01 */
    double confidence;           /* of intervals: 0.99 */
};
#define COMPARE_LIMITS_DEFAULT {0.03, 0.001, 10, 0.01, 0.99}

/* BETTER: faster, less memory, a smaller error, a better status. */
enum change { CHANGE_NONE, CHANGE_SAME, CHANGE_BETTER, CHANGE_WORSE, CHANGE_AMBIGUOUS, N_CHANGES };

struct comparison {              /* of one configuration; records are borrowed */
    const struct record *a, *b;
    struct ratio time;           /* NaN where one of them has no time */
    double memory_ratio;
    enum change time_change, memory_change, status_change, error_change; /* NONE: nothing to compare */
    const char *why;             /* of an ambiguous time */
};
struct comparisons {
    struct comparison *of;       /* in order of a */
    size_t n, only_in_a, only_in_b;
};
struct comparisons compare_sweeps(const struct sweep_state *a, const struct sweep_state *b, struct compare_limits);
void comparisons_clear(struct comparisons *);
bool is_regression(const struct comparison *);
#endif
