/* sweep.h - `dpsweep sweep` and `dpsweep run`: configurations measured by the ranks of this job; `dpsweep launch`: each
 * by a job of its own.
 *
 * All ranks call these; they open and close the world themselves.  Rank 0 reads the command line, hands out
 * configurations and keeps the books; what it returns is the exit code of the job. */
#ifndef SWEEP_H
#define SWEEP_H
int sweep_main(int argc, char **argv);
int run_main(int argc, char **argv);
int launch_main(int argc, char **argv);
#endif
