/* accountant_rdp.c - the moments by quadrature.
 *
 * E_Q u = 0, so E_Q[(1+u)^a] - 1 = E_Q[(1+u)^a - 1 - a u], an integrand of one sign (Bernoulli): nothing cancels.  The
 * trapezoidal rule in y = x/s with step 0.25 min(1, s) has an error of about e^(-8 pi^2), because the branch points of
 * the integrand are pi s away from the real axis. */
#include "accountant_rdp.h"

#include <math.h>

/* log(1 + u) and u's exponent at y */
static double log_ratio(double y, double q, double s, double *exponent)
{
    const double e = *exponent = y / s - 0.5 / (s * s);
    if (q >= 1)
        return e;
    return e > 30 ? e + log(q) + log1p(exp(log1p(-q) - log(q) - e)) : log1p(q * expm1(e));
}

/* e^(-y^2/2) ((1+u)^a - 1 - a u) */
static double moment_term(double a, double y, double q, double s)
{
    double e;
    const double log_power = a * log_ratio(y, q, s, &e), weight = exp(-0.5 * y * y);
    if (e > 600)
        return exp(log_power - 0.5 * y * y) - weight - a * exp(log(q) + e - 0.5 * y * y);
    const double u = q * expm1(e);
    if (fabs(u) < 1e-3 && fabs(a * u) < 1e-2) { /* the binomial series from its third term */
        double term = a * (a - 1) / 2 * u * u, sum = 0;
        for (int k = 2; k < 14; k++) {
            sum += term;
            term *= (a - k) / (k + 1) * u;
        }
        return weight * sum;
    }
    if (log_power > 30)
        return exp(log_power - 0.5 * y * y) - weight * (1 + a * u);
    return weight * (expm1(log_power) - a * u);
}

double rdp_log_moment(double a, const struct privacy_phase *phase, double cut)
{
    const double q = phase->sample_rate, s = phase->noise_multiplier;
    if (a == 0 || a == 1)
        return 0;
    if (q >= 1 && isinf(cut))
        return a * (a - 1) / (2 * s * s);
    const double step = 0.25 * fmin(1, s), first = -fmin(fmax(cut, 14), 14 + fmax(-a, 0) / s);
    const long n = (long)ceil((fmin(cut, 14 + fmax(a, 1) / s) - first) / step);
    double largest = -INFINITY, sum = 0, e;
    for (long i = 0; i <= n; i++) {
        const double y = first + (double)i * step;
        largest = fmax(largest, a * log_ratio(y, q, s, &e) - 0.5 * y * y);
    }
    const bool is_large = fabs(largest) > 20; /* then 1 + a u does not matter, and e^largest may overflow */
    for (long i = 0; i <= n; i++) {
        const double y = first + (double)i * step;
        sum += is_large ? exp(a * log_ratio(y, q, s, &e) - 0.5 * y * y - largest) : moment_term(a, y, q, s);
    }
    sum *= step / sqrt(2 * M_PI);
    return is_large ? log(sum) + largest : log1p(sum);
}

double least_value(double (*f)(double, const void *), const void *context, double from, double to, double *at)
{
    enum { SCAN = 28, GOLDEN = 24 };
    const double step = (to - from) / SCAN, r = 0.5 * (sqrt(5) - 1);
    double least = INFINITY, where = from;
    for (int i = 0, worse = 0; i <= SCAN && worse < 4; i++) {
        const double value = f(exp(from + i * step), context);
        if (value < least)
            least = value, where = from + i * step, worse = 0;
        else if (isfinite(least))
            worse++;
    }
    double low = where - step, high = where + step;
    for (int i = 0; i < GOLDEN; i++) {
        const double a = high - r * (high - low), b = low + r * (high - low);
        const double f_a = f(exp(a), context), f_b = f(exp(b), context);
        if (f_a < least)
            least = f_a, where = a;
        if (f_b < least)
            least = f_b, where = b;
        if (f_a < f_b)
            high = b;
        else
            low = a;
    }
    *at = exp(where);
    return least;
}

double rdp_conversion(double log_moment, double order, double delta)
{
    const double a = order - 1;
    if (delta * delta > -expm1(-log_moment / a)) /* Bretagnolle and Huber: total variation <= sqrt(1 - e^-KL) */
        return 0;
    const double epsilon = (log_moment - log(delta) - log1p(a)) / a - log1p(1 / a);
    return isfinite(epsilon) ? fmax(0, epsilon) : INFINITY;
}

struct rdp_problem { const struct privacy_phase *phase; int n; double delta; };

static double epsilon_of_order(double less_one, const void *context)
{
    const struct rdp_problem *p = context;
    double moment = 0;
    for (int i = 0; i < p->n; i++)
        moment += (double)p->phase[i].steps * rdp_log_moment(less_one + 1, &p->phase[i], INFINITY);
    return rdp_conversion(moment, less_one + 1, p->delta);
}

double rdp_epsilon(const struct privacy_phase *phase, int n, double delta)
{
    double order;
    return least_value(epsilon_of_order, &(struct rdp_problem){phase, n, delta}, log(1e-2), log(2e5), &order);
}
