/* verify.h - is what a trainer computes what DP-SGD says?  Asked before every timing, on the run's own model and data.
 * The batch is as large as the run's (rig_verified_samples), so that its physical batches and spans are met; only the
 * first and the last sample have a gradient (dataset_batch_with_repeats), so that the reference costs two samples.
 *
 * 1. Clipped gradient with a threshold R' that clips one and not the other, against a reference computed sample by
 *    sample (reference.h), per tensor p by projections (figures.h):
 *        grad_rel_err = max_p |S_p - ref_p| / max(|ref_p|, s |ref|)           s: small_share
 *        norm_rel_err = max_bp |n_bp - ref_bp| / max(ref_bp, s ref_b)
 * 2. A whole step with the run's own R: what the optimizer got must be (S + std z)/expected_batch_size, z drawn again.
 * 3. The next step, on an empty batch: new noise and nothing else, its variance inside the 99.99 % interval around the
 *    stated one.
 * Weights do not move (learning rate 0); optimizer state and step counter are set back, and secret keys made anew: no
 * noise is used twice, and what is told of it here is not that of training.
 *
 * In a group every rank computes the reference and its own share of the batch, and checks the norms of its own samples
 * and the sums over the group; z is what the noise placement states.  All ranks have the verdict of the worst. */
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
    double noise_variance_ratio;           /* measured / stated; NaN without noise */
    double noise_variance_allowed;         /* so far from 1 it may be; NaN without noise */
    char message[256];                     /* what is wrong, if something is */
};

enum { VERIFY_SAMPLES = 2 };                /* that have a gradient; a batch of so many has no others */

/* Of the samples only the first and the last may have a target.
 * In a rehearsal only the ledger hears what it would do. */
void verify_trainer(struct trainer *, const struct sample_source *, struct verification *);
#endif
