#include "accountant_gaussian.h"

#include <math.h>

/* log Phi(x); far out by the first terms of Mills' ratio. */
static double log_phi(double x)
{
    if (x > -30)
        return log(0.5 * erfc(-x * M_SQRT1_2));
    const double i = 1 / (x * x);
    return -0.5 * x * x - log(-x) - 0.5 * log(2 * M_PI) + log1p(i * (-1 + i * (3 + i * (-15 + 105 * i))));
}

double gaussian_delta(double mu, double epsilon)
{
    const double p = log_phi(mu / 2 - epsilon / mu), q = epsilon + log_phi(-mu / 2 - epsilon / mu);
    return q >= p ? 0 : exp(p) * -expm1(q - p);
}

double gaussian_epsilon(double mu, double delta)
{
    double low = 0, high = 1;
    if (!(mu > 0) || gaussian_delta(mu, 0) <= delta)
        return 0;
    while (gaussian_delta(mu, high) > delta)
        low = high, high *= 2;
    while (high - low > 1e-12 * high) {
        const double middle = 0.5 * (low + high);
        if (gaussian_delta(mu, middle) > delta)
            low = middle;
        else
            high = middle;
    }
    return high;
}

double gaussian_mu(const struct privacy_phase *phase, int n)
{
    double square = 0;
    for (int i = 0; i < n; i++) {
        const double s = phase[i].noise_multiplier, q = phase[i].sample_rate;
        square += (double)phase[i].steps * (q < 1 ? q * q * expm1(1 / (s * s)) : 1 / (s * s));
    }
    return sqrt(square);
}

/* Between y and z, which are d apart with m in the middle: a series in d where erfc would cancel. */
static double mass(double y, double z, double d, double m)
{
    if (d * fmax(1, fabs(m)) < 0.1) {
        const double m2 = m * m, d2 = d * d;
        return 0.5 * M_2_SQRTPI * M_SQRT1_2 * exp(-0.5 * m2) * d *
               (1 + d2 / 24 * (m2 - 1) + d2 * d2 / 1920 * (m2 * (m2 - 6) + 3) +
                d2 * d2 * d2 / 322560 * (m2 * (m2 * (m2 - 15) + 45) - 15));
    }
    if (y > 0)
        return 0.5 * (erfc(y * M_SQRT1_2) - erfc(z * M_SQRT1_2));
    if (z < 0)
        return 0.5 * (erfc(-z * M_SQRT1_2) - erfc(-y * M_SQRT1_2));
    return 0.5 * (erf(z * M_SQRT1_2) - erf(y * M_SQRT1_2));
}

void gaussian_masses(double a, double b, double s, double *mass_0, double *mass_1)
{
    const double d = (b - a) / s, middle = 0.5 * (a + b);
    *mass_0 = d > 0 ? mass(a / s, b / s, d, middle / s) : 0;
    *mass_1 = d > 0 ? mass((a - 1) / s, (b - 1) / s, d, (middle - 1) / s) : 0;
}
