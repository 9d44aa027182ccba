/* relay.c - collectives for a child that knows no MPI.
 *
 * Each is non-blocking: MPI's own waits would take a core from the children that still compute.  While all ranks are at
 * work on the same numbers the wait is a yield of the core, because no child has anything to do; waiting for a rank
 * whose child still computes is naps, the longer the longer it has taken. */
#include "relay.h"
#include "channel.h"
#include "world_mpi.h"
#include "../src/device/timer.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* AGREEING: the ranks say what they are about to do.  COMBINING: they do it. */
enum stage { IDLE, AGREEING, COMBINING, OVER };

/* The greatest over ranks: has any child left?  the greatest and (negated) the smallest request of the others */
enum { LEFT, MOST, LEAST, AGREEMENT };

struct relay {
    MPI_Comm comm;
    MPI_Request pending;
    enum stage stage;
    bool left;                          /* no child any more */
    struct request request;
    int64_t own[AGREEMENT], agreement[AGREEMENT];
    double since_s;                     /* of this stage */
    struct channel *channel;
    int socket, child_socket, memory;   /* -1: closed */
};

/* ---- open and close ------------------------------------------------------------------------------------------ */

static MPI_Comm comm_of(const int *rank, int n)
{
    enum { TAG = 1 };
    MPI_Group all, members;
    MPI_Comm comm;
    CHECK_MPI(MPI_Comm_group(world_ranks(), &all));
    CHECK_MPI(MPI_Group_incl(all, n, rank, &members));
    CHECK_MPI(MPI_Comm_create_group(world_ranks(), members, TAG, &comm));
    CHECK_MPI(MPI_Group_free(&members));
    CHECK_MPI(MPI_Group_free(&all));
    return comm;
}

static void open_channel(struct relay *r)
{
    int end[2];
    CHECK_SYS(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, end));
    CHECK_SYS(r->memory = memfd_create("dpsweep member", MFD_CLOEXEC));
    CHECK_SYS(ftruncate(r->memory, sizeof *r->channel));
    r->socket = end[0];
    r->child_socket = end[1];
    r->channel = mmap(NULL, sizeof *r->channel, PROT_READ | PROT_WRITE, MAP_SHARED, r->memory, 0);
    CHECK_SYS(r->channel == MAP_FAILED ? -1 : 0);
    CHECK_MPI(MPI_Comm_rank(r->comm, &r->channel->rank));
    CHECK_MPI(MPI_Comm_size(r->comm, &r->channel->size));
}

struct relay *relay_open(const int *rank, int n)
{
    struct relay *r = calloc(1, sizeof *r);
    CHECK(r);
    r->comm = comm_of(rank, n);
    open_channel(r);
    return r;
}

static void close_file(int *file)
{
    if (*file >= 0)
        close(*file);
    *file = -1;
}

void relay_close(struct relay *r)
{
    if (!r)
        return;
    relay_leave(r);
    while (!relay_is_over(r))
        relay_look(r);
    CHECK_MPI(MPI_Comm_free(&r->comm));
    munmap(r->channel, sizeof *r->channel);
    close_file(&r->socket);
    close_file(&r->child_socket);
    close_file(&r->memory);
    free(r);
}

/* ---- what others want to know -------------------------------------------------------------------------------- */

int relay_socket(const struct relay *r)
{
    return r->socket;
}

void relay_files(const struct relay *r, int *socket, int *memory)
{
    *socket = r->child_socket;
    *memory = r->memory;
}

void relay_started(struct relay *r)
{
    close_file(&r->child_socket);
    close_file(&r->memory);
}

bool relay_child_waits(const struct relay *r)
{
    return !r->left && (r->stage == AGREEING || r->stage == OVER);
}

void relay_leave(struct relay *r)
{
    r->left = true;
}

bool relay_is_over(const struct relay *r)
{
    return r->stage == OVER;
}

/* ---- one collective after another ---------------------------------------------------------------------------- */

static void begin(struct relay *r, enum stage stage)
{
    r->stage = stage;
    r->since_s = clock_wall_s();
}

static void agree(struct relay *r)
{
    const struct request *q = &r->request;
    const int64_t code = ((int64_t)q->n << 8) | (q->collective << 4) | q->bucket;
    r->own[LEFT] = r->left;
    r->own[MOST] = r->left ? INT64_MIN : code;
    r->own[LEAST] = r->left ? INT64_MIN : -code;
    begin(r, AGREEING);
    CHECK_MPI(MPI_Iallreduce(r->own, r->agreement, AGREEMENT, MPI_INT64_T, MPI_MAX, r->comm, &r->pending));
}

static void combine(struct relay *r)
{
    const struct request *q = &r->request;
    void *given = r->channel->bucket[q->bucket].given, *got = r->channel->bucket[q->bucket].got;
    begin(r, COMBINING);
    switch ((enum collective)q->collective) {
    case SUM_FLOATS:
        CHECK_MPI(MPI_Iallreduce(given, got, q->n, MPI_FLOAT, MPI_SUM, r->comm, &r->pending));
        break;
    case SUM_DOUBLES:
        CHECK_MPI(MPI_Iallreduce(given, got, q->n, MPI_DOUBLE, MPI_SUM, r->comm, &r->pending));
        break;
    case MAX_DOUBLES:
        CHECK_MPI(MPI_Iallreduce(given, got, q->n, MPI_DOUBLE, MPI_MAX, r->comm, &r->pending));
        break;
    case SCATTER_SUM_FLOATS:
        CHECK_MPI(MPI_Ireduce_scatter_block(given, got, q->n, MPI_FLOAT, MPI_SUM, r->comm, &r->pending));
        break;
    case GATHER_FLOATS:
        CHECK_MPI(MPI_Iallgather(given, q->n, MPI_FLOAT, got, q->n, MPI_FLOAT, r->comm, &r->pending));
        break;
    case SHARE_BYTES:
        memcpy(got, given, (size_t)q->n);
        CHECK_MPI(MPI_Ibcast(got, q->n, MPI_BYTE, 0, r->comm, &r->pending));
        break;
    }
}

/* The next request of the child; false: it has none, or is gone and cannot have one. */
static bool take_request(struct relay *r)
{
    const ssize_t got = r->socket < 0 ? 0 : recv(r->socket, &r->request, sizeof r->request, MSG_DONTWAIT);
    if (got == 0)
        close_file(&r->socket);
    const struct request *q = &r->request;
    return got == sizeof *q && q->bucket >= 0 && q->bucket < BUCKETS && q->n >= 0 && q->n <= BUCKET_BYTES;
}

static void answer(struct relay *r)
{
    const char done = 1;
    if (r->socket >= 0 && send(r->socket, &done, sizeof done, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        close_file(&r->socket);
}

static bool pending_is_done(struct relay *r)
{
    int done;
    CHECK_MPI(MPI_Test(&r->pending, &done, MPI_STATUS_IGNORE));
    return done;
}

static void rest(const struct relay *r)
{
    const double patience_s = r->stage == AGREEING ? 1e-4 : 1e-2, waited_s = clock_wall_s() - r->since_s;
    const double nap_s = waited_s / 16 < 1e-3 ? waited_s / 16 : 1e-3;
    if (waited_s < patience_s)
        sched_yield();
    else
        nanosleep(&(struct timespec){.tv_nsec = (long)(1e9 * nap_s)}, NULL);
}

bool relay_look(struct relay *r)
{
    if (r->stage == OVER)
        return false;
    if (r->stage == IDLE) {
        if (!r->left && !take_request(r))
            return false;
        agree(r);
    } else if (!pending_is_done(r)) {
        rest(r);
    } else if (r->stage == COMBINING) {
        answer(r);
        begin(r, IDLE);
    } else if (r->agreement[LEFT] || r->agreement[MOST] != -r->agreement[LEAST]) {
        begin(r, OVER);
    } else {
        combine(r);
    }
    return true;
}
