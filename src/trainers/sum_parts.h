/* sum_parts.h - the sum over a group of a step, in parts that travel while the backward pass goes on, where the group
 * can do that (group_overlaps).
 *
 * In the last physical batch of a step a layer's part of the sum is complete when its last sample was added; layers
 * complete from the end of the flat vector to its beginning, nearly.  What is complete up to its end, and long enough,
 * is handed over, the rest when the step joins.  The parts follow from the model and the order of its layers: all ranks
 * have the same, also one without samples.  A trainer that adds whole gradients after the pass (dpsgd, microbatch) says
 * nothing of layers: its sum goes in one part. */
#ifndef SUM_PARTS_H
#define SUM_PARTS_H
#include "../model/model.h"

struct sum_parts {
    const struct model *model;
    float *sum;                      /* (P) */
    bool wanted;                     /* in the step at hand */
    int samples;                     /* of the last physical batch, -1 before it */
    bool *complete;                  /* (tensors): whose part of the sum is */
    int from, handed_over;           /* the first tensor of those complete up to the end, and of those handed over */
};

void sum_parts_create(struct sum_parts *, const struct model *);
void sum_parts_free(struct sum_parts *);
void sum_parts_begin(struct sum_parts *, float *sum, bool wanted); /* of a step; without it nothing is handed over */
void sum_parts_of(struct sum_parts *, const struct batch *physical, bool last);   /* before a physical batch */
/* In a pass: the samples of a span were added to all parameters of a layer. */
void sum_parts_grew(struct sum_parts *, const struct layer *, struct span);
bool sum_parts_join(struct sum_parts *);      /* false: nothing was handed over, the group cannot or it is not wanted */
#endif
