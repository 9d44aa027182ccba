/* provenance.h - what else a measurement depends on: the machine, its clocks, the job, the environment. */
#ifndef PROVENANCE_H
#define PROVENANCE_H
#include <stddef.h>

/* Each writes one line; empty where the system does not say. */
void provenance_operating_system(char *text, size_t bytes); /* "Linux 6.1.0-13-amd64, Debian GNU/Linux 12 (bookworm)" */
void provenance_cpu(char *text, size_t bytes);              /* "AMD EPYC 9554 64-Core Processor, 128 cores" */
void provenance_cpu_clocks(char *text, size_t bytes);       /* "governor performance, 1500 to 3751 MHz" */
void provenance_slurm_job(char *text, size_t bytes);        /* "job 12, array task 3, partition gpu, 4 nodes" */
/* Variables that libraries listen to, NAME=value, one to a line; malloc'ed.  No other variable is recorded. */
char *provenance_environment(void);
#endif
