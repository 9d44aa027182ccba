/* child.h - `dpsweep worker`, what mpi/worker.h starts: measures one configuration and writes its record to a pipe. */
#ifndef CHILD_H
#define CHILD_H
int worker_main(int argc, char **argv);
#endif
