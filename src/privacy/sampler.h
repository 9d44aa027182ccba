/* sampler.h - which records make the batch of a step.
 *
 *   shuffle   the records are shuffled anew for each epoch and cut into batches of batch_size; what is left rests.
 *             Accountants know no amplification for it.
 *   poisson   each record with probability batch_size/n, by itself; batches vary in size, and may be empty.  Of more
 *             than `capacity` records the last are dropped: the accountant counts how likely that is (poisson.h).
 * A batch is a function of its sampler and step alone, so that any rank draws any batch. */
#ifndef SAMPLER_H
#define SAMPLER_H
#include "secure_noise.h"

enum sampling { SAMPLING_SHUFFLE, SAMPLING_POISSON, N_SAMPLINGS };
extern const char *const sampling_name[N_SAMPLINGS];

struct sampler {
    enum sampling sampling;
    uint64_t seed;
    long n;             /* records */
    long batch_size;    /* samples of a batch; poisson: on average */
    long capacity;      /* at most */
    const struct secure_key *key; /* poisson: records are drawn by ChaCha20 with this key; NULL: Philox with the seed */
};
/* The records of a step's batch: record[0 .. capacity).  Returns how many were drawn: more than capacity if some were
 * dropped. */
long sampler_draw(const struct sampler *, uint32_t step, long *record);

/* The record at place i of an epoch's shuffle of n records (n <= 2^31): for i = 0..n-1 each record once. */
long sampler_shuffle(uint64_t seed, uint32_t epoch, long i, long n);
#endif
