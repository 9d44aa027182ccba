/* schedule.c - the order in which configurations are measured.  O(n log n) for n points. */
#include "schedule.h"
#include "../src/base/check.h"

#include <stdlib.h>

/* Where a point stands in the order: by its group's longest run, the group's first member, its turn there. */
struct place {
    const struct point *point;
    size_t index;                  /* as listed */
    size_t turn;                   /* how many of the same trainer are before it in the group */
    size_t group;                  /* index of the group's first member */
    double group_s;                /* negative: the greatest is last */
};

#define COMPARE(a, b) (((a) > (b)) - ((a) < (b)))
#define OR_ELSE(result, comparison) ((result) ? (result) : (comparison))

int schedule_compare_shape(const struct config *a, const struct config *b)
{
    int order = strcmp(a->model, b->model);
    order = OR_ELSE(order, COMPARE(a->layers, b->layers));
    order = OR_ELSE(order, COMPARE(a->dim, b->dim));
    order = OR_ELSE(order, COMPARE(a->heads, b->heads));
    order = OR_ELSE(order, COMPARE(a->vocab, b->vocab));
    order = OR_ELSE(order, COMPARE(a->max_seq, b->max_seq));
    order = OR_ELSE(order, COMPARE(a->batch_size, b->batch_size));
    order = OR_ELSE(order, COMPARE(a->ranks_per_run, b->ranks_per_run));
    return OR_ELSE(order, COMPARE(a->seq_len, b->seq_len));
}

static int by_group(const void *left, const void *right)
{
    const struct place *a = left, *b = right;
    const int order = schedule_compare_shape(a->point->config, b->point->config);
    return OR_ELSE(order, COMPARE(a->index, b->index));
}

static int by_trainer(const void *left, const void *right)
{
    const struct place *a = left, *b = right;
    return OR_ELSE(strcmp(a->point->config->trainer, b->point->config->trainer), COMPARE(a->index, b->index));
}

static int by_turn(const void *left, const void *right)
{
    const struct place *a = left, *b = right;
    int order = COMPARE(b->point->config->ranks_per_run, a->point->config->ranks_per_run);
    order = OR_ELSE(order, COMPARE(b->group_s, a->group_s));       /* greatest first */
    order = OR_ELSE(order, COMPARE(a->group, b->group));
    order = OR_ELSE(order, COMPARE(a->turn, b->turn));
    return OR_ELSE(order, COMPARE(a->index, b->index));
}

static void place_group(struct place *member, size_t n, enum order order)
{
    const size_t first = member[0].index;
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = member[i].point->predicted.run_s > most ? member[i].point->predicted.run_s : most;
    qsort(member, n, sizeof *member, by_trainer);
    for (size_t i = 0; i < n; i++) {
        const bool again = i && !strcmp(member[i].point->config->trainer, member[i - 1].point->config->trainer);
        member[i].turn = again ? member[i - 1].turn + 1 : 0;
        member[i].group = first;
        member[i].group_s = order == ORDER_SHORTEST ? -most : most;
    }
}

void schedule_order(struct point *point, size_t n, enum order order)
{
    if (order == ORDER_LISTED)
        return;
    struct place *place = calloc(n + 1, sizeof *place);
    struct point *ordered = calloc(n + 1, sizeof *ordered);
    CHECK(place && ordered);
    for (size_t i = 0; i < n; i++)
        place[i] = (struct place){.point = &point[i], .index = i};
    qsort(place, n, sizeof *place, by_group);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && schedule_compare_shape(place[i].point->config, place[end].point->config) == 0;)
            end++;
        place_group(place + i, end - i, order);
    }
    qsort(place, n, sizeof *place, by_turn);
    for (size_t i = 0; i < n; i++)
        ordered[i] = *place[i].point;
    memcpy(point, ordered, n * sizeof *point);
    free(place);
    free(ordered);
}

struct point *schedule_next(struct schedule *s)
{
    while (s->first < s->n && s->point[s->first].state != POINT_WAITING)
        s->first++;
    return s->first < s->n ? &s->point[s->first] : NULL;
}

void schedule_again(struct schedule *s, struct point *p)
{
    const size_t index = (size_t)(p - s->point);
    p->state = POINT_WAITING;
    if (index < s->first)
        s->first = index;
}

struct point *schedule_fitting(struct schedule *s, int idle, int largest_running)
{
    schedule_next(s);
    for (size_t i = s->first; i < s->n && idle > 0; i++) {
        const uint64_t needed = s->point[i].config->ranks_per_run;
        if (s->point[i].state != POINT_WAITING)
            continue;
        if (needed <= (uint64_t)idle)
            return &s->point[i];
        if (needed > (uint64_t)largest_running)
            return NULL;
    }
    return NULL;
}

/* ---- ranks --------------------------------------------------------------------------------------------------- */

/* Of the hosts that have enough idle ranks the one with the fewest, else the one with the most.
 * n_idle (size): of each host, whose number is that of a rank on it. */
static int best_host(const int *n_idle, int size, int n)
{
    int best = 0;
    for (int host = 1; host < size; host++) {
        const bool enough = n_idle[host] >= n, best_enough = n_idle[best] >= n;
        if (enough ? !best_enough || n_idle[host] < n_idle[best] : !best_enough && n_idle[host] > n_idle[best])
            best = host;
    }
    return best;
}

/* The first rank of n idle neighbours on a host, or its first idle one. */
static int first_of_run(const bool *idle, const int *host_of, int size, int host, int n)
{
    int first = -1, run = 0;
    for (int r = 0; r < size; r++) {
        run = idle[r] && host_of[r] == host ? run + 1 : 0;
        if (run && first < 0)
            first = r;
        if (run == n)
            return r - n + 1;
    }
    return first;
}

static int ascending(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

void schedule_ranks(const bool *idle, const int *host_of, int size, int n, int *chosen)
{
    int *n_idle = calloc((size_t)size, sizeof *n_idle), got = 0;
    CHECK(n_idle);
    for (int r = 0; r < size; r++)
        n_idle[host_of[r]] += idle[r];
    while (got < n) {
        const int host = best_host(n_idle, size, n - got);
        CHECK(n_idle[host] > 0);
        n_idle[host] = 0;
        for (int r = first_of_run(idle, host_of, size, host, n - got); r < size && got < n; r++)
            if (idle[r] && host_of[r] == host)
                chosen[got++] = r;
    }
    qsort(chosen, (size_t)n, sizeof *chosen, ascending);
    free(n_idle);
}

bool schedule_is_hopeless(const struct point *waiting, const struct record *ended)
{
    const enum status status = record_status(ended);
    const uint64_t limit = ended->config.memory_limit;
    const bool stopped_by_limit = limit && ended->predicted_peak > limit;
    return (status == STATUS_OOM_DEVICE || status == STATUS_OOM_HOST) && !stopped_by_limit &&
           strcmp(waiting->config->device, ended->config.device) == 0 &&
           waiting->predicted.peak_bytes >= ended->predicted_peak;
}
