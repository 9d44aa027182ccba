/* elementwise.cu - y[i] = f(x[i]): one pass, as fast as memory. */
#include "kmath.h"
#include "kernels.h"

__global__ void fill(float *x, float value, long n)
{
    GRID_LOOP(i, n) x[i] = value;
}

__global__ void copy(float *__restrict__ y, const float *__restrict__ x, long n)
{
    GRID_LOOP(i, n) y[i] = x[i];
}

__global__ void scale(float *x, float factor, long n)
{
    GRID_LOOP(i, n) x[i] *= factor;
}

__global__ void add(float *__restrict__ y, const float *__restrict__ x, long n)
{
    GRID_LOOP(i, n) y[i] += x[i];
}

/* Rows are long and few: a block takes a chunk of one, so that no column needs a division.  y may be x. */
#define ROW_CHUNK 4096
__global__ void scale_rows(const float *x, const float *__restrict__ weight, float *y, int n, long cols)
{
    const long chunks = TILES(cols, ROW_CHUNK);
    ROW_LOOP(k, n * chunks, ROW_CHUNK) {
        const long b = k / chunks, c0 = k % chunks * ROW_CHUNK;
        const int width = tile_size(cols, c0, ROW_CHUNK);
        const float w = weight[b];
        const float *xr = x + b * cols + c0;
        float *yr = y + b * cols + c0;
        if (w == 0.0f) {
            BLOCK_LOOP(j, width) yr[j] = 0.0f; /* a sample left out, whatever it holds */
        } else {
            BLOCK_LOOP(j, width) yr[j] = w * xr[j];
        }
    }
}

__global__ void leave_out(float *__restrict__ x, const float *__restrict__ weight, int n, long cols)
{
    const long chunks = TILES(cols, ROW_CHUNK);
    ROW_LOOP(k, n * chunks, ROW_CHUNK) {
        const long b = k / chunks, c0 = k % chunks * ROW_CHUNK;
        const int width = weight[b] == 0.0f ? tile_size(cols, c0, ROW_CHUNK) : 0;
        float *xr = x + b * cols + c0;
        BLOCK_LOOP(j, width) xr[j] = 0.0f;
    }
}

/* What follows a matrix product whose library call does not do it itself, in one pass: GPUs alone run it. */
__global__ void epilogue(float *c, long ld, const float *__restrict__ bias, const float *__restrict__ add, int relu,
                         long rows, int cols)
{
    ROW_LOOP(r, rows, cols) {
        float *cr = c + r * ld;
        const float *ar = add ? add + r * ld : NULL;
        BLOCK_LOOP(j, cols) {
            float y = cr[j];
            if (bias) y += bias[j];
            if (add) y += ar[j];
            cr[j] = relu ? k_max(y, 0.0f) : y;
        }
    }
}

/* The upper half of a float's bits, rounded to nearest, ties to even.  A NaN must not become infinite. */
DEVICE uint32_t bf16_of(float x)
{
    const uint32_t u = k_float_bits(x), rounded = u + 0x7fffu + (u >> 16 & 1u), nan = u | 0x400000u;
    return (x == x ? rounded : nan) >> 16;
}

/* A thread makes whole words, so that no two write to one. */
__global__ void to_bf16(const float *__restrict__ x, long ld, long stride, uint32_t *__restrict__ y, int batch,
                        long rows, int cols)
{
    const int words = BF16_ROW_WORDS(cols), pairs = cols / 2;
    ROW_LOOP(k, batch * rows, cols) {
        const float *xr = x + k / rows * stride + k % rows * ld;
        uint32_t *yr = y + k * words;
        BLOCK_LOOP(j, pairs) yr[j] = bf16_of(xr[2 * j]) | bf16_of(xr[2 * j + 1]) << 16;
        BLOCK_LOOP(j, words - pairs) yr[pairs + j] = 2 * (pairs + j) < cols ? bf16_of(xr[cols - 1]) : 0u;
    }
}

/* dx of the backward kernels may be dy, hence no __restrict__ on the two. */
__global__ void relu_bwd(const float *dy, const float *__restrict__ y, float scale, float *dx, long n)
{
    GRID_LOOP(i, n) {
        const float d = scale * dy[i]; /* read in any case: a masked load would be slower */
        dx[i] = y[i] > 0.0f ? d : 0.0f;
    }
}

/* GELU in tanh form: gelu(x) = x/2 (1 + tanh u) = x sigmoid(2u),  2u = 2 sqrt(2/pi) (x + 0.044715 x^3) */
#define GELU_SLOPE 1.5957691216f
#define GELU_CUBIC 0.044715f
DEVICE float gelu_sigmoid(float x)
{
    return 1.0f / (1.0f + k_exp(-(GELU_SLOPE * x * (1.0f + GELU_CUBIC * x * x))));
}

__global__ void gelu_fwd(const float *__restrict__ x, float *__restrict__ y, long n)
{
    GRID_LOOP(i, n) y[i] = x[i] * gelu_sigmoid(x[i]);
}

/* gelu'(x) = s + x s (1 - s) (2u)'.  Beyond +-16 it is 0 or 1 to float precision, and x * x must not overflow. */
DEVICE float gelu_slope(float x)
{
    const float c = x > 16.0f ? 16.0f : x < -16.0f ? -16.0f : x;
    const float s = gelu_sigmoid(c);
    return s + c * s * (1.0f - s) * (GELU_SLOPE * (1.0f + 3.0f * GELU_CUBIC * c * c));
}

__global__ void gelu_bwd(const float *dy, const float *__restrict__ x, float *dx, long n)
{
    GRID_LOOP(i, n) dx[i] = dy[i] * gelu_slope(x[i]);
}

API int k_fill(kstream st, float *x, float value, long n)
{
    return LAUNCH(fill, ELT_GRID(n), ELT_BLOCK, st, x, value, n);
}
API int k_copy(kstream st, float *y, const float *x, long n)
{
    return LAUNCH(copy, ELT_GRID(n), ELT_BLOCK, st, y, x, n);
}
API int k_scale(kstream st, float *x, float factor, long n)
{
    return LAUNCH(scale, ELT_GRID(n), ELT_BLOCK, st, x, factor, n);
}
API int k_add(kstream st, float *y, const float *x, long n)
{
    return LAUNCH(add, ELT_GRID(n), ELT_BLOCK, st, y, x, n);
}
API int k_scale_rows(kstream st, const float *x, const float *weight, float *y, int n, long cols)
{
    return LAUNCH(scale_rows, ROW_GRID(n * TILES(cols, ROW_CHUNK)), ROW_BLOCK(cols), st, x, weight, y, n, cols);
}
API int k_leave_out(kstream st, float *x, const float *weight, int n, long cols)
{
    return LAUNCH(leave_out, ROW_GRID(n * TILES(cols, ROW_CHUNK)), ROW_BLOCK(cols), st, x, weight, n, cols);
}
API int k_epilogue(kstream st, float *c, long ld, const float *bias, const float *add, int relu, long rows, int cols)
{
    return LAUNCH(epilogue, ROW_GRID(rows), ROW_BLOCK(cols), st, c, ld, bias, add, relu, rows, cols);
}
API int k_to_bf16(kstream st, const float *x, long ld, long stride, uint32_t *y, int batch, long rows, int cols)
{
    return LAUNCH(to_bf16, ROW_GRID(batch * rows), ROW_BLOCK(cols), st, x, ld, stride, y, batch, rows, cols);
}
API int k_relu_bwd(kstream st, const float *dy, const float *y, float scale, float *dx, long n)
{
    return LAUNCH(relu_bwd, ELT_GRID(n), ELT_BLOCK, st, dy, y, scale, dx, n);
}
API int k_gelu_fwd(kstream st, const float *x, float *y, long n)
{
    return LAUNCH(gelu_fwd, ELT_GRID(n), ELT_BLOCK, st, x, y, n);
}
API int k_gelu_bwd(kstream st, const float *dy, const float *x, float *dx, long n)
{
    return LAUNCH(gelu_bwd, ELT_GRID(n), ELT_BLOCK, st, dy, x, dx, n);
}
