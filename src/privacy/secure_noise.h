/* secure_noise.h - Gaussian noise that nobody can predict and whose digits say nothing of what it was added to.
 *
 * Philox (noise.h) is no cryptographic generator, and which floats x + noise can be depends on x (Mironov 2012).  Here
 *   - words are ChaCha20's (libsodium), with a key that the operating system makes and that is written nowhere;
 *   - the result is g rint(sum/g) + g rint(std z/g), z from 53-bit uniforms in double: a multiple of the grid g = 2^k
 *     whatever the sum is.  rint(x + n) = x + rint(n) for x on the grid, so this is the ideal Gaussian mechanism on the
 *     rounded sum, rounded afterwards.  It is converted to fp32 once, at the end.
 * Rounding the sum costs sensitivity: each coordinate of two neighbouring sums moves by g/2 at most.
 *
 * Not proved: that z is Gaussian beyond 53 bits (it never exceeds 8.6); that the fp32 sum before the rounding has the
 * sensitivity R, because its additions round too; that the time it takes says nothing; that shares of noise
 * (trainer.h), each rounded and then added in fp32, are as good as noise that is rounded once. */
#ifndef SECURE_NOISE_H
#define SECURE_NOISE_H
#include <stdint.h>

struct secure_key { unsigned char byte[32]; };
struct secure_stream { struct secure_key key; uint64_t nonce; }; /* for secure_uniform of poisson.h */
struct secure_key secure_key_new(void);       /* from the operating system */
uint64_t secure_word(const struct secure_stream *, long i); /* the i-th word of a stream */

/* g: the largest power of two with g <= 2^-20 R min(1, noise_multiplier) and sums g sqrt(P) <= R/1000.
 * sums: how many are rounded and then added up; ranks that round sums of their own each may move by g/2. */
double secure_noise_grid(double max_grad_norm, double noise_multiplier, long P, int sums);
/* R + sums g sqrt(P): of the rounded sum to one sample added or removed */
double secure_noise_sensitivity(double max_grad_norm, double grid, long P, int sums);

/* sum (P, on the device) = rounded sum + rounded std z, as above.  A pair of key and nonce is used once.  Works on the
 * host, with 4 MiB of its memory: costs the copies there and back. */
void secure_noise_add(float *sum, long P, double std, double grid, const struct secure_key *, uint64_t nonce);

/* z[0..n) = elements first..first+n of the stream (key, nonce); first and n are multiples of SECURE_BLOCK, or it ends
 * there.  For tests; the noise is made of these. */
enum { SECURE_BLOCK = 4096 };
void secure_normals(double *z, long first, long n, const struct secure_key *, uint64_t nonce);
#endif
