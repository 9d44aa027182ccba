#include "reference.h"

#include "../base/check.h"
#include "../device/ledger.h"
#include "../device/work.h"
#include "data.h"

#include <math.h>
#include <stdlib.h>

struct reference reference_create(int n, int n_tensors)
{
    struct reference r = {n, calloc((size_t)n, sizeof *r.sample)};
    if (!r.sample)
        die(EXIT_ENVIRONMENT, "out of host memory");
    for (int b = 0; b < n; b++)
        r.sample[b] = figures_create(n_tensors);
    return r;
}

void reference_free(struct reference *r)
{
    for (int b = 0; b < r->n; b++)
        figures_free(&r->sample[b]);
    free(r->sample);
}

static void add(struct layer *l, struct span s, void *sum)
{
    l->ops->grad(l, s, UNWEIGHTED, (float *)sum + l->offset, ADD);
}

static void compute_sample(struct figures *f, struct trainer *t, const struct sample_source *source, long place)
{
    const struct batch sample = source->samples(source->ctx, (struct part){place, place + 1});
    KERNEL(fill, t->sum, 0.0f, t->model->n_params);
    ledger_start(PROGRAM_REFERENCE);
    model_forward(t->model, &sample);
    model_backward(t->model, NULL, add, t->sum, NULL, LAST_PASS);
    ledger_finish();
    figures_of(f, t->model, t->sum, t->config.seed);
}

void reference_compute(struct reference *r, struct trainer *t, const struct sample_source *source)
{
    const struct part own = batch_share(r->n, group()->rank, t->config.ranks);
    const int n = (int)(own.end - own.begin), turns = work_turns_begin(n);
    trainer_set_dropout(t);
    for (int b = 0; b < turns; b++)
        compute_sample(&r->sample[own.begin + b], t, source, own.begin + b);
    work_turns_end(n);
    for (int b = 0; b < r->n; b++)
        figures_join(&r->sample[b]);
}

static bool is_per_layer(const struct trainer *t)
{
    return t->config.clipping == CLIPPING_PER_LAYER;
}

double reference_norm(const struct reference *r, const struct trainer *t, int b, int i)
{
    return is_per_layer(t) ? r->sample[b].norm[i] : figures_total(r->sample[b].norm, t->model->n_tensors);
}

static double threshold_between(const struct reference *r, const struct trainer *t, int i)
{
    double logs = 0.0, last = 2.0; /* 1 if all are 0 */
    int n = 0;
    for (int b = 0; b < r->n; b++) {
        const double norm = reference_norm(r, t, b, i);
        if (!(norm > 0.0))
            continue;
        logs += log(norm);
        last = norm;
        n++;
    }
    return n > 1 ? exp(logs / n) : last / 2.0;
}

void reference_thresholds(const struct reference *r, const struct trainer *t, double *threshold)
{
    for (int i = 0; i < t->thresholds.counts; i++)
        threshold[i] = threshold_between(r, t, i);
}

static void add_clipped(struct figures *sum, const struct reference *r, const struct trainer *t,
    const double *threshold, int b)
{
    double coef = 0.0;
    for (int p = 0; p < sum->n_tensors; p++) {
        if (p == 0 || is_per_layer(t)) {
            const double R = threshold[is_per_layer(t) ? p : 0] / (1.0 + trainer_norm_slack(t->ops));
            coef = clip_coefficient(t->config.clipping, R, reference_norm(r, t, b, p));
        }
        sum->norm[p] = hypot(sum->norm[p], coef * r->sample[b].norm[p]);
        for (int k = p * N_SIGNS; k < (p + 1) * N_SIGNS; k++)
            sum->projection[k] += coef * r->sample[b].projection[k];
    }
}

void reference_sum(const struct reference *r, const struct trainer *t, const double *threshold, int n,
    struct figures *sum)
{
    memset(sum->norm, 0, (size_t)sum->n_tensors * sizeof *sum->norm);
    memset(sum->projection, 0, (size_t)(sum->n_tensors * N_SIGNS) * sizeof *sum->projection);
    for (int b = 0; b < n; b++)
        add_clipped(sum, r, t, threshold, b);
    figures_estimate_norms(sum);
}
