/* test_poisson.c - Poisson sampling: how often records are drawn, alone and in pairs, and how large batches are.
 * Seeds are fixed, so a test passes always or never; limits are those of statistics.h. */
#include "../src/privacy/poisson.h"
#include "../src/privacy/sampler.h"
#include "arrays.h"
#include "statistics.h"

enum { RECORDS = 1000, STEPS = 2000 };
static const double Q = 0.1;

/* batch[step][record]: was it drawn */
typedef char batches[STEPS][RECORDS];

static void mark(char *drawn, const struct sampler *sampler, uint32_t step)
{
    long record[RECORDS];
    const long n = sampler_draw(sampler, step, record);
    for (long i = 0; i < n; i++) {
        assert_in_range(record[i], i ? record[i - 1] + 1 : 0, RECORDS - 1);
        drawn[record[i]] = 1;
    }
}

/* As runs draw them; key: NULL for Philox. */
static batches *batches_of(const struct secure_key *key)
{
    const struct sampler sampler = {SAMPLING_POISSON, 7, RECORDS, (long)(Q * RECORDS), RECORDS, key};
    batches *b = array(1, sizeof *b);
    for (uint32_t step = 0; step < STEPS; step++) mark((*b)[step], &sampler, step);
    return b;
}

static batches *philox_batches(void) { return batches_of(NULL); }
static batches *secure_batches(void) { return batches_of(&(struct secure_key){"a known key"}); }

/* A sum of n independent draws has the variance n q (1-q).  A chi-square of n terms has the variance of n terms of
 * ((x - q)^2/(q(1-q)) - 1), about 2 each for sums of many draws. */
static void inclusion(batches *b)
{
    double by_record[RECORDS] = {0}, by_step[STEPS] = {0}, total = 0, records = 0, steps = 0;
    for (int s = 0; s < STEPS; s++)
        for (int r = 0; r < RECORDS; r++) {
            by_record[r] += (*b)[s][r];
            by_step[s] += (*b)[s][r];
            total += (*b)[s][r];
        }
    for (int r = 0; r < RECORDS; r++) records += pow(by_record[r] - STEPS * Q, 2) / (STEPS * Q * (1 - Q));
    for (int s = 0; s < STEPS; s++) steps += pow(by_step[s] - RECORDS * Q, 2) / (RECORDS * Q * (1 - Q));
    at_most("all draws", total - RECORDS * STEPS * Q, SIGMAS * sqrt(RECORDS * STEPS * Q * (1 - Q)));
    at_most("spread over records", records - RECORDS, SIGMAS * sqrt(2.0 * RECORDS));
    at_most("spread of batch sizes", steps - STEPS, SIGMAS * sqrt(2.0 * STEPS)); /* fixed sizes: -STEPS */
}

/* Neighbours in a step, and a record in two steps that follow each other: n pairs, each with probability q^2. */
static void pairs(batches *b)
{
    const double p = Q * Q;
    double neighbours = 0, again = 0;
    for (int s = 0; s + 1 < STEPS; s++)
        for (int r = 0; r + 1 < RECORDS; r++) {
            neighbours += (*b)[s][r] && (*b)[s][r + 1];
            again += (*b)[s][r] && (*b)[s + 1][r];
        }
    const double n = (STEPS - 1.0) * (RECORDS - 1.0), sd = sqrt(n * (p + 2 * Q * p - 3 * p * p)); /* chains overlap */
    at_most("neighbours", neighbours - n * p, SIGMAS * sd);
    at_most("steps in a row", again - n * p, SIGMAS * sd);
}

static void each_record_is_drawn_with_probability_q_by_itself(void **state)
{
    (void)state;
    batches *philox = philox_batches(), *secure = secure_batches();
    inclusion(philox);
    inclusion(secure);
    pairs(philox);
    pairs(secure);
}

static void a_small_rate_of_many_records(void **state)
{
    (void)state;
    const long n = 1L << 31;
    const double q = 3.0 / (double)n;
    long record[64], total = 0;
    double low = 0, squares = 0;
    for (uint32_t step = 0; step < 20000; step++) {
        const long drawn = poisson_draw(philox_uniform, &(struct philox_stream){7, STREAM_SAMPLING, step, 0}, q, n,
            record, 64);
        total += drawn;
        squares += (double)((drawn - 3) * (drawn - 3));
        for (long i = 0; i < drawn; i++) low += record[i] < n / 2;
    }
    at_most("all draws", (double)total - 60000, SIGMAS * sqrt(60000));
    at_most("lower half", low - (double)total / 2, SIGMAS * sqrt((double)total / 4));
    at_most("variance", squares / 20000 - 3, SIGMAS * sqrt((3 + 2 * 9) / 20000.0)); /* fourth moment 3 + 3 9 */
}

static void rate_1_draws_all_and_overflow_is_counted(void **state)
{
    (void)state;
    long record[4] = {-1, -1, -1, -1};
    const struct philox_stream s = {7, STREAM_SAMPLING, 0, 0};
    assert_int_equal(poisson_draw(philox_uniform, &s, 1.0, 9, record, 3), 9);
    for (int i = 0; i < 4; i++) assert_int_equal(record[i], i < 3 ? i : -1);
    assert_int_equal(poisson_draw(philox_uniform, &s, 0.5, 0, record, 3), 0);
}

/* The uniforms of a stream are its words, two to a number, and no two numbers share one. */
static void uniforms_are_uniform(void **state)
{
    (void)state;
    enum { n = 1 << 18 };
    const struct philox_stream s = {7, STREAM_SAMPLING, 0, 0};
    const struct secure_stream c = {{"a known key"}, 3};
    for (int secure = 0; secure < 2; secure++) {
        double sum = 0, squares = 0, products = 0, before = 0.5;
        for (long i = 0; i < n; i++) {
            const double u = secure ? secure_uniform(&c, i) : philox_uniform(&s, i);
            assert_true(u > 0 && u < 1);
            sum += u - 0.5;
            squares += (u - 0.5) * (u - 0.5) - 1.0 / 12;
            products += (u - 0.5) * (before - 0.5);
            before = u;
        }
        at_most("mean", sum / n, SIGMAS * sqrt(1.0 / 12 / n));
        at_most("variance", squares / n, SIGMAS * sqrt(1.0 / 180 / n));
        at_most("neighbours", products / n, SIGMAS / 12 / sqrt(n));
    }
}

/* Against the sum of the binomial distribution itself. */
static double exact_tail(double q, long n, long c)
{
    double tail = 0;
    for (long k = c + 1; k <= n; k++)
        tail += exp(lgamma((double)n + 1) - lgamma((double)k + 1) - lgamma((double)(n - k) + 1) +
                    (double)k * log(q) + (double)(n - k) * log1p(-q));
    return tail;
}

static void the_tail_bounds_the_binomial(void **state)
{
    (void)state;
    for (double q = 0.001; q < 1; q *= 3)
        for (long n = 1; n < 3000; n = 3 * n + 1)
            for (long c = 0; c < n; c += 1 + n / 50) {
                const double exact = exact_tail(q, n, c), bound = poisson_tail(q, n, c);
                assert_true(bound >= exact * (1 - 1e-9) && bound <= 1);
            }
    assert_true(poisson_tail(0.3, 10, 10) == 0);
}

static void a_capacity_is_the_smallest_that_is_enough(void **state)
{
    (void)state;
    const double least = 4.0 / 2147483648.0;
    const struct { double q; long n; } of[] = {{least, 2147483648}, {0.004, 60000}, {1, 7}, {0.9, 1}};
    for (int i = 0; i < COUNT(of); i++) {
        const long c = poisson_capacity(of[i].q, of[i].n, 1e-18);
        assert_in_range(c, 1, of[i].n);
        assert_true(poisson_tail(of[i].q, of[i].n, c) <= 1e-18);
        assert_true(poisson_tail(of[i].q, of[i].n, c - 1) > 1e-18);
    }
    assert_in_range(poisson_capacity(least, 2147483648, 1e-18), 30, 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_record_is_drawn_with_probability_q_by_itself),
        TEST(a_small_rate_of_many_records),
        TEST(rate_1_draws_all_and_overflow_is_counted),
        TEST(uniforms_are_uniform),
        TEST(the_tail_bounds_the_binomial),
        TEST(a_capacity_is_the_smallest_that_is_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
