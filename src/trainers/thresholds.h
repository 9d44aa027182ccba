/* thresholds.h - the clipping thresholds of a trainer: one R, or shares of it for each parameter tensor, fixed or
 * adaptive (../privacy/adaptive.h). */
#ifndef THRESHOLDS_H
#define THRESHOLDS_H
#include "../privacy/adaptive.h"
#include "../privacy/noise.h"

#define THRESHOLD_REACH 1e6 /* an adaptive threshold stays within this factor of its first value */

struct thresholds {
    struct adaptive adaptive;
    int counts;                      /* thresholds: 1, or with clipping per layer the number of tensors */
    double initial;                  /* R at step 0 */
    double *each;                    /* (counts), host: R_p */
    float *share;                    /* (counts), device: R_p/R */
    float *unclipped;                /* (counts), device: samples of the logical batch that were not clipped */
    float *host;                     /* (counts): for copies */
};

/* False: out of memory, see ledger_message().  R is the square root of the sum of R_p^2: the sensitivity. */
bool thresholds_create(struct thresholds *, const struct adaptive *, double max_grad_norm, int counts);
void thresholds_free(struct thresholds *);
void thresholds_reset(struct thresholds *);           /* R_p = R/sqrt(counts) */
double thresholds_set(struct thresholds *, const double *each); /* R_p are these; returns R */
void thresholds_begin(struct thresholds *);           /* of a logical batch: nothing is counted */
/* Counts coef[p*stride + b] = 1, b < n, of a physical batch. */
void thresholds_count(struct thresholds *, const float *coef, int stride, int n);
/* After n samples, over the whole group: moves the thresholds and returns the new R. */
double thresholds_move(struct thresholds *, int n, double expected_batch_size, const struct noise_source *,
    struct noise_draw);
#endif
