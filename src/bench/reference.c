/* With one buffer of P numbers:  sum = g_0;  sum *= coef_0/coef_1;  sum += g_1;  sum *= coef_1. */
#include "reference.h"

#include "../base/check.h"
#include "../device/ledger.h"

#include <math.h>
#include <stdlib.h>

struct reference reference_create(int n_tensors)
{
    struct reference r = {.sum = figures_create(n_tensors)};
    for (int b = 0; b < REFERENCE_SAMPLES; b++)
        if (!(r.norm[b] = calloc((size_t)n_tensors, sizeof(double))))
            die(EXIT_ENVIRONMENT, "out of host memory");
    return r;
}

void reference_free(struct reference *r)
{
    for (int b = 0; b < REFERENCE_SAMPLES; b++)
        free(r->norm[b]);
    figures_free(&r->sum);
}

static void add(struct layer *l, struct span s, void *sum)
{
    l->ops->grad(l, s, UNWEIGHTED, (float *)sum + l->offset, ADD);
}

/* sum += gradient of sample b of the two alone, with the dropout masks of the coming step */
static void add_gradient(struct trainer *t, const struct sample_source *source, int b)
{
    const long place = b == 0 ? 0 : source->n - 1;
    const struct batch sample = source->samples(source->ctx, (struct part){place, place + 1});
    trainer_set_dropout(t);
    ledger_start(PROGRAM_REFERENCE);
    model_forward(t->model, &sample);
    model_backward(t->model, NULL, add, t->sum, NULL, LAST_PASS);
    ledger_finish();
}

/* Leaves g_b in the sum. */
static void measure_norms(struct reference *r, struct trainer *t, const struct sample_source *source, int b)
{
    KERNEL(fill, t->sum, 0.0f, t->model->n_params);
    add_gradient(t, source, b);
    figures_of(&r->sum, t->model, t->sum, t->config.seed);
    memcpy(r->norm[b], r->sum.norm, (size_t)t->model->n_tensors * sizeof(double));
}

/* Of tensor p of sample b. */
static double coefficient(const struct reference *r, const struct trainer *t, int b, int p)
{
    const int n_tensors = t->model->n_tensors;
    const enum clipping clipping = t->config.clipping;
    const double norm = clipping == CLIPPING_PER_LAYER ? r->norm[b][p] : figures_total(r->norm[b], n_tensors);
    return clip_coefficient(clipping, r->max_grad_norm / (1.0 + trainer_norm_slack(t->ops)), n_tensors, norm);
}

/* sum_p *= coef_bp, or coef_bp / coef_cp */
enum { NO_SAMPLE = -1 };
static void scale_sum(const struct reference *r, struct trainer *t, int b, int c)
{
    for (int p = 0; p < t->model->n_tensors; p++) {
        const struct tensor *tensor = &t->model->tensor[p];
        const double factor = coefficient(r, t, b, p) / (c == NO_SAMPLE ? 1.0 : coefficient(r, t, c, p));
        KERNEL(scale, t->sum + tensor->offset, (float)factor, tensor->size);
    }
}

/* One sample is clipped and the other is not; a sample without a target has norm 0, and 0 is no threshold. */
static double threshold(const struct reference *r, int n_tensors)
{
    const double n_0 = figures_total(r->norm[0], n_tensors);
    const double n_1 = r->n > 1 ? figures_total(r->norm[1], n_tensors) : 0.0;
    const double most = fmax(n_0, n_1);
    return n_0 > 0.0 && n_1 > 0.0 ? sqrt(n_0 * n_1) : most > 0.0 ? most / 2 : 1.0;
}

void reference_compute(struct reference *r, struct trainer *t, const struct sample_source *source)
{
    r->n = source->n < REFERENCE_SAMPLES ? 1 : REFERENCE_SAMPLES;
    for (int b = r->n - 1; b >= 0; b--)
        measure_norms(r, t, source, b);
    r->max_grad_norm = threshold(r, t->model->n_tensors);
    if (r->n == 1) {
        scale_sum(r, t, 0, NO_SAMPLE);
    } else {
        scale_sum(r, t, 0, 1);
        add_gradient(t, source, 1);
        scale_sum(r, t, 1, NO_SAMPLE);
    }
    figures_of(&r->sum, t->model, t->sum, t->config.seed);
}
