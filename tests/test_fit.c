/* test_fit.c - what was made of known terms is found again; no term is negative. */
#include "../src/bench/fit.h"
#include "arrays.h"

#include <math.h>

enum { ROWS = 40 };

/* Sizes from 1 to 10^6, whose powers are the x. */
static void make_rows(struct fit_row *row, const double *s)
{
    for (int i = 0; i < ROWS; i++) {
        const double size = pow(10.0, 6.0 * i / (ROWS - 1));
        row[i] = (struct fit_row){.x = {1, size, size * sqrt(size)}, .weight = 1 + i % 3};
        for (int j = 0; j < 3; j++)
            row[i].t += s[j] * row[i].x[j];
    }
}

static void known_terms_are_found(void **state)
{
    (void)state;
    const double s[3] = {2e-6, 3e-9, 5e-12};
    struct fit_row row[ROWS];
    double found[3];
    make_rows(row, s);
    fit(row, ROWS, 3, found);
    for (int j = 0; j < 3; j++)
        assert_true(fabs(found[j] / s[j] - 1) < 1e-6);
}

static void no_term_is_below_zero(void **state)
{
    (void)state;
    const double s[3] = {2e-6, 3e-9, -1e-13};
    struct fit_row row[ROWS];
    double found[3];
    make_rows(row, s);
    fit(row, ROWS - 15, 3, found);     /* where t > 0 */
    assert_true(found[2] == 0);
    assert_true(found[0] > 0 && found[1] > 0);
}

static void twice_and_half_weigh_the_same(void **state)
{
    (void)state;
    const struct fit_row row[] = {{{1}, 0.5, 1}, {{1}, 2, 1}};
    double found;
    fit(row, 2, 1, &found);
    assert_true(fabs(found - 1) < 1e-3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_terms_are_found),
        cmocka_unit_test(no_term_is_below_zero),
        cmocka_unit_test(twice_and_half_weigh_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
