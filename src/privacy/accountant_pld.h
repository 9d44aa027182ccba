/* accountant_pld.h - tight bounds of epsilon from the distribution of the privacy loss of the whole history. */
#ifndef ACCOUNTANT_PLD_H
#define ACCOUNTANT_PLD_H
#include "accountant.h"

/* lower <= epsilon <= upper; refines until upper - lower <= 0.005 % + 5e-6, or 2^max_log2_points grid points.
 * False: no upper bound was found. */
bool pld_epsilon(const struct privacy_phase *, int n, double delta, int max_log2_points, double *lower, double *upper);
#endif
