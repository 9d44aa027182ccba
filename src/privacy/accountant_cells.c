/* accountant_cells.c - both directions have the same cells in x, which differ in what counts as loss and as mass. */
#include "accountant_cells.h"

#include "../base/check.h"
#include "accountant_gaussian.h"

#include <math.h>
#include <stdlib.h>

static double log_ratio(const struct privacy_phase *phase, double x)
{
    const double q = phase->sample_rate, s = phase->noise_multiplier, e = (x - 0.5) / (s * s);
    if (q >= 1)
        return e;
    return e > 30 ? e + log(q) + log1p((1 - q) / q * exp(-e)) : log1p(q * expm1(e));
}

/* Where the log ratio is l; -INFINITY: it is greater everywhere. */
static double x_of_ratio(const struct privacy_phase *phase, double l)
{
    const double q = phase->sample_rate, s = phase->noise_multiplier;
    double e = l;
    if (q < 1 && l > 30)
        e = l - log(q) + log1p(-(1 - q) * exp(-l));
    else if (q < 1)
        e = expm1(l) / q > -1 ? log1p(expm1(l) / q) : -INFINITY;
    return s * s * e + 0.5;
}

/* Masses or densities under N(0) and N(1). */
struct pair { double m0, m1; };

static struct pair masses(const struct privacy_phase *phase, double a, double b)
{
    struct pair pair;
    gaussian_masses(a, b, phase->noise_multiplier, &pair.m0, &pair.m1);
    return pair;
}

static struct pair densities(const struct privacy_phase *phase, double x)
{
    const double s = phase->noise_multiplier, y = x / s, z = (x - 1) / s, unit = 1 / (sqrt(2 * M_PI) * s);
    return (struct pair){unit * exp(-0.5 * y * y), unit * exp(-0.5 * z * z)};
}

static double mass_of(const struct privacy_phase *phase, enum direction direction, struct pair m)
{
    const double q = phase->sample_rate;
    return direction == REMOVE ? (1 - q) * m.m0 + q * m.m1 : m.m0;
}

/* Mass under P less e^l times that under Q; near l = 0 without cancellation for small q. */
static double excess(const struct privacy_phase *phase, struct pair m, double l)
{
    if (fabs(l) < 0.5)
        return phase->sample_rate * (m.m1 - m.m0) - expm1(l) * m.m0;
    return mass_of(phase, REMOVE, m) - exp(l) * m.m0;
}

static double normal_tail(double y) { return 0.5 * erfc(y * M_SQRT1_2); }

double tail_cut(const struct privacy_phase *phase, double tail)
{
    const double q = phase->sample_rate;
    double y = 1;
    while ((1 - q) * normal_tail(y) + q * normal_tail(y - 1 / phase->noise_multiplier) > tail)
        y += 0.125;
    return y;
}

double greatest_loss(const struct privacy_phase *phase, enum direction direction, double cut)
{
    const double x = cut * phase->noise_multiplier;
    return direction == REMOVE ? log_ratio(phase, x) : -log_ratio(phase, -x);
}

/* Grid points offset + k h, k from 0, up to the log ratio at cut s.  ADD has them at -k, and so the other way round. */
static void allot(struct atoms *atoms, const struct privacy_phase *phase, enum direction direction, double h,
                  double offset, double cut)
{
    const double n = ceil((log_ratio(phase, cut * phase->noise_multiplier) - offset) / h) + 2;
    CHECK(n < 1e8);
    *atoms = (struct atoms){.offset = direction == REMOVE ? offset : -offset, .n = (long)n};
    atoms->first = direction == REMOVE ? 0 : 1 - atoms->n;
    CHECK((atoms->mass = calloc((size_t)atoms->n, sizeof *atoms->mass)));
}

static double *atom_of(struct atoms *atoms, enum direction direction, long k)
{
    return &atoms->mass[direction == REMOVE ? k : atoms->n - 1 - k];
}

/* The grid goes through the log ratio at x = 0, where most outcomes of a small q are. */
void atoms_upper(struct atoms *atoms, const struct privacy_phase *phase, enum direction direction, double h, double cut)
{
    const double lowest = log_ratio(phase, -cut * phase->noise_multiplier), centre = log_ratio(phase, 0);
    const double offset = centre - ceil((centre - lowest) / h) * h, share = -1 / expm1(-h);
    allot(atoms, phase, direction, h, offset, cut);
    double x = x_of_ratio(phase, offset);
    const double below = mass_of(phase, direction, masses(phase, -INFINITY, x));
    for (long k = 0; k + 1 < atoms->n; k++) {
        const double l = offset + (double)k * h, next = x_of_ratio(phase, l + h);
        const struct pair m = masses(phase, x, next);
        const double mass = mass_of(phase, direction, m);
        const double to_greater = direction == REMOVE ? excess(phase, m, l) * share
                                                      : -exp(-l - h) * excess(phase, m, l + h) * share;
        const double up = fmin(mass, fmax(0, to_greater));
        *atom_of(atoms, direction, k) += direction == REMOVE ? mass - up : up;
        *atom_of(atoms, direction, k + 1) += direction == REMOVE ? up : mass - up;
        x = next;
    }
    const double above = mass_of(phase, direction, masses(phase, x, INFINITY));
    *(direction == REMOVE ? &atoms->mass[0] : &atoms->infinite) += below; /* the first has the least loss */
    *(direction == REMOVE ? &atoms->infinite : &atoms->mass[0]) += above;
}

/* The x up to which the outcomes from `start` have the log ratio l of their masses, or a hardly greater loss: their
 * excess is between 0 and `tolerance` Q.  INFINITY: there is none, they have a smaller ratio however far up. */
static double merge_end(const struct privacy_phase *phase, enum direction direction, double l, double start,
                        double furthest, double tolerance)
{
    const double sign = direction == REMOVE ? 1 : -1, x_l = x_of_ratio(phase, l);
    double low = x_l, high = INFINITY, x = 2 * x_l - start;
    for (int i = 0; i < 60; i++) {
        x = fmin(x, furthest);
        const struct pair m = masses(phase, start, x);
        const double residual = excess(phase, m, l) - 0.5 * sign * tolerance * m.m0;
        if (fabs(residual) <= 0.5 * tolerance * m.m0)
            return x;
        if (residual < 0 && x >= furthest)
            break;
        if (residual > 0)
            high = x;
        else
            low = x;
        const double newton = x - residual / excess(phase, densities(phase, x), l);
        if (newton > low && newton < high)
            x = newton;
        else
            x = isinf(high) ? x + 2 * (x - x_l) + 0.01 * phase->noise_multiplier : 0.5 * (low + high);
    }
    if (direction == REMOVE)
        return high;
    return excess(phase, masses(phase, start, INFINITY), l) > 0 ? low : INFINITY;
}

/* Log of the ratio of masses under P and under Q. */
static double ratio_of(const struct privacy_phase *phase, struct pair m)
{
    const double less_one = phase->sample_rate * (m.m1 - m.m0) / m.m0;
    return fabs(less_one) < 0.5 ? log1p(less_one) : log(mass_of(phase, REMOVE, m) / m.m0);
}

/* The lowest outcomes, most of all for a small q, are one interval; the grid goes through its log ratio. */
void atoms_lower(struct atoms *atoms, const struct privacy_phase *phase, enum direction direction, double h, double cut)
{
    const double s = phase->noise_multiplier, furthest = (cut + 1 / s + 1) * s;
    double start = x_of_ratio(phase, log_ratio(phase, -cut * s) + 0.5 * h);
    const struct pair lowest = masses(phase, -INFINITY, start);
    const double offset = ratio_of(phase, lowest);
    allot(atoms, phase, direction, h, offset, cut);
    *atom_of(atoms, direction, 0) = mass_of(phase, direction, lowest);
    for (long k = 1; k < atoms->n; k++) {
        const double l = offset + (double)k * h;
        if (x_of_ratio(phase, l) <= start)
            continue;
        const double end = merge_end(phase, direction, l, start, furthest, 1e-7 * h);
        const double mass = mass_of(phase, direction, masses(phase, start, end));
        if (isinf(end)) { /* a ratio between two atoms': to the one of the smaller loss */
            *atom_of(atoms, direction, direction == REMOVE ? k - 1 : k) += mass;
            return;
        }
        *atom_of(atoms, direction, k) = mass;
        start = end;
    }
    if (direction == REMOVE) /* ADD: a smaller loss than any atom's */
        *atom_of(atoms, direction, atoms->n - 1) += mass_of(phase, direction, masses(phase, start, INFINITY));
}

void atoms_free(struct atoms *atoms)
{
    free(atoms->mass);
    *atoms = (struct atoms){0};
}
