/* world.c - ranks over MPI, or one rank without it.
 *
 * MPI's own waits (MPI_Recv, MPI_Barrier) poll as fast as they can and take a core from whoever measures on the same
 * host; here every wait is a non-blocking call, MPI_Test and a nap. */
#include "world.h"
#include "world_mpi.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { NAP_MS = 1 };

static struct world the_world = {.size = 1, .library = "none"};
static int one_host[1];
static MPI_Comm ranks = MPI_COMM_NULL;

struct sending {                   /* a message that has not left yet */
    MPI_Request request;
    void *data;
    struct sending *next;
};
static struct sending *outbox;

const struct world *world(void)
{
    return &the_world;
}

void nap_ms(int ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
}

MPI_Comm world_ranks(void)
{
    return ranks;
}

const char *world_mpi_words(int status)
{
    static char text[MPI_MAX_ERROR_STRING];
    int length;
    MPI_Error_string(status, text, &length);
    return text;
}

/* ---- cores --------------------------------------------------------------------------------------------------- */

/* mpirun binds each rank to one core unless told otherwise.  That is undone, because a rank's child has several
 * threads: the cores of mpirun's daemon, our parent, are those of the job.  A binding that was asked for is kept. */
static void undo_default_binding(void)
{
    const bool by_mpirun = getenv("OMPI_COMM_WORLD_SIZE");
    const bool asked_for = getenv("OMPI_MCA_hwloc_base_binding_policy") || getenv("OMPI_MCA_rmaps_base_mapping_policy");
    cpu_set_t cores;
    if (by_mpirun && !asked_for && sched_getaffinity(getppid(), sizeof cores, &cores) == 0)
        CHECK_SYS(sched_setaffinity(0, sizeof cores, &cores));
}

/* Ranks with the same cores share them; other ranks of the host have their own. */
static int fair_share(const cpu_set_t *cores_of, const int *host_of, int rank, int size)
{
    int sharers = 0;
    for (int r = 0; r < size; r++)
        sharers += host_of[r] == host_of[rank] && CPU_EQUAL(&cores_of[r], &cores_of[rank]);
    const int share = CPU_COUNT(&cores_of[rank]) / sharers;
    return share > 0 ? share : 1;
}

/* ---- open and close ------------------------------------------------------------------------------------------ */

static int tasks_started(void)      /* by the launcher, as its variables say */
{
    static const char *const name[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"};
    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        if (getenv(name[i]))
            return atoi(getenv(name[i]));
    return 1;
}

int world_rank_of_launcher(void)
{
    static const char *const name[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"};
    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        if (getenv(name[i]))
            return atoi(getenv(name[i]));
    return -1;
}

const char *world_launcher(void)
{
    return getenv("OMPI_COMM_WORLD_SIZE") ? "mpirun" : getenv("SLURM_STEP_ID") ? "srun" : "another launcher";
}

/* Every task of a wrong launch comes here; the first says why. */
static _Noreturn void refuse_launch(const char *why)
{
    static const char *const name[] = {"PMI_RANK", "SLURM_PROCID"};
    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        if (getenv(name[i]) && atoi(getenv(name[i])) > 0)
            exit(EXIT_ENVIRONMENT);
    die(EXIT_ENVIRONMENT, "%s: use srun --mpi=pmix, or the mpirun of %s, which dpsweep was built with", why,
        world_library());
}

/* Open MPI's MPI_Init aborts with a page of text where a launcher offers PMI, but not its own PMIx. */
static void refuse_other_launchers(void)
{
    const bool is_open_mpi = strstr(world_library(), "Open MPI");
    if (is_open_mpi && getenv("PMI_RANK") && !getenv("PMIX_RANK"))
        refuse_launch("the launcher is one of another MPI library");
}

/* The host's number is the lowest rank on it. */
static int *gather_hosts(void)
{
    MPI_Comm host;
    CHECK_MPI(MPI_Comm_split_type(ranks, MPI_COMM_TYPE_SHARED, the_world.rank, MPI_INFO_NULL, &host));
    int lowest = the_world.rank;
    CHECK_MPI(MPI_Bcast(&lowest, 1, MPI_INT, 0, host));
    CHECK_MPI(MPI_Comm_free(&host));
    int *host_of = calloc((size_t)the_world.size, sizeof *host_of);
    CHECK(host_of);
    CHECK_MPI(MPI_Allgather(&lowest, 1, MPI_INT, host_of, 1, MPI_INT, ranks));
    return host_of;
}

static void share_cores(void)
{
    cpu_set_t mine, *all = calloc((size_t)the_world.size, sizeof *all);
    CHECK(all);
    CHECK_SYS(sched_getaffinity(0, sizeof mine, &mine));
    all[0] = mine;
    if (the_world.launched)
        CHECK_MPI(MPI_Allgather(&mine, sizeof mine, MPI_BYTE, all, sizeof mine, MPI_BYTE, ranks));
    the_world.cores = fair_share(all, the_world.host_of, 0, the_world.size);
    for (int r = 1; r < the_world.size; r++) {
        const int share = fair_share(all, the_world.host_of, r, the_world.size);
        the_world.cores = share < the_world.cores ? share : the_world.cores;
    }
    free(all);
}

/* A rank that dies takes the others with it under any launcher (srun by itself would let them wait for ever). */
static void abort_if_open(int status, void *unused)
{
    (void)unused;
    if (ranks != MPI_COMM_NULL)
        MPI_Abort(ranks, status);
}

const char *world_library(void)
{
    static char version[MPI_MAX_LIBRARY_VERSION_STRING];
    int length;
    MPI_Get_library_version(version, &length);
    version[strcspn(version, ",\n")] = '\0';
    return version;
}

static void open_mpi(int *argc, char ***argv)
{
    MPI_Init(argc, argv);
    CHECK_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &ranks));
    CHECK_MPI(MPI_Comm_set_errhandler(ranks, MPI_ERRORS_RETURN));
    MPI_Comm_rank(ranks, &the_world.rank);
    MPI_Comm_size(ranks, &the_world.size);
    on_exit(abort_if_open, NULL);
    snprintf(the_world.library, sizeof the_world.library, "%s", world_library());
}

void world_open(int *argc, char ***argv)
{
    char why[128];
    refuse_other_launchers();
    the_world.launched = world_rank_of_launcher() >= 0;
    gethostname(the_world.host, sizeof the_world.host - 1);
    undo_default_binding();
    if (the_world.launched)
        open_mpi(argc, argv);
    snprintf(why, sizeof why, "the launcher started %d programs that cannot find one another", tasks_started());
    if (the_world.size == 1 && tasks_started() > 1)
        refuse_launch(why);
    log_context(the_world.host, the_world.size > 1 ? the_world.rank : -1);
    the_world.host_of = the_world.launched ? gather_hosts() : one_host;
    share_cores();
}

static void drop_incoming(void)
{
    int rank, tag;
    size_t bytes;
    while (world_poll(&rank, &tag, &bytes)) {
        void *unwanted = malloc(bytes + 1);
        CHECK(unwanted);
        world_receive(rank, tag, unwanted, bytes);
        free(unwanted);
    }
}

/* Every rank receives until all have sent what they had to send: only then is nobody's message left unfinished. */
void world_close(void)
{
    if (ranks == MPI_COMM_NULL)
        return;
    for (drop_incoming(); outbox; drop_incoming())
        nap_ms(NAP_MS);
    MPI_Request barrier;
    CHECK_MPI(MPI_Ibarrier(ranks, &barrier));
    for (int all_here = 0; !all_here; nap_ms(NAP_MS)) {
        drop_incoming();
        CHECK_MPI(MPI_Test(&barrier, &all_here, MPI_STATUS_IGNORE));
    }
    CHECK_MPI(MPI_Comm_free(&ranks));     /* leaves MPI_COMM_NULL */
    MPI_Finalize();
    free((void *)the_world.host_of);
    the_world.host_of = NULL;
}

/* ---- messages ------------------------------------------------------------------------------------------------ */

static void outbox_clean(void)
{
    for (struct sending **s = &outbox; *s;) {
        int gone;
        CHECK_MPI(MPI_Test(&(*s)->request, &gone, MPI_STATUS_IGNORE));
        if (!gone) {
            s = &(*s)->next;
            continue;
        }
        struct sending *done = *s;
        *s = done->next;
        free(done->data);
        free(done);
    }
}

void world_send(int rank, int tag, const void *data, size_t bytes)
{
    struct sending *s = malloc(sizeof *s);
    CHECK(s && (s->data = malloc(bytes + 1)));
    if (bytes)
        memcpy(s->data, data, bytes);
    CHECK_MPI(MPI_Isend(s->data, (int)bytes, MPI_BYTE, rank, tag, ranks, &s->request));
    s->next = outbox;
    outbox = s;
}

bool world_poll(int *rank, int *tag, size_t *bytes)
{
    if (ranks == MPI_COMM_NULL)
        return false;
    outbox_clean();
    int come, count;
    MPI_Status status;
    CHECK_MPI(MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, ranks, &come, &status));
    if (!come)
        return false;
    CHECK_MPI(MPI_Get_count(&status, MPI_BYTE, &count));
    *rank = status.MPI_SOURCE;
    *tag = status.MPI_TAG;
    *bytes = (size_t)count;
    return true;
}

void world_receive(int rank, int tag, void *data, size_t bytes)
{
    CHECK_MPI(MPI_Recv(data, (int)bytes, MPI_BYTE, rank, tag, ranks, MPI_STATUS_IGNORE));
}
