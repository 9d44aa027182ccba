/* worker.h - one configuration in a child process of its own, so that a crash, a hang or an OOM kill is a record.
 *
 *     struct worker *w = worker_spawn(&task);
 *     while (!worker_ended(w, &record)) worker_wait(w, 5);
 *     worker_free(w);
 *
 * In a group every member's rank does this, all at the same time; a worker of a group ends when all its members have.
 *
 * The child is this program as `dpsweep worker` (src/bench/child.h): it gets the configuration as options and writes
 * its record to a pipe.  Its environment has no trace of the launcher, so it never takes itself for a rank. */
#ifndef WORKER_H
#define WORKER_H
#include "../src/records/record.h"
#include "group.h"

/* What a rank has to know to run one configuration. */
struct task {
    struct config config;     /* resolved */
    char policy[TEXT_BYTES];  /* that the prediction has chosen, which is what is measured; "": the trainer has none */
    uint64_t threads;
    int gpu;                  /* index among those the rank sees; ignored where there are none */
    double timeout_s, stall_s; /* 0: none */
    bool verbose;             /* pass on what the child writes to stderr */
    int n_members;            /* ranks that run it together; 1: no group */
    int member[GROUP_MOST];   /* (n_members) these ranks, ascending */
};

/* Once, before the first worker, in a program whose only children are workers: what a child leaves behind is found and
 * killed, whatever it did to get away. */
void worker_adopt(void);

struct worker;
struct worker *worker_spawn(const struct task *);   /* never NULL: no process to be had ends the caller */
void worker_wait(struct worker *, int ms);          /* returns when something happened, or after ms */
/* True when the child has ended, or took too long and was killed.  *record (which this initialises) is what the child
 * sent, or says crashed, oom_host, timeout or failed, where in the run, and why. */
bool worker_ended(struct worker *, struct record *);
void worker_free(struct worker *);                  /* kills it and all that it started; NULL is fine */

/* Of a member of a group: */
bool worker_failed(const struct worker *);          /* its child has ended, and not well: the others are to end */
void worker_stop(struct worker *);                  /* ends its child, if there still is one, because another failed */
/* Its record is not about itself: it was stopped, or was waiting for another member when its time was up. */
bool worker_is_victim(const struct worker *);

/* The pipe's format: length, then the bytes of record_encode.  The other file is the memory of pulse.h. */
enum { WORKER_RESULT_FD = 3, WORKER_PULSE_FD };
#define WORKER_PARENT "DPSWEEP_PARENT"              /* environment of the child: process id of the rank */
bool worker_send(int fd, const struct record *);    /* the child's side; false: the pipe is broken */
#endif
