/* norm_slack.c - by how much what a sample adds to the clipped sum is longer than its norm and coefficient say.
 *
 *   norm_slack PRECISION [small [SHARE]]
 *
 * In bf16 and tf32 trainers that form their sum anew clip to R/(1 + slack) for that reason (trainer_norm_slack; docs/
 * algorithms.md, Precision).  Here: logical batches of one sample, whose sum is what that sample adds;
 *
 *     excess = |sum| / (coef n) - 1       per tensor clipping: coef n is the root of the sum over tensors of (coef_p n_p)^2
 *
 * A line for each trainer and clipping: the largest excess over architectures, depths, weights as initialised and large,
 * samples and thresholds, in units of u (the rounding of one factor) too.  Ends with 1 if one is above SHARE (1) times
 * the slack that the trainer states; FP32_EXCESS is allowed beside it, as norms are sums of P fp32 numbers. */
#include "../../src/base/check.h"
#include "../../src/bench/rig.h"
#include "../../src/device/ledger.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const double FP32_EXCESS = 1e-5, LARGE = 4.0;
static const double threshold_share[] = {0.37, 0.83}; /* of the sample's norm: its coefficient, nearly */
enum { SAMPLES = 2, N_THRESHOLDS = 2 };
struct shape { struct model_shape model; int T; };

static struct trainer_config config_of(enum clipping clipping)
{
    return (struct trainer_config){.clipping = clipping, .batch_size = 1, .physical_batch_size = 1, .max_grad_norm = 1,
        .expected_batch_size = 1, .seed = 1, .optimizer = {.kind = OPTIMIZER_SGD}};
}

static struct rig rig_of(const struct shape *s, const struct trainer_ops *ops, enum clipping clipping)
{
    struct rig rig;
    const struct trainer_config config = config_of(clipping);
    ledger_open(LEDGER_REAL, 0);
    if (!rig_create_model(&rig, &s->model) || !rig_create_parts(&rig, ops, &config, s->T))
        die(EXIT_ENVIRONMENT, "out of memory: %s", ledger_message());
    const struct batch one = batch_buffer_view(rig.buffer, 1);
    ledger_rehearse_begin();
    trainer_clipped_sum(rig.trainer, &one, NULL, NULL);
    ledger_rehearse_end();
    if (!ledger_commit())
        die(EXIT_ENVIRONMENT, "out of memory: %s", ledger_message());
    return rig;
}

/* n numbers of the device in double precision; freed by whoever asks */
static double *numbers_of(const float *device, long n)
{
    float *host = malloc((size_t)n * sizeof *host);
    double *x = malloc((size_t)n * sizeof *x);
    CHECK(host && x);
    device_copy_out(host, device, (size_t)n * sizeof *host);
    for (long i = 0; i < n; i++)
        x[i] = host[i];
    free(host);
    return x;
}

static double length_of(const float *device, long n)
{
    double *x = numbers_of(device, n), sq = 0.0;
    for (long i = 0; i < n; i++)
        sq += x[i] * x[i];
    free(x);
    return sqrt(sq);
}

/* coef n of the one sample, as the trainer has found them */
static double claimed_length(const struct trainer *t)
{
    const int tensors = t->model->n_tensors;
    if (!t->layer_coef)
        return length_of(t->coef, 1) * length_of(t->norm, 1);
    double *coef = numbers_of(t->layer_coef, tensors), *tensor_sq = numbers_of(t->sq, tensors), sq = 0.0;
    for (int p = 0; p < tensors; p++)
        sq += coef[p] * coef[p] * tensor_sq[p];
    free(tensor_sq);
    free(coef);
    return sqrt(sq);
}

static double excess_of(struct trainer *t, const struct batch *x, double max_grad_norm)
{
    t->config.max_grad_norm = max_grad_norm;
    trainer_clipped_sum(t, x, NULL, NULL);
    return length_of(t->sum, t->model->n_params) / claimed_length(t) - 1.0;
}

/* The worst over samples and thresholds; NaN if there was one. */
static double worst_of_samples(struct rig *rig, const struct dataset *data)
{
    struct trainer *t = rig->trainer;
    double worst = -INFINITY;
    for (long record = 0; record < SAMPLES; record++) {
        const struct batch x = dataset_batch(data, rig->buffer, &record, (struct part){0, 1}, NULL);
        excess_of(t, &x, 1.0);
        const double norm = length_of(t->norm, 1);
        for (int i = 0; i < N_THRESHOLDS; i++) {
            const double excess = excess_of(t, &x, threshold_share[i] * norm);
            worst = excess <= worst ? worst : excess;
            if (isnan(excess))
                return NAN;
        }
    }
    return worst;
}

static double worst_of_shape(const struct shape *s, const struct trainer_ops *ops, enum clipping clipping)
{
    char error[512];
    struct dataset *data = dataset_open("random", "line", s->T, s->model.vocab, 1, 1, error, sizeof error);
    if (!data)
        die(EXIT_USAGE, "%s", error);
    struct rig rig = rig_of(s, ops, clipping);
    model_init(rig.model, 1);
    const double initial = worst_of_samples(&rig, data);
    KERNEL(scale, rig.model->params, (float)LARGE, rig.model->n_params);
    model_weights_changed(rig.model);
    const double large = worst_of_samples(&rig, data);
    rig_free(&rig);
    ledger_close();
    dataset_close(data);
    return initial >= large || isnan(initial) ? initial : large;
}

/* Whether it was too large. */
static bool report(const struct shape *shape, int n_shapes, const struct trainer_ops *ops, enum clipping clipping,
                   double share)
{
    const double slack = trainer_norm_slack(ops), u = precision_rounding();
    double worst = -INFINITY;
    for (int i = 0; i < n_shapes && !isnan(worst); i++) {
        const double excess = worst_of_shape(&shape[i], ops, clipping);
        worst = excess <= worst ? worst : excess;
    }
    const bool wrong = !(worst <= share * slack + FP32_EXCESS);
    printf("%-12s %-10s excess %9.2e = %7.4f u, slack %9.2e%s\n", ops->name, clipping_name[clipping], worst, worst / u,
        slack, wrong ? "  TOO LARGE" : "");
    fflush(stdout);
    return wrong;
}

/* In small: one that adds stored gradients and one that forms its sum anew. */
static bool is_measured(const struct trainer_ops *ops, bool is_small)
{
    const bool few = strcmp(ops->name, "dpsgd") == 0 || strcmp(ops->name, "ghost") == 0;
    return ops->is_private && !ops->is_control && (few || !is_small);
}

int main(int argc, char **argv)
{
#define SHAPE(arch, V, D, L, H, T) {{arch, .vocab = V, .dim = D, .layers = L, .heads = H, .max_seq = T}, T}
    static const struct shape small[] = {SHAPE(ARCH_GPT2, 31, 12, 1, 2, 8)};
    static const struct shape whole[] = {SHAPE(ARCH_GPT2, 997, 192, 1, 3, 100), SHAPE(ARCH_GPT2, 997, 96, 12, 3, 33),
        SHAPE(ARCH_POSTLN, 997, 192, 1, 3, 100), SHAPE(ARCH_POSTLN, 997, 96, 12, 3, 33)};
    const bool is_small = argc > 2 && strcmp(argv[2], "small") == 0;
    enum precision precision = N_PRECISIONS;
    int n_wrong = 0;
    for (int p = 0; p < N_PRECISIONS && argc > 1; p++)
        if (strcmp(argv[1], precision_name[p]) == 0)
            precision = (enum precision)p;
    if (precision == N_PRECISIONS || argc > 4 || (argc > 2 && !is_small))
        die(EXIT_USAGE, "usage: norm_slack fp32|tf32|bf16 [small [SHARE]]");
    device_open(0);
    precision_set(precision);
    for (int i = 0; trainer_at(i); i++)
        for (int c = 0; c < N_CLIPPINGS; c++)
            if (is_measured(trainer_at(i), is_small) && trainer_takes_clipping(trainer_at(i), (enum clipping)c))
                n_wrong += report(is_small ? small : whole, is_small ? 1 : 4, trainer_at(i), (enum clipping)c,
                    argc > 3 ? atof(argv[3]) : 1.0);
    device_close();
    printf("%d above the stated slack\n", n_wrong);
    return n_wrong > 0;
}
