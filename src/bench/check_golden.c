#include "check_golden.h"

#include "../base/log.h"
#include "../device/ledger.h"
#include "../records/buffer.h"
#include "golden_case.h"
#include "options.h"
#include "rig.h"
#include "verify.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct case_result {
    const char *trainer, *clipping;
    double loss_rel_err, norm_rel_err, grad_rel_err;
    enum verdict verdict;
};

/* ---- errors -------------------------------------------------------------------------------------------------- */

static double loss_error(const struct golden_case *g, const float *loss)
{
    double err = 0.0;
    for (int b = 0; b < g->B; b++)
        err = worse_of(err, fabs(loss[b] - g->loss[b]) / fabs(g->loss[b]));
    return err;
}

static double norm_error(const struct golden_case *g, const float *sq)
{
    double err = 0.0;
    for (int b = 0; b < g->B; b++) {
        double total = 0.0;
        for (int p = 0; p < g->n_tensors; p++) {
            const double ref = g->norm[(long)p * g->B + b], found = sq[(long)p * g->B + b];
            err = worse_of(err, fabs(sqrt(found) - ref) / fmax(ref, small_share() * g->norm_total[b]));
            total += found;
        }
        err = worse_of(err, fabs(sqrt(total) - g->norm_total[b]) / g->norm_total[b]);
    }
    return err;
}

static double length_of(const double *x, long n)
{
    double sq = 0.0;
    for (long i = 0; i < n; i++)
        sq += x[i] * x[i];
    return sqrt(sq);
}

static double grad_error(const struct model *m, const float *sum, const double *ref)
{
    const double floor = small_share() * length_of(ref, m->n_params);
    double err = 0.0;
    for (int p = 0; p < m->n_tensors; p++) {
        const struct tensor *t = &m->tensor[p];
        double sq = 0.0;
        for (long i = t->offset; i < t->offset + t->size; i++)
            sq += (sum[i] - ref[i]) * (sum[i] - ref[i]);
        err = worse_of(err, sqrt(sq) / fmax(length_of(ref + t->offset, t->size), floor));
    }
    return err;
}

/* ---- one trainer --------------------------------------------------------------------------------------------- */

/* The standard trainer needs no norms: the layers are asked for theirs. */
static void layer_norm_hook(struct layer *l, struct span s, void *ctx)
{
    struct trainer *t = ctx;
    const int stride = t->config.physical_batch_size;
    l->ops->sqnorm(l, s, NORM_INSTANTIATE, t->sq + (long)l->first_tensor * stride, stride);
}

static void layer_norms(struct trainer *t, const struct batch *x)
{
    ledger_start(PROGRAM_REFERENCE);
    KERNEL(fill, t->sq, 0.0f, (long)t->model->n_tensors * t->config.physical_batch_size);
    model_forward(t->model, x);
    trainer_norm_pass(t, x, layer_norm_hook, t, LAST_PASS);
    ledger_finish();
}

static void compute(struct rig *rig, const struct batch *x)
{
    trainer_clipped_sum(rig->trainer, x, NULL, NULL);
    if (!rig->trainer->ops->is_private)
        layer_norms(rig->trainer, x);
}

static void compare(const struct rig *rig, const struct golden_case *g, struct case_result *r)
{
    const struct trainer *t = rig->trainer;
    const size_t P = (size_t)g->n_params, norms = (size_t)g->n_tensors * (size_t)g->B;
    float *sum = memory_get(P * sizeof *sum), *sq = memory_get(norms * sizeof *sq);
    float *loss = memory_get((size_t)g->B * sizeof *loss);
    device_copy_out(sum, t->sum, P * sizeof *sum);
    device_copy_out(sq, t->sq, norms * sizeof *sq);
    device_copy_out(loss, t->loss, (size_t)g->B * sizeof *loss);
    r->loss_rel_err = loss_error(g, loss);
    r->norm_rel_err = norm_error(g, sq);
    r->grad_rel_err = grad_error(rig->model, sum, g->sum[t->config.clipping]);
    r->verdict = verdict_of(worse_of(worse_of(r->loss_rel_err, r->norm_rel_err), r->grad_rel_err));
    free(loss);
    free(sq);
    free(sum);
}

static struct case_result check_case(const struct golden_case *g, const struct trainer_ops *ops, enum clipping clipping)
{
    struct rig rig;
    struct case_result result = {.trainer = ops->name, .clipping = clipping_name[clipping]};
    const struct trainer_config config = {.clipping = clipping, .batch_size = g->B, .physical_batch_size = g->B,
        .max_grad_norm = g->max_grad_norm * (1.0 + trainer_norm_slack(ops)), .expected_batch_size = g->B, .seed = 1};
    ledger_open(LEDGER_REAL, 0);
    if (!rig_create_model(&rig, &g->shape) || !rig_create_parts(&rig, ops, &config, g->T))
        die(EXIT_ENVIRONMENT, "not enough memory for the golden model: %s", ledger_message());
    const struct batch shape = batch_buffer_view(rig.buffer, g->B);
    ledger_rehearse_begin();
    compute(&rig, &shape);
    ledger_rehearse_end();
    if (!ledger_commit())
        die(EXIT_ENVIRONMENT, "not enough memory for the golden model: %s", ledger_message());
    device_copy_in(rig.model->params, g->params, (size_t)g->n_params * sizeof(float));
    model_weights_changed(rig.model);
    const struct batch x = batch_from_tokens(rig.buffer, g->token, g->length, g->B);
    compute(&rig, &x);
    compare(&rig, g, &result);
    rig_free(&rig);
    ledger_close();
    return result;
}

/* ---- all of them --------------------------------------------------------------------------------------------- */

static void print_text(const struct case_result *r, int n)
{
    printf("%-12s %-10s %12s %12s %12s  %s\n", "trainer", "clipping", "loss error", "norm error", "grad error",
           "verdict");
    for (int i = 0; i < n; i++)
        printf("%-12s %-10s %12.1e %12.1e %12.1e  %s\n", r[i].trainer, r[i].clipping, r[i].loss_rel_err,
            r[i].norm_rel_err, r[i].grad_rel_err, verdict_name[r[i].verdict]);
    printf("Errors are relative to the float64 reference; VALID: each at most %.0e, WARN: %.0e.\n", valid_rel_err(),
        warn_rel_err());
}

static void print_json(const struct case_result *r, int n)
{
    cJSON *root = cJSON_CreateObject(), *cases = cJSON_AddArrayToObject(root, "cases");
    for (int i = 0; i < n; i++) {
        cJSON *c = cJSON_CreateObject();
        cJSON_AddStringToObject(c, "trainer", r[i].trainer);
        cJSON_AddStringToObject(c, "clipping", r[i].clipping);
        cJSON_AddNumberToObject(c, "loss_rel_err", r[i].loss_rel_err);
        cJSON_AddNumberToObject(c, "norm_rel_err", r[i].norm_rel_err);
        cJSON_AddNumberToObject(c, "grad_rel_err", r[i].grad_rel_err);
        cJSON_AddStringToObject(c, "verdict", verdict_name[r[i].verdict]);
        cJSON_AddItemToArray(cases, c);
    }
    char *text = cJSON_Print(root);
    puts(text);
    free(text);
    cJSON_Delete(root);
}

static int check_all(const struct golden_case *g, bool json)
{
    enum { MAX_CASES = 256 };
    struct case_result result[MAX_CASES];
    /* the reference is not rounded, so rounding itself is an error here */
    const enum verdict worst = precision_now() == PRECISION_FP32 ? VERDICT_VALID : VERDICT_WARN;
    int n = 0, bad = 0;
    for (int i = 0; trainer_at(i); i++)
        for (int c = 0; c < N_CLIPPINGS; c++)
            if (!trainer_at(i)->is_control && trainer_takes_clipping(trainer_at(i), (enum clipping)c) &&
                n < MAX_CASES) {
                result[n] = check_case(g, trainer_at(i), (enum clipping)c);
                bad += result[n++].verdict > worst;
            }
    (json ? print_json : print_text)(result, n);
    return bad ? EXIT_SOME_FAILED : EXIT_OK;
}

/* False: this device does not have it. */
static bool find_precision(const char *name, enum precision *precision)
{
    *precision = PRECISION_FP32;
    while (name && strcmp(name, precision_name[*precision]) != 0) /* options.c knows it */
        ++*precision;
    const char *why = device_lacks(*precision);
    if (why)
        log_error("--precision %s: %s", name, why);
    return !why;
}

int check_main(int argc, char **argv)
{
    struct options options;
    struct golden_case golden;
    char error[4608];
    const int parsed = options_parse("check", argc, argv, &options, NULL);
    if (parsed >= 0)
        return parsed;
    if (!options.golden) {
        log_error("check: say which reference: --golden FILE.h5 (tests/golden/make_golden.py writes such files)");
        return EXIT_USAGE;
    }
    enum precision precision;
    if (!find_precision(options.precision, &precision))
        return EXIT_USAGE;
    const bool readable = golden_case_read(&golden, options.golden, error, sizeof error);
    int code = EXIT_USAGE;
    if (readable) {
        device_open((int)options.threads);
        precision_set(precision);
        code = check_all(&golden, options.json);
    } else {
        log_error("%s", error);
    }
    golden_case_free(&golden);
    return code;
}
