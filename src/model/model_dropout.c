/* model_dropout.c - the three places of a block where dropout is applied.  The original benchmark also drops attention
 * probabilities; that is left out here.
 *
 * Element (b, t, d) of a site has the index ((place of b in the logical batch) T + t) columns + d in its stream, so
 * both backward passes, physical batches, single samples and verification see the same mask. */
#include "../device/ledger.h"
#include "model_pass.h"

static void mask(const struct model *m, int l, enum dropout_site site, const float *x, float *y, long columns)
{
    const struct batch *b = &m->pass->batch;
    const struct philox_stream stream = {.seed = m->dropout.seed,
        .stream = STREAM_OF(DROPOUT, l * N_DROPOUT_SITES + (int)site), .step = m->dropout.step};
    KERNEL(dropout, x, y, stream, (float)m->dropout.p, b->place * b->T * columns, pass_rows(m) * columns);
}

void dropout_in_place(const struct model *m, int l, enum dropout_site site, float *x, long columns)
{
    if (m->dropout.p > 0.0)
        mask(m, l, site, x, x, columns);
}

float dropout_scale(const struct model *m)
{
    return 1.0f / (1.0f - (float)m->dropout.p);
}

float *dropout_gradient(const struct model *m, int l, enum dropout_site site, float *dy)
{
    if (m->dropout.p == 0.0)
        return dy;
    float *masked = pass_gradient(m, "masked gradient", m->shape.dim);
    mask(m, l, site, dy, masked, m->shape.dim);
    return masked;
}

void dropout_gradient_end(const struct model *m, float *masked)
{
    if (m->dropout.p > 0.0)
        ledger_release(masked);
}

void dropout_residual(const struct model *m, int l, enum dropout_site site, const struct layer *layer, const float *x,
    const float *residual, float *y)
{
    const long rows = pass_rows(m), n = rows * m->shape.dim;
    if (m->dropout.p == 0.0) {
        linear_forward(layer, x, rows, (struct linear_out){.y = y, .add = residual});
        return;
    }
    float *out = ledger_take(MEMORY_WORKSPACE, "before dropout", (size_t)n * sizeof(float));
    linear_forward(layer, x, rows, (struct linear_out){.y = out});
    mask(m, l, site, out, out, m->shape.dim);
    if (y != residual)
        KERNEL(copy, y, residual, n);
    KERNEL(add, y, out, n);
    ledger_release(out);
}
