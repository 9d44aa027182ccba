#include "thresholds.h"

#include "../../mpi/group.h"
#include "../base/check.h"
#include "../device/device.h"
#include "../device/ledger.h"

#include <math.h>
#include <stdlib.h>

bool thresholds_create(struct thresholds *t, const struct adaptive *adaptive, double max_grad_norm, int counts)
{
    const size_t n = (size_t)counts;
    *t = (struct thresholds){.adaptive = *adaptive, .counts = counts, .initial = max_grad_norm,
        .each = calloc(n, sizeof *t->each), .host = calloc(n, sizeof *t->host)};
    if (!t->each || !t->host)
        die(EXIT_ENVIRONMENT, "out of host memory");
    t->share = ledger_alloc(MEMORY_PER_SAMPLE_GRADIENTS, "shares of the threshold", n * sizeof(float));
    t->unclipped = ledger_alloc(MEMORY_PER_SAMPLE_GRADIENTS, "counts of unclipped samples", n * sizeof(float));
    return t->share && t->unclipped;
}

void thresholds_free(struct thresholds *t)
{
    ledger_free(t->unclipped);
    ledger_free(t->share);
    free(t->host);
    free(t->each);
}

static double total(const struct thresholds *t)
{
    double sq = 0.0;
    for (int p = 0; p < t->counts; p++)
        sq += t->each[p] * t->each[p];
    return sqrt(sq);
}

static void send_shares(struct thresholds *t)
{
    const double R = total(t);
    for (int p = 0; p < t->counts; p++)
        t->host[p] = (float)(t->each[p] / R);
    device_copy_in(t->share, t->host, (size_t)t->counts * sizeof *t->host);
}

void thresholds_reset(struct thresholds *t)
{
    for (int p = 0; p < t->counts; p++)
        t->each[p] = t->initial / sqrt(t->counts);
    send_shares(t);
}

double thresholds_set(struct thresholds *t, const double *each)
{
    memcpy(t->each, each, (size_t)t->counts * sizeof *t->each);
    send_shares(t);
    return total(t);
}

void thresholds_begin(struct thresholds *t)
{
    if (t->adaptive.quantile > 0.0)
        KERNEL(fill, t->unclipped, 0.0f, t->counts);
}

void thresholds_count(struct thresholds *t, const float *coef, int stride, int n)
{
    if (t->adaptive.quantile > 0.0)
        KERNEL(count_unclipped, coef, stride, t->unclipped, t->counts, n);
}

/* Noise alone can drive a threshold for ever. */
static void keep_in_reach(struct thresholds *t)
{
    const double first = t->initial / sqrt(t->counts);
    for (int p = 0; p < t->counts; p++)
        t->each[p] = fmin(fmax(t->each[p], first / THRESHOLD_REACH), first * THRESHOLD_REACH);
}

double thresholds_move(struct thresholds *t, int n, double expected_batch_size, const struct noise_source *source,
                       struct noise_draw draw)
{
    if (ledger_is_dry() || ledger_is_rehearsing())
        return t->initial;
    const int last = t->counts;
    double *unclipped = calloc((size_t)last + 1, sizeof *unclipped); /* and n, for the sum over the group */
    double *z = calloc((size_t)t->counts, sizeof *z);
    CHECK(unclipped && z);
    device_copy_out(t->host, t->unclipped, (size_t)t->counts * sizeof *t->host);
    for (int p = 0; p < t->counts; p++)
        unclipped[p] = t->host[p];
    unclipped[last] = n;
    group_sum_host(unclipped, t->counts + 1);
    noise_numbers(source, draw, z, t->counts);
    adaptive_move(&t->adaptive, t->each, unclipped, z, t->counts, unclipped[last], expected_batch_size);
    keep_in_reach(t);
    free(z);
    free(unclipped);
    send_shares(t);
    return total(t);
}
