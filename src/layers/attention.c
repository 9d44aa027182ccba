/* A chunk is the scores of some queries with all keys that they may see.  It is small enough for the cache, so that
 * softmax and the products after it find it there.  In a causal model the first queries see few keys: those that none
 * of a chunk's queries sees are left out of its products.
 * FLOPs a sample: 4 T^2 D forward, 10 T^2 D backward (2 of them to form the scores again); causal: little more than
 * half of it, the longer the sequence. */
#include "attention.h"

#include "../device/device.h"
#include "../device/ledger.h"

#include <math.h>

enum { LEAST_QUERIES = 128 /* rows for an efficient GEMM */, KEY_STEPS = 16 };

/* Some heads of one sample: one, or all of them, which lie side by side in a row and are one batch of products. */
struct chunk { int b, h, heads; struct score_rows rows; };

static int at_most(int a, int b)
{
    return a < b ? a : b;
}

static size_t score_bytes(const struct attention *a, int heads, int queries)
{
    return (size_t)heads * (size_t)queries * (size_t)a->T * sizeof(float);
}

static int most_queries(const struct attention *a)
{
    const size_t fit = device_cache_bytes() / score_bytes(a, 1, 1);
    const int least = at_most(LEAST_QUERIES, a->T);
    return a->causal || fit < (size_t)least ? least : fit > (size_t)a->T ? a->T : (int)fit;
}

static int most_heads(const struct attention *a)
{
    return score_bytes(a, a->H, most_queries(a)) <= device_cache_bytes() ? a->H : 1;
}

static float *take_scores(const struct attention *a, const char *name)
{
    return ledger_take(MEMORY_WORKSPACE, name, score_bytes(a, most_heads(a), most_queries(a)));
}

/* Keys that queries before `end` may see, in steps, so that few shapes of products occur. */
static int keys_before(const struct attention *a, int end)
{
    const int unit = most_queries(a), step = (a->T + KEY_STEPS * unit - 1) / (KEY_STEPS * unit) * unit;
    return a->causal ? at_most((end + step - 1) / step * step, a->T) : a->T;
}

static struct chunk chunk_at(const struct attention *a, int b, int h, int first)
{
    const int queries = at_most(most_queries(a), a->T - first);
    struct chunk c = {b, h, most_heads(a), {first, queries, keys_before(a, first + queries)}};
    if (!a->n)
        c.rows = (struct score_rows){0, 0, 0};
    return c;
}

/* The last queries of a sample come first: they see all keys, so that they overwrite the gradients of keys and values,
 * to which the others add. */
static struct chunk chunk_first(const struct attention *a, int b, int h)
{
    return chunk_at(a, b, h, (a->T - 1) / most_queries(a) * most_queries(a));
}

static bool chunk_is_first(const struct attention *a, const struct chunk *c)
{
    return c->rows.first + c->rows.queries == a->T || !a->n;
}

static bool chunk_next(const struct attention *a, struct chunk *c)
{
    if (c->rows.first > 0)
        *c = chunk_at(a, c->b, c->h, c->rows.first - most_queries(a));
    else if (c->h + c->heads < a->H)
        *c = chunk_first(a, c->b, c->h + c->heads);
    else if (c->b + 1 < a->n)
        *c = chunk_first(a, c->b + 1, 0);
    else
        return false;
    return true;
}

/* Places of the first key and of the first query of a chunk in (n,T,D), and of its heads in (n,H,T). */
static long keys_at(const struct attention *a, const struct chunk *c)
{
    return (long)c->b * a->T * a->D + (long)c->h * (a->D / a->H);
}
static long queries_at(const struct attention *a, const struct chunk *c)
{
    return keys_at(a, c) + (long)c->rows.first * a->D;
}
static long lse_at(const struct attention *a, const struct chunk *c)
{
    return ((long)c->b * a->H + c->h) * a->T;
}

/* A product of a chunk's heads: c (rows of s, d) or (queries, keys), with views of rows of D floats. */
static void multiply(const struct attention *a, const struct chunk *c, struct gemm g)
{
    const int d = a->D / a->H;
    const long s = (long)c->rows.queries * c->rows.keys;
    const bool makes_scores = g.op == GEMM_NT;
    g.batch = c->heads;
    g.lda = makes_scores ? a->D : 0;
    g.stride_a = makes_scores ? d : s;
    g.ldb = a->D;
    g.stride_b = d;
    g.ldc = makes_scores ? 0 : a->D;
    g.stride_c = makes_scores ? s : d;
    device_gemm(&g);
}

/* s (queries, keys) = x y^T */
static void scores(const struct attention *a, const struct chunk *c, const float *x, const float *y, float *s)
{
    multiply(a, c, (struct gemm){.op = GEMM_NT, .m = c->rows.queries, .n = c->rows.keys, .k = a->D / a->H,
        .a = x + queries_at(a, c), .b = y + keys_at(a, c), .c = s});
}

/* y (queries, d) = s x */
static void mix(const struct attention *a, const struct chunk *c, const float *s, const float *x, float *y)
{
    multiply(a, c, (struct gemm){.op = GEMM_NN, .m = c->rows.queries, .n = a->D / a->H, .k = c->rows.keys, .a = s,
        .b = x + keys_at(a, c), .c = y + queries_at(a, c)});
}

/* y (keys, d) += s^T x */
static void spread(const struct attention *a, const struct chunk *c, const float *s, const float *x, float *y)
{
    float *to = y + keys_at(a, c);
    multiply(a, c, (struct gemm){.op = GEMM_TN, .m = c->rows.keys, .n = a->D / a->H, .k = c->rows.queries, .a = s,
        .b = x + queries_at(a, c), .c = to, .add = chunk_is_first(a, c) ? NULL : to});
}

static float softmax_scale(const struct attention *a)
{
    return 1.0f / sqrtf((float)a->D / (float)a->H);
}

void attention_forward(const struct attention *a, const float *q, const float *k, const float *v, float *out,
                       float *lse)
{
    float *s = take_scores(a, "scores");
    const size_t mark = ledger_mark();
    struct chunk c = chunk_first(a, 0, 0);
    do {
        ledger_rewind(mark);
        scores(a, &c, q, k, s);
        KERNEL(softmax_fwd, s, a->length + c.b, lse + lse_at(a, &c), softmax_scale(a), a->causal, c.heads, c.rows,
            a->T);
        mix(a, &c, s, v, out);
    } while (chunk_next(a, &c));
    ledger_release(s);
}

void attention_backward(const struct attention *a, const float *q, const float *k, const float *v, const float *lse,
    const float *dout, float *dq, float *dk, float *dv)
{
    float *s = take_scores(a, "scores");
    float *ds = take_scores(a, "score gradients");
    const size_t mark = ledger_mark();
    struct chunk c = chunk_first(a, 0, 0);
    do {
        ledger_rewind(mark);
        scores(a, &c, q, k, s);
        scores(a, &c, dout, v, ds);
        KERNEL(softmax_bwd, s, ds, lse + lse_at(a, &c), a->length + c.b, softmax_scale(a), a->causal, c.heads, c.rows,
            a->T);
        spread(a, &c, s, dout, dv);
        mix(a, &c, ds, k, dq);
        spread(a, &c, ds, q, dk);
    } while (chunk_next(a, &c));
    ledger_release(ds);
    ledger_release(s);
}
