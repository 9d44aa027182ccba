/* accountant_rdp.h - Renyi divergences of the sampled Gaussian mechanism.
 *
 * u(x) = q (e^((2x-1)/2s^2) - 1): 1 + u is the ratio of P = (1-q) N(0, s^2) + q N(1, s^2) to Q = N(0, s^2). */
#ifndef ACCOUNTANT_RDP_H
#define ACCOUNTANT_RDP_H
#include "accountant.h"

/* log E_Q[(1 + u)^order], for any real order: order - 1 times the Renyi divergence of that order of P from Q.  Only
 * |x| < cut s counts, or 14 s if that is more; INFINITY: all. */
double rdp_log_moment(double order, const struct privacy_phase *, double cut);

/* The epsilon that follows from one moment of a history: D + log(1 - 1/a) - (log delta + log a)/(a - 1) with the order
 * a and D = log_moment/(a - 1).  Canonne, Kamath and Steinke, The Discrete Gaussian for Differential Privacy, 2020. */
double rdp_conversion(double log_moment, double order, double delta);

/* Upper bound of epsilon: the least of these over all orders > 1. */
double rdp_epsilon(const struct privacy_phase *, int n, double delta);

/* The least f(e^l, context) for l from `from` to `to`; *at is where.  Scan, then golden section. */
double least_value(double (*f)(double, const void *context), const void *context, double from, double to, double *at);
#endif
