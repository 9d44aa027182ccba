/* The accountant against closed forms, direct sums and reference values of other implementations. */
#include "../src/privacy/accountant.h"
#include "../src/privacy/accountant_cells.h"
#include "../src/privacy/accountant_fft.h"
#include "../src/privacy/accountant_gaussian.h"
#include "../src/privacy/accountant_pld.h"
#include "../src/privacy/accountant_rdp.h"

#include "statistics.h"

#include <cjson/cJSON.h>
#include <stdio.h>

static double uniform(uint64_t *state) /* splitmix64 */
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static double log_uniform(uint64_t *state, double from, double to)
{
    return from * exp(uniform(state) * log(to / from));
}

static void within(const char *what, double value, double low, double high)
{
    if (!(low <= value && value <= high)) fail_msg("%s: %.10g is not within %.10g and %.10g", what, value, low, high);
}

static struct privacy_epsilon epsilon_of(const struct privacy_phase *phase, int n, double delta)
{
    char error[256];
    struct privacy_epsilon e;
    if (!accountant_epsilon(phase, n, delta, &e, error, sizeof error)) fail_msg("%s", error);
    return e;
}

static struct privacy_epsilon epsilon_at(double s, double q, uint64_t steps, double delta)
{
    return epsilon_of(&(struct privacy_phase){s, q, steps}, 1, delta);
}

/* ---- Fourier transform ------------------------------------------------------------------------------------------ */

static void fft_agrees_with_the_sum_it_stands_for(void **state)
{
    (void)state;
    for (size_t n = 4; n <= 512; n *= 2) {
        double re[512], im[512], x[512], y[512], size = 0;
        uint64_t seed = n;
        struct fft fft;
        fft_create(&fft, n);
        for (size_t t = 0; t < n; t++) {
            re[t] = x[t] = uniform(&seed) - 0.3;
            im[t] = y[t] = uniform(&seed) - 0.5;
            size += hypot(x[t], y[t]);
        }
        fft_forward(&fft, re, im);
        const double limit = 8 * 0x1p-53 * log2((double)n) * size;
        for (size_t f = 0; f < n; f++) {
            long double a = 0, b = 0;
            for (size_t t = 0; t < n; t++) {
                const long double angle = -2 * acosl(-1) * (long double)(f * t % n) / (long double)n;
                a += x[t] * cosl(angle) - y[t] * sinl(angle);
                b += x[t] * sinl(angle) + y[t] * cosl(angle);
            }
            const size_t place = fft_place(n, f);
            at_most("real part", (double)(re[place] - a), limit);
            at_most("imaginary part", (double)(im[place] - b), limit);
            assert_int_equal(fft_mirror(place), fft_place(n, (n - f) % n));
        }
        fft_inverse(&fft, re, im);
        for (size_t t = 0; t < n; t++) at_most("there and back", re[t] / (double)n - x[t], 2 * limit);
        fft_free(&fft);
    }
}

/* Longer than what is done in the cache at once: a cosine is two lines in the spectrum. */
static void fft_of_a_long_wave_is_two_lines(void **state)
{
    (void)state;
    enum { n = 1 << 15, wave = 1234 };
    struct fft fft;
    double *re = calloc(2 * n, sizeof *re), *im = re + n;
    fft_create(&fft, n);
    for (long t = 0; t < n; t++) re[t] = cos(2 * M_PI * (double)(wave * t % n) / n);
    fft_forward(&fft, re, im);
    for (size_t f = 0; f < n; f++) {
        const double want = f == wave || f == n - wave ? n / 2 : 0;
        at_most("line", re[fft_place(n, f)] - want, 8 * 0x1p-53 * 15 * n);
    }
    fft_free(&fft);
    free(re);
}

/* ---- Renyi moments ---------------------------------------------------------------------------------------------- */

/* Integer order: sum over i of C(a, i) q^i (1-q)^(a-i) e^(i (i-1)/2s^2), of which the sum of all without e is 1. */
static void moments_agree_with_the_binomial_sum(void **state)
{
    (void)state;
    const double rate[] = {1e-6, 1e-3, 0.1, 0.7}, noise[] = {0.3, 1, 20};
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 3; j++)
            for (int a = 2; a <= 40; a += 19) {
                long double sum = 0, q = rate[i];
                for (int k = 2; k <= a; k++)
                    sum += expl(lgammal(a + 1) - lgammal(k + 1) - lgammal(a - k + 1) + k * logl(q) +
                                (a - k) * log1pl(-q)) * expm1l(k * (k - 1) / (2.0L * noise[j] * noise[j]));
                const double want = (double)log1pl(sum);
                at_most("moment", rdp_log_moment(a, &(struct privacy_phase){noise[j], rate[i], 1}, INFINITY) / want - 1,
                        1e-11);
            }
}

static void moments_without_sampling_are_those_of_the_gaussian_mechanism(void **state)
{
    (void)state;
    for (double a = -2.5; a < 40; a += 3.1)
        for (double s = 0.3; s < 21; s *= 4)
            at_most("moment", rdp_log_moment(a, &(struct privacy_phase){s, 1, 1}, 1e6) * 2 * s * s / (a * (a - 1)) - 1,
                    1e-11);
}

/* ---- one step --------------------------------------------------------------------------------------------------- */

static double tail(double y) { return 0.5 * erfc(y * M_SQRT1_2); }

/* delta(epsilon) of one step: P(l > epsilon) - e^epsilon Q(l > epsilon), or with P, Q exchanged and -l */
static double exact_delta(double s, double q, enum direction direction, double epsilon)
{
    const double l = direction == REMOVE ? epsilon : -epsilon;
    if (q < 1 && expm1(l) / q <= -1) return direction == REMOVE ? -expm1(epsilon) : 0;
    const double x = s * s * (q < 1 ? log1p(expm1(l) / q) : l) + 0.5, sign = direction == REMOVE ? 1 : -1;
    const double t0 = tail(sign * x / s), t1 = tail(sign * (x - 1) / s), mixture = (1 - q) * t0 + q * t1;
    return direction == REMOVE ? mixture - exp(epsilon) * t0 : t0 - exp(epsilon) * mixture;
}

static double delta_of(const struct atoms *atoms, double h, double epsilon)
{
    double sum = atoms->infinite;
    for (long i = 0; i < atoms->n; i++) {
        const double t = atoms->offset + (double)(atoms->first + i) * h;
        if (t > epsilon) sum += atoms->mass[i] * -expm1(epsilon - t);
    }
    return sum;
}

static double total_of(const struct atoms *atoms)
{
    double sum = atoms->infinite;
    for (long i = 0; i < atoms->n; i++) sum += atoms->mass[i];
    return sum;
}

static void atoms_of_a_step_bracket_its_delta(void **state)
{
    (void)state;
    const struct privacy_phase phase[] = {{1, 0.01, 1}, {0.3, 1e-6, 1}, {20, 1, 1}, {0.6, 0.9999, 1}, {5, 1e-3, 1}};
    for (int i = 0; i < 5; i++)
        for (enum direction direction = REMOVE; direction <= ADD; direction++)
            for (int step = 0; step < 3; step++) {
                struct atoms upper, lower;
                const double s = phase[i].noise_multiplier, q = phase[i].sample_rate, cut = tail_cut(&phase[i], 1e-18);
                const double span = greatest_loss(&phase[i], REMOVE, cut) + greatest_loss(&phase[i], ADD, cut);
                const double h = span / (step == 0 ? 7 : step == 1 ? 300 : 20000);
                atoms_upper(&upper, &phase[i], direction, h, cut);
                atoms_lower(&lower, &phase[i], direction, h, cut);
                at_most("mass of the upper", total_of(&upper) - 1, 1e-12);
                within("mass of the lower", total_of(&lower), 1 - 1e-9, 1 + 1e-12);
                for (double e = -span; e < span; e += span / 97) {
                    const double exact = exact_delta(s, q, direction, e), slack = 1e-14 + 1e-11 * fabs(exact);
                    within("delta", exact, delta_of(&lower, h, e) - slack, delta_of(&upper, h, e) + slack);
                    if (step == 2) /* second order in h: polygons of 20000 sides */
                        at_most("their difference", delta_of(&upper, h, e) - delta_of(&lower, h, e), 1e-6);
                }
                atoms_free(&upper);
                atoms_free(&lower);
            }
}

static void one_step_is_solved_by_its_closed_form(void **state)
{
    (void)state;
    uint64_t seed = 5;
    for (int i = 0; i < 20; i++) {
        const double s = log_uniform(&seed, 0.3, 20), q = log_uniform(&seed, 1e-6, 1);
        const double delta = log_uniform(&seed, 1e-12, 1e-3);
        const struct privacy_epsilon e = epsilon_at(s, q, 1, delta);
        double low = 0, high = 200;
        for (int k = 0; k < 100; k++) {
            const double middle = 0.5 * (low + high);
            *(exact_delta(s, q, REMOVE, middle) > delta ? &low : &high) = middle;
        }
        within("epsilon of a step", high, e.prv_lower - 1e-9, e.prv_upper + 1e-9);
        at_most("gap", e.prv_upper - e.prv_lower, 1e-3 * e.prv_upper + 1e-3);
    }
}

/* ---- many steps ------------------------------------------------------------------------------------------------- */

/* c = a * b, atom by atom */
static struct atoms convolve(const struct atoms *a, const struct atoms *b)
{
    struct atoms c = {a->offset + b->offset, a->first + b->first, a->n + b->n - 1, NULL, 0};
    c.mass = calloc((size_t)c.n, sizeof *c.mass);
    for (long i = 0; i < a->n; i++)
        for (long j = 0; j < b->n; j++) c.mass[i + j] += a->mass[i] * b->mass[j];
    c.infinite = a->infinite + b->infinite;
    return c;
}

static double epsilon_of_atoms(const struct atoms *atoms, double h, double delta)
{
    double low = 0, high = atoms->offset + (double)(atoms->first + atoms->n) * h;
    for (int k = 0; k < 60; k++) {
        const double middle = 0.5 * (low + high);
        *(delta_of(atoms, h, middle) > delta ? &low : &high) = middle;
    }
    return high;
}

static void composition_agrees_with_direct_convolution(void **state)
{
    (void)state;
    const struct privacy_phase phase[] = {{0.7, 0.05, 2}, {1.1, 0.3, 1}, {0.9, 1, 1}};
    const double delta = 1e-7, h = 0.004;
    double bound[N_SIDES][2];
    for (int side = 0; side < N_SIDES; side++)
        for (enum direction direction = REMOVE; direction <= ADD; direction++) {
            struct atoms step[3], part, sum, all;
            for (int i = 0; i < 3; i++)
                (side == UPPER ? atoms_upper : atoms_lower)(&step[i], &phase[i], direction, h, 8.5);
            part = convolve(&step[0], &step[0]);
            sum = convolve(&part, &step[1]);
            all = convolve(&sum, &step[2]);
            bound[side][direction] = epsilon_of_atoms(&all, h, delta);
            for (int i = 0; i < 3; i++) atoms_free(&step[i]);
            atoms_free(&part), atoms_free(&sum), atoms_free(&all);
        }
    const double low = fmax(bound[LOWER][REMOVE], bound[LOWER][ADD]);
    const double high = fmax(bound[UPPER][REMOVE], bound[UPPER][ADD]);
    const struct privacy_epsilon e = epsilon_of(phase, 3, delta);
    assert_true(low <= high && high - low < 2e-4 * high);
    within("upper bound", e.prv_upper, low, high + 1e-4 * high);
    within("lower bound", e.prv_lower, low - 1e-4 * high, high);
}

static void without_sampling_epsilon_is_that_of_the_gaussian_mechanism(void **state)
{
    (void)state;
    uint64_t seed = 3;
    for (int i = 0; i < 30; i++) {
        const struct privacy_phase phase = {log_uniform(&seed, 0.3, 20), 1, (uint64_t)log_uniform(&seed, 1, 3e5)};
        const double delta = log_uniform(&seed, 1e-12, 1e-3), mu = sqrt((double)phase.steps) / phase.noise_multiplier;
        const struct privacy_epsilon e = epsilon_of(&phase, 1, delta);
        const double exact = gaussian_epsilon(mu, delta);
        double lower, upper;
        at_most("delta of the closed form", gaussian_delta(mu, exact) / delta - 1, 1e-6);
        at_most("shortcut", e.prv_upper / exact - 1, 1e-8);
        within("shortcut", exact, e.prv_lower, e.prv_upper);
        assert_true(pld_epsilon(&phase, 1, delta, 20, &lower, &upper));
        within("composition", exact, lower, upper);
        at_most("its gap", upper - lower, 1e-4 * exact + 1e-5);
    }
}

static void the_gaussian_mechanism_has_its_known_delta(void **state)
{
    (void)state;
    for (double mu = 0.1; mu < 5; mu += 0.7)
        for (double epsilon = 0; epsilon < 8; epsilon += 0.9) {
            const double want = tail(epsilon / mu - mu / 2) - exp(epsilon) * tail(epsilon / mu + mu / 2);
            at_most("delta", gaussian_delta(mu, epsilon) - want, 1e-13);
        }
    at_most("mu", gaussian_mu((struct privacy_phase[]){{2, 1, 9}, {4, 1, 16}}, 2) - sqrt(9 / 4.0 + 1), 1e-15);
}

static cJSON *read_golden(void)
{
    char text[4096];
    FILE *f = fopen("tests/golden/accountants.json", "r");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    return cJSON_Parse(text);
}

static double number(const cJSON *row, const char *name) { return cJSON_GetObjectItem(row, name)->valuedouble; }

/* Other accountants' values, of opacus 1.6.0 and dp-accounting 0.6.0. */
static void epsilon_agrees_with_other_accountants(void **state)
{
    (void)state;
    cJSON *golden = read_golden(), *row;
    assert_int_equal(cJSON_GetArraySize(golden), 6);
    cJSON_ArrayForEach(row, golden) {
        const double rdp = number(row, "google_rdp"), pld = number(row, "google_pld");
        const struct privacy_epsilon e = epsilon_at(number(row, "noise_multiplier"), number(row, "sample_rate"),
                                                    (uint64_t)number(row, "steps"), number(row, "delta"));
        within("rdp", e.rdp, e.prv_lower, 1.001 * rdp);
        within("rdp", e.rdp, 0.99 * rdp, 1.001 * number(row, "opacus_rdp"));
        within("prv_upper", e.prv_upper, 0.999 * pld, 1.0005 * pld);
        within("prv_lower", e.prv_lower, 0.999 * pld, 1.00001 * pld);
        within("opacus", number(row, "opacus_prv"), e.prv_lower, e.prv_upper + 0.011); /* its error bound is 0.01 */
        assert_false(e.is_wide);
    }
    cJSON_Delete(golden);
}

static void bounds_are_ordered_and_near_over_the_whole_range(void **state)
{
    (void)state;
    uint64_t seed = 8;
    for (int i = 0; i < 60; i++) {
        const double s = log_uniform(&seed, 0.3, 20), q = log_uniform(&seed, 1e-6, 1);
        const double delta = log_uniform(&seed, 1e-12, 1e-3);
        const uint64_t steps = (uint64_t)log_uniform(&seed, 1, 1e6);
        const struct privacy_epsilon e = epsilon_at(s, q, steps, delta);
        within("prv_lower", e.prv_lower, 0, e.prv_upper);
        within("prv_upper", e.prv_upper, 0, e.rdp);
        if (q * (double)steps >= 100)
            at_most("gap", e.prv_upper - e.prv_lower, 1e-3 * e.prv_upper + 1e-3);
        assert_int_equal(e.is_wide, e.prv_upper - e.prv_lower > 1e-3 * e.prv_upper + 1e-3);
    }
}

static void corners_of_the_range_have_bounds(void **state)
{
    (void)state;
    const double noise[] = {0.3, 20, MAX_NOISE_MULTIPLIER}, rate[] = {1e-6, 0.5, 1 - 1e-6}, deltas[] = {1e-12, 1e-3};
    const uint64_t steps[] = {1, MAX_PRIVACY_STEPS};
    for (int i = 0; i < 36; i++) {
        const double q = rate[i / 3 % 3];
        const uint64_t n = steps[i / 18];
        const struct privacy_epsilon e = epsilon_at(noise[i % 3], q, n, deltas[i / 9 % 2]);
        within("prv_lower", e.prv_lower, 0, e.prv_upper);
        within("prv_upper", e.prv_upper, 0, e.rdp);
        if (q * (double)n >= 100)
            assert_false(e.is_wide);
    }
}

static void more_privacy_is_spent_with_less_noise_more_steps_more_records_and_smaller_delta(void **state)
{
    (void)state;
    const double s = 0.9, q = 0.004, delta = 1e-6;
    const uint64_t steps = 3000;
    const struct privacy_epsilon e = epsilon_at(s, q, steps, delta), more[] = {
        epsilon_at(0.98 * s, q, steps, delta), epsilon_at(s, 1.02 * q, steps, delta),
        epsilon_at(s, q, steps + 60, delta), epsilon_at(s, q, steps, 0.95 * delta),
    };
    for (int i = 0; i < 4; i++) {
        assert_true(more[i].rdp > e.rdp);
        assert_true(more[i].prv_lower > e.prv_upper);
        assert_true(more[i].gdp > e.gdp);
    }
}

static void phases_add_up_in_any_order(void **state)
{
    (void)state;
    const struct privacy_phase whole = {0.8, 0.01, 2000};
    const struct privacy_phase parts[] = {{0.8, 0.01, 1500}, {0.8, 0.01, 499}, {0.8, 0.01, 1}};
    const struct privacy_phase ab[] = {{0.8, 0.01, 900}, {2, 0.2, 100}}, ba[] = {ab[1], ab[0]};
    const struct privacy_epsilon a = epsilon_of(&whole, 1, 1e-6), b = epsilon_of(parts, 3, 1e-6);
    const struct privacy_epsilon c = epsilon_of(ab, 2, 1e-6), d = epsilon_of(ba, 2, 1e-6);
    const double pair[][2] = {{a.rdp, b.rdp}, {a.prv_upper, b.prv_upper}, {a.prv_lower, b.prv_lower}, {a.gdp, b.gdp},
                              {c.rdp, d.rdp}, {c.prv_upper, d.prv_upper}, {c.prv_lower, d.prv_lower}, {c.gdp, d.gdp}};
    for (int i = 0; i < 8; i++) at_most("phases", pair[i][1] / pair[i][0] - 1, 1e-6);
    assert_true(c.prv_lower > epsilon_of(&ab[0], 1, 1e-6).prv_upper);
}

/* ---- calibration ------------------------------------------------------------------------------------------------ */

static void calibration_inverts_epsilon(void **state)
{
    (void)state;
    const struct { struct privacy_phase phase; double delta; } points[] = {
        {{1, 0.01, 1000}, 1e-5}, {{3, 0.2, 5000}, 1e-8}, {{4, 1, 100}, 1e-6}, {{0.6, 1e-3, 2000}, 1e-6}};
    for (int i = 0; i < 4; i++) {
        char error[256];
        struct privacy_epsilon found;
        const struct privacy_phase *phase = &points[i].phase;
        const double q = phase->sample_rate, target = epsilon_of(phase, 1, points[i].delta).prv_upper;
        double noise, delta;
        uint64_t steps;
        assert_true(accountant_noise_multiplier(target, q, phase->steps, points[i].delta, &noise, &found, error,
                                                sizeof error));
        at_most("noise multiplier", noise / phase->noise_multiplier - 1, 1e-3);
        within("its epsilon", found.prv_upper, 0.999 * target, target);
        assert_true(found.prv_upper == epsilon_at(noise, q, phase->steps, points[i].delta).prv_upper);
        assert_true(accountant_steps(target, phase->noise_multiplier, q, points[i].delta, &steps, &found, error,
                                     sizeof error));
        at_most("steps", (double)steps - (double)phase->steps, fmax(1, 1e-3 * (double)phase->steps));
        assert_true(found.prv_upper <= target);
        assert_true(accountant_delta(target, phase, 1, &delta, &found, error, sizeof error));
        at_most("delta", delta / points[i].delta - 1, 1e-3);
        assert_true(found.prv_upper <= target);
    }
}

/* ---- refusals --------------------------------------------------------------------------------------------------- */

static void what_is_out_of_range_is_refused_with_the_range(void **state)
{
    (void)state;
    const struct { struct privacy_phase phase; double delta; int n; const char *word; } wrong[] = {
        {{0.29, 0.1, 10}, 1e-5, 1, "0.3 to 1000"}, {{NAN, 0.1, 10}, 1e-5, 1, "0.3 to 1000"},
        {{1001, 0.1, 10}, 1e-5, 1, "0.3 to 1000"}, {{1, 1.1, 10}, 1e-5, 1, "1e-06 to 1"},
        {{1, 0, 10}, 1e-5, 1, "1e-06 to 1"},       {{1, NAN, 10}, 1e-5, 1, "1e-06 to 1"},
        {{1, 0.1, 0}, 1e-5, 1, "1 to 1000000"},    {{1, 0.1, 1000001}, 1e-5, 1, "1 to 1000000"},
        {{1, 0.1, 10}, 1e-13, 1, "1e-12 to 0.001"}, {{1, 0.1, 10}, 0.5, 1, "1e-12 to 0.001"},
        {{1, 0.1, 10}, NAN, 1, "1e-12 to 0.001"},  {{1, 0.1, 10}, 1e-5, 0, "1 to 64"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char error[256] = "";
        struct privacy_epsilon e;
        assert_false(accountant_epsilon(&wrong[i].phase, wrong[i].n, wrong[i].delta, &e, error, sizeof error));
        if (!strstr(error, wrong[i].word)) fail_msg("'%s' does not say %s", error, wrong[i].word);
    }
    char error[256] = "";
    struct privacy_epsilon e;
    const struct privacy_phase long_history[] = {{1, 0.1, 600000}, {1, 0.1, 600000}};
    assert_false(accountant_epsilon(long_history, 2, 1e-5, &e, error, sizeof error));
    assert_non_null(strstr(error, "in all"));
}

static void targets_out_of_reach_are_refused(void **state)
{
    (void)state;
    char error[256];
    struct privacy_epsilon e;
    double value;
    uint64_t steps;
    assert_false(accountant_noise_multiplier(0.002, 1, 1000000, 1e-12, &value, &e, error, sizeof error));
    assert_non_null(strstr(error, "noise multiplier above 1000"));
    assert_false(accountant_noise_multiplier(1000, 1e-3, 10, 1e-5, &value, &e, error, sizeof error));
    assert_non_null(strstr(error, "below 0.3"));
    assert_false(accountant_steps(0.1, 1, 1, 1e-5, &steps, &e, error, sizeof error));
    assert_non_null(strstr(error, "single step"));
    assert_false(accountant_delta(0.01, &(struct privacy_phase){1, 1, 10}, 1, &value, &e, error, sizeof error));
    assert_non_null(strstr(error, "delta above 0.001"));
    assert_false(accountant_steps(0, 1, 1, 1e-5, &steps, &e, error, sizeof error));
    assert_non_null(strstr(error, "0.001 to 10000"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fft_agrees_with_the_sum_it_stands_for),
        cmocka_unit_test(fft_of_a_long_wave_is_two_lines),
        cmocka_unit_test(moments_agree_with_the_binomial_sum),
        cmocka_unit_test(moments_without_sampling_are_those_of_the_gaussian_mechanism),
        cmocka_unit_test(atoms_of_a_step_bracket_its_delta),
        cmocka_unit_test(one_step_is_solved_by_its_closed_form),
        cmocka_unit_test(composition_agrees_with_direct_convolution),
        cmocka_unit_test(without_sampling_epsilon_is_that_of_the_gaussian_mechanism),
        cmocka_unit_test(the_gaussian_mechanism_has_its_known_delta),
        cmocka_unit_test(epsilon_agrees_with_other_accountants),
        cmocka_unit_test(bounds_are_ordered_and_near_over_the_whole_range),
        cmocka_unit_test(corners_of_the_range_have_bounds),
        cmocka_unit_test(more_privacy_is_spent_with_less_noise_more_steps_more_records_and_smaller_delta),
        cmocka_unit_test(phases_add_up_in_any_order),
        cmocka_unit_test(calibration_inverts_epsilon),
        cmocka_unit_test(what_is_out_of_range_is_refused_with_the_range),
        cmocka_unit_test(targets_out_of_reach_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
