/* kernel_speed.c - how near kernels come to the speed of memory.
 *
 *   kernel_speed [FLOATS [SHARE]]
 *
 * Arrays of FLOATS numbers (2^26, 256 MiB each).  A line for each kernel: bytes that it must move over its time, as
 * GB/s and as a share of what cudaMemcpy moves from device to device.  Ends with 1 if an element-wise kernel is below
 * 60 % of that, one that sums along rows below 50 %, one that makes random numbers below 20 %, each times SHARE (1; 0:
 * no limit). */
#include "../../kernels/kernels.h"

#include <cuda_runtime_api.h>
#include <stdio.h>
#include <stdlib.h>

enum { TURNS = 10, COLS = 1024, SAMPLES = 8, PIECE = 8 }; /* PIECE: rows that layers sum at once, or fewer */

static cudaStream_t stream;
static cudaEvent_t begin, end;
static double copy_rate, share_wanted;
static int n_slow;

static void check(cudaError_t error, const char *call)
{
    if (error) {
        fprintf(stderr, "kernel_speed: %s: %s\n", call, cudaGetErrorString(error));
        exit(3);
    }
}
#define CHECK(call) check(call, #call)

/* n numbers of four bytes, all 0 */
static void *memory(long n)
{
    void *p;
    CHECK(cudaMalloc(&p, (size_t)n * sizeof(float)));
    CHECK(cudaMemsetAsync(p, 0, (size_t)n * sizeof(float), stream));
    return p;
}

static void report(const char *name, double bytes, double least_share)
{
    float ms;
    CHECK(cudaEventRecord(end, stream));
    CHECK(cudaEventSynchronize(end));
    CHECK(cudaEventElapsedTime(&ms, begin, end));
    const double rate = bytes * TURNS / (1e-3 * ms);
    if (copy_rate == 0.0)
        copy_rate = rate;
    const int slow = rate < copy_rate * least_share * share_wanted;
    n_slow += slow;
    printf("%-24s %9.1f GB/s  %5.2f of a copy%s\n", name, 1e-9 * rate, rate / copy_rate, slow ? "  SLOW" : "");
    fflush(stdout);
}

/* `bytes` is what one call must move; the first call is not timed. */
#define TIME(name, bytes, least_share, call)          \
    do {                                              \
        for (int turn = -1; turn < TURNS; turn++) {   \
            if (turn == 0)                            \
                CHECK(cudaEventRecord(begin, stream)); \
            check((cudaError_t)(call), name);         \
        }                                             \
        report(name, bytes, least_share);             \
    } while (0)
#define ELEMENTS(name, words, ...) TIME(#name, (words) * 4.0 * (double)n, 0.6, k_##name(stream, __VA_ARGS__))
#define ROWS(name, words, ...)     TIME(#name, (words) * 4.0 * (double)n, 0.5, k_##name(stream, __VA_ARGS__))

#define RANDOM(name, words, ...)   TIME(#name, (words) * 4.0 * (double)n, 0.2, k_##name(stream, __VA_ARGS__))

static void elementwise(long n, float *x, float *y, float *z)
{
    const struct philox_stream noise = {.seed = 1, .stream = STREAM_NOISE};
    float *v = memory(n);
    ELEMENTS(fill, 1, x, 0.0f, n);
    ELEMENTS(copy, 2, y, x, n);
    ELEMENTS(add, 3, y, x, n);
    ELEMENTS(gelu_fwd, 2, x, y, n);
    ELEMENTS(gelu_bwd, 3, z, x, y, n);
    ELEMENTS(relu_bwd, 3, z, x, 1.0f, y, n);
    ELEMENTS(to_bf16, 1.5, x, COLS, 0, (uint32_t *)y, 1, n / COLS, COLS);
    ELEMENTS(epilogue, 3, y, COLS, x, z, 1, n / COLS, COLS);
    RANDOM(noise_add, 2, y, 1.0f, noise, 0, n);
    RANDOM(dropout, 2, x, y, ((struct philox_stream){.seed = 1, .stream = STREAM_DROPOUT}), 0.1f, 0, n);
    ELEMENTS(sgd, 5, x, y, z, 0.1f, 0.9f, 1.0f, 0.0f, noise, 0, n);
    RANDOM(sgd, 5, x, y, z, 0.1f, 0.9f, 1.0f, 1.0f, noise, 0, n);
    ELEMENTS(adamw, 7, x, y, v, z, 0.1f, 0.9f, 0.99f, 1e-8f, 0.1f, 1.0f, 1, 0.0f, noise, 0, n);
    CHECK(cudaFree(v));
}

static void along_rows(long n, float *x, float *y, float *z)
{
    const int T = n < 1l << 20 ? 128 : 1024, pieces = (int)(n / COLS / PIECE);
    const long rows = n / COLS, P = n / SAMPLES, heads = n / ((long)T * T), tokens = rows / SAMPLES;
    float *part = memory(n / SQNORM_CHUNK + SAMPLES), *small = memory(rows + COLS + heads * T), *sq = memory(SAMPLES);
    int *zeros = memory(rows), *length = memory(1);
    CHECK(cudaMemcpyAsync(length, &T, sizeof T, cudaMemcpyHostToDevice, stream));
    check((cudaError_t)k_fill(stream, sq, 1.0f, SAMPLES), "fill");
    ROWS(layernorm_fwd, 2, x, small, small, y, small, small, rows, COLS);
    ROWS(layernorm_bwd, 3, x, y, small, small, small, z, rows, COLS);
    ROWS(layernorm_grad_sample, 2 + 4.0 / PIECE, x, y, small, small, z, 2 * COLS, pieces, PIECE, COLS);
    ROWS(bias_grad_sample, 1 + 2.0 / PIECE, x, z, COLS, pieces, PIECE, COLS);
    ROWS(sqnorm_rows, 1, x, P, part, sq, SAMPLES, P);
    ROWS(dot_rows, 2, x, y, 1.0f, part, sq, SAMPLES, P);
    ROWS(weighted_add, 1 + 2.0 / SAMPLES, x, P, sq, y, SAMPLES, P);
    ROWS(softmax_fwd, 2, y, length, small, 0.1f, 1, (int)heads, ((struct score_rows){0, T, T}), T);
    ROWS(softmax_bwd, 4, x, y, small, length, 0.1f, 1, (int)heads, ((struct score_rows){0, T, T}), T);
    ROWS(xent_bwd, 2, x, zeros, sq, NULL, small, SAMPLES, (int)tokens, COLS);
    ROWS(embedding_fwd, 1, zeros, tokens, 1, x, y, SAMPLES, (int)tokens, COLS);
    CHECK(cudaFree(length));
    CHECK(cudaFree(zeros));
    CHECK(cudaFree(sq));
    CHECK(cudaFree(small));
    CHECK(cudaFree(part));
}

int main(int argc, char **argv)
{
    const long n = (argc > 1 ? atol(argv[1]) : 1l << 26) / (COLS * SAMPLES) * (COLS * SAMPLES);
    share_wanted = argc > 2 ? atof(argv[2]) : 1.0;
    if (n < COLS * SAMPLES) {
        fprintf(stderr, "usage: kernel_speed [FLOATS, at least %d, [SHARE]]\n", COLS * SAMPLES);
        return 2;
    }
    CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    CHECK(cudaEventCreate(&begin));
    CHECK(cudaEventCreate(&end));
    float *x = memory(n), *y = memory(n), *z = memory(n);
    TIME("cudaMemcpy", 8.0 * (double)n, 0,
         cudaMemcpyAsync(y, x, (size_t)n * sizeof(float), cudaMemcpyDeviceToDevice, stream));
    elementwise(n, x, y, z);
    along_rows(n, x, y, z);
    printf("%d slow\n", n_slow);
    return n_slow > 0;
}
