/* reference.h - the clipped sum computed sample by sample through the standard path: what trainers are held against. */
#ifndef REFERENCE_H
#define REFERENCE_H
#include "../trainers/trainer.h"
#include "figures.h"

/* Where samples of a logical batch of n come from, of which at least the first and the last have a gradient.  Each call
 * may overwrite what the one before has given. */
struct sample_source {
    int n;
    struct batch (*samples)(void *ctx, struct part);
    void *ctx;
};

enum { REFERENCE_SAMPLES = 2 };
struct reference {
    int n;                               /* samples used: 1 or 2 */
    double max_grad_norm;                /* R' = sqrt(n_0 n_1), or n_0/2: one is clipped and one is not */
    double *norm[REFERENCE_SAMPLES];     /* (tensors) of the gradient of the first and the last sample */
    struct figures sum;                  /* of the clipped sum */
};
struct reference reference_create(int n_tensors);
void reference_free(struct reference *);

/* Of the first and the last sample (n >= 1), in the trainer's sum buffer; with its model and clipping, not its code.
 * Each rank of a group computes it for itself. */
void reference_compute(struct reference *, struct trainer *, const struct sample_source *);
#endif
