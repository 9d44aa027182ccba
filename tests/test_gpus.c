/* test_gpus.c - which GPU a rank gets, from what each rank sees. */
#include "../mpi/gpus.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* One text per rank: a letter for each GPU it sees.  Returns the letters of the GPUs they get. */
static const char *shared_out(const char *const *sees, int size, int *most)
{
    static char got[9];
    struct gpu_list list[8];
    int gpu[8];
    memset(list, 0, sizeof list);
    for (int r = 0; r < size; r++)
        for (; sees[r][list[r].n]; list[r].n++)
            list[r].id[list[r].n][0] = sees[r][list[r].n];
    *most = gpus_share_out(list, size, gpu);
    memset(got, 0, sizeof got);
    for (int r = 0; r < size; r++)
        got[r] = list[r].id[gpu[r]][0];
    return got;
}

static void ranks_that_see_the_same_take_one_after_another(void **state)
{
    (void)state;
    int most;
    const char *const sees[] = {"abcd", "abcd", "abcd"};
    assert_string_equal(shared_out(sees, 3, &most), "abc");
    assert_int_equal(most, 1);
}

static void ranks_that_are_bound_take_what_they_are_bound_to(void **state)
{
    (void)state;
    int most;
    const char *const sees[] = {"a", "b", "c", "d"};
    assert_string_equal(shared_out(sees, 4, &most), "abcd");
    assert_int_equal(most, 1);
}

static void ranks_of_several_hosts_count_for_themselves(void **state)
{
    (void)state;
    int most;
    const char *const sees[] = {"ab", "cd", "ab", "cd"};
    assert_string_equal(shared_out(sees, 4, &most), "acbd");
    assert_int_equal(most, 1);
}

static void too_many_ranks_are_spread_evenly(void **state)
{
    (void)state;
    int most;
    const char *const sees[] = {"ab", "ab", "ab", "ab", "ab"};
    assert_string_equal(shared_out(sees, 5, &most), "ababa");
    assert_int_equal(most, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks_that_see_the_same_take_one_after_another),
        cmocka_unit_test(ranks_that_are_bound_take_what_they_are_bound_to),
        cmocka_unit_test(ranks_of_several_hosts_count_for_themselves),
        cmocka_unit_test(too_many_ranks_are_spread_evenly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
