/* reference.h - the gradient of each sample by itself, through the standard path: what trainers are held against.
 *
 * A clipped sum is linear in them, so its projections are sums of theirs: only figures are kept of a sample. */
#ifndef REFERENCE_H
#define REFERENCE_H
#include "../trainers/trainer.h"
#include "figures.h"

/* Where samples of logical batches come from.  A sample is a function of its place alone.  Each call may overwrite what
 * the one before has given. */
typedef struct batch samples_of(void *ctx, struct part places);
struct sample_source {
    int n;                           /* of the batch whose clipped sum is compared */
    int n_step;                      /* <= n: of the one that a whole step takes */
    samples_of *samples;
    void *ctx;
};

struct reference {
    int n;                           /* samples */
    struct figures *sample;          /* (n) of their gradients */
};
struct reference reference_create(int n, int n_tensors);
void reference_free(struct reference *);

/* Of all samples, with the model of a trainer, the masks of its coming step and its sum as a buffer, not with its code.
 * Each rank of a group computes its share, and gets that of all. */
void reference_compute(struct reference *, struct trainer *, const struct sample_source *);

/* What threshold i of the trainer is held against for sample b: the norm of its gradient, or with clipping per layer of
 * tensor i of it. */
double reference_norm(const struct reference *, const struct trainer *, int b, int i);
/* Thresholds (of the trainer: 1, or each tensor's) that clip some samples and others not: geometric means of norms.
 * One sample alone is clipped to half of its norm. */
void reference_thresholds(const struct reference *, const struct trainer *, double *threshold);
/* Projections of the clipped sum of the first n samples.  Its norms are estimated by them, but where samples cancel
 * each other are those of samples at right angles: rounding is in proportion to what is added, not to what is left. */
void reference_sum(const struct reference *, const struct trainer *, const double *threshold, int n,
    struct figures *sum);
#endif
