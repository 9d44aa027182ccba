/* schedule.c - the order in which configurations are measured.  O(n log n) for n points. */
#include "schedule.h"
#include "../src/base/check.h"

#include <stdlib.h>

double schedule_flops(const struct point *p)
{
    const struct config *c = p->config;
    return p->predicted.flops * (double)(c->wait_steps + c->warmup_steps + c->active_steps);
}

/* Where a point stands in the order: by its group's greatest cost, the group's first member, its turn there. */
struct place {
    const struct point *point;
    size_t index;                  /* as listed */
    size_t turn;                   /* how many of the same trainer are before it in the group */
    size_t group;                  /* index of the group's first member */
    double group_flops;            /* negative: the greatest is last */
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
    int order = COMPARE(b->group_flops, a->group_flops);       /* greatest first */
    order = OR_ELSE(order, COMPARE(a->group, b->group));
    order = OR_ELSE(order, COMPARE(a->turn, b->turn));
    return OR_ELSE(order, COMPARE(a->index, b->index));
}

static void place_group(struct place *member, size_t n, enum order order)
{
    const size_t first = member[0].index;
    double most = 0;
    for (size_t i = 0; i < n; i++)
        if (schedule_flops(member[i].point) > most)
            most = schedule_flops(member[i].point);
    qsort(member, n, sizeof *member, by_trainer);
    for (size_t i = 0; i < n; i++) {
        const bool again = i && !strcmp(member[i].point->config->trainer, member[i - 1].point->config->trainer);
        member[i].turn = again ? member[i - 1].turn + 1 : 0;
        member[i].group = first;
        member[i].group_flops = order == ORDER_SHORTEST ? -most : most;
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

bool schedule_is_hopeless(const struct point *waiting, const struct record *ended)
{
    const enum status status = record_status(ended);
    const uint64_t limit = ended->config.memory_limit;
    const bool stopped_by_limit = limit && ended->predicted_peak > limit;
    return (status == STATUS_OOM_DEVICE || status == STATUS_OOM_HOST) && !stopped_by_limit &&
           strcmp(waiting->config->device, ended->config.device) == 0 &&
           waiting->predicted.peak_bytes >= ended->predicted_peak;
}
