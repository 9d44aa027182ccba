/* product_errors.c - matrix products through the door of the device against double precision, at the shapes of large
 * models.
 *
 *   product_errors PRECISION [small]
 *
 * A line for each product of a step: forward, dX and dW of every linear layer, per-sample dW, attention, Gram tiles.  Of
 * some rows and columns, spread over the whole, the result is compared with a sum in double precision of the very factors
 * (in bf16: rounded).  Factors are independent numbers z of mean 0 and variance 1, so that a partial sum of i terms has
 * variance i, and what an error should be at most can be derived; u = 2^-24:
 *
 *   each of k additions rounds to nearest, whatever their order          u sqrt((k^2 + 3k) / 6)
 *   tensor cores cut off after every 4 terms or more (Fasi, Higham,
 *     Mikaitis & Pranesh 2021): errors have the sign of the sum          u k^1.5 / (4 sqrt 3)
 *   tf32: a factor is cut off at 11 bits, or rounded                     2^-10 sqrt(2k / 3)
 *
 * A product is wrong if the root mean square of its errors is above 1.5 times the root of the sum of their squares, or
 * one error above 16 times that.  Factors of a lower precision than asked for are above the first limit.  Ends with 1 if
 * a product is wrong. */
#include "../../src/base/check.h"
#include "../../src/device/device.h"
#include "../../src/device/ledger.h"
#include "../../src/model/model.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { SAMPLED = 24, SPAN_ROWS = 512 };
static const double RMS_LIMIT = 1.5, WORST_LIMIT = 16.0;

/* ---- errors ------------------------------------------------------------------------------------------------------ */

/* Root mean square of the errors of sums of k products, at most. */
static double expected_error(double k)
{
    const double u = 0x1p-24, additions = u * sqrt((k * k + 3 * k) / 6);
    const double cut = precision_now() == PRECISION_FP32 ? 0.0 : u * pow(k, 1.5) / (4 * sqrt(3));
    const double factors = precision_now() == PRECISION_TF32 ? 0x1p-10 * sqrt(2 * k / 3) : 0.0;
    return sqrt(additions * additions + cut * cut + factors * factors);
}

/* As the kernel does it: to nearest, ties to even. */
static float bf16_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static double factor_of(float x)
{
    return precision_now() == PRECISION_BF16 ? bf16_of(x) : x;
}

/* A matrix on the host: element (i, j) is at[i*step_i + j*step_j]. */
struct view { const float *at; long step_i, step_j; };

/* k factors of row i, as they are multiplied */
static void take_row(struct view v, long i, long k, double *row)
{
    for (long l = 0; l < k; l++)
        row[l] = factor_of(v.at[i * v.step_i + l * v.step_j]);
}

/* The i-th of the sampled ones of n, the first and the last among them. */
static long sampled(int i, long n)
{
    return n <= SAMPLED ? i : i * (n - 1) / (SAMPLED - 1);
}
static int n_sampled(long n)
{
    return n < SAMPLED ? (int)n : SAMPLED;
}

struct errors { double sq, worst; long n; };

/* a (m,k), b (n,k): columns of the second factor as rows; c (m,n) */
static void add_errors(struct errors *e, const struct gemm *g, struct view a, struct view b, struct view c)
{
    const size_t k = (size_t)g->k;
    double *row = calloc(k, sizeof *row), *column = calloc(SAMPLED * k, sizeof *column);
    CHECK(row && column);
    for (int j = 0; j < n_sampled(g->n); j++)
        take_row(b, sampled(j, g->n), g->k, column + (size_t)j * k);
    for (int i = 0; i < n_sampled(g->m); i++) {
        take_row(a, sampled(i, g->m), g->k, row);
        for (int j = 0; j < n_sampled(g->n); j++) {
            double sum = 0.0;
            for (size_t l = 0; l < k; l++)
                sum += row[l] * column[(size_t)j * k + l];
            const double error = fabs(c.at[sampled(i, g->m) * c.step_i + sampled(j, g->n) * c.step_j] - sum);
            e->worst = fmax(e->worst, error);
            e->sq += error * error; /* NaN stays */
            e->n++;
        }
    }
    free(column);
    free(row);
}

/* ---- one product ------------------------------------------------------------------------------------------------- */

/* Floats from the first to the last of `batch` matrices (rows, cols). */
static long extent(long rows, long cols, long ld, long batch, long stride)
{
    return (batch - 1) * stride + (rows - 1) * (ld ? ld : cols) + cols;
}

static float *operand_create(int i, long n)
{
    float *x = ledger_alloc(MEMORY_WORKSPACE, "operands", (size_t)n * sizeof *x);
    if (!x)
        die(EXIT_ENVIRONMENT, "out of memory: %s", ledger_message());
    KERNEL(fill, x, 0.0f, n);
    KERNEL(noise_add, x, 1.0f, ((struct philox_stream){.seed = 1, .stream = STREAM_OF(AUDIT, i)}), 0, n);
    return x;
}

static float *host_copy(const float *x, long n)
{
    float *host = malloc((size_t)n * sizeof *host);
    if (!host)
        die(EXIT_ENVIRONMENT, "out of host memory");
    device_copy_out(host, x, (size_t)n * sizeof *host);
    return host;
}

static void multiply(const struct gemm *g)
{
    ledger_rehearse_begin();
    ledger_start(PROGRAM_FIGURES);
    device_gemm(g);
    ledger_finish();
    ledger_rehearse_end();
    if (!ledger_commit())
        die(EXIT_ENVIRONMENT, "out of memory: %s", ledger_message());
    ledger_start(PROGRAM_FIGURES);
    device_gemm(g);
    ledger_finish();
    ledger_retire();
}

static struct errors errors_of(const struct gemm *g, long n_a, long n_b, long n_c)
{
    const long batch = g->batch > 1 ? g->batch : 1, ldc = g->ldc ? g->ldc : g->n;
    const long lda = g->lda ? g->lda : g->op == GEMM_TN ? g->m : g->k;
    const long ldb = g->ldb ? g->ldb : g->op == GEMM_NT ? g->k : g->n;
    float *a = host_copy(g->a, n_a), *b = host_copy(g->b, n_b), *c = host_copy(g->c, n_c);
    struct errors e = {0};
    for (long p = 0; p < batch; p += batch > 1 ? batch - 1 : 1) { /* the first problem and the last */
        const struct view first = {a + p * g->stride_a, g->op == GEMM_TN ? 1 : lda, g->op == GEMM_TN ? lda : 1};
        const struct view second = {b + p * g->stride_b, g->op == GEMM_NT ? ldb : 1, g->op == GEMM_NT ? 1 : ldb};
        add_errors(&e, g, first, second, (struct view){c + p * g->stride_c, ldc, 1});
    }
    free(c);
    free(b);
    free(a);
    return e;
}

static int n_wrong;

static void report(const char *what, const struct gemm *g, struct errors e)
{
    static const char *const op[] = {[GEMM_NT] = "NT", [GEMM_NN] = "NN", [GEMM_TN] = "TN"};
    const double expected = expected_error((double)g->k), rms = sqrt(e.sq / (double)e.n);
    const bool wrong = !(rms <= RMS_LIMIT * expected && e.worst <= WORST_LIMIT * expected);
    n_wrong += wrong;
    printf("%-28s %s batch %3d %6ld x %6ld x %6ld  error %.2e of %.2e expected (%4.2f), worst %5.2f%s\n", what,
        op[g->op], g->batch > 1 ? g->batch : 1, g->m, g->n, g->k, rms, expected, rms / expected, e.worst / expected,
        wrong ? "  WRONG" : "");
    fflush(stdout);
}

static void check(const char *what, struct gemm g)
{
    const long batch = g.batch > 1 ? g.batch : 1;
    const bool tn = g.op == GEMM_TN, nt = g.op == GEMM_NT;
    const long n_a = extent(tn ? g.k : g.m, tn ? g.m : g.k, g.lda, batch, g.stride_a);
    const long n_b = extent(nt ? g.n : g.k, nt ? g.k : g.n, g.ldb, batch, g.stride_b);
    const long n_c = extent(g.m, g.n, g.ldc, batch, g.stride_c);
    ledger_open(LEDGER_REAL, 0);
    float *a = operand_create(0, n_a), *b = operand_create(1, n_b), *c = operand_create(2, n_c);
    g.a = a;
    g.b = b;
    g.c = c;
    multiply(&g);
    report(what, &g, errors_of(&g, n_a, n_b, n_c));
    ledger_free(c);
    ledger_free(b);
    ledger_free(a);
    ledger_close();
}

/* ---- the products of a step -------------------------------------------------------------------------------------- */

/* y = x W^T, dx = dy W, dW = dy^T x of one linear layer */
static void check_linear(const char *name, long rows, long in, long out)
{
    char what[64];
#define NAMED(kind) (snprintf(what, sizeof what, "%s %s", name, kind), what)
    check(NAMED("forward"), (struct gemm){.op = GEMM_NT, .m = rows, .n = out, .k = in});
    check(NAMED("dX"), (struct gemm){.op = GEMM_NN, .m = rows, .n = in, .k = out});
    check(NAMED("dW"), (struct gemm){.op = GEMM_TN, .m = out, .n = in, .k = rows});
#undef NAMED
}

/* Gradients of each sample, apart from one another as those of weight and bias. */
static void check_per_sample(int B, long T, long in, long out)
{
    check("dW of each sample", (struct gemm){.op = GEMM_TN, .m = out, .n = in, .k = T, .batch = B,
        .stride_a = T * out, .stride_b = T * in, .stride_c = out * in + out});
    const long tile = T < device_tile() ? T : device_tile();
    check("Gram tile of each sample", (struct gemm){.op = GEMM_NT, .m = tile, .n = tile, .k = in, .batch = B,
        .stride_a = T * in, .stride_b = T * in, .stride_c = tile * tile});
}

/* Heads lie side by side in rows of D numbers. */
static void check_attention(int heads, long T, long D)
{
    const long d = D / heads;
    check("scores of heads", (struct gemm){.op = GEMM_NT, .m = T, .n = T, .k = d, .lda = D, .ldb = D, .batch = heads,
        .stride_a = d, .stride_b = d, .stride_c = T * T});
    check("mix of heads", (struct gemm){.op = GEMM_NN, .m = T, .n = d, .k = T, .ldb = D, .ldc = D, .batch = heads,
        .stride_a = T * T, .stride_b = d, .stride_c = d});
    check("transposed mix of heads", (struct gemm){.op = GEMM_TN, .m = T, .n = d, .k = T, .ldb = D, .ldc = D,
        .batch = heads, .stride_a = T * T, .stride_b = d, .stride_c = d});
}

static void check_model(const char *name, const struct model_shape *s, int B, long T)
{
    const long D = s->dim, rows = B * T;
    printf("%s, B %d, T %ld in %s\n", name, B, T, precision_name[precision_now()]);
    check_linear("attention", rows, D, D);
    check_linear("up", rows, D, 4 * D);
    check_linear("down", rows, 4 * D, D);
    check_linear("head", T < SPAN_ROWS ? SPAN_ROWS / T * T : T, D, s->vocab);
    check_per_sample(B, T, D, 4 * D);
    check_attention(s->heads, T, D);
}

int main(int argc, char **argv)
{
    enum precision precision = N_PRECISIONS;
    for (int p = 0; p < N_PRECISIONS && argc > 1; p++)
        if (strcmp(argv[1], precision_name[p]) == 0)
            precision = (enum precision)p;
    if (precision == N_PRECISIONS || argc > 3 || (argc == 3 && strcmp(argv[2], "small") != 0))
        die(EXIT_USAGE, "usage: product_errors fp32|tf32|bf16 [small]");
    const struct model_shape tiny = {ARCH_GPT2, .vocab = 301, .dim = 30, .heads = 2};
    device_open(0);
    precision_set(precision);
    if (argc == 3) {
        check_model("tiny", &tiny, 2, 33);
    } else {
        check_model("gpt2", &model_size_find("gpt2")->shape, 8, 1024);
        check_model("1b", &model_size_find("1b")->shape, 4, 2048);
    }
    device_close();
    printf("%d wrong\n", n_wrong);
    return n_wrong > 0;
}
