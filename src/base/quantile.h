/* quantile.h - order statistics. */
#ifndef QUANTILE_H
#define QUANTILE_H
#include <stddef.h>
/* q-quantile of n values, linear between order statistics; sorts them.  NaN for none. */
double quantile(double *value, size_t n, double q);
#endif
