/* merge.c - candidates of one configuration stand together after a sort, the best of them last. */
#include "merge.h"

#include "../base/text.h"
#include "buffer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct candidate {
    struct record record;        /* moved out of its part */
    size_t order;                /* of appearance, over all parts */
};

/* ---- which results are kept ---------------------------------------------------------------------------------- */

static int worth(const struct record *r)
{
    switch (record_status(r)) {
    case STATUS_OK: return 2;
    case STATUS_SKIPPED:
    case STATUS_PREDICTED: return 0;
    default: return 1;
    }
}

static double when(const struct record *r)
{
    return isfinite(r->end_time) ? r->end_time : -HUGE_VAL;
}

static int by_configuration(const void *va, const void *vb)
{
    const struct candidate *a = va, *b = vb;
    const int c = strcmp(a->record.config_sha256, b->record.config_sha256);
    const int w = worth(&a->record) - worth(&b->record);
    const double x = when(&a->record), y = when(&b->record);
    return c ? c : w ? w : x != y ? (x > y) - (x < y) : (a->order > b->order) - (a->order < b->order);
}

static int by_order(const void *va, const void *vb)
{
    const struct candidate *a = va, *b = vb;
    return (a->order > b->order) - (a->order < b->order);
}

/* Leaves the best of each configuration, in order of appearance; returns how many that are. */
static size_t keep_best(struct candidate *c, size_t n)
{
    size_t kept = 0;
    qsort(c, n, sizeof *c, by_configuration);
    for (size_t i = 0; i < n; i++)
        if (i + 1 < n && !strcmp(c[i].record.config_sha256, c[i + 1].record.config_sha256))
            record_clear(&c[i].record);
        else
            c[kept++] = c[i];
    qsort(c, kept, sizeof *c, by_order);
    return kept;
}

static int ascending(const void *va, const void *vb)
{
    const uint64_t a = *(const uint64_t *)va, b = *(const uint64_t *)vb;
    return (a > b) - (a < b);
}

static bool ids_are_unique(const struct sweep_state *s)
{
    bool unique = true;
    uint64_t *id = memory_get(s->n_records * sizeof *id);
    for (size_t i = 0; i < s->n_records; i++)
        id[i] = s->record[i].run_id;
    qsort(id, s->n_records, sizeof *id, ascending);
    for (size_t i = 1; i < s->n_records; i++)
        unique &= id[i] != id[i - 1];
    free(id);
    return unique;
}

static size_t take_records(struct sweep_state *part, size_t n, struct sweep_state *merged)
{
    struct buffer all = {0};
    size_t found = 0;
    for (size_t p = 0; p < n; p++) {
        for (size_t i = 0; i < part[p].n_records; i++)
            buffer_add(&all, &(struct candidate){part[p].record[i], found++}, sizeof(struct candidate));
        part[p].n_records = 0;   /* the rows belong to the candidates now */
    }
    struct candidate *c = (struct candidate *)all.data;
    merged->n_records = found ? keep_best(c, found) : 0;
    merged->record = memory_get(merged->n_records * sizeof *merged->record);
    for (size_t i = 0; i < merged->n_records; i++)
        merged->record[i] = c[i].record;
    buffer_clear(&all);
    return found - merged->n_records;
}

/* ---- what was begun ------------------------------------------------------------------------------------------ */

static bool has_result(const struct sweep_state *s, const char *config_sha256)
{
    for (size_t i = 0; i < s->n_records; i++)
        if (!strcmp(s->record[i].config_sha256, config_sha256))
            return true;
    return false;
}

static void take_unfinished(const struct sweep_state *part, size_t n, struct sweep_state *merged)
{
    struct buffer all = {0};
    for (size_t p = 0; p < n; p++)
        for (size_t i = 0; i < part[p].n_unfinished; i++)
            if (!has_result(merged, part[p].unfinished[i].config_sha256))
                buffer_add(&all, &part[p].unfinished[i], sizeof *part->unfinished);
    merged->unfinished = (struct journal_start *)all.data;
    merged->n_unfinished = all.bytes / sizeof *merged->unfinished;
}

/* ---- the header ---------------------------------------------------------------------------------------------- */

/* Is it one of the texts of "a, b"? */
static bool listed(const char *list, const char *text)
{
    const size_t n = strlen(text);
    for (const char *at = list; (at = strstr(at, text)) && n; at++)
        if ((at == list || at[-1] == ' ') && (!at[n] || at[n] == ','))
            return true;
    return n == 0;
}

static void add_distinct(char list[TEXT_BYTES], const char *text)
{
    if (!listed(list, text))
        text_append(list, TEXT_BYTES, "%s%s", list[0] ? ", " : "", text);
}

/* Each part's, where they differ, with an empty line between them. */
static void take_environment(const char *from, char **to)
{
    const size_t n = *to ? strlen(*to) : 0;
    if (!from || (*to && strstr(*to, from)))
        return;
    *to = memory_resize(*to, n + strlen(from) + 3);
    stpcpy(stpcpy(*to + n, n ? "\n\n" : ""), from);
}

static void take_header(const struct sweep_header *from, struct sweep_header *to)
{
    char uuid[TEXT_BYTES], name[TEXT_BYTES];
    memcpy(uuid, to->sweep_uuid, sizeof uuid);
    memcpy(name, to->sweep_name, sizeof name);
#define ADD(text, help) add_distinct(to->text, from->text);
    SWEEP_TEXTS(ADD)
    memcpy(to->sweep_uuid, uuid, sizeof uuid);
    memcpy(to->sweep_name, name, sizeof name);
    take_environment(from->environment, &to->environment);
    to->mpi_size += from->mpi_size;
    to->start_time = fmin(to->start_time, from->start_time);
}

struct merge_summary merge_states(struct sweep_state *part, size_t n, struct sweep_state *merged)
{
    struct merge_summary summary = {0};
    merged->ended = true;
    for (size_t p = 0; p < n; p++) {
        take_header(&part[p].header, &merged->header);
        merged->ended &= part[p].ended;
    }
    summary.n_repeated = take_records(part, n, merged);
    take_unfinished(part, n, merged);
    summary.renumbered = !ids_are_unique(merged);
    for (size_t i = 0; i < merged->n_records && summary.renumbered; i++)
        merged->record[i].run_id = i;
    return summary;
}
