/* accountant_cells.h - the privacy loss of one step on a grid.
 *
 * An outcome x has the log ratio l(x) = log(1 + q (e^((2x-1)/2s^2) - 1)) of P = (1-q) N(0, s^2) + q N(1, s^2), with the
 * record, to Q = N(0, s^2), without it.  The loss is L = l for x from P (REMOVE) and L = -l for x from Q (ADD), and
 * delta(epsilon) = E[(1 - e^(epsilon - L))+].  Both distributions of losses have atoms at offset + k h only:
 *
 *   upper   delta is nowhere smaller.  Each cell between neighbouring grid points is split into its ends so that its
 *           mass under P and under Q stays.  Doroshenko, Ghazi, Kamath, Kumar and Manurangsi, Connect the Dots, 2022.
 *   lower   delta is nowhere larger.  Outcomes are merged, which only loses information, into intervals that are cut
 *           so that the log ratio of their masses is a grid point.
 *
 * As functions of e^epsilon both deltas are polygons with corners at grid points, one of chords and one of tangents:
 * they differ from the exact delta in the second order of h.  A computed mass errs by MASS_ERROR relatively, a loss by
 * LOSS_ERROR. */
#ifndef ACCOUNTANT_CELLS_H
#define ACCOUNTANT_CELLS_H
#include "accountant.h"

enum direction { REMOVE, ADD };
enum side { UPPER, LOWER, N_SIDES };
#define LOSS_ERROR 4e-13

struct atoms {
    double offset;
    long first, n;
    double *mass;       /* (n) of loss offset + (first + i) h */
    double infinite;    /* mass of a loss that no epsilon covers */
};

/* What lies further out than |x| = cut s is given up: to `infinite`, or to the outermost atom. */
void atoms_upper(struct atoms *, const struct privacy_phase *, enum direction, double h, double cut);
void atoms_lower(struct atoms *, const struct privacy_phase *, enum direction, double h, double cut);
void atoms_free(struct atoms *);

/* The x/s beyond which neither P nor Q has more mass than `tail`, on either side. */
double tail_cut(const struct privacy_phase *, double tail);
/* Within it. */
double greatest_loss(const struct privacy_phase *, enum direction, double cut);
#endif
