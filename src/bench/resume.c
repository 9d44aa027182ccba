/* resume.c - points meet what the journal says of them by the hash of their configuration. */
#include "resume.h"
#include "../base/check.h"

#include <stdlib.h>

/* What the journal says about configurations, in order of their hashes, to be searched. */
struct known {
    const char *config_sha256;
    const void *what;              /* struct record or struct journal_start */
};

static int by_sha256(const void *left, const void *right)
{
    const struct known *a = left, *b = right;
    return strcmp(a->config_sha256, b->config_sha256);
}

static const void *find(const struct known *known, size_t n, const char *config_sha256)
{
    const struct known key = {.config_sha256 = config_sha256};
    const struct known *found = bsearch(&key, known, n, sizeof key, by_sha256);
    return found ? found->what : NULL;
}

static struct known *known_list(size_t n)
{
    struct known *known = calloc(n + 1, sizeof *known);
    CHECK(known);
    return known;
}

static bool is_kept(const struct record *record, bool retry_failed)
{
    switch (record_status(record)) {
    case STATUS_SKIPPED:
    case STATUS_PREDICTED: return false;
    case STATUS_CRASHED:
    case STATUS_FAILED:
    case STATUS_TIMEOUT:
    case STATUS_OOM_DEVICE:
    case STATUS_OOM_HOST:
    case STATUS_OOM_PREDICTED: return !retry_failed;
    default: return true;
    }
}

static const uint64_t no_run_id = UINT64_MAX;

static void fill(struct point *p, const struct record *record, const struct journal_start *start, bool retry_failed)
{
    const uint64_t tries = record ? record->attempt : 0;
    p->run_id = record ? record->run_id : no_run_id;
    p->vain_starts = start ? start->attempt - tries : 0;
    p->attempt = tries + p->vain_starts + 1;
    p->state = record && !start && is_kept(record, retry_failed) ? POINT_DONE : POINT_WAITING;
}

static void number_rest(struct point *point, size_t n, const struct sweep_state *state)
{
    const size_t most = n + state->n_records;          /* so many ids suffice, some records may have higher ones */
    bool *taken = calloc(most + 1, sizeof *taken);
    CHECK(taken);
    for (size_t i = 0; i < state->n_records; i++)
        if (state->record[i].run_id < most)
            taken[state->record[i].run_id] = true;
    size_t id = 0;
    for (size_t i = 0; i < n; i++) {
        if (point[i].run_id != no_run_id)
            continue;
        while (taken[id])
            id++;
        point[i].run_id = id++;
    }
    free(taken);
}

void resume_points(struct point *point, const struct config *config, size_t n, const struct sweep_state *state,
                   bool retry_failed)
{
    struct known *result = known_list(state->n_records), *start = known_list(state->n_unfinished);
    for (size_t i = 0; i < state->n_records; i++)
        result[i] = (struct known){state->record[i].config_sha256, &state->record[i]};
    for (size_t i = 0; i < state->n_unfinished; i++)
        start[i] = (struct known){state->unfinished[i].config_sha256, &state->unfinished[i]};
    qsort(result, state->n_records, sizeof *result, by_sha256);
    qsort(start, state->n_unfinished, sizeof *start, by_sha256);

    for (size_t i = 0; i < n; i++) {
        point[i] = (struct point){.config = &config[i]};
        config_sha256(&config[i], point[i].config_sha256);
        fill(&point[i], find(result, state->n_records, point[i].config_sha256),
             find(start, state->n_unfinished, point[i].config_sha256), retry_failed);
    }
    number_rest(point, n, state);
    free(result);
    free(start);
}
