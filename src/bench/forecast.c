/* forecast.c - the work of a configuration against the rates of a target. */
#include "forecast.h"

#include "../base/check.h"
#include "../device/work.h"

#include <stdlib.h>

void forecast_make(struct forecast *f, const struct record *r, const struct target *t)
{
    const struct config *c = &r->config;
    double once_s = 0.0;
    size_t n;
    const struct call *call = work_calls(&n);
    struct rates rates;
    target_rates(t, c, &rates);
    *f = (struct forecast){.target = t, .usable_bytes = target_usable_bytes(t, c)};
    f->fits = !((double)r->predicted_peak > f->usable_bytes); /* where nothing is known, nothing is refused */
    for (size_t i = 0; i < n; i++) {
        const double all_s = (double)call[i].count * rates_call_s(&rates, &call[i]); /* NaN, if rates are not known */
        *(call[i].phase < N_PHASES ? &f->phase_s[call[i].phase] : &once_s) += all_s;
    }
    for (int p = 0; p < N_PHASES; p++)
        f->step_s += f->phase_s[p];
    f->run_s = once_s + (double)(c->wait_steps + c->warmup_steps + c->active_steps) * f->step_s;
}

static int longest_first(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

double forecast_sweep_s(const double *run_s, size_t n, int ranks)
{
    double *left = malloc((n + 1) * sizeof *left), *busy_s = calloc((size_t)ranks, sizeof *busy_s), end_s = 0.0;
    CHECK(left && busy_s);
    memcpy(left, run_s, n * sizeof *left);
    qsort(left, n, sizeof *left, longest_first);
    for (size_t i = 0; i < n; i++) {
        int first = 0;
        for (int r = 1; r < ranks; r++)
            if (busy_s[r] < busy_s[first])
                first = r;
        busy_s[first] += left[i];
        if (!(busy_s[first] <= end_s)) /* or not known */
            end_s = busy_s[first];
    }
    free(left);
    free(busy_s);
    return end_s;
}
