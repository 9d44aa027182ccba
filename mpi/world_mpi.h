/* world_mpi.h - for the files of mpi/ that call MPI themselves. */
#ifndef WORLD_MPI_H
#define WORLD_MPI_H
#include "../src/base/check.h"

#include <mpi.h>

MPI_Comm world_ranks(void);            /* all ranks; MPI_COMM_NULL without a launcher */
const char *world_mpi_words(int status);
#define CHECK_MPI(call) CHECK_GENERIC(int, call, MPI_SUCCESS, world_mpi_words)
#endif
