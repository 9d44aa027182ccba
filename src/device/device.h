/* device.h - the one device of this process: memory, copies, GEMM, kernels.
 *
 * Two files stand behind this header and one of them is linked: device_cpu.c (oneDNN) or device_cuda.c (CUDA, cuBLAS).
 * Work is enqueued in order; device_sync waits for it.  Addresses from device_memory_* belong to the device: the host
 * reads them through device_copy_out only.  The strict CPU device (DPSWEEP_STRICT=1) enforces that: device memory
 * cannot be touched by the host, and memory that was released or never written holds NaN. */
#ifndef DEVICE_H
#define DEVICE_H
#include "../../kernels/kernel_bytes.h"
#include "../../kernels/kernels.h"
#include "precision.h"
#include "work.h"

#include <stdbool.h>
#include <stddef.h>

struct device_info {
    char name[128];          /* "AMD EPYC 9554, avx512_core" or "NVIDIA H100 80GB HBM3" */
    char libraries[256];     /* "oneDNN 2.6.3" or CUDA runtime, driver, cuBLAS versions */
    size_t memory_bytes;     /* what the device has */
    int threads;             /* CPU threads used */
};

/* CPU: 0 threads = OMP_NUM_THREADS, or all cores this process may use.  GPU: the visible one that DPSWEEP_GPU numbers,
 * else the first.  While the ledger is dry a GPU is not even looked for: the parent of runs must not hold any. */
void device_open(int threads);
void device_close(void);
void device_describe(struct device_info *);     /* not open: a GPU has neither name nor memory yet */
bool device_is_gpu(void);
size_t device_cache_bytes(void);                /* scratch of so much stays in cache; the same on all such devices */
int device_tile(void);                          /* rows and columns of a product that keeps it busy: 128 or more */
int device_row_pieces(void);                    /* so many pieces of a sum down rows keep it busy: a power of 2 */
/* "<identity> <name>, <memory> MiB" of the i-th GPU that this process may use, without opening it; the name is that of
 * device_describe.  False: there are no more. */
bool device_gpu(int i, char *text, size_t bytes);
const char *device_absent(void);                /* NULL, or one line: why there is none to open, and what to do */
const char *device_lacks(enum precision);       /* NULL, or one line: why it cannot multiply so, and what to do;
                                                   some GPUs say so only when they are open */

/* For the ledger alone.  Memory of `bytes`; NULL when there is none, then device_memory_message says why. */
void *device_memory_get(size_t bytes);
void device_memory_return(void *, size_t bytes);
const char *device_memory_message(void);
size_t device_memory_used(void); /* on a GPU, as its driver says, by all processes; 0: not known or no GPU */
void device_memory_poison(void *, size_t bytes); /* strict device: NaN; else nothing */

void device_copy_in(void *to, const void *from_host, size_t bytes);
void device_copy_out(void *to_host, const void *from, size_t bytes); /* waits */
void device_sync(void);

/* C (m,n) = op(A) op(B) [+ bias (n)] [+ add (m,n)], then relu if asked, for each of `batch` problems.
 *   NT: A (m,k), B (n,k)      y = x W^T, weights (out,in)
 *   NN: A (m,k), B (k,n)      dx = dy W
 *   TN: A (k,m), B (k,n)      dW = dy^T x
 * ld* are row lengths in memory (0: rows are contiguous), stride_* the distance between problems.
 * add == c adds to what C holds.  Factors are rounded as precision_set said; fp32 accumulation.
 * enum gemm_op is in work.h. */
struct gemm {
    enum gemm_op op;
    long m, n, k;
    const float *a, *b;
    float *c;
    long lda, ldb, ldc;
    int batch;                           /* 0 and 1 mean one */
    long stride_a, stride_b, stride_c;
    const float *bias, *add;             /* NULL: none; add has c's layout */
    const uint32_t *b_bf16;              /* b of one problem as KERNEL(to_bf16) makes it; NULL: it is rounded anew */
    bool relu;
};
void device_gemm(const struct gemm *);
/* For the devices alone: counts a product in work.h.  False: there is nothing to do, an empty batch has no rows. */
bool gemm_count(const struct gemm *);

/* In a dry ledger or a rehearsal nothing is computed: device_begin says false and the call is not made. */
bool device_begin(void);
void device_end(int status, const char *call, const char *file, int line);
kstream device_stream(void);

/* For the timer alone: the time since the last lap is booked to `lane`.  On a GPU a lap is an event in the work
 * enqueued so far, and nobody waits for it; device_lap_s waits.  Rehearsals and dry ledgers take no GPU time. */
enum { DEVICE_LANES = 16 };
void device_lap(int lane);
double device_lap_s(int lane);   /* seconds booked since device_lap_reset */
void device_lap_reset(void);

#define KERNEL(name, ...)                                                                              \
    do {                                                                                               \
        work_add(#name, BYTES_##name(__VA_ARGS__));                                                    \
        if (device_begin())                                                                            \
            device_end(k_##name(device_stream(), __VA_ARGS__), #name, __FILE__, __LINE__);             \
    } while (0)
#endif
