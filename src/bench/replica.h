/* replica.h - the weights that each rank of a group has: all must have the same, to the bit. */
#ifndef REPLICA_H
#define REPLICA_H
#include "../model/model.h"

bool replicas_are_equal(const struct model *);             /* asks all ranks of the group; true without one */
/* <w, r> with a vector r of signs: runs that end with the same weights, but for rounding, have the same. */
double replica_projection(const struct model *, uint64_t seed);
#endif
