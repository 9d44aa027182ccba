/* verify.h - is what a trainer computes what DP-SGD says?  Asked before every timing, on the run's own model and data.
 * The batches are as large as the run's (rig_samples_to_verify), so that its physical batches and spans are met.  Every
 * sample's own gradient is known from one that was computed alone (reference.h).
 *
 * 1. Clipped gradient with thresholds that clip some samples and not others, against those of the reference, per tensor
 *    p by projections (figures.h):
 *        grad_rel_err = max_p |S_p - ref_p| / max(|ref_p|, s |ref|)           s: small_share; |.|: reference_sum
 *        norm_rel_err = max_bp |n_bp - ref_bp| / max(ref_bp, s ref_b)
 * 2. A whole step with the run's own R, noise and update, from optimizer state as after many steps, m = c and v = d:
 *        m must become  kept c + added (ref + std z)/expected_batch_size     z drawn again, std as configured
 *        w              what the optimizer's formula makes of w, m and v
 *    with learning rate 1, so that an update is not lost in the rounding of the weights.
 * 3. The next step, on an empty batch and from state 0: the same with other noise and nothing else, its variance inside
 *    the 99.99 % interval around the stated one.
 * Afterwards weights are initialised anew, optimizer state and step counter set back, and secret keys made anew: no
 * noise is used twice, and what is told of it here is not that of training.
 *
 * In a group every rank computes the reference of its share, and checks the norms of its own samples and the sums over
 * the group; z is what the noise placement states.  All ranks have the verdict of the worst. */
#ifndef VERIFY_H
#define VERIFY_H
#include "reference.h"

enum verdict { VERDICT_VALID, VERDICT_WARN, VERDICT_INVALID };
extern const char *const verdict_name[];   /* "VALID", "WARN", "INVALID" */

/* Limits of relative errors in the present precision (precision_set): above the first WARN, above the other INVALID. */
double valid_rel_err(void), warn_rel_err(void);
enum verdict verdict_of(double rel_err);   /* NaN is INVALID */
double worse_of(double a, double b);       /* the larger, where NaN is larger than all */
double small_share(void);                  /* tensors with less than this share of the whole are compared with that */

struct verification {
    enum verdict verdict;
    double grad_rel_err, norm_rel_err;     /* norm: NaN for a trainer that needs none */
    double step_rel_err;                   /* what the optimizer got */
    double update_rel_err;                 /* what it made of the weights */
    double noise_variance_ratio;           /* measured / stated; NaN without noise */
    double noise_variance_allowed;         /* so far from 1 it may be; NaN without noise */
    char message[256];                     /* what is wrong, if something is */
};

/* The weights are those of model_init with the trainer's seed, and are so again afterwards.
 * In a rehearsal only the ledger hears what it would do. */
void verify_trainer(struct trainer *, const struct sample_source *, struct verification *);
#endif
