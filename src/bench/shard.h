/* shard.h - the share of a sweep that one of several jobs measures; `dpsweep merge` puts their files together. */
#ifndef SHARD_H
#define SHARD_H
#include "points.h"

/* Keeps share "I/N" of the points.  Each point is in one of the N shares.  Groups of points that are compared with one
 * another stay together; from the last, which is often the largest, to the first they are dealt out 1...N, N...1, 1...N
 * and so on.  False: not a share, or more shares than groups; `error` is one line with the remedy. */
bool shard_take(struct sweep_points *, const char *share, char *error, size_t error_bytes);
#endif
