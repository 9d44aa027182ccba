/* device_cpu.c - the CPU as a device: oneDNN for matrix products, OpenMP kernels, memory from mmap.
 *
 * Every GEMM shape gets one oneDNN matmul primitive, made at its first use (a rehearsal) and kept.  Its workspace is
 * taken from the ledger, so nothing of size is allocated behind our back.
 *
 * Strict (DPSWEEP_STRICT=1, for tests): device memory is inaccessible except inside a device call, and is filled with
 * NaN when it is got, taken and released: the mistakes that only a GPU would show. */
#include "device.h"

#include "../base/check.h"
#include "ledger.h"
#include "timer.h"

#include <dnnl.h>
#include <omp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define CHECK_DNNL(call) CHECK_GENERIC(dnnl_status_t, call, dnnl_success, dnnl_words)

static const char *dnnl_words(dnnl_status_t status)
{
    static const char *const words[] = {"success", "out of memory", "invalid arguments", "unimplemented",
        "iterator ends", "runtime error", "not required"};
    return (unsigned)status < sizeof words / sizeof *words ? words[status] : "unknown oneDNN status";
}

enum { MAX_REGIONS = 256, MAX_ARGS = 6 };
struct region { void *address; size_t bytes; };

static struct {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    int threads;
    bool strict;
    struct region region[MAX_REGIONS];
    int n_regions;
    double lap_since, lap_s[DEVICE_LANES];
    char message[256];
} device;

/* ---- opening ------------------------------------------------------------------------------------------------- */

void device_open(int threads)
{
    device.threads = threads > 0 ? threads : omp_get_max_threads();
    omp_set_num_threads(device.threads);
    const char *strict = getenv("DPSWEEP_STRICT");
    device.strict = strict && strcmp(strict, "0") != 0;
    if (device.engine)
        return;
    CHECK_DNNL(dnnl_engine_create(&device.engine, dnnl_cpu, 0));
    CHECK_DNNL(dnnl_stream_create(&device.stream, device.engine, dnnl_stream_default_flags));
}

bool device_is_gpu(void) { return false; }
size_t device_cache_bytes(void) { return (size_t)device.threads << 20; } /* second-level caches of server cores */
int device_tile(void) { return 128; }
int device_row_pieces(void) { return 1; }
const char *device_absent(void) { return NULL; }

bool device_gpu(int i, char *text, size_t bytes)
{
    (void)i, (void)text, (void)bytes;
    return false;
}

static const char *isa_name(void)
{
    switch (dnnl_get_effective_cpu_isa()) {
    case dnnl_cpu_isa_sse41: return "sse41";
    case dnnl_cpu_isa_avx: return "avx";
    case dnnl_cpu_isa_avx2: return "avx2";
    case dnnl_cpu_isa_avx2_vnni: return "avx2_vnni";
    case dnnl_cpu_isa_avx512_core: return "avx512_core";
    case dnnl_cpu_isa_avx512_core_vnni: return "avx512_core_vnni";
    case dnnl_cpu_isa_avx512_core_bf16: return "avx512_core_bf16";
    default: return "newest";
    }
}

/* Which clones of kernels/grid.h run here. */
static const char *kernel_clones(void)
{
#ifdef CLONES
    return __builtin_cpu_supports("x86-64-v4")   ? ", kernels for x86-64-v4"
           : __builtin_cpu_supports("x86-64-v3") ? ", kernels for x86-64-v3"
                                                 : ", kernels for any x86-64";
#else
    return "";
#endif
}

static void processor_name(char *name, size_t bytes)
{
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "r");
    snprintf(name, bytes, "unknown processor");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "model name : %127[^\n]", name) == 1)
            break;
    if (file)
        fclose(file);
}

void device_describe(struct device_info *info)
{
    const dnnl_version_t *v = dnnl_version();
    char name[128];
    processor_name(name, sizeof name);
    memset(info, 0, sizeof *info);
    snprintf(info->name, sizeof info->name, "%s (%s)", name, isa_name());
    snprintf(info->libraries, sizeof info->libraries, "oneDNN %d.%d.%d%s", v->major, v->minor, v->patch,
        kernel_clones());
    info->memory_bytes = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGE_SIZE);
    info->threads = device.threads;
}

/* oneDNN would compute bf16 products on any processor, but slower than fp32 ones. */
const char *device_lacks(enum precision p)
{
    if (p == PRECISION_TF32)
        return "no processor multiplies in tf32: choose bf16 or fp32, or a GPU (make DEVICE=cuda)";
    if (p == PRECISION_BF16 && (dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core_bf16) !=
        dnnl_cpu_isa_avx512_core_bf16)
        return "this processor has no instructions for it (AVX512-BF16): choose fp32, or a processor that has them";
    return NULL;
}

/* ---- memory -------------------------------------------------------------------------------------------------- */

/* Regions are kept in order of their addresses: neighbours without a gap take one call. */
static void protect(int protection)
{
    const size_t page = (size_t)sysconf(_SC_PAGE_SIZE);
    for (int i = 0; device.strict && i < device.n_regions;) {
        char *begin = device.region[i].address, *end = begin;
        for (; i < device.n_regions && device.region[i].address == end; i++)
            end += (device.region[i].bytes + page - 1) / page * page;
        CHECK_SYS(mprotect(begin, (size_t)(end - begin), protection));
    }
}

static void fill_parallel(void *address, int byte, size_t bytes)
{
    enum { CHUNK = 1 << 20 };
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < bytes; i += CHUNK)
        memset((char *)address + i, byte, bytes - i < CHUNK ? bytes - i : CHUNK);
}

/* What the system could still give without swapping; a container's limit is seen by the OOM killer only. */
static size_t memory_available(void)
{
    unsigned long kib = 0;
    char line[128];
    FILE *file = fopen("/proc/meminfo", "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "MemAvailable: %lu", &kib) == 1)
            break;
    if (file)
        fclose(file);
    return kib ? (size_t)kib << 10 : SIZE_MAX;
}

void *device_memory_get(size_t bytes)
{
    const size_t available = memory_available();
    if (bytes > available) {
        snprintf(device.message, sizeof device.message, "this machine has %.1f MiB available",
                 (double)available / (1 << 20));
        return NULL;
    }
    void *address = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (address == MAP_FAILED) {
        snprintf(device.message, sizeof device.message, "the system refuses it (%s; see ulimit -a)", strerror(errno));
        return NULL;
    }
    madvise(address, bytes, MADV_HUGEPAGE);
    fill_parallel(address, device.strict ? 0xff : 0, bytes);
    CHECK(device.n_regions < MAX_REGIONS);
    int i = device.n_regions++;
    for (; i > 0 && (char *)device.region[i - 1].address > (char *)address; i--)
        device.region[i] = device.region[i - 1];
    device.region[i] = (struct region){address, bytes};
    protect(PROT_NONE);
    return address;
}

void device_memory_return(void *address, size_t bytes)
{
    int i = 0;
    while (i < device.n_regions && device.region[i].address != address)
        i++;
    CHECK(i < device.n_regions);
    for (device.n_regions--; i < device.n_regions; i++)
        device.region[i] = device.region[i + 1];
    CHECK_SYS(munmap(address, bytes));
}

const char *device_memory_message(void) { return device.message; }
size_t device_memory_used(void) { return 0; }

void device_memory_poison(void *address, size_t bytes)
{
    if (!device.strict)
        return;
    const size_t page = (size_t)sysconf(_SC_PAGE_SIZE), before = (size_t)address % page;
    void *pages = (char *)address - before;
    CHECK_SYS(mprotect(pages, before + bytes, PROT_READ | PROT_WRITE));
    memset(address, 0xff, bytes); /* every float of it is a NaN */
    CHECK_SYS(mprotect(pages, before + bytes, PROT_NONE));
}

/* ---- calls --------------------------------------------------------------------------------------------------- */

bool device_begin(void)
{
    if (ledger_is_dry() || ledger_is_rehearsing())
        return false;
    protect(PROT_READ | PROT_WRITE);
    return true;
}

void device_end(int status, const char *call, const char *file, int line)
{
    work_ended();
    protect(PROT_NONE);
    if (status)
        die(EXIT_ENVIRONMENT, "%s:%d: kernel %s: error %d", file, line, call, status);
}

kstream device_stream(void) { return NULL; }
void device_sync(void) {}

void device_copy_in(void *to, const void *from_host, size_t bytes)
{
    if (!bytes || !device_begin())
        return;
    memcpy(to, from_host, bytes);
    device_end(0, "copy", __FILE__, __LINE__);
}

void device_copy_out(void *to_host, const void *from, size_t bytes)
{
    if (!bytes || !device_begin())
        return;
    memcpy(to_host, from, bytes);
    device_end(0, "copy", __FILE__, __LINE__);
}

void device_lap(int lane)
{
    const double now = clock_wall_s();
    device.lap_s[lane] += now - device.lap_since;
    device.lap_since = now;
}

double device_lap_s(int lane) { return device.lap_s[lane]; }
void device_lap_reset(void) { memset(device.lap_s, 0, sizeof device.lap_s); }

/* ---- GEMM ---------------------------------------------------------------------------------------------------- */

/* What makes one primitive differ from another. */
struct gemm_key {
    enum gemm_op op;
    long m, n, k, lda, ldb, ldc, batch, stride_a, stride_b, stride_c;
    bool bf16, bias, add, accumulate, relu;
};
struct gemm_primitive {
    struct gemm_key key;
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t primitive;      /* NULL as long as only its workspace was asked for */
    size_t workspace_bytes;
    dnnl_memory_t a, b, c, bias, add, workspace;
    struct gemm_primitive *next;     /* of its chain */
};
enum { GEMM_CHAINS = 4096 };         /* a plan of many shapes asks for ten thousands */
static struct gemm_primitive *gemm_chain[GEMM_CHAINS];

static struct gemm_primitive **gemm_chain_of(const struct gemm_key *key)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (size_t i = 0; i < sizeof *key; i++)
        hash = (hash ^ ((const unsigned char *)key)[i]) * 0x100000001b3u;
    return &gemm_chain[hash % GEMM_CHAINS];
}

/* (rows, cols) of `batch` problems; transposed: stored as (cols, rows) with row length ld. */
static dnnl_memory_desc_t matrix(dnnl_data_type_t type, long rows, long cols, long ld, bool transposed, long batch,
                                 long stride)
{
    dnnl_memory_desc_t desc;
    const long row_step = transposed ? 1 : ld, col_step = transposed ? ld : 1;
    if (batch == 1) {
        const dnnl_dims_t dims = {rows, cols}, strides = {row_step, col_step};
        CHECK_DNNL(dnnl_memory_desc_init_by_strides(&desc, 2, dims, type, strides));
        return desc;
    }
    /* (1, batch, rows, cols): oneDNN's fast path knows heads interleaved in rows by their four dimensions */
    const long stored_rows = transposed ? cols : rows;
    const long all = batch * stride > stored_rows * ld ? batch * stride : stored_rows * ld;
    const dnnl_dims_t dims = {1, batch, rows, cols}, strides = {all, stride, row_step, col_step};
    CHECK_DNNL(dnnl_memory_desc_init_by_strides(&desc, 4, dims, type, strides));
    return desc;
}

static dnnl_memory_t memory_of(const dnnl_memory_desc_t *desc)
{
    dnnl_memory_t memory;
    CHECK_DNNL(dnnl_memory_create(&memory, desc, device.engine, DNNL_MEMORY_NONE));
    return memory;
}

static dnnl_primitive_attr_t gemm_attributes(const struct gemm_key *key, const dnnl_memory_desc_t *c)
{
    dnnl_primitive_attr_t attributes;
    dnnl_post_ops_t after;
    CHECK_DNNL(dnnl_primitive_attr_create(&attributes));
    CHECK_DNNL(dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user));
    CHECK_DNNL(dnnl_post_ops_create(&after));
    if (key->accumulate)
        CHECK_DNNL(dnnl_post_ops_append_sum(after, 1.0f));
    else if (key->add)
        CHECK_DNNL(dnnl_post_ops_append_binary(after, dnnl_binary_add, c));
    if (key->relu)
        CHECK_DNNL(dnnl_post_ops_append_eltwise(after, 1.0f, dnnl_eltwise_relu, 0.0f, 0.0f));
    CHECK_DNNL(dnnl_primitive_attr_set_post_ops(attributes, after));
    CHECK_DNNL(dnnl_post_ops_destroy(after));
    return attributes;
}

static struct gemm_primitive *gemm_primitive_create(const struct gemm_key *key)
{
    struct gemm_primitive *p = calloc(1, sizeof *p);
    if (!p)
        die(EXIT_ENVIRONMENT, "out of host memory");
    p->key = *key;
    const dnnl_data_type_t factor = key->bf16 ? dnnl_bf16 : dnnl_f32;
    const dnnl_memory_desc_t
        a = matrix(factor, key->m, key->k, key->lda, key->op == GEMM_TN, key->batch, key->stride_a),
        b = matrix(factor, key->k, key->n, key->ldb, key->op == GEMM_NT, key->batch, key->stride_b),
        c = matrix(dnnl_f32, key->m, key->n, key->ldc, false, key->batch, key->stride_c),
        bias = matrix(dnnl_f32, 1, key->n, key->n, false, 1, 0);
    dnnl_matmul_desc_t matmul;
    CHECK_DNNL(dnnl_matmul_desc_init(&matmul, &a, &b, key->bias ? &bias : NULL, &c));
    dnnl_primitive_attr_t attributes = gemm_attributes(key, &c);
    CHECK_DNNL(dnnl_primitive_desc_create(&p->desc, &matmul, attributes, device.engine, NULL));
    CHECK_DNNL(dnnl_primitive_attr_destroy(attributes));
    const dnnl_memory_desc_t *workspace = dnnl_primitive_desc_query_md(p->desc, dnnl_query_scratchpad_md, 0);
    p->workspace_bytes = dnnl_memory_desc_get_size(workspace);
    p->a = memory_of(&a);
    p->b = memory_of(&b);
    p->c = memory_of(&c);
    p->add = memory_of(&c);
    p->bias = memory_of(&bias);
    p->workspace = memory_of(workspace);
    struct gemm_primitive **chain = gemm_chain_of(key);
    p->next = *chain;
    return *chain = p;
}

static struct gemm_primitive *gemm_primitive_find(const struct gemm_key *key)
{
    struct gemm_primitive *p = *gemm_chain_of(key);
    while (p && memcmp(&p->key, key, sizeof *key) != 0)
        p = p->next;
    if (!p)
        p = gemm_primitive_create(key);
    if (!p->primitive && !ledger_is_dry())
        CHECK_DNNL(dnnl_primitive_create(&p->primitive, p->desc));
    return p;
}

/* oneDNN knows two kinds of batches: dense ones, and heads side by side in the rows of a sample.  Others are looped. */
static bool is_batch_of_onednn(const struct gemm_key *key)
{
    const long rows_a = key->op == GEMM_TN ? key->k : key->m, rows_b = key->op == GEMM_NT ? key->n : key->k;
    const struct { long rows, ld, stride; } x[] = {{rows_a, key->lda, key->stride_a}, {rows_b, key->ldb, key->stride_b},
        {key->m, key->ldc, key->stride_c}};
    for (int i = 0; i < 3; i++)
        if (x[i].stride != x[i].rows * x[i].ld && x[i].stride * key->batch != x[i].ld)
            return false;
    return true;
}

static void gemm_execute(struct gemm_primitive *p, const struct gemm *g, const struct factors *o, void *workspace)
{
    const struct { int arg; dnnl_memory_t memory; const void *address; bool used; } operand[MAX_ARGS] = {
        {DNNL_ARG_SRC, p->a, o->a, true},
        {DNNL_ARG_WEIGHTS, p->b, o->b, true},
        {DNNL_ARG_DST, p->c, g->c, true},
        {DNNL_ARG_BIAS, p->bias, g->bias, p->key.bias},
        {DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1, p->add, g->add, p->key.add && !p->key.accumulate},
        {DNNL_ARG_SCRATCHPAD, p->workspace, workspace, p->workspace_bytes > 0},
    };
    dnnl_exec_arg_t args[MAX_ARGS];
    int n = 0;
    for (int i = 0; i < MAX_ARGS; i++)
        if (operand[i].used) {
            CHECK_DNNL(dnnl_memory_set_data_handle(operand[i].memory, (void *)operand[i].address));
            args[n++] = (dnnl_exec_arg_t){operand[i].arg, operand[i].memory};
        }
    CHECK_DNNL(dnnl_primitive_execute(p->primitive, device.stream, n, args));
    CHECK_DNNL(dnnl_stream_wait(device.stream));
}

static struct gemm_key gemm_key_of(const struct gemm *g, const struct factors *o)
{
    struct gemm_key key;
    memset(&key, 0, sizeof key); /* keys are compared as bytes */
    key.op = g->op;
    key.m = g->m;
    key.n = g->n;
    key.k = g->k;
    key.lda = o->lda;
    key.ldb = o->ldb;
    key.ldc = g->ldc ? g->ldc : g->n;
    key.batch = g->batch > 1 ? g->batch : 1;
    if (key.batch > 1) {
        key.stride_a = o->stride_a;
        key.stride_b = o->stride_b;
        key.stride_c = g->stride_c;
    }
    key.bf16 = precision_now() == PRECISION_BF16;
    key.bias = g->bias != NULL;
    key.add = g->add != NULL;
    key.accumulate = g->add && g->add == g->c;
    key.relu = g->relu;
    return key;
}

static void gemm_loop(const struct gemm *g)
{
    struct gemm one = *g;
    one.batch = 1;
    const size_t mark = ledger_mark();
    const int turns = work_turns_begin(g->batch);
    for (int i = 0; i < turns; i++) {
        ledger_rewind(mark);
        one.a = g->a + i * g->stride_a;
        one.b = g->b + i * g->stride_b;
        one.c = g->c + i * g->stride_c;
        one.add = g->add ? g->add + i * g->stride_c : NULL;
        device_gemm(&one);
    }
    work_turns_end(g->batch);
}

void device_gemm(const struct gemm *g)
{
    struct factors factors = factors_of(g);
    const struct gemm_key key = gemm_key_of(g, &factors);
    if (key.batch > 1 && !is_batch_of_onednn(&key)) {
        gemm_loop(g);
        return;
    }
    factors_round(&factors, g);
    struct gemm_primitive *p = gemm_count(g) ? gemm_primitive_find(&key) : NULL;
    void *workspace = ledger_take(MEMORY_WORKSPACE, "gemm", p ? p->workspace_bytes : 0);
    if (p && device_begin()) {
        gemm_execute(p, g, &factors, workspace);
        device_end(0, "gemm", __FILE__, __LINE__);
    }
    ledger_release(workspace);
    factors_release(&factors);
}

static void gemm_primitive_free(struct gemm_primitive *p)
{
    const dnnl_memory_t memory[] = {p->a, p->b, p->c, p->add, p->bias, p->workspace};
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++)
        dnnl_memory_destroy(memory[i]);
    dnnl_primitive_destroy(p->primitive);
    dnnl_primitive_desc_destroy(p->desc);
    free(p);
}

void device_close(void)
{
    for (int i = 0; i < GEMM_CHAINS; i++)
        for (struct gemm_primitive *p; (p = gemm_chain[i]);) {
            gemm_chain[i] = p->next;
            gemm_primitive_free(p);
        }
    dnnl_stream_destroy(device.stream);
    dnnl_engine_destroy(device.engine);
    device.stream = NULL;
    device.engine = NULL;
}
