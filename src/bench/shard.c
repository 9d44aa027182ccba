#include "shard.h"
#include "../base/check.h"
#include "../base/text.h"
#include "../../mpi/schedule.h"

#include <stdio.h>
#include <stdlib.h>

/* "2/8" */
static bool read_share(const char *text, uint64_t *i, uint64_t *n)
{
    char first[32];
    const size_t length = strcspn(text, "/");
    snprintf(first, sizeof first, "%.*s", (int)length, text);
    return length < sizeof first && text[length] == '/' && text_to_u64(first, i) && text_to_u64(text + length + 1, n) &&
           *i >= 1 && *i <= *n;
}

static int by_shape(const void *left, const void *right)
{
    const struct config *const *a = left, *const *b = right;
    const int order = schedule_compare_shape(*a, *b);
    return order ? order : (*a > *b) - (*a < *b);
}

/* Fills group (n): the number of each point's group, in the order of their first members.  Returns how many. */
static size_t number_groups(const struct sweep_points *points, size_t *group)
{
    const struct config **sorted = calloc(points->n + 1, sizeof *sorted);
    size_t *first = calloc(points->n + 1, sizeof *first), n_groups = 0;
    CHECK(sorted && first);
    for (size_t i = 0; i < points->n; i++)
        sorted[i] = &points->config[i];
    qsort(sorted, points->n, sizeof *sorted, by_shape);
    for (size_t i = 0; i < points->n; i++) {
        const size_t index = (size_t)(sorted[i] - points->config);
        const bool same = i && schedule_compare_shape(sorted[i], sorted[i - 1]) == 0;
        first[index] = same ? first[sorted[i - 1] - points->config] : index;
    }
    for (size_t i = 0; i < points->n; i++)
        group[i] = first[i] == i ? n_groups++ : group[first[i]];
    free(first);
    free(sorted);
    return n_groups;
}

/* 0, 1, 2, 2, 1, 0, 0, 1, ... */
static size_t dealt_to(size_t group, size_t n)
{
    const size_t turn = group % (2 * n);
    return turn < n ? turn : 2 * n - 1 - turn;
}

bool shard_take(struct sweep_points *points, const char *share, char *error, size_t error_bytes)
{
    uint64_t i, n;
    if (!read_share(share, &i, &n)) {
        snprintf(error, error_bytes, "--shard: '%s' is not a share; the second of eight is 2/8", share);
        return false;
    }
    size_t *group = calloc(points->n + 1, sizeof *group), kept = 0;
    CHECK(group);
    const size_t n_groups = number_groups(points, group);
    const bool enough = n <= n_groups;
    if (!enough)
        snprintf(error, error_bytes, "--shard %s: what is compared (equal model, batch and sequence) stays together, "
                 "so this sweep has at most %zu share%s", share, n_groups, n_groups == 1 ? "" : "s");
    for (size_t p = 0; p < points->n && enough; p++)
        if (dealt_to(n_groups - 1 - group[p], n) == i - 1)
            points->config[kept++] = points->config[p];
    points->n = enough ? kept : points->n;
    free(group);
    return enough;
}
