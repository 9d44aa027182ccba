#include "compare.h"

#include "buffer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MIN_STEPS = 10 };

/* ---- time ---------------------------------------------------------------------------------------------------- */

static struct series measured(const struct record *r)
{
    double *time = memory_get(r->n_steps * sizeof *time);
    size_t n = 0;
    for (size_t i = 0; i < r->n_steps; i++)
        if (r->steps[i].measured && r->steps[i].step_time_s > 0)
            time[n++] = r->steps[i].step_time_s;
    return (struct series){time, n};
}

/* Why nothing can be said of these times; NULL: something can. */
static const char *doubt(const struct comparison *c, size_t n_steps)
{
    if (n_steps < MIN_STEPS)
        return "fewer than 10 measured steps";
    if (record_is_disturbed(c->a) || record_is_disturbed(c->b))
        return "threads that were not running";
    return NULL;
}

static void ambiguous(struct comparison *c, const char *why)
{
    c->time_change = CHANGE_AMBIGUOUS;
    c->why = why;
}

static void judge_times(struct comparison *c, size_t n_steps, struct compare_limits limit)
{
    const struct ratio *t = &c->time;
    const char *why = doubt(c, n_steps);
    c->time_change = CHANGE_SAME;
    if (why)
        ambiguous(c, why);
    else if (t->estimate >= 1 + limit.time && t->low > 1)
        c->time_change = CHANGE_WORSE;
    else if (t->estimate <= 1 / (1 + limit.time) && t->high < 1)
        c->time_change = CHANGE_BETTER;
    else if (fabs(log(t->estimate)) >= log(1 + limit.time))
        ambiguous(c, "a change within the spread of the times");
    else if (log(t->high / t->low) > 4 * log(1 + limit.time))
        ambiguous(c, "times that spread too much");
}

static void compare_times(struct comparison *c, struct compare_limits limit)
{
    const struct series a = measured(c->a), b = measured(c->b);
    if (a.n >= 2 && b.n >= 2) {
        c->time = step_time_ratio(a, b, limit.rerun_spread, limit.confidence);
        judge_times(c, a.n < b.n ? a.n : b.n, limit);
    }
    free((double *)a.value);
    free((double *)b.value);
}

/* ---- the rest ------------------------------------------------------------------------------------------------ */

static void compare_memory(struct comparison *c, struct compare_limits limit)
{
    const double a = (double)c->a->peak_ledger, b = (double)c->b->peak_ledger;
    if (a == 0 || b == 0)
        return;
    c->memory_ratio = b / a;
    c->memory_change = b > a * (1 + limit.memory)   ? CHANGE_WORSE
                       : b < a / (1 + limit.memory) ? CHANGE_BETTER
                                                    : CHANGE_SAME;
}

static int badness(const struct record *r)
{
    switch (record_status(r)) {
    case STATUS_OK: return 0;
    case STATUS_PREDICTED:
    case STATUS_SKIPPED:
    case STATUS_OOM_PREDICTED: return 1;
    case STATUS_OOM_DEVICE:
    case STATUS_OOM_HOST: return 2;
    case STATUS_TIMEOUT: return 3;
    default: return 4;
    }
}

static enum change by_sign(int b_minus_a)
{
    return b_minus_a > 0 ? CHANGE_WORSE : b_minus_a < 0 ? CHANGE_BETTER : CHANGE_SAME;
}

static int doubtfulness(const struct record *r)
{
    return strcmp(r->verdict, "VALID") == 0 ? 0 : strcmp(r->verdict, "WARN") == 0 ? 1 : 2;
}

/* Errors far below the limit are rounding, which another machine does otherwise: they count as a hundredth of it. */
static double counted_error(const struct record *r)
{
    return fmax(fmax(r->grad_rel_err, r->norm_rel_err), r->valid_rel_err / 100);
}

static void compare_errors(struct comparison *c, struct compare_limits limit)
{
    if (!c->a->verdict[0] || !c->b->verdict[0])
        return;
    const double a = counted_error(c->a), b = counted_error(c->b);
    c->error_change = by_sign(doubtfulness(c->b) - doubtfulness(c->a));
    if (c->error_change == CHANGE_SAME)
        c->error_change = b > limit.error * a ? CHANGE_WORSE : a > limit.error * b ? CHANGE_BETTER : CHANGE_SAME;
}

static struct comparison compare_runs(const struct record *a, const struct record *b, struct compare_limits limit)
{
    struct comparison c = {.a = a, .b = b, .time = {NAN, NAN, NAN}, .memory_ratio = NAN};
    c.status_change = by_sign(badness(b) - badness(a));
    if (record_status(a) == STATUS_OK && record_status(b) == STATUS_OK) {
        compare_times(&c, limit);
        compare_memory(&c, limit);
    }
    compare_errors(&c, limit);
    return c;
}

bool is_regression(const struct comparison *c)
{
    return c->time_change == CHANGE_WORSE || c->memory_change == CHANGE_WORSE || c->status_change == CHANGE_WORSE ||
           c->error_change == CHANGE_WORSE;
}

/* ---- two sweeps ---------------------------------------------------------------------------------------------- */

static int by_sha256(const void *va, const void *vb)
{
    const struct record *const *a = va, *const *b = vb;
    return strcmp((*a)->config_sha256, (*b)->config_sha256);
}

struct comparisons compare_sweeps(const struct sweep_state *a, const struct sweep_state *b,
                                  struct compare_limits limit)
{
    struct comparisons all = {.of = memory_get(a->n_records * sizeof *all.of)};
    const struct record **sorted = memory_get(b->n_records * sizeof *sorted);
    for (size_t i = 0; i < b->n_records; i++)
        sorted[i] = &b->record[i];
    qsort(sorted, b->n_records, sizeof *sorted, by_sha256);
    for (size_t i = 0; i < a->n_records; i++) {
        const struct record *key = &a->record[i];
        const struct record **found = bsearch(&key, sorted, b->n_records, sizeof *sorted, by_sha256);
        if (found)
            all.of[all.n++] = compare_runs(key, *found, limit);
    }
    all.only_in_a = a->n_records - all.n;
    all.only_in_b = b->n_records - all.n;
    free(sorted);
    return all;
}

void comparisons_clear(struct comparisons *c)
{
    free(c->of);
    *c = (struct comparisons){0};
}
