/* poisson.h - Poisson sampling: each of n records is in a batch with probability q, independently of all others.
 *
 * Batches vary in size, Binomial(n, q), and may be empty.  Amplification by sampling, as accountants assume it, holds
 * for this sampler and for no batch of fixed size. */
#ifndef POISSON_H
#define POISSON_H

/* The i-th number of a stream, uniform in (0, 1) with 53 bits; a function of stream and i alone. */
typedef double uniform_at(const void *stream, long i);
uniform_at philox_uniform;   /* stream: struct philox_stream (kernels.h) */
uniform_at secure_uniform;   /* stream: struct secure_stream (secure_noise.h) */

/* The records of one batch in ascending order: record[0 .. capacity).  Returns how many were drawn, which may be more
 * than `capacity`: those beyond it are not stored.  Time O(q n): the gap to the next record is geometric,
 * floor(log(u) / log(1-q)). */
long poisson_draw(uniform_at *, const void *stream, double q, long n, long *record, long capacity);

/* An upper bound of P[Binomial(n, q) > c] (Chernoff): exp(-n KL((c+1)/n || q)). */
double poisson_tail(double q, long n, long c);
/* The smallest c for which that is at most `tail`. */
long poisson_capacity(double q, long n, double tail);
/* A capacity that less than one batch in 10^18 exceeds, for any n with q n = mean: the bound grows with n. */
long poisson_usual_capacity(long mean);
#endif
