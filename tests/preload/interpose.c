/* interpose.c - a library to preload: what a run of dpsweep holds and allocates while a step is timed.
 *
 *     INTERPOSE_REPORT=FILE LD_PRELOAD=.../interpose.so dpsweep run --no-isolate ...
 *
 * writes one line when the program ends, "steps S allocations A large L mapped M": steps that were timed; allocations
 * of at least LARGE bytes during them; the most bytes that were live in such allocations during a step, and the most in
 * anonymous mappings of any size.  A timed step begins and ends where dpsweep reads the CPU clock of the process, and
 * only there.
 *
 * Not counted: what libraries allocate before main (libstdc++'s reserve for exceptions), what glibc and the loader map
 * by themselves (stacks of threads), and code that oneDNN generates, in buffers of which it uses little. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The allocator behind malloc and its kin, under names that glibc keeps for interposers. */
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
void __libc_free(void *);

enum { LARGE = 64 << 10, MOST = 1 << 16 };
struct live { void *address; size_t bytes; bool mapped; };

static struct {
    bool counting;
    char lock;
    struct live live[MOST];
    size_t n;
    size_t large_bytes, mapped_bytes;
    bool in_step;
    size_t clock_reads, allocations_in_steps, peak_large, peak_mapped;
} seen;

static void lock(void)
{
    while (__atomic_test_and_set(&seen.lock, __ATOMIC_ACQUIRE)) continue;
}

static void unlock(void)
{
    __atomic_clear(&seen.lock, __ATOMIC_RELEASE);
}

static void note_peak(void)
{
    if (!seen.in_step)
        return;
    seen.peak_large = seen.large_bytes > seen.peak_large ? seen.large_bytes : seen.peak_large;
    seen.peak_mapped = seen.mapped_bytes > seen.peak_mapped ? seen.mapped_bytes : seen.peak_mapped;
}

static void *remember(void *address, size_t bytes, bool mapped)
{
    if (!seen.counting || !address || address == MAP_FAILED || (bytes < LARGE && !mapped))
        return address;
    lock();
    if (seen.n == MOST)
        abort();
    seen.live[seen.n++] = (struct live){address, bytes, mapped};
    seen.large_bytes += bytes >= LARGE ? bytes : 0;
    seen.mapped_bytes += mapped ? bytes : 0;
    seen.allocations_in_steps += seen.in_step && bytes >= LARGE;
    note_peak();
    unlock();
    return address;
}

static void forget(void *address)
{
    lock();
    for (size_t i = 0; i < seen.n; i++)
        if (seen.live[i].address == address) {
            seen.large_bytes -= seen.live[i].bytes >= LARGE ? seen.live[i].bytes : 0;
            seen.mapped_bytes -= seen.live[i].mapped ? seen.live[i].bytes : 0;
            seen.live[i] = seen.live[--seen.n];
            break;
        }
    unlock();
}

void *malloc(size_t bytes) { return remember(__libc_malloc(bytes), bytes, false); }
void *calloc(size_t n, size_t bytes) { return remember(__libc_calloc(n, bytes), n * bytes, false); }
void *memalign(size_t alignment, size_t bytes) { return remember(__libc_memalign(alignment, bytes), bytes, false); }
void *aligned_alloc(size_t alignment, size_t bytes) { return memalign(alignment, bytes); }

int posix_memalign(void **address, size_t alignment, size_t bytes)
{
    void *found = memalign(alignment, bytes);
    if (found)
        *address = found;
    return found ? 0 : ENOMEM;
}

void *realloc(void *address, size_t bytes)
{
    forget(address);
    return remember(__libc_realloc(address, bytes), bytes, false);
}

void free(void *address)
{
    forget(address);
    __libc_free(address);
}

void *mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset)
{
    void *found = (void *)syscall(SYS_mmap, address, bytes, protection, flags, file, offset);
    return flags & MAP_ANONYMOUS ? remember(found, bytes, true) : found;
}

void *mmap64(void *address, size_t bytes, int protection, int flags, int file, off_t offset)
    __attribute__((alias("mmap")));

/* What becomes executable is code. */
int mprotect(void *address, size_t bytes, int protection)
{
    if (protection & PROT_EXEC)
        forget(address);
    return (int)syscall(SYS_mprotect, address, bytes, protection);
}

int munmap(void *address, size_t bytes)
{
    forget(address);
    return (int)syscall(SYS_munmap, address, bytes);
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
    if (clock == CLOCK_PROCESS_CPUTIME_ID) {
        lock();
        seen.in_step = ++seen.clock_reads % 2;
        note_peak();
        unlock();
    }
    return (int)syscall(SYS_clock_gettime, clock, t);
}

__attribute__((constructor)) static void begin(void)
{
    seen.counting = true; /* a preloaded library is initialized after all others */
}

__attribute__((destructor)) static void report(void)
{
    const char *path = getenv("INTERPOSE_REPORT");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (!file)
        return;
    fprintf(file, "steps %zu allocations %zu large %zu mapped %zu\n", seen.clock_reads / 2, seen.allocations_in_steps,
            seen.peak_large, seen.peak_mapped);
    fclose(file);
}
