/* accountant_fft.h - the discrete Fourier transform of n = 2^k complex numbers, in double precision.
 *
 *   X[f] = sum_t x[t] e^(-2 pi i f t/n)
 *
 * Frequencies come out, and go in again, in bit-reversed order: f stands at fft_place(f).  Each computed X[f] differs
 * from the exact one by at most 8 u log2(n) sum|x|, and all together by 8 u log2(n) |X| in the 2-norm, u = 2^-53
 * (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 24.1). */
#ifndef ACCOUNTANT_FFT_H
#define ACCOUNTANT_FFT_H
#include <stddef.h>

struct fft { size_t n; double *cosine, *sine; }; /* (n) each: twiddle factors of the level with m butterflies at m.. */

void fft_create(struct fft *, size_t n);         /* n a power of two, at least 4 */
void fft_free(struct fft *);

/* re (n), im (n), in place */
void fft_forward(const struct fft *, double *re, double *im); /* in order -> bit-reversed */
void fft_inverse(const struct fft *, double *re, double *im); /* bit-reversed -> in order; n times the inverse */

size_t fft_place(size_t n, size_t frequency);
/* The place of frequency -f, if f stands at `place`. */
size_t fft_mirror(size_t place);
#endif
