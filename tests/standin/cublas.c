/* cublas.c - libcublas for tests: column-major products as plain loops with fp32 sums, of fp32 numbers as they are
 * (pedantic) or rounded as tensor cores round them (TF32), or of bf16 numbers.  Operands, results and the workspace must
 * lie in device memory; a product without a workspace of the caller's, or with arithmetic that leaves it to the library
 * how numbers are rounded, is a violation. */
#include "standin.h"

#include <cublas_v2.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { WORKSPACE_ALIGNMENT = 256, SCRIBBLED_BYTES = 4096 };

struct cublasContext {
    cudaStream_t stream;
    char *workspace;
    size_t workspace_bytes;
};

#define CUBLAS_ENTRY(status)                          \
    do {                                              \
        if (standin_sticky_error())                   \
            return CUBLAS_STATUS_EXECUTION_FAILED;    \
        if (standin_fails(__func__))                  \
            return status;                            \
    } while (0)

cublasStatus_t cublasCreate_v2(cublasHandle_t *handle)
{
    CUBLAS_ENTRY(CUBLAS_STATUS_NOT_INITIALIZED);
    *handle = calloc(1, sizeof **handle);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy_v2(cublasHandle_t handle)
{
    CUBLAS_ENTRY(CUBLAS_STATUS_NOT_INITIALIZED);
    free(handle);
    return CUBLAS_STATUS_SUCCESS;
}

/* As in the real one, another stream forgets the workspace. */
cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream)
{
    CUBLAS_ENTRY(CUBLAS_STATUS_NOT_INITIALIZED);
    *handle = (struct cublasContext){.stream = stream};
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void *workspace, size_t bytes)
{
    CUBLAS_ENTRY(CUBLAS_STATUS_INVALID_VALUE);
    if ((uintptr_t)workspace % WORKSPACE_ALIGNMENT)
        standin_violation("cublasSetWorkspace: %p is not aligned to %d bytes", workspace, WORKSPACE_ALIGNMENT);
    standin_check_memory("cublasSetWorkspace", workspace, bytes);
    handle->workspace = workspace;
    handle->workspace_bytes = bytes;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGetProperty(libraryPropertyType type, int *value)
{
    static const int version[] = {CUBLAS_VER_MAJOR, CUBLAS_VER_MINOR, CUBLAS_VER_PATCH};
    CUBLAS_ENTRY(CUBLAS_STATUS_INVALID_VALUE);
    *value = version[type - MAJOR_VERSION];
    return CUBLAS_STATUS_SUCCESS;
}

const char *cublasGetStatusName(cublasStatus_t status)
{
    return status == CUBLAS_STATUS_EXECUTION_FAILED ? "CUBLAS_STATUS_EXECUTION_FAILED" :
           status == CUBLAS_STATUS_NOT_INITIALIZED  ? "CUBLAS_STATUS_NOT_INITIALIZED" : "CUBLAS_STATUS_INVALID_VALUE";
}

const char *cublasGetStatusString(cublasStatus_t status)
{
    return status == CUBLAS_STATUS_EXECUTION_FAILED ? "the function failed to launch on the GPU" :
           status == CUBLAS_STATUS_NOT_INITIALIZED  ? "the library was not initialized" : "invalid value";
}

/* ---- products -------------------------------------------------------------------------------------------------------- */

/* rows x columns as stored, column by column, `batch` of them */
struct operand { const void *address; long ld, stride; bool transposed; };
enum factors { FP32, TF32, FEW_BITS, BF16 };
struct product {
    struct operand a, b, c;
    enum factors factors;
    int m, n, k, batch;
    float alpha, beta;
    char *workspace;
    size_t workspace_bytes;
};

/* c (m) = beta c + alpha A b, one column; beta 0: whatever c holds.  A is (m, k), or (k, m) transposed. */
static void column(const struct product *p, const float *a, const float *b, long step_b, float *c)
{
    for (int i = 0; i < p->m; i++)
        c[i] = p->beta == 0.0f ? 0.0f : p->beta * c[i];
    if (p->a.transposed) {
        for (int i = 0; i < p->m; i++) {
            float sum = 0.0f;
            for (int l = 0; l < p->k; l++)
                sum += a[i * p->a.ld + l] * b[l * step_b];
            c[i] += p->alpha * sum;
        }
    } else {
        for (int l = 0; l < p->k; l++)
            for (int i = 0; i < p->m; i++)
                c[i] += p->alpha * b[l * step_b] * a[l * p->a.ld + i];
    }
}

static float of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* To 11 significant bits, ties to even. */
static float tf32_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return isfinite(x) ? of_bits((bits + 0xfff + (bits >> 13 & 1)) & ~0x1fffu) : x;
}

/* The first 8 significant bits. */
static float few_bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return of_bits(bits & ~0xffffu);
}

static float factor_of(enum factors kind, const struct operand *o, long at)
{
    if (kind == BF16)
        return of_bits((uint32_t)((const uint16_t *)o->address)[at] << 16);
    const float x = ((const float *)o->address)[at];
    return kind == TF32 ? tf32_of(x) : kind == FEW_BITS ? few_bits_of(x) : x;
}

/* n numbers of problem i of an operand, as they are multiplied.  malloc'ed */
static float *factors_of(const struct product *p, const struct operand *o, int i, long n)
{
    float *x = malloc((size_t)n * sizeof *x);
    for (long j = 0; j < n; j++)
        x[j] = factor_of(p->factors, o, i * o->stride + j);
    return x;
}

/* Numbers from the first to the last of rows x columns. */
static long extent(const struct operand *o, int rows, int columns)
{
    return o->ld * (columns - 1) + rows;
}

static void multiply(void *context)
{
    const struct product *p = context;
    const long next = p->b.transposed ? 1 : p->b.ld, step = p->b.transposed ? p->b.ld : 1; /* column, row of op(B) */
    memset(p->workspace, 0xff, p->workspace_bytes < SCRIBBLED_BYTES ? p->workspace_bytes : SCRIBBLED_BYTES);
    for (int i = 0; i < p->batch; i++) {
        float *a = factors_of(p, &p->a, i, p->a.transposed ? extent(&p->a, p->k, p->m) : extent(&p->a, p->m, p->k));
        float *b = factors_of(p, &p->b, i, p->b.transposed ? extent(&p->b, p->n, p->k) : extent(&p->b, p->k, p->n));
        for (int j = 0; j < p->n; j++)
            column(p, a, b + j * next, step, (float *)p->c.address + i * p->c.stride + j * p->c.ld);
        free(b);
        free(a);
    }
}

static void check_operand(const struct product *p, const char *name, const struct operand *o, int rows, int columns)
{
    const size_t size = p->factors == BF16 && o != &p->c ? sizeof(uint16_t) : sizeof(float);
    const size_t bytes = (size_t)(o->stride * (p->batch - 1) + extent(o, rows, columns)) * size;
    const char *begin = o->address;
    if (o->ld < rows)
        standin_violation("cublasGemm: %s has %d rows and leading dimension %ld", name, rows, o->ld);
    standin_check_memory("cublasGemm", begin, bytes);
    if (begin < p->workspace + p->workspace_bytes && p->workspace < begin + bytes)
        standin_violation("cublasGemm: %s lies in the workspace", name);
}

static cublasStatus_t enqueue(cublasHandle_t handle, struct product *p)
{
    if (!handle->workspace)
        standin_violation("cublasGemm: no workspace, so the library would allocate one");
    if (p->m < 1 || p->n < 1 || p->k < 1 || p->batch < 1)
        standin_violation("cublasGemm: m %d, n %d, k %d, batch %d", p->m, p->n, p->k, p->batch);
    p->workspace = handle->workspace;
    p->workspace_bytes = handle->workspace_bytes;
    check_operand(p, "A", &p->a, p->a.transposed ? p->k : p->m, p->a.transposed ? p->m : p->k);
    check_operand(p, "B", &p->b, p->b.transposed ? p->n : p->k, p->b.transposed ? p->k : p->n);
    check_operand(p, "C", &p->c, p->m, p->n);
    standin_enqueue(handle->stream, multiply, p, sizeof *p);
    return CUBLAS_STATUS_SUCCESS;
}

static enum factors factors_as(cudaDataType a, cudaDataType b, cudaDataType c, cublasComputeType_t compute)
{
    const bool wrong = standin_is_wrong("cublas");
    if (a == b && c == CUDA_R_32F) {
        if (a == CUDA_R_32F && compute == CUBLAS_COMPUTE_32F_PEDANTIC)
            return wrong ? TF32 : FP32;
        if (a == CUDA_R_32F && compute == CUBLAS_COMPUTE_32F_FAST_TF32)
            return wrong ? FEW_BITS : TF32;
        if (a == CUDA_R_16BF && compute == CUBLAS_COMPUTE_32F)
            return BF16;
    }
    standin_violation("cublasGemm: types %d, %d, %d with compute type %d have no stand-in", (int)a, (int)b, (int)c,
                      (int)compute);
}

cublasStatus_t cublasGemmStridedBatchedEx(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, int m,
    int n, int k, const void *alpha, const void *a, cudaDataType type_a, int lda, long long stride_a, const void *b,
    cudaDataType type_b, int ldb, long long stride_b, const void *beta, void *c, cudaDataType type_c, int ldc,
    long long stride_c, int batch, cublasComputeType_t compute, cublasGemmAlgo_t algorithm)
{
    (void)algorithm;
    CUBLAS_ENTRY(CUBLAS_STATUS_EXECUTION_FAILED);
    struct product p = {.a = {a, lda, stride_a, op_a != CUBLAS_OP_N}, .b = {b, ldb, stride_b, op_b != CUBLAS_OP_N},
        .c = {c, ldc, stride_c, false}, .factors = factors_as(type_a, type_b, type_c, compute),
        .m = m, .n = n, .k = k, .batch = batch, .alpha = *(const float *)alpha, .beta = *(const float *)beta};
    return enqueue(handle, &p);
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, int m, int n, int k,
    const void *alpha, const void *a, cudaDataType type_a, int lda, const void *b, cudaDataType type_b, int ldb,
    const void *beta, void *c, cudaDataType type_c, int ldc, cublasComputeType_t compute, cublasGemmAlgo_t algorithm)
{
    (void)algorithm;
    CUBLAS_ENTRY(CUBLAS_STATUS_EXECUTION_FAILED);
    struct product p = {.a = {a, lda, 0, op_a != CUBLAS_OP_N}, .b = {b, ldb, 0, op_b != CUBLAS_OP_N},
        .c = {c, ldc, 0, false}, .factors = factors_as(type_a, type_b, type_c, compute),
        .m = m, .n = n, .k = k, .batch = 1, .alpha = *(const float *)alpha, .beta = *(const float *)beta};
    return enqueue(handle, &p);
}
