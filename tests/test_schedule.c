#include "../mpi/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Points as a test lists them; order_of writes the trainers and batch sizes in the order of measurement. */
struct listed {
    const char *trainer;
    int batch_size, seed;
    double run_s;
};

static size_t list(const struct listed *listed, size_t n, struct config *config, struct point *point)
{
    for (size_t i = 0; i < n; i++) {
        config_default(&config[i]);
        strcpy(config[i].trainer, listed[i].trainer);
        config[i].batch_size = (uint64_t)listed[i].batch_size;
        config[i].seed = (uint64_t)listed[i].seed;
        point[i] = (struct point){.config = &config[i], .run_id = i, .predicted.run_s = listed[i].run_s};
    }
    return n;
}

static void assert_order_by(enum order by, const struct listed *listed, size_t n, const char *expected)
{
    struct config config[8];
    struct point point[8];
    char order[256] = "";
    list(listed, n, config, point);
    schedule_order(point, n, by);
    for (size_t i = 0; i < n; i++)
        sprintf(order + strlen(order), "%s%llu", i ? " " : "", (unsigned long long)point[i].run_id);
    assert_string_equal(order, expected);
}

static void assert_order(const struct listed *listed, size_t n, const char *expected)
{
    assert_order_by(ORDER_LONGEST, listed, n, expected);
}

static void costliest_group_is_first(void **state)
{
    (void)state;
    const struct listed points[] = {
        {"standard", 1, 1, 10}, {"standard", 4, 1, 40}, {"standard", 2, 1, 20},
    };
    assert_order(points, 3, "1 2 0");
}

static void costliest_group_is_last_or_all_is_as_listed_when_asked_for(void **state)
{
    (void)state;
    const struct listed points[] = {
        {"standard", 1, 1, 10}, {"standard", 4, 1, 40}, {"standard", 2, 1, 20}, {"dpsgd", 1, 1, 11},
    };
    assert_order_by(ORDER_SHORTEST, points, 4, "0 3 2 1");
    assert_order_by(ORDER_LISTED, points, 4, "0 1 2 3");
}

static void trainers_of_one_shape_stand_together_as_listed(void **state)
{
    (void)state;
    const struct listed points[] = {
        {"standard", 1, 1, 10}, {"standard", 2, 1, 20}, {"dpsgd", 1, 1, 30},
        {"dpsgd", 2, 1, 60},    {"microbatch", 2, 1, 20},
    };
    assert_order(points, 5, "1 3 4 0 2");
}

static void a_group_is_as_costly_as_its_costliest_member(void **state)
{
    (void)state;
    const struct listed points[] = {
        {"standard", 1, 1, 50}, {"standard", 2, 1, 20}, {"dpsgd", 2, 1, 60},
    };
    assert_order(points, 3, "1 2 0");
}

static void repetitions_take_turns_over_the_trainers(void **state)
{
    (void)state;
    const struct listed points[] = {
        {"standard", 1, 1, 10}, {"standard", 1, 2, 10}, {"standard", 1, 3, 10},
        {"dpsgd", 1, 1, 10},    {"dpsgd", 1, 2, 10},    {"dpsgd", 1, 3, 10},
    };
    assert_order(points, 6, "0 3 1 4 2 5");
}

static void equal_costs_keep_the_order_of_the_list(void **state)
{
    (void)state;
    const struct listed points[] = {
        {"standard", 4, 1, 10}, {"standard", 2, 1, 10}, {"standard", 1, 1, 10}, {"standard", 3, 1, 10},
    };
    assert_order(points, 4, "0 1 2 3");
}

static void next_is_the_first_that_waits(void **state)
{
    (void)state;
    struct point point[] = {
        {.state = POINT_DONE}, {.state = POINT_RUNNING}, {.state = POINT_WAITING}, {.state = POINT_WAITING},
    };
    assert_ptr_equal(schedule_next(&(struct schedule){point, 4, 0}), &point[2]);
    assert_null(schedule_next(&(struct schedule){point, 2, 0}));
    assert_null(schedule_next(&(struct schedule){point, 0, 0}));
}

static void what_is_to_be_tried_again_is_next(void **state)
{
    (void)state;
    struct point point[3] = {0};
    struct schedule s = {point, 3, 0};
    for (int i = 0; i < 3; i++) {
        assert_ptr_equal(schedule_next(&s), &point[i]);
        point[i].state = POINT_RUNNING;
    }
    assert_null(schedule_next(&s));
    schedule_again(&s, &point[1]);
    assert_ptr_equal(schedule_next(&s), &point[1]);
    point[1].state = POINT_DONE;
    assert_null(schedule_next(&s));
}

/* ---- groups ---------------------------------------------------------------------------------------------------- */

static void points_of_ranks(const int *ranks, size_t n, struct config *config, struct point *point)
{
    for (size_t i = 0; i < n; i++) {
        config_default(&config[i]);
        config[i].ranks_per_run = (uint64_t)ranks[i];
        point[i] = (struct point){.config = &config[i], .run_id = i, .predicted.run_s = (double)i};
    }
}

static void what_needs_many_ranks_is_first(void **state)
{
    (void)state;
    struct config config[4];
    struct point point[4];
    points_of_ranks((const int[]){1, 2, 4, 2}, 4, config, point);
    schedule_order(point, 4, ORDER_LONGEST);
    assert_int_equal(point[0].run_id, 2);
    assert_int_equal(point[1].config->ranks_per_run, 2);
    assert_int_equal(point[2].config->ranks_per_run, 2);
    assert_int_equal(point[3].run_id, 0);
}

static void a_point_that_needs_more_ranks_is_passed_over_while_as_many_are_busy(void **state)
{
    (void)state;
    struct config config[3];
    struct point point[3];
    points_of_ranks((const int[]){3, 3, 1}, 3, config, point);
    struct schedule s = {point, 3, 0};
    assert_ptr_equal(schedule_fitting(&s, 4, 0), &point[0]);
    point[0].state = POINT_RUNNING;
    assert_ptr_equal(schedule_fitting(&s, 1, 3), &point[2]);
    point[2].state = POINT_DONE;
    assert_null(schedule_fitting(&s, 1, 3));
    assert_ptr_equal(schedule_fitting(&s, 4, 0), &point[1]);
}

static void nothing_is_passed_over_that_nobody_makes_room_for(void **state)
{
    (void)state;
    struct config config[3];
    struct point point[3];
    points_of_ranks((const int[]){1, 2, 1}, 3, config, point);
    point[0].state = POINT_RUNNING; /* on one of two ranks: small points must not take turns for ever */
    assert_null(schedule_fitting(&(struct schedule){point, 3, 0}, 1, 1));
    assert_null(schedule_fitting(&(struct schedule){point, 3, 0}, 0, 1));
}

/* idle, hosts: a letter for each rank, '-' for a busy one.  Returns the chosen as "1,2". */
static const char *chosen(const char *idle, const char *hosts, int n)
{
    static char text[64];
    bool is_idle[16];
    int host_of[16], rank[16], size = (int)strlen(idle);
    for (int r = 0; r < size; r++) {
        is_idle[r] = idle[r] != '-';
        host_of[r] = (int)(strchr(hosts, hosts[r]) - hosts); /* its lowest rank */
    }
    schedule_ranks(is_idle, host_of, size, n, rank);
    text[0] = '\0';
    for (int i = 0; i < n; i++)
        sprintf(text + strlen(text), "%s%d", i ? "," : "", rank[i]);
    return text;
}

static void a_group_sits_on_few_hosts_and_on_neighbours(void **state)
{
    (void)state;
    assert_string_equal(chosen("iiii", "aabb", 1), "0");
    assert_string_equal(chosen("iiii", "aabb", 2), "0,1");
    assert_string_equal(chosen("-iii", "aabb", 2), "2,3");         /* one host rather than neighbours on two */
    assert_string_equal(chosen("-iiiii", "aabbbb", 1), "1");       /* what is left of a host rather than a new one */
    assert_string_equal(chosen("i-iii", "aaaaa", 3), "2,3,4");     /* neighbours */
    assert_string_equal(chosen("i-i-i", "aaaaa", 2), "0,2");
    assert_string_equal(chosen("iiiiii", "aabbbc", 4), "2,3,4,5"); /* the largest host, then the smallest that does */
    assert_string_equal(chosen("iiii", "abab", 2), "0,2");
    assert_string_equal(chosen("iiii", "abab", 4), "0,1,2,3");
}

/* One that ended with `status` and one that waits. */
struct pair {
    struct record ended;
    struct config config;
    struct point waiting;
};

static struct pair *pair(enum status status, uint64_t ended_peak, uint64_t waiting_peak)
{
    static struct pair p;
    record_init(&p.ended);
    record_set_status(&p.ended, status, "because of the test");
    p.ended.predicted_peak = ended_peak;
    config_default(&p.config);
    p.waiting = (struct point){.config = &p.config, .predicted.peak_bytes = waiting_peak};
    return &p;
}

static bool hopeless(const struct pair *p)
{
    return schedule_is_hopeless(&p->waiting, &p->ended);
}

static void what_needs_no_less_memory_is_hopeless(void **state)
{
    (void)state;
    assert_true(hopeless(pair(STATUS_OOM_DEVICE, 100, 100)));
    assert_true(hopeless(pair(STATUS_OOM_HOST, 100, 101)));
    assert_false(hopeless(pair(STATUS_OOM_DEVICE, 100, 99)));
}

static void only_out_of_memory_makes_others_hopeless(void **state)
{
    (void)state;
    for (enum status s = 0; s < N_STATUSES; s++)
        assert_int_equal(hopeless(pair(s, 100, 100)), s == STATUS_OOM_DEVICE || s == STATUS_OOM_HOST);
}

static void another_device_is_not_hopeless(void **state)
{
    (void)state;
    struct pair *p = pair(STATUS_OOM_DEVICE, 100, 100);
    strcpy(p->config.device, "another");
    assert_false(hopeless(p));
}

static void a_limit_that_was_too_low_says_nothing_about_others(void **state)
{
    (void)state;
    struct pair *p = pair(STATUS_OOM_DEVICE, 100, 100);
    p->ended.config.memory_limit = 99;
    assert_false(hopeless(p));
    p->ended.config.memory_limit = 100;     /* it fitted its limit, and there was too little all the same */
    assert_true(hopeless(p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(costliest_group_is_first),
        cmocka_unit_test(costliest_group_is_last_or_all_is_as_listed_when_asked_for),
        cmocka_unit_test(trainers_of_one_shape_stand_together_as_listed),
        cmocka_unit_test(a_group_is_as_costly_as_its_costliest_member),
        cmocka_unit_test(repetitions_take_turns_over_the_trainers),
        cmocka_unit_test(equal_costs_keep_the_order_of_the_list),
        cmocka_unit_test(next_is_the_first_that_waits),
        cmocka_unit_test(what_is_to_be_tried_again_is_next),
        cmocka_unit_test(what_needs_many_ranks_is_first),
        cmocka_unit_test(a_point_that_needs_more_ranks_is_passed_over_while_as_many_are_busy),
        cmocka_unit_test(nothing_is_passed_over_that_nobody_makes_room_for),
        cmocka_unit_test(a_group_sits_on_few_hosts_and_on_neighbours),
        cmocka_unit_test(what_needs_no_less_memory_is_hopeless),
        cmocka_unit_test(only_out_of_memory_makes_others_hopeless),
        cmocka_unit_test(another_device_is_not_hopeless),
        cmocka_unit_test(a_limit_that_was_too_low_says_nothing_about_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
