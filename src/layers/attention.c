/* FLOPs: 4 T^2 D a sample forward, 10 T^2 D backward (2 of them to form the scores again). */
#include "attention.h"

#include "../device/device.h"
#include "../device/ledger.h"

#include <math.h>

enum { SCORES_BYTES = 8 << 20 };

static int heads_at_once(const struct attention *a)
{
    const size_t one = (size_t)a->T * (size_t)a->T * sizeof(float);
    const size_t fit = SCORES_BYTES / one;
    return fit < 1 ? 1 : fit > (size_t)a->H ? a->H : (int)fit;
}

static float *take_scores(const struct attention *a, const char *name)
{
    return ledger_take(MEMORY_WORKSPACE, name, (size_t)heads_at_once(a) * a->T * a->T * sizeof(float));
}

/* One sample's chunk of `heads` heads.  x (T, heads*d) is a view of rows of D floats, s (heads, T, T). */
struct chunk { int T, D, d, heads; };

/* s = x y^T */
static void scores(struct chunk c, const float *x, const float *y, float *s)
{
    device_gemm(&(struct gemm){.op = GEMM_NT, .m = c.T, .n = c.T, .k = c.d, .a = x, .lda = c.D, .stride_a = c.d,
        .b = y, .ldb = c.D, .stride_b = c.d, .c = s, .stride_c = (long)c.T * c.T, .batch = c.heads});
}

/* y = s x (NN) or s^T x (TN) */
static void mix(struct chunk c, enum gemm_op op, const float *s, const float *x, float *y)
{
    device_gemm(&(struct gemm){.op = op, .m = c.T, .n = c.d, .k = c.T, .a = s, .stride_a = (long)c.T * c.T,
        .b = x, .ldb = c.D, .stride_b = c.d, .c = y, .ldc = c.D, .stride_c = c.d, .batch = c.heads});
}

static float softmax_scale(const struct attention *a)
{
    return 1.0f / sqrtf((float)a->D / (float)a->H);
}

/* The chunks of all samples, one after another; the body sees `c`, its place `at` in (n,T,D), `row` in (n,H,T). */
#define FOR_EACH_CHUNK(a)                                                                                     \
    const size_t mark_ = ledger_mark();                                                                       \
    const int step_ = heads_at_once(a), d_ = (a)->D / (a)->H;                                                 \
    for (int b = 0; b == 0 || b < (a)->n; b++)                                                                \
        for (int h = 0; h < (a)->H; h += step_)

void attention_forward(const struct attention *a, const float *q, const float *k, const float *v, float *out,
                       float *lse)
{
    float *s = take_scores(a, "scores");
    FOR_EACH_CHUNK(a) {
        ledger_rewind(mark_);
        const struct chunk c = {a->n ? a->T : 0, a->D, d_, a->H - h < step_ ? a->H - h : step_};
        const long at = (long)b * a->T * a->D + (long)h * d_, row = ((long)b * a->H + h) * a->T;
        scores(c, q + at, k + at, s);
        KERNEL(softmax_fwd, s, a->length + b, lse + row, softmax_scale(a), a->causal, c.heads, c.T);
        mix(c, GEMM_NN, s, v + at, out + at);
    }
    ledger_release(s);
}

void attention_backward(const struct attention *a, const float *q, const float *k, const float *v, const float *lse,
    const float *dout, float *dq, float *dk, float *dv)
{
    float *s = take_scores(a, "scores");
    float *ds = take_scores(a, "score gradients");
    FOR_EACH_CHUNK(a) {
        ledger_rewind(mark_);
        const struct chunk c = {a->n ? a->T : 0, a->D, d_, a->H - h < step_ ? a->H - h : step_};
        const long at = (long)b * a->T * a->D + (long)h * d_, row = ((long)b * a->H + h) * a->T;
        scores(c, q + at, k + at, s);
        scores(c, dout + at, v + at, ds);
        KERNEL(softmax_bwd, s, ds, lse + row, a->length + b, softmax_scale(a), a->causal, c.heads, c.T);
        mix(c, GEMM_TN, s, dout + at, dv + at);
        mix(c, GEMM_NN, ds, k + at, dq + at);
        mix(c, GEMM_TN, ds, q + at, dk + at);
    }
    ledger_release(ds);
    ledger_release(s);
}
