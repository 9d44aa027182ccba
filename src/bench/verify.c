#include "verify.h"

#include "../base/check.h"
#include "../privacy/noise.h"
#include "data.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const char *const verdict_name[] = {"VALID", "WARN", "INVALID"};

#define NOISE_QUANTILE 3.8906 /* 99.99 % of a normal distribution lie within so many standard deviations */

/* Rounding makes errors in proportion to the whole gradient; one of a rounding's size in a small tensor is no mistake.
 * valid * small_share is about that size. */
static const struct { double valid, warn, small_share; } limits[N_PRECISIONS] = {
    [PRECISION_FP32] = {1e-4, 1e-3, 1e-3},
    [PRECISION_TF32] = {2e-2, 1e-1, 1e-2},
    [PRECISION_BF16] = {2e-2, 1e-1, 1e-1},
};

double valid_rel_err(void) { return limits[precision_now()].valid; }
double warn_rel_err(void) { return limits[precision_now()].warn; }
double small_share(void) { return limits[precision_now()].small_share; }

enum verdict verdict_of(double rel_err)
{
    return rel_err <= valid_rel_err() ? VERDICT_VALID : rel_err <= warn_rel_err() ? VERDICT_WARN : VERDICT_INVALID;
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
double worse_of(double a, double b)
{
    return a >= b ? a : b >= a ? b : NAN;
}

/* ---- 1. the clipped gradient --------------------------------------------------------------------------------- */

struct norm_check { const struct reference *reference; long last; double rel_err; float *sq; };

/* 0 of 0 is right; anything else, where 0 is right, is infinitely wrong. */
static double relative(double distance, double size)
{
    return distance == 0.0 ? 0.0 : distance / size;
}

/* The norm of sample `place` for tensor p: samples between the first and the last have no gradient. */
static double norm_wanted(const struct norm_check *check, long place, int p)
{
    if (place > 0 && place < check->last)
        return 0.0;
    return check->reference->norm[place > 0][p];
}

static void compare_norms(struct trainer *t, const struct batch *physical, void *ctx)
{
    struct norm_check *check = ctx;
    const int B = t->config.physical_batch_size, n_tensors = t->model->n_tensors;
    device_copy_out(check->sq, t->sq, (size_t)n_tensors * (size_t)B * sizeof(float));
    for (int b = 0; b < physical->n; b++) {
        double total = 0.0;
        for (int p = 0; p < n_tensors; p++)
            total += pow(norm_wanted(check, physical->place + b, p), 2.0);
        for (int p = 0; p < n_tensors; p++) {
            const double ref = norm_wanted(check, physical->place + b, p), sq = check->sq[(long)p * B + b];
            const double norm = sqrt(sq < 0.0 ? 0.0 : sq); /* rounding may leave less than 0 */
            const double size = fmax(ref, small_share() * sqrt(total));
            check->rel_err = worse_of(check->rel_err, relative(fabs(norm - ref), size));
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
    const double floor = small_share() * figures_total(ref->norm, m->n_tensors);
    if (floor == 0.0)
        found(v, VERDICT_INVALID, "the samples have no gradient (no token to predict): nothing to verify");
    for (int p = 0; p < m->n_tensors; p++) {
        const double err = relative(projected_distance(sum->projection + p * N_SIGNS, ref->projection + p * N_SIGNS),
                                    fmax(ref->norm[p], floor));
        v->grad_rel_err = worse_of(v->grad_rel_err, err);
        found(v, verdict_of(err),
              "the clipped gradient of %s differs from the sample-by-sample one by %.1e (limit %.0e)",
              m->tensor[p].name, err, valid_rel_err());
    }
}

/* The samples of this rank. */
static struct batch own_samples(const struct trainer *t, const struct sample_source *source)
{
    return source->samples(source->ctx, batch_share(source->n, group()->rank, t->config.ranks));
}

static void verify_gradient(struct trainer *t, const struct sample_source *source, struct verification *v)
{
    struct reference reference = reference_create(t->model->n_tensors);
    struct figures sum = figures_create(t->model->n_tensors);
    reference_compute(&reference, t, source);
    const struct batch x = own_samples(t, source);
    struct norm_check norms = {&reference, source->n - 1, 0.0,
        calloc((size_t)t->model->n_tensors * (size_t)t->config.physical_batch_size, sizeof(float))};
    if (!norms.sq)
        die(EXIT_ENVIRONMENT, "out of host memory");
    const double own = t->config.max_grad_norm;
    t->config.max_grad_norm = reference.max_grad_norm;
    optimizer_reset(&t->optimizer); /* which may hold the sum */
    trainer_clipped_sum(t, &x, t->ops->is_private ? compare_norms : NULL, &norms);
    trainer_sum_over_group(t, t->sum);
    t->config.max_grad_norm = own;
    figures_of(&sum, t->model, t->sum, t->config.seed);
    check_gradient(t, &sum, &reference.sum, v);
    if (t->ops->is_private) {
        v->norm_rel_err = norms.rel_err;
        found(v, verdict_of(norms.rel_err), "a per-sample gradient norm differs from the sample-by-sample one by %.1e "
            "(limit %.0e)", norms.rel_err, valid_rel_err());
    }
    free(norms.sq);
    figures_free(&sum);
    reference_free(&reference);
}

/* ---- 2. whole steps --------------------------------------------------------------------------------------------- */

/* got: figures of the gradient that the optimizer got;  sum: of the clipped sum;  noise: of z.  got should be
 * (sum + std z)/divisor. */
struct step_figures { struct figures got, sum, noise; double std, divisor; };

static struct step_figures step_figures_create(int n_tensors)
{
    return (struct step_figures){.got = figures_create(n_tensors), .sum = figures_create(n_tensors),
        .noise = figures_create(n_tensors)};
}

static void step_figures_free(struct step_figures *f)
{
    figures_free(&f->noise);
    figures_free(&f->sum);
    figures_free(&f->got);
}

static void compare_step(const struct trainer *t, const struct step_figures *f, struct verification *v)
{
    const struct model *m = t->model;
    const double std = f->std, divisor = f->divisor, floor = small_share() * figures_total(f->sum.norm, m->n_tensors);
    for (int p = 0; p < m->n_tensors; p++) {
        double expected[N_SIGNS];
        for (int k = 0, i = p * N_SIGNS; k < N_SIGNS; k++, i++)
            expected[k] = (f->sum.projection[i] + std * f->noise.projection[i]) / divisor;
        const double size = fmax(hypot(f->sum.norm[p], std * sqrt((double)m->tensor[p].size)), floor) / divisor;
        const double err = relative(projected_distance(f->got.projection + p * N_SIGNS, expected), size);
        v->step_rel_err = worse_of(v->step_rel_err, err);
        found(v, verdict_of(err),
              "the optimizer got a gradient of %s that differs from (sum + noise)/%g by %.1e (limit "
              "%.0e)",
              m->tensor[p].name, t->config.expected_batch_size, err, valid_rel_err());
    }
}

/* z over the whole vector, as this rank or, of a sharded sum, every rank draws it, in place of the sum. */
static void draw_noise(const struct trainer *t, const struct noise_source *source, struct noise_draw draw)
{
    const bool sharded = t->config.noise_placement == NOISE_SHARDED;
    const double fine = 0x1p-30; /* grid */
    KERNEL(fill, t->sum, 0.0f, t->model->n_params);
    for (int rank = 0; rank < (sharded ? t->config.ranks : 1); rank++) {
        const struct part part = group_part(t->model->n_params, rank, sharded ? t->config.ranks : 1);
        draw.rank = sharded ? (uint32_t)rank : draw.rank;
        noise_add(source, draw, t->sum + part.begin, part.begin, part.end - part.begin, 1.0, fine);
    }
}

static void figures_of_draw(struct figures *f, const struct trainer *t, const struct noise_source *source,
                            struct noise_draw draw)
{
    if (source->generator == NOISE_PHILOX) {
        figures_of_noise(f, t->model, noise_philox(source->seed, draw), t->config.seed);
    } else {
        draw_noise(t, source, draw);
        figures_of(f, t->model, t->sum, t->config.seed);
    }
}

static void figures_of_stated_noise(struct figures *f, const struct trainer *t, uint32_t step)
{
    if (t->config.noise_placement != NOISE_SHARES) {
        figures_of_draw(f, t, &t->noise, (struct noise_draw){NOISE_OF_SUM, step, 0});
        return;
    }
    figures_of_draw(f, t, &t->own_noise, (struct noise_draw){NOISE_OF_SHARE, step, (uint32_t)group()->rank});
    for (int i = 0; i < f->n_tensors * N_SIGNS; i++)
        f->projection[i] /= sqrt(t->config.ranks);
    figures_add_projections(f);
}

/* Of the first moment, of which each rank has the part that it updates. */
static void figures_of_moment(struct figures *f, const struct trainer *t)
{
    const struct part own = {t->own_begin, t->own_begin + t->own_n};
    figures_of_part(f, t->model, t->optimizer.m, own, t->config.seed);
    if (t->config.noise_placement == NOISE_SHARDED)
        figures_join(f);
}

/* Step number `step`, from optimizer state 0: after it the optimizer's first moment is the gradient it got, but for a
 * factor, which becomes part of the divisor. */
static void verify_step(struct trainer *t, const struct batch *x, uint32_t step, struct step_figures *f,
                        struct verification *v)
{
    f->std = trainer_stated_noise_std(t);
    f->divisor = t->config.expected_batch_size / optimizer_first_gain(&t->optimizer);
    optimizer_reset(&t->optimizer);
    trainer_clipped_sum(t, x, NULL, NULL);
    trainer_sum_over_group(t, t->sum);
    figures_of(&f->sum, t->model, t->sum, t->config.seed);
    figures_of_stated_noise(&f->noise, t, step);
    optimizer_reset(&t->optimizer);
    trainer_step(t, x);
    figures_of_moment(&f->got, t);
    compare_step(t, f, v);
}

/* ---- 3. the noise -------------------------------------------------------------------------------------------- */

/* f: of a step without samples */
static void check_noise_variance(const struct trainer *t, const struct step_figures *f, struct verification *v)
{
    const double std = f->std / f->divisor, n = (double)t->model->n_params;
    if (std == 0.0)
        return;
    const double norm = figures_total(f->got.norm, t->model->n_tensors);
    v->noise_variance_ratio = norm * norm / n / (std * std);
    const double allowed = v->noise_variance_allowed = NOISE_QUANTILE * sqrt(2.0 / n);
    if (!(fabs(v->noise_variance_ratio - 1.0) <= allowed))
        found(v, VERDICT_INVALID, "the noise has %.4f times the stated variance (allowed 1 +- %.4f)",
            v->noise_variance_ratio, allowed);
}

static void take_worst_of_group(struct verification *v)
{
    double worst[] = {(double)v->verdict, v->norm_rel_err};
    group_max_host(worst, 2);
    v->verdict = (enum verdict)worst[0];
    v->norm_rel_err = worst[1];
}

void verify_trainer(struct trainer *t, const struct sample_source *source, struct verification *v)
{
    *v = (struct verification){.norm_rel_err = NAN, .noise_variance_ratio = NAN, .noise_variance_allowed = NAN};
    const double learning_rate = t->optimizer.config.learning_rate;
    struct step_figures f = step_figures_create(t->model->n_tensors);
    t->optimizer.config.learning_rate = 0.0;
    trainer_reset(t);
    verify_gradient(t, source, v);
    const struct batch x = own_samples(t, source), empty = batch_slice(&x, 0, 0);
    verify_step(t, &x, 0, &f, v);
    verify_step(t, &empty, 1, &f, v); /* other noise than in step 0 */
    check_noise_variance(t, &f, v);
    trainer_reset(t);
    trainer_renew_keys(t);
    t->optimizer.config.learning_rate = learning_rate;
    step_figures_free(&f);
    take_worst_of_group(v);
}
