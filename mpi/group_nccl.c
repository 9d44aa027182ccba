/* group_nccl.c - the door of GPUs: vectors go from GPU to GPU over NCCL, in the stream of the kernels.
 *
 * Member 0 makes the identity of the communicator, all learn it from their ranks.  One call takes a whole vector in
 * place: NCCL itself cuts it into pieces that travel at the same time.  Parts of a sum go in a stream of their own,
 * which waits for the kernels that are enqueued so far; the kernels after the join wait for it.
 * Nothing here waits for ever.  The communicator does not block, so a call returns at once and is asked about until
 * NCCL has started it; and while the host waits for the stream, a watcher asks for errors of what is on its way.  An
 * error aborts the communicator and ends this member, with its number, NCCL's words and the call.  A member whose
 * others fall silent without an error is ended by its rank.
 * NCCL lets one thread at a time into a communicator, and even asking is not reading only: who first hears that a call
 * has ended clears it away.  The watcher and we take turns. */
#include "group_door.h"
#include "group.h"
#include "../src/base/check.h"
#include "../src/device/device.h"
#include "../src/device/timer.h"

#include <nccl.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { MOST_START_S = 300 };     /* a network of many members takes its time */
static const struct timespec SHORT = {0, 10000}, LONG = {0, 50000000}; /* no kernel is enqueued while we wait */

static struct {
    ncclComm_t comm;
    pthread_t watcher;
    cudaStream_t parts;
    cudaEvent_t ready, summed;   /* in the stream of kernels, and in that of parts */
    volatile bool closing;
} nccl;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;     /* of the thread that is in a call of the communicator */

static const char *nccl_words(ncclResult_t result)
{
    static char text[768];
    const char *last = ncclGetLastError(nccl.comm);
    snprintf(text, sizeof text, "member %d of %d: %s%s%s%s", group()->rank, group()->size, ncclGetErrorString(result),
        last && *last ? ": " : "", last && *last ? last : "",
        result == ncclInvalidUsage ? "; every member needs a GPU of its own" : "; NCCL_DEBUG=WARN says more");
    return text;
}
#define CHECK_NCCL(call) CHECK_GENERIC(ncclResult_t, call, ncclSuccess, nccl_words)

static const char *cuda_words(cudaError_t error)
{
    static char text[256];
    snprintf(text, sizeof text, "member %d of %d: %s (%s) on its GPU", group()->rank, group()->size,
        cudaGetErrorString(error), cudaGetErrorName(error));
    return text;
}
#define CHECK_CUDA(call) CHECK_GENERIC(cudaError_t, call, cudaSuccess, cuda_words)

/* ---- waiting ------------------------------------------------------------------------------------------------- */

/* Of the call only its name: a record holds one line. */
static _Noreturn void give_up(const char *call, int line, const char *words)
{
    log_error("%s:%d: %.*s: %s", __FILE__, line, (int)strcspn(call, "("), call, words);
    pthread_mutex_lock(&turn);  /* for good */
    ncclCommAbort(nccl.comm);
    _exit(EXIT_ENVIRONMENT); /* what runs at an ordinary end could wait for the GPU */
}

/* What became of the last call. */
static ncclResult_t state(void)
{
    ncclResult_t state = ncclSuccess;
    pthread_mutex_lock(&turn);
    const ncclResult_t asked = ncclCommGetAsyncError(nccl.comm, &state);
    pthread_mutex_unlock(&turn);
    if (asked != ncclSuccess)
        give_up("ncclCommGetAsyncError", __LINE__, nccl_words(asked));
    return state;
}

static void settle(ncclResult_t result, const char *call, int line)
{
    const double start_s = clock_wall_s();
    for (; result == ncclInProgress; result = state()) {
        if (clock_wall_s() - start_s > MOST_START_S)
            give_up(call, line, "NCCL does not get it started; the other members may be gone");
        nanosleep(&SHORT, NULL);
    }
    if (result != ncclSuccess)
        give_up(call, line, nccl_words(result));
}
#define SETTLE(call)                           \
    do {                                       \
        pthread_mutex_lock(&turn);             \
        const ncclResult_t result_ = (call);   \
        pthread_mutex_unlock(&turn);           \
        settle(result_, #call, __LINE__);      \
    } while (0)

static void *watch(void *nothing)
{
    while (!nccl.closing) {
        const ncclResult_t now = state();
        if (now != ncclSuccess && now != ncclInProgress && !nccl.closing)
            give_up("work on its way", __LINE__, nccl_words(now));
        nanosleep(&LONG, NULL);
    }
    return nothing;
}

/* ---- the door ------------------------------------------------------------------------------------------------ */

const char *door_absent(void) { return NULL; }

void door_open(void)
{
    ncclUniqueId id;
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    if (group()->rank == 0)
        CHECK_NCCL(ncclGetUniqueId(&id));
    group_share(&id, sizeof id);
    SETTLE(ncclCommInitRankConfig(&nccl.comm, group()->size, id, group()->rank, &config));
    CHECK_CUDA(cudaStreamCreateWithFlags(&nccl.parts, cudaStreamNonBlocking));
    CHECK_CUDA(cudaEventCreate(&nccl.ready));
    CHECK_CUDA(cudaEventCreate(&nccl.summed));
    nccl.closing = false;
    CHECK(pthread_create(&nccl.watcher, NULL, watch, NULL) == 0);
}

void door_close(void)
{
    device_sync();
    nccl.closing = true;
    pthread_join(nccl.watcher, NULL);
    SETTLE(ncclCommFinalize(nccl.comm));
    CHECK_NCCL(ncclCommDestroy(nccl.comm));
    nccl.comm = NULL;
    CHECK_CUDA(cudaEventDestroy(nccl.summed));
    CHECK_CUDA(cudaEventDestroy(nccl.ready));
    CHECK_CUDA(cudaStreamDestroy(nccl.parts));
}

static cudaStream_t stream(void) { return device_stream(); }

void door_sum(float *x, long n)
{
    SETTLE(ncclAllReduce(x, x, (size_t)n, ncclFloat, ncclSum, nccl.comm, stream()));
}

bool door_overlaps(void) { return true; }

void door_sum_part(float *x, long n)
{
    CHECK_CUDA(cudaEventRecord(nccl.ready, stream()));
    CHECK_CUDA(cudaStreamWaitEvent(nccl.parts, nccl.ready, 0));
    SETTLE(ncclAllReduce(x, x, (size_t)n, ncclFloat, ncclSum, nccl.comm, nccl.parts));
}

void door_sum_join(void)
{
    CHECK_CUDA(cudaEventRecord(nccl.summed, nccl.parts));
    CHECK_CUDA(cudaStreamWaitEvent(stream(), nccl.summed, 0));
}

/* NCCL's parts are of one size, the last of ours has a rest as well. */
struct rest { float *x; size_t n; int owner; };

static size_t part_length(long n)
{
    const struct part first = group_part(n, 0, group()->size);
    return group()->size > 1 ? (size_t)(first.end - first.begin) : (size_t)n;
}

static struct rest rest_of(float *x, long n)
{
    const size_t parts = part_length(n) * (size_t)group()->size;
    return (struct rest){x + parts, (size_t)n - parts, group()->size - 1};
}

void door_reduce_scatter(float *x, long n)
{
    const size_t each = part_length(n);
    const struct rest rest = rest_of(x, n);
    if (each)
        SETTLE(ncclReduceScatter(x, x + (size_t)group()->rank * each, each, ncclFloat, ncclSum, nccl.comm, stream()));
    if (rest.n)
        SETTLE(ncclReduce(rest.x, rest.x, rest.n, ncclFloat, ncclSum, rest.owner, nccl.comm, stream()));
}

void door_all_gather(float *x, long n)
{
    const size_t each = part_length(n);
    const struct rest rest = rest_of(x, n);
    if (each)
        SETTLE(ncclAllGather(x + (size_t)group()->rank * each, x, each, ncclFloat, nccl.comm, stream()));
    if (rest.n)
        SETTLE(ncclBroadcast(rest.x, rest.x, rest.n, ncclFloat, rest.owner, nccl.comm, stream()));
}
