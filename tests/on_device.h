/* on_device.h - for tests that use the device: numbers go in and come out, a body is rehearsed and then run.
 *
 * Tests run on the strict device: its memory cannot be touched by the test itself, and holds NaN until written. */
#ifndef ON_DEVICE_H
#define ON_DEVICE_H
#include "../src/device/device.h"
#include "../src/device/ledger.h"
#include "arrays.h"

/* One thread is enough for small numbers, does not wait for others on a busy machine, and lets a test fork. */
static inline void open_strict_device(int threads)
{
    setenv("DPSWEEP_STRICT", "1", 0);
    device_open(threads);
}

/* n numbers of any four-byte type, on the device until drop_all.  They share a few allocations, because the strict
 * device opens and closes each one at every call. */
enum { SHARED_FLOATS = 1 << 15, ALIGNED_FLOATS = 16 };
static float *shared[64];
static int n_shared;
static long shared_left;
static inline void *send(const void *host, long n)
{
    const long room = (n + ALIGNED_FLOATS - 1) / ALIGNED_FLOATS * ALIGNED_FLOATS;
    static float *next;
    if (room > shared_left) {
        assert_true(n_shared < COUNT(shared));
        shared_left = room > SHARED_FLOATS ? room : SHARED_FLOATS;
        next = shared[n_shared++] = ledger_alloc(MEMORY_DATA, "test", (size_t)shared_left * sizeof *next);
        assert_non_null(next);
    }
    float *device = next;
    next += room;
    shared_left -= room;
    device_copy_in(device, host, (size_t)n * sizeof *device);
    return device;
}

static inline void drop_all(void)
{
    while (n_shared) ledger_free(shared[--n_shared]);
    shared_left = 0;
}

/* A copy on the host. */
static inline float *fetch(const float *device, long n)
{
    float *host = zeros(n);
    device_copy_out(host, device, (size_t)n * sizeof *host);
    return host;
}

/* Runs `body(real)` in memory that was rehearsed for it and for `body(other)`. */
typedef void program_body(void *ctx);
static inline void run_body(program_body *body, void *ctx)
{
    ledger_start(PROGRAM_STEP);
    body(ctx);
    ledger_finish();
}
static inline void run_rehearsed(program_body *body, void *other, void *real)
{
    ledger_rehearse_begin();
    run_body(body, other);
    run_body(body, real);
    ledger_rehearse_end();
    assert_true(ledger_commit());
    run_body(body, real);
}
#endif
