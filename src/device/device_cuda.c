/* device_cuda.c - one NVIDIA GPU: the CUDA runtime for memory, copies and events, cuBLAS for matrix products.
 *
 * All work goes into one stream in the order of the calls.  The host waits for it in device_copy_out, device_sync and
 * device_lap_s only, so a step is enqueued without a stop.  What goes wrong inside a kernel is therefore reported by a
 * later call; with CUDA_LAUNCH_BLOCKING=1 by its own.
 *
 * Products in fp32 are so in every bit (CUBLAS_COMPUTE_32F_PEDANTIC: no TF32, no split in bf16).  In bf16 cuBLAS gets
 * copies rounded by a kernel of ours, in tf32 its tensor cores round.  Its workspace is one size for all, known without
 * a GPU, and taken from the ledger, so that cuBLAS allocates nothing behind our back.
 *
 * Strict (DPSWEEP_STRICT=1): memory is filled with NaN when it is got, taken and released. */
#include "device.h"

#include "../base/check.h"
#include "ledger.h"

#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    WORKSPACE_BYTES = 32 << 20, /* what cuBLAS wants at most, on Hopper */
    STAGING_BYTES = 4 << 20,
    MOST_LAPS = 1 << 16,        /* more than 100 samples one by one; after so many the host waits */
};

static struct {
    bool open, strict;
    int gpu;
    int major;                  /* of its compute capability */
    char name[128];
    cudaStream_t stream;
    cublasHandle_t cublas;
    const void *workspace;      /* what cuBLAS was told last */
    char *staging;              /* pinned */
    size_t staged;              /* bytes of it that copies on their way still need */
    char message[256];
} device;

/* ---- errors -------------------------------------------------------------------------------------------------- */

static const struct { cudaError_t error; const char *remedy; } remedies[] = {
    {cudaErrorNoKernelImageForDevice, "; build for this GPU: make DEVICE=cuda CUDA_ARCHS=<its compute capability>"},
    {cudaErrorDevicesUnavailable, "; another process has it for itself: nvidia-smi shows which"},
    {cudaErrorECCUncorrectable, "; its memory is faulty: leave this GPU out with CUDA_VISIBLE_DEVICES"},
    {cudaErrorSystemNotReady, "; GPUs joined by NVSwitch need a service: systemctl start nvidia-fabricmanager"},
    {cudaErrorSystemDriverMismatch, "; the driver was updated, but the old one is still loaded: restart the machine"},
    {cudaErrorMemoryAllocation, "; nvidia-smi shows what other processes hold"},
};

static const char *on_device(const char *words, const char *name, const char *remedy)
{
    static char text[512];
    snprintf(text, sizeof text, "%s (%s) on GPU %d (%s)%s", words, name, device.gpu,
             device.name[0] ? device.name : "not open yet", remedy);
    return text;
}

static const char *cuda_words(cudaError_t error)
{
    const char *remedy = "";
    for (size_t i = 0; i < sizeof remedies / sizeof *remedies; i++)
        if (remedies[i].error == error)
            remedy = remedies[i].remedy;
    return on_device(cudaGetErrorString(error), cudaGetErrorName(error), remedy);
}

static const char *cublas_words(cublasStatus_t status)
{
    return on_device(cublasGetStatusString(status), cublasGetStatusName(status), "");
}

#define CHECK_CUDA(call)   CHECK_GENERIC(cudaError_t, call, cudaSuccess, cuda_words)
#define CHECK_CUBLAS(call) CHECK_GENERIC(cublasStatus_t, call, CUBLAS_STATUS_SUCCESS, cublas_words)

/* ---- opening ------------------------------------------------------------------------------------------------- */

#define VERSION_FORMAT "%d.%d"
#define VERSION(v)     (v) / 1000, (v) % 1000 / 10

static const char *no_driver(int driver, int runtime)
{
    if (!driver)
        return "there is no NVIDIA driver here: run this on a machine with a GPU, or build for the CPU with "
               "make DEVICE=cpu";
    snprintf(device.message, sizeof device.message,
             "the NVIDIA driver is for CUDA " VERSION_FORMAT ", this program needs " VERSION_FORMAT
             ": update the driver, or build with an older CUDA", VERSION(driver), VERSION(runtime));
    return device.message;
}

static const char *no_device(void)
{
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    if (visible)
        snprintf(device.message, sizeof device.message, "CUDA_VISIBLE_DEVICES=%s leaves no GPU", visible);
    else
        snprintf(device.message, sizeof device.message, "there is no GPU here: ask the scheduler for one (Slurm: "
                 "--gpus-per-node), or build for the CPU with make DEVICE=cpu");
    return device.message;
}

const char *device_absent(void)
{
    int n = 0, driver = 0, runtime = 0;
    const char *wanted = getenv("DPSWEEP_GPU");
    const cudaError_t error = cudaGetDeviceCount(&n);
    device.gpu = wanted ? atoi(wanted) : 0;
    if (error == cudaErrorInsufficientDriver) {
        (void)cudaDriverGetVersion(&driver);    /* what they fail to say stays 0 */
        (void)cudaRuntimeGetVersion(&runtime);
        return no_driver(driver, runtime);
    }
    if (error == cudaErrorNoDevice || (!error && n == 0))
        return no_device();
    if (error)
        return cuda_words(error);
    if (device.gpu >= 0 && device.gpu < n)
        return NULL;
    snprintf(device.message, sizeof device.message, "DPSWEEP_GPU=%s: there are GPUs 0 to %d", wanted, n - 1);
    return device.message;
}

bool device_is_gpu(void) { return true; }
size_t device_cache_bytes(void) { return 16 << 20; } /* twice that fits the second-level cache of an A100 */
int device_tile(void) { return 512; } /* with a few samples beside one another, some hundred tiles of cuBLAS's */
int device_row_pieces(void) { return 32; } /* a block of threads for each piece of each sample, and 256 columns */

const char *device_lacks(enum precision p)
{
    const char *override = getenv("NVIDIA_TF32_OVERRIDE");
    if (p == PRECISION_TF32 && override && strcmp(override, "0") == 0)
        return "NVIDIA_TF32_OVERRIDE=0 makes cuBLAS multiply in fp32 instead: unset it, or choose fp32";
    if (p != PRECISION_FP32 && device.open && device.major < 8)
        return "GPUs before compute capability 8.0 have no tensor cores for it: choose fp32";
    return NULL;
}

/* "NVIDIA H100 80GB HBM3, sm_90" */
static void describe_properties(const struct cudaDeviceProp *p, char *text, size_t bytes)
{
    snprintf(text, bytes, "%.100s, sm_%d%d", p->name, p->major, p->minor);
}

/* The identity is the UUID, which tells parts of one GPU (MIG) apart. */
bool device_gpu(int i, char *text, size_t bytes)
{
    int n;
    struct cudaDeviceProp properties;
    CHECK_CUDA(cudaGetDeviceCount(&n));
    if (i >= n)
        return false;
    CHECK_CUDA(cudaGetDeviceProperties(&properties, i));
    size_t at = (size_t)snprintf(text, bytes, "GPU-");
    for (size_t k = 0; k < sizeof properties.uuid; k++)
        at += (size_t)snprintf(text + at, bytes - at, "%02x", (unsigned char)properties.uuid.bytes[k]);
    char name[128];
    describe_properties(&properties, name, sizeof name);
    snprintf(text + at, bytes - at, " %s, %zu MiB", name, properties.totalGlobalMem >> 20);
    return true;
}

void device_open(int threads)
{
    (void)threads;
    if (device.open || ledger_is_dry())
        return;
    const char *strict = getenv("DPSWEEP_STRICT"), *absent = device_absent();
    if (absent)
        die(EXIT_ENVIRONMENT, "%s", absent);
    device.strict = strict && strcmp(strict, "0") != 0;
    struct cudaDeviceProp properties;
    CHECK_CUDA(cudaSetDevice(device.gpu));
    CHECK_CUDA(cudaGetDeviceProperties(&properties, device.gpu));
    describe_properties(&properties, device.name, sizeof device.name);
    device.major = properties.major;
    CHECK_CUDA(cudaStreamCreateWithFlags(&device.stream, cudaStreamNonBlocking));
    CHECK_CUDA(cudaMallocHost((void **)&device.staging, STAGING_BYTES));
    CHECK_CUBLAS(cublasCreate(&device.cublas));
    CHECK_CUBLAS(cublasSetStream(device.cublas, device.stream));
    device.open = true;
}

static void describe_libraries(char *text, size_t bytes)
{
    int runtime, driver = 0, cublas[3] = {0};
    CHECK_CUDA(cudaRuntimeGetVersion(&runtime));
    if (device.open)
        CHECK_CUDA(cudaDriverGetVersion(&driver));
    for (int i = 0; i < 3; i++)
        CHECK_CUBLAS(cublasGetProperty((libraryPropertyType)(MAJOR_VERSION + i), &cublas[i]));
    snprintf(text, bytes, "CUDA " VERSION_FORMAT ", cuBLAS %d.%d.%d", VERSION(runtime), cublas[0], cublas[1],
             cublas[2]);
    if (driver)
        snprintf(text + strlen(text), bytes - strlen(text), ", driver for CUDA " VERSION_FORMAT, VERSION(driver));
}

void device_describe(struct device_info *info)
{
    size_t free_bytes;
    memset(info, 0, sizeof *info);
    info->threads = 1;
    describe_libraries(info->libraries, sizeof info->libraries);
    if (!device.open)
        return;
    snprintf(info->name, sizeof info->name, "%s", device.name);
    CHECK_CUDA(cudaMemGetInfo(&free_bytes, &info->memory_bytes));
}

/* ---- memory -------------------------------------------------------------------------------------------------- */

void *device_memory_get(size_t bytes)
{
    void *address;
    size_t free_bytes, all_bytes;
    const cudaError_t error = cudaMalloc(&address, bytes);
    if (error == cudaErrorMemoryAllocation) {
        (void)cudaGetLastError(); /* it is dealt with: no kernel launch is to report it */
        CHECK_CUDA(cudaMemGetInfo(&free_bytes, &all_bytes));
        snprintf(device.message, sizeof device.message, "GPU %d (%s) has %.1f MiB free of %.1f MiB", device.gpu,
                 device.name, (double)free_bytes / (1 << 20), (double)all_bytes / (1 << 20));
        return NULL;
    }
    CHECK_CUDA(error);
    device_memory_poison(address, bytes);
    return address;
}

void device_memory_return(void *address, size_t bytes)
{
    (void)bytes;
    CHECK_CUDA(cudaFree(address)); /* waits for the work that uses it */
}

const char *device_memory_message(void) { return device.message; }

size_t device_memory_used(void)
{
    size_t free_bytes, all_bytes;
    if (!device.open)
        return 0;
    CHECK_CUDA(cudaMemGetInfo(&free_bytes, &all_bytes));
    return all_bytes - free_bytes;
}

void device_memory_poison(void *address, size_t bytes)
{
    if (device.strict)
        CHECK_CUDA(cudaMemsetAsync(address, 0xff, bytes, device.stream)); /* every float of it is a NaN */
}

/* ---- calls --------------------------------------------------------------------------------------------------- */

bool device_begin(void)
{
    return !ledger_is_dry() && !ledger_is_rehearsing();
}

void device_end(int status, const char *call, const char *file, int line)
{
    if (status)
        die(EXIT_ENVIRONMENT, "%s:%d: kernel %s: %s", file, line, call, cuda_words((cudaError_t)status));
    work_ended();
}

kstream device_stream(void) { return device.stream; }

void device_sync(void)
{
    CHECK_CUDA(cudaStreamSynchronize(device.stream));
    device.staged = 0;
}

/* Room in the staging memory for as many of `bytes` as it holds at once. */
static char *stage(size_t *bytes)
{
    if (*bytes > STAGING_BYTES)
        *bytes = STAGING_BYTES;
    if (*bytes > STAGING_BYTES - device.staged)
        device_sync();
    char *room = device.staging + device.staged;
    device.staged += *bytes;
    return room;
}

void device_copy_in(void *to, const void *from_host, size_t bytes)
{
    for (size_t done = 0, n; device_begin() && done < bytes; done += n) {
        n = bytes - done;
        char *staging = stage(&n);
        memcpy(staging, (const char *)from_host + done, n);
        CHECK_CUDA(cudaMemcpyAsync((char *)to + done, staging, n, cudaMemcpyHostToDevice, device.stream));
    }
}

void device_copy_out(void *to_host, const void *from, size_t bytes)
{
    for (size_t done = 0, n; device_begin() && done < bytes; done += n) {
        n = bytes - done;
        char *staging = stage(&n);
        CHECK_CUDA(cudaMemcpyAsync(staging, (const char *)from + done, n, cudaMemcpyDeviceToHost, device.stream));
        device_sync();
        memcpy((char *)to_host + done, staging, n);
    }
}

/* ---- time ---------------------------------------------------------------------------------------------------- */

/* Lap i ends at event i, in lane[i]; event 0 is the end of what is booked already. */
static struct {
    cudaEvent_t event[MOST_LAPS];
    int lane[MOST_LAPS];
    int n, n_created;
    double booked_s[DEVICE_LANES];
} laps;

static void book_laps(void)
{
    if (laps.n < 2)
        return;
    CHECK_CUDA(cudaEventSynchronize(laps.event[laps.n - 1]));
    for (int i = 1; i < laps.n; i++) {
        float ms;
        CHECK_CUDA(cudaEventElapsedTime(&ms, laps.event[i - 1], laps.event[i]));
        laps.booked_s[laps.lane[i]] += 1e-3 * ms;
    }
    const cudaEvent_t last = laps.event[laps.n - 1];
    laps.event[laps.n - 1] = laps.event[0];
    laps.event[0] = last;
    laps.n = 1;
}

void device_lap(int lane)
{
    if (!device.open || !device_begin())
        return;
    if (laps.n == MOST_LAPS)
        book_laps();
    if (laps.n == laps.n_created)
        CHECK_CUDA(cudaEventCreate(&laps.event[laps.n_created++]));
    laps.lane[laps.n] = lane;
    CHECK_CUDA(cudaEventRecord(laps.event[laps.n++], device.stream));
}

double device_lap_s(int lane)
{
    book_laps();
    return laps.booked_s[lane];
}

void device_lap_reset(void)
{
    laps.n = 0;
    memset(laps.booked_s, 0, sizeof laps.booked_s);
}

/* ---- GEMM ---------------------------------------------------------------------------------------------------- */

static int whole_int(long x)
{
    CHECK(x >= 0 && x <= INT_MAX);
    return (int)x;
}

static void use_workspace(void *workspace)
{
    if (workspace != device.workspace)
        CHECK_CUBLAS(cublasSetWorkspace(device.cublas, workspace, WORKSPACE_BYTES));
    device.workspace = workspace;
}

/* What cuBLAS is told about a precision: the type of the factors and how they are multiplied.  tf32 is allowed by its
 * name, bf16 demanded by the type of the operands: FAST_16BF would leave it to cuBLAS which products are rounded. */
static const struct { cudaDataType factor; cublasComputeType_t compute; } arithmetic[N_PRECISIONS] = {
    [PRECISION_FP32] = {CUDA_R_32F, CUBLAS_COMPUTE_32F_PEDANTIC},
    [PRECISION_TF32] = {CUDA_R_32F, CUBLAS_COMPUTE_32F_FAST_TF32},
    [PRECISION_BF16] = {CUDA_R_16BF, CUBLAS_COMPUTE_32F},
};

/* A row-major C = op(A) op(B) is, read by columns, C' = op(B)' op(A)': the operands change places, and what is to be
 * transposed by rows is so by columns too. */
static void multiply(const struct gemm *g, const struct factors *o, long c_length, int batch)
{
    const cublasOperation_t first = g->op == GEMM_NT ? CUBLAS_OP_T : CUBLAS_OP_N;
    const cublasOperation_t second = g->op == GEMM_TN ? CUBLAS_OP_T : CUBLAS_OP_N;
    const int m = whole_int(g->m), n = whole_int(g->n), k = whole_int(g->k);
    const int lda = whole_int(o->lda), ldb = whole_int(o->ldb), ldc = whole_int(c_length);
    const cudaDataType factor = arithmetic[precision_now()].factor;
    const cublasComputeType_t compute = arithmetic[precision_now()].compute;
    const float one = 1.0f, beta = g->add == g->c ? 1.0f : 0.0f;
    cublasStatus_t status;
    if (batch > 1)
        status = cublasGemmStridedBatchedEx(device.cublas, first, second, n, m, k, &one, o->b, factor, ldb,
            o->stride_b, o->a, factor, lda, o->stride_a, &beta, g->c, CUDA_R_32F, ldc, g->stride_c, batch, compute,
            CUBLAS_GEMM_DEFAULT);
    else
        status = cublasGemmEx(device.cublas, first, second, n, m, k, &one, o->b, factor, ldb, o->a, factor, lda, &beta,
            g->c, CUDA_R_32F, ldc, compute, CUBLAS_GEMM_DEFAULT);
    if (status)
        die(EXIT_ENVIRONMENT, "%s:%d: cublasGemm of %d x %d x %d, batch %d: %s", __FILE__, __LINE__, m, n, k, batch,
            cublas_words(status));
}

/* Bias, an addend elsewhere and ReLU, in one pass over C. */
static void finish(const struct gemm *g, long ldc, int batch)
{
    const float *add = g->add == g->c ? NULL : g->add;
    if (!g->bias && !add && !g->relu)
        return;
    for (int i = 0; i < batch; i++)
        KERNEL(epilogue, g->c + i * g->stride_c, ldc, g->bias, add ? add + i * g->stride_c : NULL, g->relu, g->m,
               whole_int(g->n));
}

void device_gemm(const struct gemm *g)
{
    const int batch = g->batch > 1 ? g->batch : 1;
    const long c_length = g->ldc ? g->ldc : g->n;
    struct factors factors = factors_of(g);
    factors_round(&factors, g);
    const bool any = gemm_count(g);
    void *workspace = ledger_take(MEMORY_WORKSPACE, "gemm", any ? WORKSPACE_BYTES : 0);
    if (any && device_begin()) {
        use_workspace(workspace);
        multiply(g, &factors, c_length, batch);
        work_ended();
    }
    if (any)
        finish(g, c_length, batch);
    ledger_release(workspace);
    factors_release(&factors);
}

void device_close(void)
{
    if (!device.open)
        return;
    for (int i = 0; i < laps.n_created; i++)
        CHECK_CUDA(cudaEventDestroy(laps.event[i]));
    CHECK_CUBLAS(cublasDestroy(device.cublas));
    CHECK_CUDA(cudaFreeHost(device.staging));
    CHECK_CUDA(cudaStreamDestroy(device.stream));
    memset(&laps, 0, sizeof laps);
    memset(&device, 0, sizeof device);
}
