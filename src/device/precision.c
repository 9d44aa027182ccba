#include "precision.h"

#include "../base/check.h"
#include "device.h"
#include "ledger.h"

#define PRECISION_NAME(NAME, name, bits) #name,
const char *const precision_name[N_PRECISIONS] = {PRECISION_LIST(PRECISION_NAME)};

static enum precision precision;

void precision_set(enum precision p) { precision = p; }
enum precision precision_now(void) { return precision; }

double precision_rounding(void)
{
#define PRECISION_ROUNDING(NAME, name, bits) 1.0 / (1 << bits),
    static const double rounding[N_PRECISIONS] = {PRECISION_LIST(PRECISION_ROUNDING)};
    return rounding[precision];
}

/* ---- factors ------------------------------------------------------------------------------------------------- */

/* A factor as it is stored: `rows` rows of `cols` numbers in each problem. */
struct stored { long rows, cols; };

static struct stored stored_a(const struct gemm *g)
{
    return g->op == GEMM_TN ? (struct stored){g->k, g->m} : (struct stored){g->m, g->k};
}

static struct stored stored_b(const struct gemm *g)
{
    return g->op == GEMM_NT ? (struct stored){g->n, g->k} : (struct stored){g->k, g->n};
}

/* Row length of a copy, in numbers: two a word. */
static long copied_length(struct stored s)
{
    return 2 * BF16_ROW_WORDS(s.cols);
}

struct factors factors_of(const struct gemm *g)
{
    const struct stored a = stored_a(g), b = stored_b(g);
    const long lda = copied_length(a), ldb = copied_length(b);
    if (precision == PRECISION_BF16)
        return (struct factors){.lda = lda, .ldb = ldb, .stride_a = a.rows * lda, .stride_b = b.rows * ldb};
    return (struct factors){.a = g->a, .b = g->b, .lda = g->lda ? g->lda : a.cols, .ldb = g->ldb ? g->ldb : b.cols,
        .stride_a = g->stride_a, .stride_b = g->stride_b};
}

/* x: rows ld apart, problems stride apart */
static void *packed_copy(const char *name, const float *x, long ld, long stride, struct stored s, int batch)
{
    const size_t words = (size_t)batch * (size_t)s.rows * (size_t)BF16_ROW_WORDS(s.cols);
    uint32_t *copy = ledger_take(MEMORY_WORKSPACE, name, words * sizeof *copy);
    KERNEL(to_bf16, x, ld ? ld : s.cols, stride, copy, batch, s.rows, (int)s.cols);
    return copy;
}

void factors_round(struct factors *o, const struct gemm *g)
{
    const int batch = g->m == 0 || g->n == 0 || g->k == 0 ? 0 : g->batch > 1 ? g->batch : 1;
    if (precision != PRECISION_BF16)
        return;
    o->a = o->copy_a = packed_copy("first factor in bf16", g->a, g->lda, g->stride_a, stored_a(g), batch);
    CHECK(!g->b_bf16 || batch <= 1);
    if (!g->b_bf16)
        o->copy_b = packed_copy("second factor in bf16", g->b, g->ldb, g->stride_b, stored_b(g), batch);
    o->b = g->b_bf16 ? (const void *)g->b_bf16 : o->copy_b;
}

void factors_release(struct factors *o)
{
    ledger_release(o->copy_b);
    ledger_release(o->copy_a);
}
