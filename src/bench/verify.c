#include "verify.h"

#include "../base/check.h"
#include "../privacy/noise.h"
#include "figures.h"
#include "reference.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const char *const verdict_name[] = {"VALID", "WARN", "INVALID"};

#define NOISE_QUANTILE 3.8906 /* 99.99 % of a normal distribution lie within so many standard deviations */
#define SMALL_SHARE 1e-3      /* tensors with less than this share of the whole are compared with the whole */

enum verdict verdict_of(double rel_err)
{
    return rel_err <= VALID_REL_ERR ? VERDICT_VALID : rel_err <= WARN_REL_ERR ? VERDICT_WARN : VERDICT_INVALID;
}

/* Takes note of the worst finding; the first of equals is the message. */
static void found(struct verification *v, enum verdict verdict, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void found(struct verification *v, enum verdict verdict, const char *format, ...)
{
    if (verdict <= v->verdict)
        return;
    v->verdict = verdict;
    va_list args;
    va_start(args, format);
    vsnprintf(v->message, sizeof v->message, format, args);
    va_end(args);
}

/* larger of a and b, where NaN is larger than all */
static double worse(double a, double b)
{
    return a >= b ? a : b >= a ? b : NAN;
}

/* ---- 1. the clipped gradient --------------------------------------------------------------------------------- */

struct norm_check { const struct reference *reference; double rel_err; float *sq; };

static void compare_norms(struct trainer *t, const struct batch *physical, void *ctx)
{
    struct norm_check *check = ctx;
    const int B = t->config.physical_batch_size, n_tensors = t->model->n_tensors;
    device_copy_out(check->sq, t->sq, (size_t)n_tensors * (size_t)B * sizeof(float));
    for (int b = 0; b < physical->n; b++) {
        const double *ref = check->reference->norm[physical->first + b];
        const double floor = SMALL_SHARE * figures_total(ref, n_tensors);
        for (int p = 0; p < n_tensors; p++) {
            const double norm = sqrt(check->sq[(long)p * B + b]);
            check->rel_err = worse(check->rel_err, fabs(norm - ref[p]) / fmax(ref[p], floor));
        }
    }
}

static double projected_distance(const double *a, const double *b)
{
    double sq = 0.0;
    for (int k = 0; k < N_SIGNS; k++)
        sq += (a[k] - b[k]) * (a[k] - b[k]);
    return sqrt(sq / N_SIGNS);
}

static void check_gradient(struct trainer *t, const struct figures *sum, const struct figures *ref,
                           struct verification *v)
{
    const struct model *m = t->model;
    const double floor = SMALL_SHARE * figures_total(ref->norm, m->n_tensors);
    if (floor == 0.0)
        found(v, VERDICT_INVALID, "the first two samples have no gradient (no token to predict): nothing to verify");
    for (int p = 0; p < m->n_tensors; p++) {
        const double err = projected_distance(sum->projection + p * N_SIGNS, ref->projection + p * N_SIGNS) /
                           fmax(ref->norm[p], floor);
        v->grad_rel_err = worse(v->grad_rel_err, err);
        found(v, verdict_of(err),
              "the clipped gradient of %s differs from the sample-by-sample one by %.1e (limit %.0e)",
              m->tensor[p].name, err, VALID_REL_ERR);
    }
}

static void verify_gradient(struct trainer *t, const struct batch *x, struct figures *sum, struct verification *v)
{
    struct reference reference = reference_create(t->model->n_tensors);
    reference_compute(&reference, t, x);
    struct norm_check norms = {&reference, 0.0,
        calloc((size_t)t->model->n_tensors * (size_t)t->config.physical_batch_size, sizeof(float))};
    if (!norms.sq)
        die(EXIT_ENVIRONMENT, "out of host memory");
    const double own = t->config.max_grad_norm;
    t->config.max_grad_norm = reference.max_grad_norm;
    trainer_clipped_sum(t, x, t->ops->is_private ? compare_norms : NULL, &norms);
    t->config.max_grad_norm = own;
    figures_of(sum, t->model, t->sum, t->config.seed);
    check_gradient(t, sum, &reference.sum, v);
    if (t->ops->is_private) {
        v->norm_rel_err = norms.rel_err;
        found(v, verdict_of(norms.rel_err), "a per-sample gradient norm differs from the sample-by-sample one by %.1e "
            "(limit %.0e)", norms.rel_err, VALID_REL_ERR);
    }
    free(norms.sq);
    reference_free(&reference);
}

/* ---- 2. the whole step --------------------------------------------------------------------------------------- */

/* After one step from state 0 the optimizer's first moment is the gradient it got, but for a factor. */
static void verify_step(struct trainer *t, const struct batch *x, struct figures *sum, struct verification *v)
{
    const struct model *m = t->model;
    const double std = trainer_stated_noise_std(t);
    const double divisor = t->config.expected_batch_size / optimizer_first_gain(&t->optimizer);
    struct figures got = figures_create(m->n_tensors), noise = figures_create(m->n_tensors);
    trainer_clipped_sum(t, x, NULL, NULL);
    figures_of(sum, m, t->sum, t->config.seed);
    figures_of_noise(&noise, m, noise_stream(t->config.seed, t->step), t->config.seed);
    trainer_step(t, x);
    figures_of(&got, m, t->optimizer.m, t->config.seed);
    trainer_reset(t);
    const double floor = SMALL_SHARE * figures_total(sum->norm, m->n_tensors) / divisor;
    for (int p = 0; p < m->n_tensors; p++) {
        double expected[N_SIGNS];
        for (int k = 0; k < N_SIGNS; k++)
            expected[k] = (sum->projection[p * N_SIGNS + k] + std * noise.projection[p * N_SIGNS + k]) / divisor;
        const double size = hypot(sum->norm[p], std * sqrt((double)m->tensor[p].size)) / divisor;
        const double err = projected_distance(got.projection + p * N_SIGNS, expected) / fmax(size, floor);
        v->step_rel_err = worse(v->step_rel_err, err);
        found(v, verdict_of(err),
              "the optimizer got a gradient of %s that differs from (sum + noise)/%g by %.1e (limit "
              "%.0e)",
              m->tensor[p].name, t->config.expected_batch_size, err, VALID_REL_ERR);
    }
    figures_free(&noise);
    figures_free(&got);
}

/* ---- 3. the noise -------------------------------------------------------------------------------------------- */

static void verify_noise(struct trainer *t, const struct batch *x, struct figures *got, struct verification *v)
{
    const struct batch empty = batch_slice(x, 0, 0);
    const double std =
        trainer_stated_noise_std(t) / t->config.expected_batch_size * optimizer_first_gain(&t->optimizer);
    trainer_step(t, &empty);
    figures_of(got, t->model, t->optimizer.m, t->config.seed);
    trainer_reset(t);
    if (std == 0.0)
        return;
    const double norm = figures_total(got->norm, t->model->n_tensors), n = (double)t->model->n_params;
    v->noise_variance_ratio = norm * norm / n / (std * std);
    const double allowed = NOISE_QUANTILE * sqrt(2.0 / n);
    if (!(fabs(v->noise_variance_ratio - 1.0) <= allowed))
        found(v, VERDICT_INVALID, "the noise has %.4f times the stated variance (allowed 1 +- %.4f)",
            v->noise_variance_ratio, allowed);
}

void verify_trainer(struct trainer *t, const struct batch *x, struct verification *v)
{
    *v = (struct verification){.norm_rel_err = NAN, .noise_variance_ratio = NAN};
    const struct batch pair = batch_slice(x, 0, x->n < VERIFY_SAMPLES ? x->n : VERIFY_SAMPLES);
    const double learning_rate = t->optimizer.config.learning_rate;
    struct figures figures = figures_create(t->model->n_tensors);
    t->optimizer.config.learning_rate = 0.0;
    verify_gradient(t, &pair, &figures, v);
    verify_step(t, &pair, &figures, v);
    verify_noise(t, &pair, &figures, v);
    t->optimizer.config.learning_rate = learning_rate;
    figures_free(&figures);
}
