/* accountant_pld.c - the loss of many steps is a sum of independent losses: its distribution is a convolution, by FFT.
 *
 * Tilting.  Masses p of loss t are replaced by p e^(theta t) and normalised: the composition of tilted distributions is
 * the tilted composition, and with a good theta (near the best Renyi order less one) what matters for delta is at the
 * centre of it, not in a tail below the rounding errors of the FFT:
 *     delta(epsilon) = sum over t > epsilon of c~(t) e^(C - theta t) (1 - e^(epsilon - t)),  all terms positive.
 *
 * Window.  M grid points of width h, indices modulo M, from the known lower bound of epsilon upwards.  Losses below are
 * wrapped to its upper end, where they count e^(-theta M h) times as much as their probability.  Losses above it are
 * few by Chernoff's bound, with the moments of the very atoms that are composed.
 *
 * Rounding.  Masses err relatively, and so does delta: (1 + MASS_ERRORS)^steps.  The FFT errs by 8 u log2 M: its effect
 * on every spectral value is bounded; the sum of these or their root mean square bounds the error of delta, which is
 * added to the upper bound and taken from the lower one.  The largest atom of a step is kept out of the FFT, whose
 * error then is relative to the rest: that is what keeps a million steps of a tiny sampling rate precise. */
#include "accountant_pld.h"

#include "../base/check.h"
#include "accountant_cells.h"
#include "accountant_fft.h"
#include "accountant_gaussian.h"
#include "accountant_rdp.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#define UNIT (0.5 * DBL_EPSILON)
#define MASS_ERRORS 3e-13           /* of a mass, its tilt and its normalisation, relatively */
#define CUT_OFF 1e-6                /* part of delta that is left outside the window */
#define GIVEN_UP 2e-5               /* part of delta that goes to outcomes so rare that they are not put on the grid */
#define LEAST_TILT 1e-6
#define GREATEST_TILT 1e6
#define MAX_LOG_TILT_OF_CELL 8.0
#define SLACK 5.0                   /* how many times e worse than the best a tilt may be that has a shorter window */
enum { N_TILTS = 320, MARGIN = 8, MIN_LOG2_POINTS = 12 };

struct problem {
    const struct privacy_phase *phase;
    int n;
    enum direction direction;
    double delta, cut[MAX_PRIVACY_PHASES], steps;
    double tilt[N_TILTS], moment[N_TILTS];  /* theta; log E[e^(theta L)] of the history */
    double span;                            /* of the losses of one step */
    double low, high;                       /* epsilon lies between these */
    double guess;                           /* hardly less than epsilon, and often far below a first `high` */
};

struct grid { double theta, h, lowest; long points; double tilt_high; struct fft fft; };

/* ---- tilt and window ------------------------------------------------------------------------------------------ */

/* log E[e^(theta L)] of a step, of |x| < cut s only: to choose a grid by, for which no bound is needed. */
static double step_moment(const struct problem *p, int i, double theta, double cut)
{
    return rdp_log_moment(p->direction == REMOVE ? theta + 1 : -theta, &p->phase[i], cut);
}

static double history_moment(const struct problem *p, double theta, const double *cut)
{
    double sum = 0;
    for (int i = 0; i < p->n; i++)
        sum += (double)p->phase[i].steps * step_moment(p, i, theta, cut ? cut[i] : INFINITY);
    return isnan(sum) ? INFINITY : sum;
}

static void tabulate_moments(struct problem *p)
{
    for (int k = 0; k < N_TILTS; k++) {
        p->tilt[k] = exp(log(LEAST_TILT) + log(GREATEST_TILT / LEAST_TILT) * k / (N_TILTS - 1));
        p->moment[k] = history_moment(p, p->tilt[k], p->cut);
    }
}

/* By Chernoff's bound L > x with probability 1 - e^-3 at least, so delta(x - 7) > 0.9, which no delta here exceeds. */
static double lowest_epsilon(const struct problem *p)
{
    double x = -INFINITY;
    for (int k = 0; k < N_TILTS && p->tilt[k] < 10; k += 4)
        x = fmax(x, -(history_moment(p, -p->tilt[k], p->cut) + 3) / p->tilt[k]);
    return fmax(0, x - 7);
}

/* The epsilon that follows from the table, and the tilt it is found at. */
static double table_epsilon(const struct problem *p, double *theta)
{
    double least = INFINITY;
    *theta = 1;
    for (int k = 0; k < N_TILTS; k++) {
        const double epsilon = rdp_conversion(p->moment[k], p->tilt[k] + 1, p->delta);
        if (epsilon < least)
            least = epsilon, *theta = p->tilt[k];
    }
    return least;
}

/* An upper bound of epsilon.  The moments of ADD are no greater than those of REMOVE, which rdp_epsilon knows; the
 * whole moment of one tilt gives a better bound.  Of great tilts it takes long. */
static double highest_epsilon(const struct problem *p, double theta)
{
    const double general = rdp_epsilon(p->phase, p->n, p->delta), tilt = fmin(theta, 1e4);
    if (p->direction == REMOVE)
        return general;
    return fmin(general, rdp_conversion(history_moment(p, tilt, NULL), tilt + 1, p->delta));
}

/* log of delta at epsilon, up to a factor */
static double log_delta(const struct problem *p, int k) { return p->moment[k] - p->tilt[k] * p->guess; }

/* The shortest window above p->low for tilt k: what is wrapped into it from below and from above adds less than
 * CUT_OFF delta.  Sets the exponent of the Chernoff bound of the latter. */
static double window_length(const struct problem *p, int k, double points, double *tilt_high)
{
    const double log_cut = log(CUT_OFF * p->delta);
    double least = INFINITY;
    *tilt_high = 0;
    for (int i = k + 1; i < N_TILTS; i++) {
        const double length = (p->moment[i] - p->tilt[i] * p->low - log_cut) / (p->tilt[i] - p->tilt[k]);
        if (length < least && (p->tilt[i] - p->tilt[k]) * length <= points) /* in a cell it is nothing extreme */
            least = length, *tilt_high = p->tilt[i] - p->tilt[k];
    }
    return fmax(least, -log_cut / p->tilt[k]);
}

/* Of the tilts that are not much worse than the best, the one with the shortest window.  From one grid point to the
 * next e^(theta h) must not be extreme. */
static void choose_grid(const struct problem *p, int log2_points, struct grid *grid)
{
    double best = INFINITY, length[N_TILTS], tilt_high[N_TILTS];
    *grid = (struct grid){.points = 1L << log2_points};
    for (int k = 0; k < N_TILTS; k++) {
        length[k] = fmax(p->guess - p->low, 0.5 * p->span);
        length[k] = fmax(length[k], window_length(p, k, (double)grid->points, &tilt_high[k]));
        if (p->tilt[k] * length[k] > MAX_LOG_TILT_OF_CELL * (double)grid->points)
            length[k] = INFINITY;
        else
            best = fmin(best, log_delta(p, k));
    }
    int chosen = 0;
    for (int k = 0; k < N_TILTS; k++)
        if (length[k] < length[chosen] && log_delta(p, k) <= best + SLACK)
            chosen = k;
    grid->theta = p->tilt[chosen];
    grid->h = length[chosen] / (double)(grid->points - 2 * MARGIN);
    grid->lowest = p->low - MARGIN * grid->h;
    grid->tilt_high = fmin(tilt_high[chosen], 1 / grid->h);
}

/* ---- composition ---------------------------------------------------------------------------------------------- */

/* Of the composed distribution, at each of M/2 + 1 frequencies: logarithm and angle; the logarithm of a bound of the
 * value; its relative error.  And what is known besides. */
struct spectrum {
    double *log_value, *angle, *log_bound, *error;
    double log_scale;                    /* C: the untilted mass at t is e^(C - theta t) times the tilted one */
    double log_high, infinite;
    double offset;                       /* losses are offset + k h */
    long centre;                         /* k at index 0 */
};

static void spectrum_create(struct spectrum *s, size_t n)
{
    *s = (struct spectrum){.log_value = calloc(4 * n, sizeof(double))};
    CHECK(s->log_value);
    s->angle = s->log_value + n;
    s->log_bound = s->angle + n;
    s->error = s->log_bound + n;
}

/* One atom of a tilted step, and the sum of all others: 1 together. */
struct shares { double largest, rest; };

/* log sum of mass e^(tilt t) */
static double log_moment(const struct atoms *atoms, double h, double tilt)
{
    double largest = -INFINITY, sum = 0;
    for (int pass = 0; pass < 2; pass++)
        for (long k = 0; k < atoms->n; k++) {
            if (!(atoms->mass[k] > 0))
                continue;
            const double exponent = log(atoms->mass[k]) + tilt * (atoms->offset + (double)(atoms->first + k) * h);
            if (pass == 0)
                largest = fmax(largest, exponent);
            else
                sum += exp(exponent - largest);
        }
    return largest + log(sum);
}

/* Tilts atoms to total 1, all but the largest into x (M, index modulo M relative to it). */
static struct shares scatter(const struct problem *p, int i, const struct grid *grid, struct atoms *atoms, double *x,
                             struct spectrum *s)
{
    const double steps = (double)p->phase[i].steps, scale = log_moment(atoms, grid->h, grid->theta);
    double total = 0, largest = 0, rest = 0;
    long at = 0;
    s->log_high += steps * (log_moment(atoms, grid->h, grid->theta + grid->tilt_high) - scale);
    for (long k = 0; k < atoms->n; k++) {
        const double t = atoms->offset + (double)(atoms->first + k) * grid->h;
        const double mass = atoms->mass[k] = exp(log(atoms->mass[k]) + grid->theta * t - scale);
        total += mass;
        if (mass > largest)
            largest = mass, at = k;
    }
    for (long k = 0; k < atoms->n; k++) {
        if (k == at)
            continue;
        rest += atoms->mass[k] / total;
        x[(size_t)(k - at) & (size_t)(grid->points - 1)] += atoms->mass[k] / total;
    }
    s->log_scale += steps * (scale + log(total));
    s->infinite += steps * atoms->infinite;
    s->offset += steps * atoms->offset;
    s->centre += (long)p->phase[i].steps * (atoms->first + at);
    return (struct shares){largest / total, rest};
}

/* Adds `steps` times the logarithm of largest + (re, im); (re, im) errs by `error`. */
static void add_logarithm(struct spectrum *s, size_t f, double steps, double largest, double re, double im,
                          double error)
{
    const double x = re / largest, y = im / largest, size = hypot(x, y);
    const double relative = size < 0.5 ? 0.5 * log1p(2 * x + size * size) : log(hypot(1 + x, y));
    const double log_value = fmax(log(largest) + relative, -700); /* a zero is as good as any number below `error` */
    const double angle = atan2(y, 1 + x), bound = exp(log_value) + error;
    s->log_value[f] += steps * log_value;
    s->angle[f] += steps * angle;
    s->log_bound[f] += steps * log(bound);
    s->error[f] += steps * (error / bound + 8 * UNIT * (fmin(size, 1) + fabs(log_value) + fabs(angle)));
}

/* Both sides share one transform: upper + i lower. */
static void add_phase(const struct problem *p, int i, const struct grid *grid, double *re, double *im,
                      struct spectrum spectrum[N_SIDES])
{
    const size_t M = (size_t)grid->points;
    const double steps = (double)p->phase[i].steps;
    struct shares shares[N_SIDES];
    for (size_t k = 0; k < M; k++)
        re[k] = im[k] = 0;
    for (int side = 0; side < N_SIDES; side++) {
        struct atoms atoms;
        (side == UPPER ? atoms_upper : atoms_lower)(&atoms, &p->phase[i], p->direction, grid->h, p->cut[i]);
        shares[side] = scatter(p, i, grid, &atoms, side == UPPER ? re : im, &spectrum[side]);
        atoms_free(&atoms);
    }
    const double error = 8 * UNIT * log2((double)M) * (shares[UPPER].rest + shares[LOWER].rest);
    fft_forward(&grid->fft, re, im);
    for (size_t a = 0, f = 0; a < M; a++) {
        const size_t b = fft_mirror(a);
        if (b < a)
            continue;
        add_logarithm(&spectrum[UPPER], f, steps, shares[UPPER].largest, 0.5 * (re[a] + re[b]), 0.5 * (im[a] - im[b]),
                      error);
        add_logarithm(&spectrum[LOWER], f, steps, shares[LOWER].largest, 0.5 * (im[a] + im[b]), 0.5 * (re[b] - re[a]),
                      error);
        f++;
    }
}

/* Errors of all values of a composed distribution: |error of sum_k w_k c_k| <= mean sum |w| and <= rms (sum w^2)^1/2 */
struct rounding { double mean, rms; };

/* From the spectra to re (M) upper, im (M) lower. */
static void compose(const struct grid *grid, const struct spectrum spectrum[N_SIDES], double *re, double *im,
                    struct rounding rounding[N_SIDES])
{
    const size_t M = (size_t)grid->points;
    const double inverse_error = 8 * UNIT * log2((double)M);
    double sum[N_SIDES] = {0}, square[N_SIDES] = {0}, size[N_SIDES] = {0}, size_square[N_SIDES] = {0};
    for (size_t a = 0, f = 0; a < M; a++) {
        const size_t b = fft_mirror(a);
        if (b < a)
            continue;
        double x[N_SIDES], y[N_SIDES];
        for (int side = 0; side < N_SIDES; side++) {
            const struct spectrum *s = &spectrum[side];
            const double value = exp(s->log_value[f]), times = a == b ? 1 : 2;
            const double error = exp(s->log_bound[f]) * (s->error[f] + 8 * UNIT);
            sincos(s->angle[f], &y[side], &x[side]);
            x[side] *= value;
            y[side] *= value;
            sum[side] += times * error;
            square[side] += times * error * error;
            size[side] += times * value;
            size_square[side] += times * value * value;
        }
        re[a] = (x[UPPER] - y[LOWER]) / (double)M;
        im[a] = (y[UPPER] + x[LOWER]) / (double)M;
        if (a != b) {
            re[b] = (x[UPPER] + y[LOWER]) / (double)M;
            im[b] = (x[LOWER] - y[UPPER]) / (double)M;
        }
        f++;
    }
    for (int side = 0; side < N_SIDES; side++) /* the inverse transform mixes the rounding of both sides */
        rounding[side] = (struct rounding){
            (sum[side] + inverse_error * (size[UPPER] + size[LOWER])) / (double)M,
            (sqrt(square[side]) + inverse_error * sqrt(size_square[UPPER] + size_square[LOWER])) / sqrt((double)M),
        };
    fft_inverse(&grid->fft, re, im);
}

/* ---- from the distribution to epsilon -------------------------------------------------------------------------- */

/* delta(t_k) of a composed distribution is e^(C - theta t_k) (d_k + error) with d_k = A_k - B_k, A and B the sums over
 * j > k of c_j e^(-theta (t_j - t_k)) and c_j e^(-(theta + 1) (t_j - t_k)).  From the top downwards
 * d_k = e^(-theta h) (d_{k+1} + (1 - e^-h) (c_{k+1} + B_{k+1})).  Between grid points delta is linear in e^epsilon. */
struct curve {
    enum side side;
    const struct problem *problem;
    const struct grid *grid;
    const struct spectrum *spectrum;
    long first;                          /* the window: t_k = offset + k h, k = first .. first + M - 1 */
    double error, relative, constant;    /* what d gains, then delta's factor, then delta itself: negative for LOWER */
};

static double loss_at(const struct curve *curve, long k)
{
    return curve->spectrum->offset + (double)k * curve->grid->h;
}

/* The maximum over t > 0 of e^(-theta t) (1 - e^-t). */
static double largest_weight(double theta) { return exp(-theta * log1p(1 / theta)) / (1 + theta); }

/* The error of d: its weights are r^i (1 - e^(-i h)), i = 1 .. points, r = e^(-theta h). */
static double error_of_sum(struct rounding rounding, double theta, double h, double points)
{
    const double largest = largest_weight(theta);
    const double sum = fmin(points * largest, 1 / expm1(theta * h) - 1 / expm1((theta + 1) * h));
    return fmin(rounding.mean * sum, rounding.rms * sqrt(sum * largest));
}

static struct curve curve_of(enum side side, const struct problem *p, const struct grid *grid,
                             const struct spectrum *s, struct rounding rounding)
{
    struct curve curve = {.side = side, .problem = p, .grid = grid, .spectrum = s};
    curve.first = (long)floor((grid->lowest - s->offset) / grid->h);
    const double theta = grid->theta, top = loss_at(&curve, curve.first + grid->points);
    const double above = exp(s->log_high - grid->tilt_high * top);
    const double rounded = error_of_sum(rounding, theta, grid->h, (double)grid->points);
    const double relative = p->steps * MASS_ERRORS + 8 * UNIT * (double)grid->points;
    if (side == UPPER) {
        curve.error = rounded;
        curve.relative = 1 + relative;
        curve.constant = s->infinite + above * exp(s->log_scale - theta * top);
    } else {
        curve.error = -rounded - above * largest_weight(theta);
        curve.relative = 1 - relative;
        curve.constant = -1 / expm1(theta * grid->h * (double)grid->points);
    }
    return curve;
}

static double curve_delta(const struct curve *curve, double d, long k)
{
    const double exponent = curve->spectrum->log_scale - curve->grid->theta * loss_at(curve, k);
    return exp(exponent) * fmax(0, d + curve->error) * curve->relative + curve->constant;
}

/* The greatest epsilon whose delta is above the problem's; c (M) is the composed distribution.  NAN: not known from
 * this window. */
static double curve_epsilon(const struct curve *curve, const double *c)
{
    const struct grid *grid = curve->grid;
    const double h = grid->h, r = exp(-grid->theta * h), delta = curve->problem->delta;
    const long last = curve->first + grid->points - 1, zero = (long)floor(-curve->spectrum->offset / h);
    const long lowest = curve->first > zero ? curve->first : zero;
    double d = 0, b = 0, before = curve_delta(curve, 0, last);
    if (!isfinite(curve->error) || !(before <= delta))
        return NAN;
    for (long k = last - 1; k >= lowest; k--) {
        b = fmax(0, c[(size_t)(k + 1 - curve->spectrum->centre) & (size_t)(grid->points - 1)]) + r * exp(-h) * b;
        d = r * (d - expm1(-h) * b);
        const double now = curve_delta(curve, d, k);
        if (now > delta)
            return fmax(0, loss_at(curve, k) + log1p((now - delta) / (now - before) * expm1(h)));
        before = now;
    }
    return curve->side == UPPER || lowest == zero ? fmax(0, loss_at(curve, lowest)) : NAN;
}

/* ---- the bounds ------------------------------------------------------------------------------------------------ */

/* Both bounds on a grid of M points; a lower one that is not found is 0, an upper one INFINITY. */
static void bounds_on_grid(const struct problem *p, int log2_points, double *lower, double *upper)
{
    struct grid grid;
    struct spectrum spectrum[N_SIDES];
    struct rounding rounding[N_SIDES];
    *lower = 0;
    *upper = INFINITY;
    choose_grid(p, log2_points, &grid);
    if (!isfinite(grid.h))
        return;
    const size_t M = (size_t)grid.points;
    fft_create(&grid.fft, M);
    double *re = malloc(2 * M * sizeof *re), *im = re + M;
    CHECK(re);
    for (int side = 0; side < N_SIDES; side++)
        spectrum_create(&spectrum[side], M / 2 + 1);
    for (int i = 0; i < p->n; i++)
        add_phase(p, i, &grid, re, im, spectrum);
    compose(&grid, spectrum, re, im, rounding);
    const struct curve above = curve_of(UPPER, p, &grid, &spectrum[UPPER], rounding[UPPER]);
    const struct curve below = curve_of(LOWER, p, &grid, &spectrum[LOWER], rounding[LOWER]);
    const double most = curve_epsilon(&above, re), least = curve_epsilon(&below, im);
    const double shift = 2 * p->steps * LOSS_ERROR;
    *upper = isfinite(most) ? most + shift : INFINITY;
    *lower = isfinite(least) ? fmax(0, least - shift) : 0;
    for (int side = 0; side < N_SIDES; side++)
        free(spectrum[side].log_value);
    free(re);
    fft_free(&grid.fft);
}

static bool is_close(double lower, double upper) { return upper - lower <= 5e-5 * upper + 5e-6; }

bool pld_epsilon(const struct privacy_phase *phase, int n, double delta, int max_log2_points, double *lower,
                 double *upper)
{
    double steps = 0;
    for (int i = 0; i < n; i++)
        steps += (double)phase[i].steps;
    *lower = *upper = 0;
    for (enum direction direction = REMOVE; direction <= ADD; direction++) {
        struct problem p = {.phase = phase, .n = n, .direction = direction, .delta = delta, .steps = steps};
        for (int i = 0; i < n; i++) {
            p.cut[i] = tail_cut(&phase[i], GIVEN_UP * delta / steps);
            p.span = fmax(p.span, greatest_loss(&phase[i], REMOVE, p.cut[i]) + greatest_loss(&phase[i], ADD, p.cut[i]));
        }
        tabulate_moments(&p);
        p.low = lowest_epsilon(&p);
        double theta;
        p.guess = table_epsilon(&p, &theta);
        p.high = highest_epsilon(&p, theta);
        for (int points = MIN_LOG2_POINTS; points <= max_log2_points && !is_close(p.low, p.high) && p.high > *lower;
             points += 2) {
            double l, u;
            bounds_on_grid(&p, points, &l, &u);
            p.low = fmax(p.low, l);
            p.high = fmin(p.high, u);
            p.guess = fmin(p.guess, p.high);
        }
        *lower = fmax(*lower, p.low);
        *upper = fmax(*upper, p.high);
    }
    return isfinite(*upper) && *lower <= *upper;
}
