/* cudart_memory.c - device memory and copies.  Memory is new NaN; a copy must keep to one live allocation on its device side
 * and off all of them on its host side. */
#include "standin.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, ALIGNMENT = 256 };

struct allocation {
    char *address;
    size_t bytes;
    void *mapping;              /* pages, of which the last cannot be touched */
    size_t mapping_bytes;
    struct allocation *next;
};
static struct allocation *allocations;
static size_t used;

static size_t rounded(size_t bytes, size_t to) { return (bytes + to - 1) / to * to; }

size_t standin_memory_bytes(void)
{
    const char *text = getenv("CUDA_STANDIN_MEMORY");
    return text ? strtoull(text, NULL, 0) : 1u << 30;
}

static const struct allocation *allocation_of(const void *address, size_t bytes)
{
    const struct allocation *a = allocations;
    const char *p = address;
    while (a && (p < a->address || p + bytes > a->address + a->bytes))
        a = a->next;
    return a;
}

static bool touches_device(const void *address, size_t bytes)
{
    const struct allocation *a = allocations;
    const char *p = address;
    while (a && (p >= a->address + a->bytes || p + bytes <= a->address))
        a = a->next;
    return a != NULL;
}

void standin_check_memory(const char *what, const void *address, size_t bytes)
{
    if (!allocation_of(address, bytes))
        standin_violation("%s: %zu bytes at %p are not in one allocation of the device", what, bytes, address);
}

static void report_leaks(void)
{
    if (allocations)
        standin_violation("%zu bytes of device memory are left, %zu in the last allocation", used, allocations->bytes);
}

static void map(struct allocation *a)
{
    const bool guard = getenv("CUDA_STANDIN_GUARD");
    const size_t data_bytes = rounded(a->bytes, PAGE);
    a->mapping_bytes = data_bytes + PAGE;
    a->mapping = mmap(NULL, a->mapping_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (a->mapping == MAP_FAILED || mprotect((char *)a->mapping + data_bytes, PAGE, PROT_NONE) != 0)
        standin_violation("this machine has not %zu bytes of memory", a->bytes);
    a->address = (char *)a->mapping + (guard ? data_bytes - rounded(a->bytes, ALIGNMENT) : 0);
    memset(a->address, 0xff, a->bytes);
}

cudaError_t cudaMalloc(void **address, size_t bytes)
{
    static bool opened;
    ENTRY(cudaErrorMemoryAllocation);
    if (!opened && getenv("CUDA_STANDIN_LEAKS"))
        atexit(report_leaks);
    opened = true;
    if (rounded(bytes, ALIGNMENT) > standin_memory_bytes() - used)
        return standin_note_error(cudaErrorMemoryAllocation);
    struct allocation *a = calloc(1, sizeof *a);
    a->bytes = bytes;
    map(a);
    a->next = allocations;
    allocations = a;
    used += rounded(bytes, ALIGNMENT);
    *address = a->address;
    return cudaSuccess;
}

cudaError_t cudaMallocManaged(void **address, size_t bytes, unsigned flags)
{
    return flags == cudaMemAttachGlobal ? cudaMalloc(address, bytes) : standin_note_error(cudaErrorInvalidValue);
}

cudaError_t cudaFree(void *address)
{
    ENTRY(cudaErrorInvalidValue);
    if (!address)
        return cudaSuccess;
    standin_drain();
    struct allocation **at = &allocations;
    while (*at && (*at)->address != address)
        at = &(*at)->next;
    if (!*at)
        standin_violation("cudaFree: %p is no allocation", address);
    struct allocation *a = *at;
    *at = a->next;
    used -= rounded(a->bytes, ALIGNMENT);
    munmap(a->mapping, a->mapping_bytes);
    free(a);
    return standin_sticky_error();
}

cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *all_bytes)
{
    ENTRY(cudaErrorInvalidValue);
    *all_bytes = standin_memory_bytes();
    *free_bytes = *all_bytes - used;
    return cudaSuccess;
}

cudaError_t cudaMallocHost(void **address, size_t bytes)
{
    ENTRY(cudaErrorMemoryAllocation);
    *address = malloc(bytes);
    return cudaSuccess;
}

cudaError_t cudaFreeHost(void *address)
{
    ENTRY(cudaErrorInvalidValue);
    free(address);
    return cudaSuccess;
}

/* ---- copies -------------------------------------------------------------------------------------------------------- */

struct transfer { void *to; const void *from; size_t bytes; int byte; };

static void copy(void *context)
{
    const struct transfer *t = context;
    memcpy(t->to, t->from, t->bytes);
}

static void set(void *context)
{
    const struct transfer *t = context;
    memset(t->to, t->byte, t->bytes);
}

static void check_host(const void *address, size_t bytes)
{
    if (touches_device(address, bytes))
        standin_violation("cudaMemcpyAsync: %p is device memory, not the host's", address);
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t stream)
{
    ENTRY(cudaErrorInvalidValue);
    if (kind == cudaMemcpyHostToDevice) {
        standin_check_memory("cudaMemcpyAsync", to, bytes);
        check_host(from, bytes);
    } else if (kind == cudaMemcpyDeviceToHost) {
        standin_check_memory("cudaMemcpyAsync", from, bytes);
        check_host(to, bytes);
    } else if (kind == cudaMemcpyDeviceToDevice) {
        standin_check_memory("cudaMemcpyAsync", from, bytes);
        standin_check_memory("cudaMemcpyAsync", to, bytes);
    } else {
        standin_violation("cudaMemcpyAsync: kind %d has no stand-in", (int)kind);
    }
    const struct transfer t = {to, from, bytes, 0};
    standin_enqueue(stream, copy, &t, sizeof t);
    return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *address, int byte, size_t bytes, cudaStream_t stream)
{
    ENTRY(cudaErrorInvalidValue);
    standin_check_memory("cudaMemsetAsync", address, bytes);
    const struct transfer t = {address, NULL, bytes, byte};
    standin_enqueue(stream, set, &t, sizeof t);
    return cudaSuccess;
}
