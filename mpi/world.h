/* world.h - the ranks of this job.  mpi/ is the only folder that names MPI.
 *
 * The program calls MPI_Init only under a launcher (mpirun, srun --mpi=pmix): alone it is rank 0 of 1.  Nothing here
 * spins while it waits, so that measurements on the same machine are left alone. */
#ifndef WORLD_H
#define WORLD_H
#include <stdbool.h>
#include <stddef.h>

struct world {
    int rank, size;
    bool launched;       /* by an MPI launcher */
    int cores;           /* for the threads of one run: the same on all ranks, the least that any has for itself */
    const int *host_of;  /* (size): number of the host a rank is on */
    char host[128], library[128];
};
const struct world *world(void);
const char *world_library(void);  /* the MPI this program is linked with, before and without world_open */

const char *world_launcher(void); /* "mpirun", "srun" or what else its variables look like */
int world_rank_of_launcher(void); /* as its variables say, before world_open; -1: there is no launcher */

void world_open(int *argc, char ***argv);
/* All ranks; messages nobody has received by then are dropped.  A rank that exits without it ends all ranks. */
void world_close(void);

/* Bytes from rank to rank.  world_send copies them and returns at once. */
void world_send(int rank, int tag, const void *, size_t bytes);
bool world_poll(int *rank, int *tag, size_t *bytes); /* has a message come?  returns at once */
void world_receive(int rank, int tag, void *, size_t bytes);

void nap_ms(int);
#endif
