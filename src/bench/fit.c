/* fit.c - the normal equations, one unknown after another (coordinate descent), which keeps each at 0 or above.
 * Iteratively reweighted: the divisor p_i sqrt(p_i t_i) has the p_i of the round before, and makes (p - t) as large for
 * t = p/2 as for t = 2p. */
#include "fit.h"

#include <math.h>
#include <string.h>

enum { ROUNDS = 10, TURNS = 3000 };

struct normal { double a[FIT_TERMS_MOST][FIT_TERMS_MOST], b[FIT_TERMS_MOST]; };

static double at(const struct fit_row *row, const double *s, int n)
{
    double p = 0.0;
    for (int j = 0; j < n; j++)
        p += row->x[j] * s[j];
    return p;
}

static void add_row(struct normal *e, const struct fit_row *row, double weight, int n)
{
    for (int j = 0; j < n; j++) {
        e->b[j] += weight * row->x[j] * row->t;
        for (int k = 0; k < n; k++)
            e->a[j][k] += weight * row->x[j] * row->x[k];
    }
}

static void solve(const struct normal *e, int n, double *s)
{
    for (int turn = 0; turn < TURNS; turn++)
        for (int j = 0; j < n; j++) {
            double left = e->b[j];
            for (int k = 0; k < n; k++)
                left -= k == j ? 0 : e->a[j][k] * s[k];
            s[j] = e->a[j][j] > 0 ? fmax(0, left / e->a[j][j]) : 0;
        }
}

void fit(const struct fit_row *row, size_t n_rows, int n, double *s)
{
    memset(s, 0, (size_t)n * sizeof *s);
    for (int round = 0; round < ROUNDS; round++) {
        struct normal e = {0};
        for (size_t i = 0; i < n_rows; i++) {
            const double t = row[i].t, p = round ? fmax(0.1 * t, at(&row[i], s, n)) : t;
            add_row(&e, &row[i], row[i].weight / (p * sqrt(p * t)), n);
        }
        solve(&e, n, s);
    }
}
