#include "figures.h"

#include "../base/check.h"
#include "../device/ledger.h"

#include <math.h>
#include <stdlib.h>

struct figures figures_create(int n_tensors)
{
    struct figures f = {n_tensors, calloc((size_t)n_tensors, sizeof(double)),
        calloc((size_t)n_tensors * N_SIGNS, sizeof(double))};
    if (!f.norm || !f.projection)
        die(EXIT_ENVIRONMENT, "out of host memory");
    return f;
}

void figures_free(struct figures *f)
{
    free(f->norm);
    free(f->projection);
}

double figures_total(const double *norm, int n_tensors)
{
    double sq = 0.0;
    for (int p = 0; p < n_tensors; p++)
        sq += norm[p] * norm[p];
    return sqrt(sq);
}

/* Partial sums of one tensor, (chunks, width) floats on the device, added in double. */
struct parts { float *device, *host; float *sq; };

static long chunks_of(long size)
{
    return (size + SQNORM_CHUNK - 1) / SQNORM_CHUNK;
}

static struct parts parts_begin(const struct model *m)
{
    long longest = 0;
    for (int p = 0; p < m->n_tensors; p++)
        if (m->tensor[p].size > longest)
            longest = m->tensor[p].size;
    const size_t n = (size_t)chunks_of(longest) * N_SIGNS;
    ledger_start(PROGRAM_FIGURES);
    struct parts parts = {ledger_take(MEMORY_WORKSPACE, "partial sums", n * sizeof(float)), calloc(n, sizeof(float)),
        ledger_take(MEMORY_WORKSPACE, "squared norm", sizeof(float))};
    if (!parts.host)
        die(EXIT_ENVIRONMENT, "out of host memory");
    return parts;
}

static void parts_end(struct parts parts)
{
    free(parts.host);
    ledger_release(parts.sq);
    ledger_release(parts.device);
    ledger_finish();
}

static void parts_add(struct parts parts, long chunks, int width, double *sum)
{
    device_copy_out(parts.host, parts.device, (size_t)(chunks * width) * sizeof(float));
    for (int k = 0; k < width; k++) {
        sum[k] = 0.0;
        for (long c = 0; c < chunks; c++)
            sum[k] += parts.host[c * width + k];
    }
}

static struct philox_stream signs_of(uint64_t seed)
{
    return (struct philox_stream){.seed = seed, .stream = STREAM_OF(PROJECTION, 0)};
}

/* Elements of a tensor that are in a part of the vector: n (0: none) from element `begin` of the vector. */
struct piece { long begin, n; };
static struct piece piece_of(const struct tensor *t, struct part part)
{
    const long begin = t->offset > part.begin ? t->offset : part.begin;
    const long end = t->offset + t->size < part.end ? t->offset + t->size : part.end;
    return (struct piece){begin, end > begin ? end - begin : 0};
}

void figures_of_part(struct figures *f, const struct model *m, const float *x, struct part part, uint64_t seed)
{
    struct parts parts = parts_begin(m);
    for (int p = 0; p < m->n_tensors; p++) {
        const struct piece piece = piece_of(&m->tensor[p], part);
        const float *y = x + (piece.begin - part.begin);
        f->norm[p] = 0.0;
        memset(f->projection + (long)p * N_SIGNS, 0, N_SIGNS * sizeof *f->projection);
        if (!piece.n)
            continue;
        KERNEL(fill, parts.sq, 0.0f, 1);
        KERNEL(sqnorm_rows, y, piece.n, parts.device, parts.sq, 1, piece.n);
        parts_add(parts, chunks_of(piece.n), 1, &f->norm[p]);
        f->norm[p] = sqrt(f->norm[p]);
        KERNEL(project, y, signs_of(seed), piece.begin, parts.device, piece.n);
        parts_add(parts, chunks_of(piece.n), N_SIGNS, f->projection + (long)p * N_SIGNS);
    }
    parts_end(parts);
}

void figures_of(struct figures *f, const struct model *m, const float *x, uint64_t seed)
{
    figures_of_part(f, m, x, (struct part){0, m->n_params}, seed);
}

void figures_estimate_norms(struct figures *f)
{
    for (int p = 0; p < f->n_tensors; p++) {
        double sq = 0.0;
        for (int k = p * N_SIGNS; k < (p + 1) * N_SIGNS; k++)
            sq += f->projection[k] * f->projection[k];
        f->norm[p] = fmax(f->norm[p], sqrt(sq / N_SIGNS));
    }
}

void figures_add_projections(struct figures *f)
{
    group_sum_host(f->projection, f->n_tensors * N_SIGNS);
}

void figures_join(struct figures *f)
{
    for (int p = 0; p < f->n_tensors; p++)
        f->norm[p] *= f->norm[p];
    group_sum_host(f->norm, f->n_tensors);
    for (int p = 0; p < f->n_tensors; p++)
        f->norm[p] = sqrt(f->norm[p]);
    figures_add_projections(f);
}

void figures_of_noise(struct figures *f, const struct model *m, struct philox_stream noise, uint64_t seed)
{
    struct parts parts = parts_begin(m);
    for (int p = 0; p < m->n_tensors; p++) {
        const struct tensor *t = &m->tensor[p];
        KERNEL(project_noise, noise, signs_of(seed), t->offset, parts.device, t->size);
        parts_add(parts, chunks_of(t->size), N_SIGNS, f->projection + (long)p * N_SIGNS);
    }
    parts_end(parts);
}
