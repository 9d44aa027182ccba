/* sampler.h - which records make a batch. */
#ifndef SAMPLER_H
#define SAMPLER_H
#include <stdint.h>

/* The record at place i of an epoch's shuffle of n records (n <= 2^31): for i = 0..n-1 each record once.  A function
 * of its arguments alone, so that any rank draws any batch without a list of n numbers. */
long sampler_shuffle(uint64_t seed, uint32_t epoch, long i, long n);
#endif
