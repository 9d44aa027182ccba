/* reference.h - the clipped sum computed sample by sample through the standard path: what trainers are held against. */
#ifndef REFERENCE_H
#define REFERENCE_H
#include "../trainers/trainer.h"
#include "figures.h"

enum { REFERENCE_SAMPLES = 2 };
struct reference {
    int n;                               /* samples used: 1 or 2 */
    double max_grad_norm;                /* R' = sqrt(n_0 n_1), or n_0/2: one is clipped and one is not */
    double *norm[REFERENCE_SAMPLES];     /* (tensors) of the gradient of the first and the last sample */
    struct figures sum;                  /* of the clipped sum */
};
struct reference reference_create(int n_tensors);
void reference_free(struct reference *);

/* Of the first and the last sample of x (n >= 1), in the trainer's sum buffer; with its model and clipping, not its
 * code. */
void reference_compute(struct reference *, struct trainer *, const struct batch *x);
#endif
