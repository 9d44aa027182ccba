/* nccl.c - libnccl for tests: collectives of processes on one machine, through a file that they share.
 *
 * A collective is work of its stream, done piece by piece: each member puts its numbers into its place, all meet, each
 * takes what is its own, all meet again.  Calls do not finish at once, as those of a communicator that does not block;
 * one that does, or vectors that are not in device memory, or a member that finalizes with work on its way, or a second
 * thread in a communicator, is a violation.  A member that waits longer than CUDA_STANDIN_NCCL_S seconds (10) for the
 * others has an asynchronous error, and so has work of the kind that CUDA_STANDIN_FAIL=nccl:k names. */
#include "standin.h"

#include <fcntl.h>
#include <math.h>
#include <nccl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { PIECE = 1 << 16, MOST_MEMBERS = 8 };

struct meeting {
    atomic_int arrived, turn, left;
    float piece[MOST_MEMBERS][PIECE];
};
struct ncclComm {
    struct meeting *shared;
    char path[sizeof(ncclUniqueId)];
    int rank, size;
    int in_progress;                 /* how often it is still said of the last call */
    atomic_int pending;              /* collectives on their way */
    atomic_int inside;               /* threads in a call */
    _Atomic ncclResult_t error;
};

#define NCCL_ENTRY()                              \
    do {                                          \
        if (standin_sticky_error())               \
            return ncclUnhandledCudaError;        \
        if (standin_fails(__func__))              \
            return ncclSystemError;               \
    } while (0)

/* Stays for a millisecond, so that two threads meet. */
static ncclComm_t entered(ncclComm_t comm, const char *call)
{
    if (comm->inside++)
        standin_violation("%s: another thread is in a call of this communicator", call);
    nanosleep(&(struct timespec){0, 1000000}, NULL);
    return comm;
}
static void leave(ncclComm_t *comm) { (*comm)->inside--; }
#define COMM_ENTRY() \
    NCCL_ENTRY();    \
    __attribute__((cleanup(leave), unused)) ncclComm_t visited = entered(comm, __func__)

const char *ncclGetErrorString(ncclResult_t result)
{
    static const char *const words[] = {"no error", "unhandled cuda error", "unhandled system error", "internal error",
        "invalid argument", "invalid usage", "remote process exited or there was a network error",
        "NCCL operation in progress"};
    return (unsigned)result < sizeof words / sizeof *words ? words[result] : "unknown result code";
}

const char *ncclGetLastError(ncclComm_t comm)
{
    return comm && comm->error ? "as the stand-in was told" : "";
}

/* ---- communicators ----------------------------------------------------------------------------------------------- */

ncclResult_t ncclGetUniqueId(ncclUniqueId *id)
{
    NCCL_ENTRY();
    const char *folder = getenv("TMPDIR");
    memset(id, 0, sizeof *id);
    snprintf(id->internal, sizeof id->internal, "%.90s/nccl-XXXXXX", folder ? folder : "/tmp");
    const int fd = mkstemp(id->internal);
    if (fd < 0 || ftruncate(fd, sizeof(struct meeting)) != 0)
        standin_violation("ncclGetUniqueId: no room for a file in %s", folder);
    close(fd);
    return ncclSuccess;
}

static ncclResult_t begun(ncclComm_t comm)
{
    comm->in_progress = 2;
    return ncclInProgress;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t *comm, int size, ncclUniqueId id, int rank, ncclConfig_t *config)
{
    NCCL_ENTRY();
    if (config->blocking != 0)
        standin_violation("ncclCommInitRankConfig: a communicator that blocks");
    if (size > MOST_MEMBERS || rank < 0 || rank >= size)
        return ncclInvalidArgument;
    ncclComm_t c = *comm = calloc(1, sizeof *c);
    memcpy(c->path, id.internal, sizeof c->path);
    const int fd = open(c->path, O_RDWR);
    c->shared = mmap(NULL, sizeof *c->shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd < 0 || c->shared == MAP_FAILED)
        standin_violation("ncclCommInitRankConfig: '%s' is no identity of a group here", c->path);
    close(fd);
    c->rank = rank;
    c->size = size;
    return begun(c);
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t *error)
{
    COMM_ENTRY();
    *error = comm->error ? comm->error : comm->in_progress > 0 ? (comm->in_progress--, ncclInProgress) : ncclSuccess;
    return ncclSuccess;
}

ncclResult_t ncclCommFinalize(ncclComm_t comm)
{
    COMM_ENTRY();
    if (comm->pending)
        standin_violation("ncclCommFinalize: %d collectives are on their way", comm->pending);
    return begun(comm);
}

static void forget(ncclComm_t comm)
{
    if (atomic_fetch_add(&comm->shared->left, 1) == comm->size - 1)
        unlink(comm->path);
    munmap(comm->shared, sizeof *comm->shared);
}

ncclResult_t ncclCommDestroy(ncclComm_t comm)
{
    NCCL_ENTRY();
    forget(comm);
    free(comm);
    return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t comm)
{
    if (comm && !comm->error)
        comm->error = ncclRemoteError; /* who waits in a collective stops waiting */
    return ncclSuccess;
}

/* ---- collectives ------------------------------------------------------------------------------------------------- */

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Waits until all have come; the last opens the next turn. */
static void meet(ncclComm_t comm)
{
    const char *text = getenv("CUDA_STANDIN_NCCL_S");
    const double end_s = now_s() + (text ? atof(text) : 10.0);
    struct meeting *m = comm->shared;
    const int turn = m->turn;
    if (atomic_fetch_add(&m->arrived, 1) == comm->size - 1) {
        m->arrived = 0;
        m->turn++;
        return;
    }
    while (m->turn == turn && !comm->error) {
        nanosleep(&(struct timespec){0, 20000}, NULL);
        if (now_s() > end_s)
            comm->error = ncclRemoteError;
    }
}

/* Of a vector of n, all or one member get the sum of all, or what one has. */
enum { ALL = -1 };
struct collective { ncclComm_t comm; const float *from; float *to; size_t n; int source, destination; };

static float sum_at(const struct meeting *m, int size, size_t j)
{
    float sum = 0.0f;
    for (int r = 0; r < size; r++)
        sum += m->piece[r][j];
    return sum;
}

static void exchange(const struct collective *c, size_t at, size_t n)
{
    struct meeting *m = c->comm->shared;
    const int rank = c->comm->rank;
    memcpy(m->piece[rank], c->from + at, n * sizeof(float));
    meet(c->comm);
    for (size_t j = 0; j < n && !c->comm->error && (c->destination == ALL || c->destination == rank); j++)
        c->to[at + j] = c->source == ALL ? sum_at(m, c->comm->size, j) : m->piece[c->source][j];
    meet(c->comm);
}

static void run(void *context)
{
    const struct collective *c = context;
    if (standin_fails("nccl"))
        c->comm->error = ncclRemoteError;
    for (size_t at = 0; at < c->n && !c->comm->error; at += PIECE)
        exchange(c, at, c->n - at < PIECE ? c->n - at : PIECE);
    if (standin_is_wrong("nccl"))
        c->to[c->n - 1] = nextafterf(c->to[c->n - 1], INFINITY);
    while (c->comm->error) /* as a kernel that waits for others for ever */
        pause();
    c->comm->pending--;
}

static void begin(struct collective c, cudaStream_t stream)
{
    standin_check_memory("NCCL", c.from, c.n * sizeof(float));
    standin_check_memory("NCCL", c.to, c.n * sizeof(float));
    c.comm->pending++;
    standin_enqueue_later(stream, run, &c, sizeof c);
}

static void check_kind(ncclDataType_t type, ncclRedOp_t op)
{
    if (type != ncclFloat || op != ncclSum)
        standin_violation("NCCL: type %d or operation %d has no stand-in", (int)type, (int)op);
}

ncclResult_t ncclAllReduce(const void *from, void *to, size_t n, ncclDataType_t type, ncclRedOp_t op, ncclComm_t comm,
                           cudaStream_t stream)
{
    COMM_ENTRY();
    check_kind(type, op);
    begin((struct collective){comm, from, to, n, ALL, ALL}, stream);
    return begun(comm);
}

ncclResult_t ncclReduce(const void *from, void *to, size_t n, ncclDataType_t type, ncclRedOp_t op, int root,
                        ncclComm_t comm, cudaStream_t stream)
{
    COMM_ENTRY();
    check_kind(type, op);
    begin((struct collective){comm, from, to, n, ALL, root}, stream);
    return begun(comm);
}

ncclResult_t ncclBroadcast(const void *from, void *to, size_t n, ncclDataType_t type, int root, ncclComm_t comm,
                           cudaStream_t stream)
{
    COMM_ENTRY();
    check_kind(type, ncclSum);
    begin((struct collective){comm, from, to, n, root, ALL}, stream);
    return begun(comm);
}

ncclResult_t ncclReduceScatter(const void *from, void *to, size_t n, ncclDataType_t type, ncclRedOp_t op,
                               ncclComm_t comm, cudaStream_t stream)
{
    COMM_ENTRY();
    check_kind(type, op);
    for (int r = 0; r < comm->size; r++)
        begin((struct collective){comm, (const float *)from + (size_t)r * n, to, n, ALL, r}, stream);
    return begun(comm);
}

ncclResult_t ncclAllGather(const void *from, void *to, size_t n, ncclDataType_t type, ncclComm_t comm,
                           cudaStream_t stream)
{
    COMM_ENTRY();
    check_kind(type, ncclSum);
    for (int r = 0; r < comm->size; r++)
        begin((struct collective){comm, from, (float *)to + (size_t)r * n, n, r, ALL}, stream);
    return begun(comm);
}
