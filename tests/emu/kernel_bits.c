/* kernel_bits.c - every launcher of kernels.h on fixed numbers; one line for each array it leaves.
 *
 *   NAME = HASH    the same on every device and in every build
 *   NAME ~ HASH    holds a sum whose order follows from the size of a block: the same on every GPU and in the emulator
 *
 * No line may depend on the number of blocks or on the order in which they run.  Sizes are multiples of nothing. */
#include "../../kernels/kernels.h"
#include "shared_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A build for a GPU links its own three. */
__attribute__((weak)) void *shared_memory(size_t bytes)
{
    void *p;
    return posix_memalign(&p, 256, bytes) ? NULL : p;
}
__attribute__((weak)) void shared_memory_sync(void) {}
__attribute__((weak)) void *kernel_stream(void) { return NULL; }

static uint32_t next_word(void)
{
    static uint64_t x = 0x9e3779b97f4a7c15;
    x = x * 6364136223846793005 + 1442695040888963407; /* Knuth's MMIX generator */
    return (uint32_t)(x >> 32);
}

/* n numbers in centre +- spread */
static float *numbers(long n, float centre, float spread)
{
    float *x = shared_memory((size_t)n * sizeof *x);
    if (!x) exit(3);
    for (long i = 0; i < n; i++) x[i] = centre + spread * ((float)next_word() * 0x1p-31f - 1.0f);
    return x;
}
static float *some(long n) { return numbers(n, 0, 2); }
static float *zeros(long n) { return numbers(n, 0, 0); }
static int *integers(long n, int below)
{
    int *k = shared_memory((size_t)n * sizeof *k);
    if (!k) exit(3);
    for (long i = 0; i < n; i++) k[i] = (int)(next_word() % (unsigned)below);
    return k;
}

/* FNV-1a of n numbers of 4 bytes */
static void print_bits(const char *name, char relation, const void *array, long n)
{
    const unsigned char *bytes = array;
    uint64_t hash = 0xcbf29ce484222325;
    shared_memory_sync();
    for (long i = 0; i < 4 * n; i++) hash = (hash ^ bytes[i]) * 0x100000001b3;
    printf("%s %c %016llx\n", name, relation, (unsigned long long)hash);
}

static void launched(const char *name, int status)
{
    if (!status) return;
    fprintf(stderr, "kernel_bits: %s returned %d\n", name, status);
    exit(1);
}
/* SAME(gelu_fwd, y, n, x, y, n) launches k_gelu_fwd(stream, x, y, n), then prints the n numbers of y. */
#define RUN(name, ...)                (launched(#name, k_##name(kernel_stream(), __VA_ARGS__)))
#define SAME(name, result, size, ...) (RUN(name, __VA_ARGS__), print_bits(#name, '=', result, size))
#define SUMS(name, result, size, ...) (RUN(name, __VA_ARGS__), print_bits(#name, '~', result, size))

static void elementwise(void)
{
    enum { n = 5003, rows = 3, cols = 5003 };
    float *x = some(n), *y = some(n), *table = some(rows * cols), *scaled = some(rows * cols), *bias = some(cols);
    float *one_is_zero = some(rows);
    one_is_zero[1] = 0;
    SAME(gelu_fwd, y, n, x, y, n);
    SAME(gelu_bwd, y, n, y, x, y, n);
    SAME(relu_bwd, y, n, y, x, 1.1f, y, n);
    SAME(add, y, n, y, x, n);
    SAME(scale, y, n, y, 0.3f, n);
    SAME(copy, x, n, x, y, n);
    SAME(fill, x, n, x, 0.7f, n);
    SAME(scale_rows, scaled, rows * cols, table, some(rows), scaled, rows, cols);
    SAME(leave_out, scaled, rows * cols, scaled, one_is_zero, rows, cols);
    uint32_t *half = shared_memory(4 * rows * BF16_ROW_WORDS(33));
    SAME(to_bf16, half, rows * BF16_ROW_WORDS(33), table, cols, 33, half, 1, rows, 33);
    SAME(epilogue, scaled, rows * cols, scaled, cols, bias, table, 1, rows, cols);
}

static void embedding(void)
{
    enum { n = 3, T = 37, D = 300, V = 13, P = V * D, stride = P + 7, size = n * T * D };
    const int *id = integers(n * T, V);
    float *table = some(P), *y = some(size), *dy = some(size), *weight = some(n);
    float *g = some(P), *g_sample = some(n * stride), *part = some(n * T), *sq = some(n);
    int *next = integers(n * T, T);
    SAME(embedding_fwd, y, size, id, T, 1, table, y, n, T, D);
    SAME(embedding_add, y, size, id, 0, 1, table, y, n, T, D);
    SAME(embedding_grad, g, P, id, T, 1, weight, dy, g, n, T, D);
    SAME(embedding_grad_sample, g_sample, n * stride, id, T, 1, dy, g_sample, stride, n, T, D);
    SUMS(embedding_sqnorm, sq, n, id, T, 1, dy, next, part, sq, n, T, D);
    print_bits("embedding_sqnorm_next", '=', next, n * T);
}

static void layernorm(void)
{
    enum { n = 3, T = 5, rows = n * T, D = 777, size = rows * D, stride = 2 * D + 3 };
    float *x = some(size), *dy = some(size), *gamma = some(D), *beta = some(D), *y = some(size), *dx = some(size);
    float *mean = some(rows), *rstd = numbers(rows, 1, 0.5f), *g = some(n * stride);
    SAME(layernorm_apply, y, size, x, gamma, beta, mean, rstd, y, rows, D);
    SAME(layernorm_grad_sample, g, n * stride, dy, x, mean, rstd, g, stride, n, T, D);
    SUMS(layernorm_fwd, y, size, x, gamma, beta, y, mean, rstd, rows, D);
    print_bits("layernorm_fwd_mean", '~', mean, rows);
    print_bits("layernorm_fwd_rstd", '~', rstd, rows);
    SUMS(layernorm_bwd, dx, size, dy, x, gamma, mean, rstd, dx, rows, D);
    SUMS(layernorm_bwd_add, dx, size, dy, x, gamma, mean, rstd, dx, rows, D);
}

static void rows(void)
{
    enum { n = 3, T = 9, O = 777, P = 2 * SQNORM_CHUNK + 77, chunks = 3 };
    float *dy = some(n * T * O), *g = some(n * O), *a = some(n * P), *b = some(n * P), *weight = some(n);
    float *sum = some(P), *part = some(n * chunks), *sq = some(n);
    SAME(bias_grad_sample, g, n * O, dy, g, O, n, T, O);
    SAME(weighted_add, sum, P, a, P, weight, sum, n, P);
    SAME(weighted_join, sum, P, a, P, weight, sum, n - 1, P);
    SAME(weighted_sum, sum, P, a, P, weight, sum, n, P);
    SUMS(sqnorm_rows, sq, n, a, P, part, sq, n, P);
    SUMS(dot_rows, sq, n, a, b, 2.0f, part, sq, n, P);
    SUMS(sum_rows, sq, n, dy, sq, n, T * O);
}

static void attention(void)
{
    enum { heads = 2, T = 45, size = heads * T * T };
    int *length = integers(1, T);
    float *s = numbers(size, 0, 10), *p = numbers(size, 0, 10), *ds = some(size), *lse = zeros(heads * T);
    *length = T - 4;
    SUMS(softmax_fwd, p, size, p, length, lse, 0.125f, 1, heads, ((struct score_rows){0, T, T}), T);
    print_bits("softmax_fwd_lse", '~', lse, heads * T);
    SUMS(softmax_bwd, ds, size, s, ds, lse, length, 0.125f, 1, heads, ((struct score_rows){0, T, T}), T);
}

static void loss(void)
{
    enum { n = 3, T = 37, V = 777, size = n * T * V };
    int *target = integers(n * T, V);
    float *logits = numbers(size, 0, 5), *row_loss = zeros(n * T), *scale = some(n), *weight = some(n);
    float *mean = zeros(n), *picked = zeros(T * T);
    target[3] = -1;
    SAME(gather_columns, picked, T * T, logits, integers(T, V), 1, picked, T, T, V);
    SUMS(xent_fwd, row_loss, n * T, logits, target, row_loss, n * T, V);
    SUMS(loss_mean, mean, n, row_loss, scale, mean, n, T);
    SUMS(xent_bwd, logits, size, logits, target, scale, weight, row_loss, n, T, V);
    print_bits("xent_bwd_row_loss", '~', row_loss, n * T);
}

static void clipping(void)
{
    enum { tensors = 5, n = 9, stride = 11, size = tensors * stride };
    float *sq = numbers(size, 1, 1), *coef = some(size), *norm = some(n), *share = numbers(tensors, 1, 0.5f);
    SAME(clip_flat, coef, size, sq, stride, coef, norm, 1.5f, tensors, n);
    SAME(clip_automatic, coef, size, sq, stride, coef, norm, 1.5f, tensors, n);
    SAME(clip_per_layer, coef, size, sq, stride, coef, share, 1.5f, tensors, n);
    SAME(count_unclipped, share, tensors, coef, stride, share, tensors, n);
    SAME(norm_total, norm, n, sq, stride, norm, tensors, n);
}

static void random_numbers(void)
{
    enum { n = 20011, first = 3, chunks = n / SQNORM_CHUNK + 1 };
    const struct philox_stream noise = {.seed = 0x0123456789abcdef, .stream = STREAM_NOISE, .step = 3};
    const struct philox_stream signs = {.seed = 42, .stream = STREAM_PROJECTION};
    float *x = some(n), *y = some(n), *part = zeros(8 * chunks);
    uint32_t word[4];
    k_philox(noise, 7, word);
    print_bits("philox", '=', word, 4);
    SAME(noise_add, x, n, x, 0.5f, noise, first, n);
    SAME(dropout, y, n, x, y, noise, 0.1f, first, n);
    SUMS(project, part, 8 * chunks, x, signs, first, part, n);
    SUMS(project_noise, part, 8 * chunks, noise, signs, first, part, n);
}

static void optimizers(void)
{
    enum { n = 5003 };
    const struct philox_stream noise = {.seed = 5, .stream = STREAM_NOISE, .step = 3};
    float *w = some(n), *m = some(n), *v = numbers(n, 1, 1), *g = some(n);
    SAME(sgd, w, n, w, m, g, 0.1f, 0.9f, 0.25f, 0, noise, 0, n);
    SAME(adamw, w, n, w, m, v, g, 0.01f, 0.9f, 0.99f, 1e-8f, 0.1f, 0.25f, 3, 0, noise, 0, n);
    RUN(sgd, w, m, g, 0.1f, 0.9f, 0.25f, 0.5f, noise, 8, n);
    print_bits("sgd_with_noise", '=', w, n);
    RUN(adamw, w, m, v, g, 0.01f, 0.9f, 0.99f, 1e-8f, 0.1f, 0.25f, 3, 0.5f, noise, 8, n);
    print_bits("adamw_with_noise", '=', w, n);
}

int main(void)
{
    elementwise();
    embedding();
    layernorm();
    rows();
    attention();
    loss();
    clipping();
    random_numbers();
    optimizers();
    return 0;
}
