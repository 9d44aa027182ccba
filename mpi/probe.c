/* probe.c - communicators as the sweeps and groups of ranks use them: all ranks, those of a host (shared memory), the
 * first of each host (the network).  Vectors are long enough to leave the protocol for short messages. */
#include "probe.h"
#include "world.h"
#include "../src/base/check.h"
#include "../src/device/timer.h"

#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { N_NUMBERS = 1 << 16 };

const char *const probe_name[N_PROBES] = {"all ranks", "a host's ranks", "one of each host"};

/* ---- nobody waits for ever ----------------------------------------------------------------------------------- */

static char too_late[256];

static void give_up(int signal)
{
    (void)signal;
    if (write(STDERR_FILENO, too_late, strlen(too_late)) < 0)
        _exit(EXIT_SOME_FAILED);
    _exit(EXIT_ENVIRONMENT);
}

static void begin_wait(const char *what)
{
    snprintf(too_late, sizeof too_late, "dpsweep[%s:%d]: error: still waiting for %s after %d s\n", world()->host,
             world()->rank, what, PROBE_MOST_S);
    signal(SIGALRM, give_up);
    alarm(PROBE_MOST_S);
}

static void end_wait(void)
{
    alarm(0);
}

/* ---- facts ---------------------------------------------------------------------------------------------------- */

void probe_gather(const struct rank_facts *mine, struct rank_facts *facts)
{
    if (!world()->launched) {
        *facts = *mine;
        return;
    }
    begin_wait("the facts of all ranks");
    MPI_Gather(mine, sizeof *mine, MPI_BYTE, facts, sizeof *mine, MPI_BYTE, 0, MPI_COMM_WORLD);
    end_wait();
}

/* ---- sums ----------------------------------------------------------------------------------------------------- */

/* MPI_COMM_NULL: this rank takes no part. */
static MPI_Comm communicator(enum probe_ranks of)
{
    MPI_Comm comm;
    const int rank = world()->rank, host = world()->host_of[rank];
    const int color = of == PROBE_ALL ? 0 : of == PROBE_HOST ? host : rank == host ? 0 : MPI_UNDEFINED;
    MPI_Comm_split(MPI_COMM_WORLD, color, rank, &comm);
    return comm;
}

/* The sum over ranks r = 0...n-1 of (r+1)(i+1), exact in double precision. */
static bool sum_is_right(MPI_Comm comm)
{
    int rank, n;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &n);
    double *x = calloc(N_NUMBERS, sizeof *x);
    CHECK(x);
    for (int i = 0; i < N_NUMBERS; i++)
        x[i] = (rank + 1.0) * (i + 1.0);
    bool right = MPI_Allreduce(MPI_IN_PLACE, x, N_NUMBERS, MPI_DOUBLE, MPI_SUM, comm) == MPI_SUCCESS;
    for (int i = 0; i < N_NUMBERS && right; i++)
        right = x[i] == 0.5 * n * (n + 1.0) * (i + 1.0);
    free(x);
    return right;
}

struct probe_sum probe_sum(enum probe_ranks of)
{
    if (!world()->launched)
        return (struct probe_sum){1, true, 0};
    char what[128];
    snprintf(what, sizeof what, "a sum over %s", probe_name[of]);
    begin_wait(what);
    MPI_Comm comm = communicator(of);
    const double start_s = clock_wall_s();
    int n = 1, wrong = 0;
    if (comm != MPI_COMM_NULL) {
        MPI_Comm_size(comm, &n);
        wrong = !sum_is_right(comm);
        MPI_Comm_free(&comm);
    }
    if (wrong)
        log_error("a sum over %s is wrong", probe_name[of]);
    double worst[] = {n, wrong, clock_wall_s() - start_s};
    MPI_Allreduce(MPI_IN_PLACE, worst, 3, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    end_wait();
    return (struct probe_sum){(int)worst[0], worst[1] == 0, worst[2]};
}
