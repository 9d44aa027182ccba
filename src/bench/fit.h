/* fit.h - non-negative least squares of relative errors: finds s >= 0 with  sum_j x_ij s_j  near t_i. */
#ifndef FIT_H
#define FIT_H
#include <stddef.h>

enum { FIT_TERMS_MOST = 8 };
struct fit_row {
    double x[FIT_TERMS_MOST], t, weight;     /* t > 0 */
};
/* s (n) becomes what balances the relative errors of p_i = sum_j x_ij s_j, with the given weights: twice t_i is as
 * wrong as half of it. */
void fit(const struct fit_row *, size_t n_rows, int n, double *s);
#endif
