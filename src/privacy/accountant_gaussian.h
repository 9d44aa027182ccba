/* accountant_gaussian.h - the Gaussian mechanism itself: N(0, 1) against N(mu, 1). */
#ifndef ACCOUNTANT_GAUSSIAN_H
#define ACCOUNTANT_GAUSSIAN_H
#include "accountant.h"

/* The least epsilon of N(mu, 1) against N(0, 1): delta(epsilon) = Phi(mu/2 - epsilon/mu) - e^epsilon Phi(-mu/2 -
 * epsilon/mu).  Balle and Wang, Improving the Gaussian Mechanism, 2018. */
double gaussian_epsilon(double mu, double delta);
double gaussian_delta(double mu, double epsilon);

/* mu of a history: sqrt(sum of steps/s^2) without sampling, which is exact; with sampling the limit for many steps,
 * sqrt(sum of q^2 steps (e^(1/s^2) - 1)).  Bu, Dong, Long and Su, Deep Learning with Gaussian Differential Privacy. */
double gaussian_mu(const struct privacy_phase *, int n);

/* The mass of N(0, 1) between a/s and b/s, and of N(1/s, 1): relative error at most MASS_ERROR for |a|, |b| < 15 s. */
#define MASS_ERROR 1e-13
void gaussian_masses(double a, double b, double s, double *mass_0, double *mass_1);
#endif
