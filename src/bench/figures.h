/* figures.h - what verification keeps of a vector of P numbers: per parameter tensor its norm and its projections on
 * 8 sign vectors r_k.  For two vectors S and T,  sum_k <S - T, r_k>^2 / 8  has the mean |S - T|^2 over random signs,
 * so they are compared without a second vector of P numbers. */
#ifndef FIGURES_H
#define FIGURES_H
#include "../model/model.h"

enum { N_SIGNS = 8 };
struct figures {
    int n_tensors;
    double *norm;               /* (tensors) */
    double *projection;         /* (tensors, N_SIGNS) */
};
struct figures figures_create(int n_tensors);
void figures_free(struct figures *);

/* Of x (P) on the device.  Signs are a function of the seed. */
void figures_of(struct figures *, const struct model *, const float *x, uint64_t seed);
/* Projections of standard normal noise (P) of a stream; its norms are left alone. */
void figures_of_noise(struct figures *, const struct model *, struct philox_stream noise, uint64_t seed);

/* sqrt of the sum of squares of `norm` */
double figures_total(const double *norm, int n_tensors);
#endif
