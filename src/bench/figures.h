/* figures.h - what verification keeps of a vector of P numbers: per parameter tensor its norm and its projections on
 * 8 sign vectors r_k.  For two vectors S and T,  sum_k <S - T, r_k>^2 / 8  has the mean |S - T|^2 over random signs,
 * so they are compared without a second vector of P numbers. */
#ifndef FIGURES_H
#define FIGURES_H
#include "../model/model.h"
#include "../../mpi/group.h"

enum { N_SIGNS = 8 };
struct figures {
    int n_tensors;
    double *norm;               /* (tensors) */
    double *projection;         /* (tensors, N_SIGNS) */
};
struct figures figures_create(int n_tensors);
void figures_free(struct figures *);

/* Of a vector of P numbers on the device.  Signs are a function of the seed. */
void figures_of(struct figures *, const struct model *, const float *vector, uint64_t seed);
/* Of a vector of which one part is there and all else counts as 0. */
void figures_of_part(struct figures *, const struct model *, const float *part, struct part where, uint64_t seed);
/* From the figures of the parts that the ranks of a group have to those of the whole, on all ranks. */
void figures_join(struct figures *);
/* Norms become no less than what the projections say: sqrt of sum_k <x, r_k>^2 / 8, off by 1/4 or so. */
void figures_estimate_norms(struct figures *);
/* From the figures of vectors that the ranks have to the projections of their sum; its norms are left alone. */
void figures_add_projections(struct figures *);
/* Projections of standard normal noise (P) of a stream; its norms are left alone. */
void figures_of_noise(struct figures *, const struct model *, struct philox_stream noise, uint64_t seed);

/* sqrt of the sum of squares of `norm` */
double figures_total(const double *norm, int n_tensors);
#endif
