/* accountant.h - the privacy that a training run gives, as (epsilon, delta)-differential privacy.
 *
 * The mechanism: `steps` times a Poisson sample of the records (each with probability sample_rate, independently), the
 * sum of the clipped gradients of the sample, and Gaussian noise of standard deviation noise_multiplier x sensitivity.
 * All intermediate models may be seen.  Neighbours: one record added or removed.  A fixed-size or shuffled batch is
 * another mechanism, for which these numbers are no guarantee.  A history is a list of phases, in any order.
 *
 *   rdp         upper bound from Renyi divergences of the best real order            accountant_rdp.c
 *   prv_lower,  epsilon lies between them: rounded so that rounding, truncation      accountant_pld.c
 *   prv_upper   and floating point only widen the interval
 *   gdp         central limit theorem: for orientation, neither bound nor guarantee  accountant_gaussian.c
 *
 * prv_upper is the one to state.  A call takes milliseconds to a second, and up to 300 MB: not for timed steps. */
#ifndef ACCOUNTANT_H
#define ACCOUNTANT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct privacy_phase { double noise_multiplier, sample_rate; uint64_t steps; };

struct privacy_epsilon {
    double rdp, prv_lower, prv_upper, gdp;
    bool is_wide;   /* prv_upper - prv_lower > 0.1 % + 0.001: both hold, but epsilon is not known to that precision */
};

/* What is accepted; everything else is refused. */
#define MIN_NOISE_MULTIPLIER 0.3
#define MAX_NOISE_MULTIPLIER 1000.0
#define MIN_SAMPLE_RATE 1e-6
#define MAX_PRIVACY_STEPS 1000000
#define MIN_DELTA 1e-12
#define MAX_DELTA 1e-3
#define MIN_TARGET_EPSILON 0.001
#define MAX_TARGET_EPSILON 10000.0
enum { MAX_PRIVACY_PHASES = 64 };

/* These return false with one line in `error` that says why there is no number, and what would be possible. */

/* Whether it is within these ranges: cheap, for checks before a run. */
bool accountant_accepts(const struct privacy_phase *, int n, double delta, char *error, size_t error_bytes);

/* Epsilon of a history of n phases, at delta. */
bool accountant_epsilon(const struct privacy_phase *, int n, double delta, struct privacy_epsilon *, char *error,
                        size_t error_bytes);

/* Each of these finds the one that is not given, on the safe side: prv_upper <= target_epsilon, by less than 0.1 %
 * (steps: one more would exceed it).  `achieved` is the epsilon at the value found. */
bool accountant_noise_multiplier(double target_epsilon, double sample_rate, uint64_t steps, double delta,
                                 double *noise_multiplier, struct privacy_epsilon *achieved, char *error,
                                 size_t error_bytes);
bool accountant_steps(double target_epsilon, double noise_multiplier, double sample_rate, double delta,
                      uint64_t *steps, struct privacy_epsilon *achieved, char *error, size_t error_bytes);
bool accountant_delta(double target_epsilon, const struct privacy_phase *, int n, double *delta,
                      struct privacy_epsilon *achieved, char *error, size_t error_bytes);
#endif
