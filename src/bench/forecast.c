/* forecast.c - the work of a configuration against rates. */
#include "forecast.h"

#include "../base/check.h"
#include "../device/work.h"

#include <stdio.h>
#include <stdlib.h>

/* Between ranks, assumed: of MPI through the memory of a host, or a good network, and of GPUs over PCIe. */
static const double CPU_LINK_BYTES_PER_S = 2e9, GPU_LINK_BYTES_PER_S = 20e9;

/* Each rank sends (k-1)/k of the gradient to be added and as much of the result, whatever the noise placement. */
static double collective_s(const struct config *c, uint64_t n_params)
{
    const double k = (double)c->ranks_per_run, bytes = 2 * (k - 1) / k * sizeof(float) * (double)n_params;
    return bytes / (strcmp(c->device, "cuda") == 0 ? GPU_LINK_BYTES_PER_S : CPU_LINK_BYTES_PER_S);
}

void forecast_times(struct times *t, const struct config *c, uint64_t n_params, const struct rates *rates)
{
    double once_s = 0.0;
    size_t n;
    const struct call *call = work_calls(&n);
    *t = (struct times){.phase_s[PHASE_AGGREGATE] = collective_s(c, n_params)};
    for (size_t i = 0; i < n; i++) {
        const double all_s = (double)call[i].count * rates_call_s(rates, &call[i]); /* NaN, if rates are not known */
        *(call[i].phase < N_PHASES ? &t->phase_s[call[i].phase] : &once_s) += all_s;
    }
    for (int p = 0; p < N_PHASES; p++)
        t->step_s += t->phase_s[p];
    t->run_s = once_s + (double)(c->wait_steps + c->warmup_steps + c->active_steps) * t->step_s;
}

void forecast_make(struct forecast *f, const struct record *r, const struct target *t)
{
    struct rates rates;
    target_rates(t, &r->config, &rates);
    *f = (struct forecast){.target = t, .usable_bytes = target_usable_bytes(t, &r->config)};
    f->fits = !((double)r->predicted_peak > f->usable_bytes); /* where nothing is known, nothing is refused */
    snprintf(f->rates_date, sizeof f->rates_date, "%s", rates.date);
    forecast_times(&f->times, &r->config, r->n_params, &rates);
}

/* ---- a sweep ------------------------------------------------------------------------------------------------- */

static int in_turn(const void *a, const void *b)
{
    const struct planned_run *x = a, *y = b;
    return x->ranks != y->ranks ? y->ranks - x->ranks : (x->s < y->s) - (x->s > y->s);
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double forecast_sweep_s(const struct planned_run *run, size_t n, int ranks)
{
    struct planned_run *left = malloc((n + 1) * sizeof *left);
    double *free_s = calloc((size_t)ranks, sizeof *free_s), end_s = 0.0; /* when a rank has done what it got */
    CHECK(left && free_s);
    memcpy(left, run, n * sizeof *left);
    qsort(left, n, sizeof *left, in_turn);
    for (size_t i = 0; i < n; i++) {
        const int k = left[i].ranks;
        CHECK(k <= ranks);
        qsort(free_s, (size_t)ranks, sizeof *free_s, ascending);
        const double done_s = free_s[k - 1] + left[i].s;
        for (int r = 0; r < k; r++)
            free_s[r] = done_s;
        if (!(done_s <= end_s)) /* or not known */
            end_s = done_s;
    }
    free(left);
    free(free_s);
    return end_s;
}
