#include "accountant.h"

#include "accountant_gaussian.h"
#include "accountant_pld.h"
#include "accountant_rdp.h"

#include <math.h>
#include <stdio.h>

enum { MAX_LOG2_POINTS = 20 }; /* about a second and 150 MB */

#define REFUSE(...) return snprintf(error, error_bytes, __VA_ARGS__), false

static bool check_phase(const struct privacy_phase *phase, char *error, size_t error_bytes)
{
    if (!(phase->noise_multiplier >= MIN_NOISE_MULTIPLIER && phase->noise_multiplier <= MAX_NOISE_MULTIPLIER))
        REFUSE("no epsilon for noise multiplier %g: the accountant takes %g to %g", phase->noise_multiplier,
               MIN_NOISE_MULTIPLIER, MAX_NOISE_MULTIPLIER);
    if (!(phase->sample_rate >= MIN_SAMPLE_RATE && phase->sample_rate <= 1))
        REFUSE("no epsilon for sample rate %g: the accountant takes %g to 1", phase->sample_rate, MIN_SAMPLE_RATE);
    if (phase->steps < 1 || phase->steps > MAX_PRIVACY_STEPS)
        REFUSE("no epsilon for %llu steps: the accountant takes 1 to %d", (unsigned long long)phase->steps,
               MAX_PRIVACY_STEPS);
    return true;
}

bool accountant_accepts(const struct privacy_phase *phase, int n, double delta, char *error, size_t error_bytes)
{
    uint64_t steps = 0;
    if (n < 1 || n > MAX_PRIVACY_PHASES)
        REFUSE("no epsilon for %d phases: the accountant takes 1 to %d", n, MAX_PRIVACY_PHASES);
    for (int i = 0; i < n; i++) {
        if (!check_phase(&phase[i], error, error_bytes))
            return false;
        steps += phase[i].steps;
    }
    if (steps > MAX_PRIVACY_STEPS)
        REFUSE("no epsilon for %llu steps in all: the accountant takes up to %d", (unsigned long long)steps,
               MAX_PRIVACY_STEPS);
    if (!(delta >= MIN_DELTA && delta <= MAX_DELTA))
        REFUSE("no epsilon for delta %g: the accountant takes %g to %g", delta, MIN_DELTA, MAX_DELTA);
    return true;
}

static bool is_sampled(const struct privacy_phase *phase, int n)
{
    for (int i = 0; i < n; i++)
        if (phase[i].sample_rate < 1)
            return true;
    return false;
}

bool accountant_epsilon(const struct privacy_phase *phase, int n, double delta, struct privacy_epsilon *epsilon,
                        char *error, size_t error_bytes)
{
    if (!accountant_accepts(phase, n, delta, error, error_bytes))
        return false;
    epsilon->rdp = rdp_epsilon(phase, n, delta);
    epsilon->gdp = gaussian_epsilon(gaussian_mu(phase, n), delta);
    if (!is_sampled(phase, n)) { /* the Gaussian mechanism itself, solved to 1e-12 */
        epsilon->prv_lower = epsilon->gdp * (1 - 1e-9);
        epsilon->prv_upper = epsilon->gdp * (1 + 1e-9);
    } else if (!pld_epsilon(phase, n, delta, MAX_LOG2_POINTS, &epsilon->prv_lower, &epsilon->prv_upper)) {
        REFUSE("no epsilon: its bounds could not be computed for this history; try another delta");
    }
    epsilon->prv_upper = fmin(epsilon->prv_upper, epsilon->rdp); /* both are upper bounds */
    if (!(epsilon->prv_lower <= epsilon->prv_upper))
        REFUSE("no epsilon: the bounds %g and %g contradict each other, which is a defect of the accountant",
               epsilon->prv_lower, epsilon->prv_upper);
    epsilon->is_wide = epsilon->prv_upper - epsilon->prv_lower > 1e-3 * epsilon->prv_upper + 1e-3;
    return true;
}
