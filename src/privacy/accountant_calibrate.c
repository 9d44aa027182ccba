/* accountant_calibrate.c - epsilon falls with the noise multiplier and with delta and grows with the steps: one search
 * for all three, along u = log noise multiplier, log delta or -log steps.
 *
 * The Renyi bound, which is cheap, brings the search near; then the interval [unsafe, safe] shrinks by the secant
 * (Illinois) until it is narrow.  What is returned is a u whose prv_upper was computed, never an interpolation. */
#include "accountant.h"
#include "accountant_rdp.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define WIDTH 1e-4     /* of the last interval of u */
#define CLOSE 1e-4     /* relative: an epsilon so near below the target is as good, but for the exact number of steps */

#define REFUSE(...) return snprintf(error, error_bytes, __VA_ARGS__), false

enum unknown { NOISE_MULTIPLIER, STEPS, DELTA };

struct search {
    enum unknown unknown;
    double target;
    struct privacy_phase phase[MAX_PRIVACY_PHASES];
    int n;
    double delta;
};

static double value_at(enum unknown unknown, double u)
{
    return unknown == STEPS ? floor(exp(-u) * (1 + 1e-12)) : exp(u);
}

static void set(struct search *s, double u)
{
    const double value = value_at(s->unknown, u);
    if (s->unknown == NOISE_MULTIPLIER)
        s->phase[0].noise_multiplier = fmin(fmax(value, MIN_NOISE_MULTIPLIER), MAX_NOISE_MULTIPLIER);
    else if (s->unknown == STEPS)
        s->phase[0].steps = (uint64_t)value;
    else
        s->delta = fmin(fmax(value, MIN_DELTA), MAX_DELTA);
}

/* prv_upper - target at u; false: refused. */
static bool evaluate(struct search *s, double u, double *over, struct privacy_epsilon *epsilon, char *error,
                     size_t error_bytes)
{
    set(s, u);
    if (!accountant_epsilon(s->phase, s->n, s->delta, epsilon, error, error_bytes))
        return false;
    *over = epsilon->prv_upper - s->target;
    return true;
}

/* The least u of those above `from` whose Renyi bound is below the target, or nearly; `to` if there is none. */
static double renyi_start(struct search *s, double from, double to)
{
    while (to - from > 1e-3) {
        const double u = 0.5 * (from + to);
        set(s, u);
        if (rdp_epsilon(s->phase, s->n, s->delta) <= s->target)
            to = u;
        else
            from = u;
    }
    return to;
}

static bool is_found(const struct search *s, double unsafe, double safe, double over_safe)
{
    if (s->unknown == STEPS)
        return value_at(STEPS, unsafe) - value_at(STEPS, safe) <= 1;
    return safe - unsafe <= WIDTH || (s->unknown == NOISE_MULTIPLIER && over_safe > -CLOSE * s->target);
}

static double middle(const struct search *s, double unsafe, double over_unsafe, double safe, double over_safe)
{
    const double secant = safe - over_safe * (safe - unsafe) / (over_safe - over_unsafe);
    const double u = fmin(fmax(secant, unsafe + 0.3 * WIDTH), safe - 0.3 * WIDTH);
    if (s->unknown != STEPS)
        return u;
    const double steps = fmin(fmax(round(exp(-u)), value_at(STEPS, safe) + 1), value_at(STEPS, unsafe) - 1);
    return -log(steps);
}

/* From least to greatest u.  `safe` is the u found. */
static bool solve(struct search *s, double least, double greatest, double *safe, struct privacy_epsilon *found,
                  const char *too_strict, const char *too_lax, char *error, size_t error_bytes)
{
    struct privacy_epsilon epsilon;
    double unsafe, over_unsafe = 0, over_safe, over, step = 0.02;
    *safe = renyi_start(s, least, greatest);
    if (!evaluate(s, *safe, &over_safe, found, error, error_bytes))
        return false;
    if (over_safe > 0)
        REFUSE("a target epsilon of %g cannot be reached: %s", s->target, too_strict);
    for (unsafe = *safe; over_unsafe <= 0; step *= 2) {
        if (unsafe <= least && found->prv_upper > (1 - CLOSE) * s->target)
            return set(s, *safe), true;
        if (unsafe <= least)
            REFUSE("a target epsilon of %g is not reached: %s", s->target, too_lax);
        unsafe = fmax(least, *safe - step);
        if (!evaluate(s, unsafe, &over_unsafe, &epsilon, error, error_bytes))
            return false;
        if (over_unsafe <= 0)
            *safe = unsafe, over_safe = over_unsafe, *found = epsilon;
    }
    for (int last = 0; !is_found(s, unsafe, *safe, found->prv_upper - s->target);) {
        const double u = middle(s, unsafe, over_unsafe, *safe, over_safe);
        if (!evaluate(s, u, &over, &epsilon, error, error_bytes))
            return false;
        if (over <= 0) {
            over_unsafe *= last > 0 ? 0.5 : 1;
            *safe = u, over_safe = over, *found = epsilon, last = 1;
        } else {
            over_safe *= last < 0 ? 0.5 : 1;
            unsafe = u, over_unsafe = over, last = -1;
        }
    }
    set(s, *safe);
    return true;
}

static bool check_target(double target, char *error, size_t error_bytes)
{
    if (!(target >= MIN_TARGET_EPSILON && target <= MAX_TARGET_EPSILON))
        REFUSE("no calibration to a target epsilon of %g: the accountant takes %g to %g", target, MIN_TARGET_EPSILON,
               MAX_TARGET_EPSILON);
    return true;
}

bool accountant_noise_multiplier(double target, double sample_rate, uint64_t steps, double delta,
                                 double *noise_multiplier, struct privacy_epsilon *achieved, char *error,
                                 size_t error_bytes)
{
    double u;
    struct search s = {NOISE_MULTIPLIER, target, {{1, sample_rate, steps}}, 1, delta};
    char too_strict[96], too_lax[96];
    snprintf(too_strict, sizeof too_strict, "it takes a noise multiplier above %g", MAX_NOISE_MULTIPLIER);
    snprintf(too_lax, sizeof too_lax, "noise multipliers below %g would do, which the accountant does not take",
             MIN_NOISE_MULTIPLIER);
    if (!check_target(target, error, error_bytes) ||
        !accountant_accepts(s.phase, s.n, delta, error, error_bytes) ||
        !solve(&s, log(MIN_NOISE_MULTIPLIER), log(MAX_NOISE_MULTIPLIER), &u, achieved, too_strict, too_lax, error,
               error_bytes))
        return false;
    *noise_multiplier = s.phase[0].noise_multiplier;
    return true;
}

bool accountant_steps(double target, double noise_multiplier, double sample_rate, double delta, uint64_t *steps,
                      struct privacy_epsilon *achieved, char *error, size_t error_bytes)
{
    double u;
    struct search s = {STEPS, target, {{noise_multiplier, sample_rate, 1}}, 1, delta};
    char too_lax[96];
    snprintf(too_lax, sizeof too_lax, "more than %d steps would do, which the accountant does not take",
             MAX_PRIVACY_STEPS);
    if (!check_target(target, error, error_bytes) ||
        !accountant_accepts(s.phase, s.n, delta, error, error_bytes) ||
        !solve(&s, -log(MAX_PRIVACY_STEPS), 0, &u, achieved, "a single step exceeds it", too_lax, error, error_bytes))
        return false;
    *steps = s.phase[0].steps;
    return true;
}

bool accountant_delta(double target, const struct privacy_phase *phase, int n, double *delta,
                      struct privacy_epsilon *achieved, char *error, size_t error_bytes)
{
    double u;
    struct search s = {.unknown = DELTA, .target = target, .n = n, .delta = MAX_DELTA};
    char too_strict[96], too_lax[96];
    snprintf(too_strict, sizeof too_strict, "it takes a delta above %g", MAX_DELTA);
    snprintf(too_lax, sizeof too_lax, "a delta below %g would do, which the accountant does not take", MIN_DELTA);
    if (!check_target(target, error, error_bytes) || !accountant_accepts(phase, n, MAX_DELTA, error, error_bytes))
        return false;
    memcpy(s.phase, phase, (size_t)n * sizeof *phase);
    if (!solve(&s, log(MIN_DELTA), log(MAX_DELTA), &u, achieved, too_strict, too_lax, error, error_bytes))
        return false;
    *delta = s.delta;
    return true;
}
