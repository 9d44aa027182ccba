/* test_timer.c - phases nest, and their times add up. */
#include "../src/device/timer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void norm_within_norm(void)
{
    PHASE(NORM) assert_int_equal(timer_phase(), PHASE_NORM);
}

static void phases_nest_and_the_innermost_counts(void **state)
{
    (void)state;
    assert_int_equal(timer_phase(), N_PHASES);
    PHASE(BACKWARD) {
        assert_int_equal(timer_phase(), PHASE_BACKWARD);
        PHASE(NORM) {
            assert_int_equal(timer_phase(), PHASE_NORM);
            norm_within_norm();
            assert_int_equal(timer_phase(), PHASE_NORM);
        }
        assert_int_equal(timer_phase(), PHASE_BACKWARD);
    }
    assert_int_equal(timer_phase(), N_PHASES);
}

static double all_phases_s(void)
{
    double sum = 0;
    for (int i = 0; i < N_PHASES; i++) sum += timer_s((enum phase)i);
    return sum;
}

static void pass_time(void)
{
    const double begin_s = clock_wall_s();
    while (clock_wall_s() <= begin_s) continue;
}

/* The sum lies between what is measured just inside and just outside of the outermost phase. */
static void phases_sum_to_the_time_of_the_whole(void **state)
{
    (void)state;
    const double rounding_s = 1e-9;
    double inside_s = 0;
    timer_reset();
    assert_true(all_phases_s() == 0);
    pass_time();
    const double outside_s = clock_wall_s();
    PHASE(BACKWARD) {
        inside_s = clock_wall_s();
        for (int i = 0; i < 100; i++) {
            PHASE(NORM) {
                pass_time();
                PHASE(CLIP) pass_time();
            }
            pass_time();
        }
        inside_s = clock_wall_s() - inside_s;
    }
    assert_true(all_phases_s() <= clock_wall_s() - outside_s + rounding_s);
    assert_true(all_phases_s() >= inside_s - rounding_s);
    for (int i = 0; i < N_PHASES; i++)
        assert_int_equal(timer_s((enum phase)i) > 0, i == PHASE_BACKWARD || i == PHASE_NORM || i == PHASE_CLIP);
    const double before_s = all_phases_s();
    pass_time(); /* outside of every phase nothing is counted */
    PHASE(DATA) continue;
    assert_true(timer_s(PHASE_DATA) >= 0 && timer_s(PHASE_NOISE) == 0 && all_phases_s() >= before_s);
    timer_reset();
    assert_true(all_phases_s() == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(phases_nest_and_the_innermost_counts),
        cmocka_unit_test(phases_sum_to_the_time_of_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
