#include "verify.h"

#include "../base/check.h"
#include "../device/ledger.h"
#include "../privacy/noise.h"
#include "data.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const char *const verdict_name[] = {"VALID", "WARN", "INVALID"};

enum { STEPS_BEFORE = 9 }; /* after so many AdamW still corrects its bias */
#define NOISE_QUANTILE 3.8906 /* 99.99 % of a normal distribution lie within so many standard deviations */

/* What fp32 rounds off a noisy sum, a moment or a weight: of its elements, and more so of the sums over chunks that
 * projections are made of.  Three times the largest seen. */
#define ROUNDINGS 0x1p-19

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

struct norm_check { const struct reference *reference; double rel_err; float *sq; };

/* 0 of 0 is right; anything else, where 0 is right, is infinitely wrong. */
static double relative(double distance, double size)
{
    return distance == 0.0 ? 0.0 : distance / size;
}

static void compare_norms(struct trainer *t, const struct batch *physical, void *ctx)
{
    struct norm_check *check = ctx;
    const int B = t->config.physical_batch_size, n_tensors = t->model->n_tensors;
    device_copy_out(check->sq, t->sq, (size_t)n_tensors * (size_t)B * sizeof(float));
    for (int b = 0; b < physical->n; b++) {
        const double *ref = check->reference->sample[physical->place + b].norm;
        const double floor = small_share() * figures_total(ref, n_tensors);
        for (int p = 0; p < n_tensors; p++) {
            const double sq = check->sq[(long)p * B + b], norm = sqrt(sq < 0.0 ? 0.0 : sq); /* by rounding */
            check->rel_err = worse_of(check->rel_err, relative(fabs(norm - ref[p]), fmax(ref[p], floor)));
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

/* The samples of this rank, of a batch of n. */
static struct batch own_samples(const struct trainer *t, const struct sample_source *source, int n)
{
    return source->samples(source->ctx, batch_share(n, group()->rank, t->config.ranks));
}

static void *host_numbers(int n, size_t size)
{
    void *x = calloc((size_t)n, size);
    if (!x)
        die(EXIT_ENVIRONMENT, "out of host memory");
    return x;
}

static void verify_gradient(struct trainer *t, const struct sample_source *source, const struct reference *reference,
                            struct verification *v)
{
    const int n_tensors = t->model->n_tensors;
    struct figures sum = figures_create(n_tensors), wanted = figures_create(n_tensors);
    double *threshold = host_numbers(t->thresholds.counts, sizeof *threshold);
    struct norm_check norms = {reference, 0.0, host_numbers(n_tensors * t->config.physical_batch_size, sizeof(float))};
    const struct batch x = own_samples(t, source, source->n);
    reference_thresholds(reference, t, threshold);
    reference_sum(reference, t, threshold, source->n, &wanted);
    t->config.max_grad_norm = thresholds_set(&t->thresholds, threshold);
    optimizer_reset(&t->optimizer); /* which may hold the sum */
    trainer_clipped_sum(t, &x, t->ops->is_private ? compare_norms : NULL, &norms);
    trainer_sum_over_group(t, t->sum);
    figures_of(&sum, t->model, t->sum, t->config.seed);
    check_gradient(t, &sum, &wanted, v);
    if (t->ops->is_private) {
        v->norm_rel_err = norms.rel_err;
        found(v, verdict_of(norms.rel_err), "a per-sample gradient norm differs from the sample-by-sample one by %.1e "
            "(limit %.0e)", norms.rel_err, valid_rel_err());
    }
    free(norms.sq);
    free(threshold);
    figures_free(&wanted);
    figures_free(&sum);
}

/* ---- 2. whole steps --------------------------------------------------------------------------------------------- */

/* What is known before a step, from optimizer state m, v in all elements after so many steps. */
struct expected_step {
    double *threshold;                        /* (of the trainer) R, or R_p */
    struct figures sum, noise, ones, weights; /* clipped sum by reference, z, a vector of ones, weights before */
    double m, v;
    int steps;
    double std, divisor;                      /* what the optimizer gets is (sum + std z)/divisor */
    double learning_rate;
};

static struct expected_step expected_step_create(const struct trainer *t)
{
    const int n = t->model->n_tensors;
    return (struct expected_step){.threshold = host_numbers(t->thresholds.counts, sizeof(double)),
        .sum = figures_create(n), .noise = figures_create(n), .ones = figures_create(n), .weights = figures_create(n)};
}

static void expected_step_free(struct expected_step *e)
{
    figures_free(&e->weights);
    figures_free(&e->ones);
    figures_free(&e->noise);
    figures_free(&e->sum);
    free(e->threshold);
}

static double length_of_ones(const struct trainer *t, int p)
{
    return sqrt((double)t->model->tensor[p].size);
}

/* What rounding leaves of something so long is no error. */
static double rounded_off(double length)
{
    return ROUNDINGS / valid_rel_err() * length;
}

static void compare_moment(const struct trainer *t, const struct expected_step *e, const struct figures *got,
                           struct verification *v)
{
    const struct model *m = t->model;
    const struct moment_factors f = optimizer_moment_factors(&t->config.optimizer);
    const double kept = f.kept * e->m, added = f.added / e->divisor;
    const double floor = small_share() * figures_total(e->sum.norm, m->n_tensors);
    for (int p = 0; p < m->n_tensors; p++) {
        double wanted[N_SIGNS];
        for (int k = 0, i = p * N_SIGNS; k < N_SIGNS; k++, i++)
            wanted[k] = kept * e->ones.projection[i] +
                added * (e->sum.projection[i] + e->std * e->noise.projection[i]);
        const double size = added * fmax(e->sum.norm[p], floor) +
            rounded_off((kept + added * e->std) * length_of_ones(t, p));
        const double err = relative(projected_distance(got->projection + p * N_SIGNS, wanted), size);
        v->step_rel_err = worse_of(v->step_rel_err, err);
        found(v, verdict_of(err), "the optimizer got a gradient of %s that differs from (sum + noise)/%g, or kept what "
            "differs from its momentum, by %.1e (limit %.0e)", m->tensor[p].name, e->divisor, err, valid_rel_err());
    }
}

/* direction: u of  w -= learning rate (u + weight_decay w) */
static void compare_weights(const struct trainer *t, const struct expected_step *e, const struct figures *direction,
                            const struct figures *got, struct verification *v)
{
    const struct model *m = t->model;
    const struct optimizer_config *c = &t->config.optimizer;
    const double left = 1.0 - (c->kind == OPTIMIZER_ADAMW ? e->learning_rate * c->weight_decay : 0.0);
    const double floor = small_share() * figures_total(direction->norm, m->n_tensors);
    for (int p = 0; p < m->n_tensors; p++) {
        double wanted[N_SIGNS];
        for (int k = 0, i = p * N_SIGNS; k < N_SIGNS; k++, i++)
            wanted[k] = left * e->weights.projection[i] - e->learning_rate * direction->projection[i];
        const double size = e->learning_rate * fmax(direction->norm[p], floor) +
            rounded_off(fmax(1.0, fabs(left)) * e->weights.norm[p]);
        const double err = relative(projected_distance(got->projection + p * N_SIGNS, wanted), size);
        v->update_rel_err = worse_of(v->update_rel_err, err);
        found(v, verdict_of(err), "the update of %s differs from the optimizer's formula by %.1e (limit %.0e)",
            m->tensor[p].name, err, valid_rel_err());
    }
}

/* The noise that the configuration promises, on the sum: z R, or where counts are published beside it so much more that
 * both together have the multiplier z (../privacy/adaptive.h).  A grid adds a thousandth of R at most. */
static void check_stated_noise(const struct trainer *t, struct verification *v)
{
    const struct trainer_config *c = &t->config;
    const double of_counts = c->adaptive.quantile > 0.0 && c->noise_multiplier > 0.0
        ? c->noise_multiplier * sqrt(t->thresholds.counts) / (2.0 * c->adaptive.count_noise) : 0.0;
    const double promised = t->ops->is_private
        ? c->noise_multiplier * c->max_grad_norm / sqrt(1.0 - of_counts * of_counts) : 0.0;
    const double more = c->noise_generator == NOISE_CHACHA20 ? 1.001 : 1.0, stated = trainer_stated_noise_std(t);
    if (!(stated >= promised * (1.0 - 1e-9) && stated <= promised * more * (1.0 + 1e-9)))
        found(v, VERDICT_INVALID, "noise of standard deviation %g is stated, the configuration promises %g", stated,
            promised);
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

/* As if m and v had got less in the steps before, by so much that neither hides what comes, nor the one what the other
 * tells of it: g is known from m, and v from g. */
static void set_state_before(struct expected_step *e, const struct trainer *t)
{
    const struct optimizer_config *o = &t->config.optimizer;
    const double n = (double)t->model->n_params, sum = figures_total(e->sum.norm, t->model->n_tensors);
    const double got = hypot(sum / sqrt(n), e->std) / e->divisor; /* by an element */
    const double of_v = o->kind == OPTIMIZER_ADAMW ? sqrt(o->beta2) : 1.0;
    e->m = (float)(of_v * optimizer_moment_factors(o).added * got);
    e->v = (float)(0.01 * got * got);
    e->steps = STEPS_BEFORE;
}

/* Of a step of n samples, or 0 and from state 0; the sum is a buffer for it. */
static void expect_step(struct expected_step *e, struct trainer *t, const struct reference *reference, int n)
{
    for (int i = 0; i < t->thresholds.counts; i++)
        e->threshold[i] = t->config.max_grad_norm / sqrt(t->thresholds.counts);
    reference_sum(reference, t, e->threshold, n, &e->sum);
    e->std = trainer_stated_noise_std(t);
    e->divisor = t->config.expected_batch_size;
    e->learning_rate = t->config.optimizer.learning_rate != 0.0;
    figures_of_stated_noise(&e->noise, t, t->step);
    KERNEL(fill, t->sum, 1.0f, t->model->n_params);
    figures_of(&e->ones, t->model, t->sum, t->config.seed);
    figures_of(&e->weights, t->model, t->model->params, t->config.seed);
    if (n)
        set_state_before(e, t);
}

/* What sample b adds to the centred count of threshold i: 1/2 if it is not clipped, else -1/2; 0 where an error of its
 * norm that compare_norms lets pass would decide. */
static double counted(const struct trainer *t, const struct expected_step *e, const struct reference *reference, int b,
                      int i)
{
    const enum clipping clipping = t->config.clipping;
    const double R = e->threshold[i] / (1.0 + trainer_norm_slack(t->ops)), norm = reference_norm(reference, t, b, i);
    const double whole = figures_total(reference->sample[b].norm, t->model->n_tensors);
    const double error = warn_rel_err() * fmax(norm, small_share() * whole);
    if (clip_coefficient(clipping, R, norm + error) == 1.0)
        return 0.5;
    return clip_coefficient(clipping, R, fmax(norm - error, 0.0)) < 1.0 ? -0.5 : 0.0;
}

/* R exp(-eta (b~ - quantile)) for threshold i, see ../privacy/adaptive.h.  *unsure says by how much the grid of noise,
 * and samples that are clipped or not by rounding, may change the logarithm. */
static double moved_threshold(const struct trainer *t, const struct expected_step *e, const struct reference *reference,
                              int n, int i, double z, double *unsure)
{
    const struct adaptive *a = &t->config.adaptive;
    const double first = t->thresholds.initial / sqrt(t->thresholds.counts);
    double centred = a->count_noise * z;
    *unsure = a->learning_rate * COUNT_GRID / 2.0 / e->divisor;
    for (int b = 0; b < n; b++) {
        const double half = counted(t, e, reference, b, i);
        centred += half;
        *unsure += half == 0.0 ? 0.5 * a->learning_rate / e->divisor : 0.0;
    }
    const double moved = e->threshold[i] * exp(-a->learning_rate * (0.5 + centred / e->divisor - a->quantile));
    return fmin(fmax(moved, first / THRESHOLD_REACH), first * THRESHOLD_REACH);
}

/* After the first step, of n samples. */
static void check_thresholds(const struct trainer *t, const struct expected_step *e, const struct reference *reference,
                             int n, struct verification *v)
{
    double *z = host_numbers(t->thresholds.counts, sizeof *z), sq = 0.0, unsure, most_unsure = 0.0;
    noise_numbers(&t->noise, (struct noise_draw){NOISE_OF_COUNTS, 0, 0}, z, t->thresholds.counts);
    for (int i = 0; i < t->thresholds.counts; i++) {
        const double wanted = moved_threshold(t, e, reference, n, i, z[i], &unsure), got = t->thresholds.each[i];
        sq += wanted * wanted;
        most_unsure = fmax(most_unsure, unsure);
        if (!(fabs(log(got / wanted)) <= unsure + 1e-9))
            found(v, VERDICT_INVALID, "threshold %d moved to %g instead of %g", i, got, wanted);
    }
    if (!(fabs(log(t->config.max_grad_norm / sqrt(sq))) <= most_unsure + 1e-9))
        found(v, VERDICT_INVALID, "the thresholds moved to R = %g instead of %g", t->config.max_grad_norm, sqrt(sq));
    free(z);
}

/* Puts AdamW's u in place of m, on the host and in double: m and what it was tell g, and g and what v was tell v. */
static void direction_of_adamw(struct trainer *t, const struct expected_step *e)
{
    enum { CHUNK = 1 << 18 };
    const struct optimizer_config *o = &t->config.optimizer;
    const struct moment_factors f = optimizer_moment_factors(o);
    const double beta2 = (float)o->beta2, added2 = 1.0f - (float)o->beta2, t_now = e->steps + 1;
    const double correct1 = 1.0 / (1.0 - pow(f.kept, t_now)), correct2 = 1.0 / (1.0 - pow(beta2, t_now));
    float *m = host_numbers(CHUNK, sizeof *m);
    for (long at = 0; at < t->own_n && !ledger_is_dry() && !ledger_is_rehearsing(); at += CHUNK) {
        const long n = t->own_n - at < CHUNK ? t->own_n - at : CHUNK;
        device_copy_out(m, t->optimizer.m + at, (size_t)n * sizeof *m);
        for (long i = 0; i < n; i++) {
            const double g = (m[i] - f.kept * e->m) / f.added, v = beta2 * e->v + added2 * g * g;
            m[i] = (float)(m[i] * correct1 / (sqrt(v * correct2) + o->eps));
        }
        device_copy_in(t->optimizer.m + at, m, (size_t)n * sizeof *m);
    }
    free(m);
}

/* The coming step, on a batch of n samples. */
static void verify_step(struct trainer *t, const struct sample_source *source, const struct reference *reference, int n,
                        struct figures *moment, struct verification *v)
{
    struct expected_step e = expected_step_create(t);
    struct figures direction = figures_create(t->model->n_tensors), weights = figures_create(t->model->n_tensors);
    const struct batch x = own_samples(t, source, n);
    check_stated_noise(t, v);
    expect_step(&e, t, reference, n);
    optimizer_set(&t->optimizer, e.m, e.v, e.steps);
    trainer_step(t, &x);
    if (n && t->config.adaptive.quantile > 0.0)
        check_thresholds(t, &e, reference, n, v);
    figures_of_moment(moment, t);
    compare_moment(t, &e, moment, v);
    if (t->optimizer.config.kind == OPTIMIZER_ADAMW)
        direction_of_adamw(t, &e);
    figures_of_moment(&direction, t);
    figures_of(&weights, t->model, t->model->params, t->config.seed);
    compare_weights(t, &e, &direction, &weights, v);
    figures_free(&weights);
    figures_free(&direction);
    expected_step_free(&e);
}

/* ---- 3. the noise -------------------------------------------------------------------------------------------- */

/* moment: after a step without samples from state 0, which stated noise of std */
static void check_noise_variance(const struct trainer *t, const struct figures *moment, double noise_std,
                                 struct verification *v)
{
    const double std = noise_std * optimizer_moment_factors(&t->config.optimizer).added / t->config.expected_batch_size;
    const double n = (double)t->model->n_params, norm = figures_total(moment->norm, t->model->n_tensors);
    if (std == 0.0)
        return;
    v->noise_variance_ratio = norm * norm / n / (std * std);
    const double allowed = v->noise_variance_allowed = NOISE_QUANTILE * sqrt(2.0 / n);
    if (!(fabs(v->noise_variance_ratio - 1.0) <= allowed))
        found(v, VERDICT_INVALID, "the noise has %.4f times the stated variance (allowed 1 +- %.4f)",
            v->noise_variance_ratio, allowed);
}

static void take_worst_of_group(struct verification *v)
{
    double worst[] = {(double)v->verdict, v->grad_rel_err, v->norm_rel_err, v->step_rel_err, v->update_rel_err};
    group_max_host(worst, sizeof worst / sizeof *worst);
    v->verdict = (enum verdict)worst[0];
    v->grad_rel_err = worst[1];
    v->norm_rel_err = worst[2];
    v->step_rel_err = worst[3];
    v->update_rel_err = worst[4];
}

/* Threshold and learning rate are the run's own again, learning rate 1 stands for the stated one before. */
static void verify_steps(struct trainer *t, const struct sample_source *source, const struct reference *reference,
                         struct verification *v)
{
    struct figures moment = figures_create(t->model->n_tensors);
    const double learning_rate = t->optimizer.config.learning_rate, stated = t->config.optimizer.learning_rate;
    if (stated != 0.0)
        t->optimizer.config.learning_rate /= stated;
    verify_step(t, source, reference, source->n_step, &moment, v);
    const double std = trainer_stated_noise_std(t); /* of the next step: thresholds may have moved */
    verify_step(t, source, reference, 0, &moment, v);
    check_noise_variance(t, &moment, std, v);
    t->optimizer.config.learning_rate = learning_rate;
    figures_free(&moment);
}

void verify_trainer(struct trainer *t, const struct sample_source *source, struct verification *v)
{
    *v = (struct verification){.norm_rel_err = NAN, .noise_variance_ratio = NAN, .noise_variance_allowed = NAN};
    struct reference reference = reference_create(source->n, t->model->n_tensors);
    const double own = t->config.max_grad_norm;
    trainer_reset(t);
    reference_compute(&reference, t, source);
    verify_gradient(t, source, &reference, v);
    trainer_reset(t);
    t->config.max_grad_norm = own;
    verify_steps(t, source, &reference, v);
    trainer_reset(t);
    t->config.max_grad_norm = own;
    trainer_renew_keys(t);
    model_init(t->model, t->config.seed);
    reference_free(&reference);
    take_worst_of_group(v);
}
