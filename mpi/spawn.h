/* spawn.h - starts the child of worker.h: this program as `dpsweep worker`, leader of a process group of its own. */
#ifndef SPAWN_H
#define SPAWN_H
#include "relay.h"
#include "worker.h"

#include <sys/types.h>

/* The child writes its record to result_fd, says in the memory of pulse_fd how far it is, and writes messages to
 * stderr_fd; it gets no other file of ours but those of its relay (NULL: it is no member of a group).  Ends the caller
 * where no process can be had. */
pid_t spawn_child(const struct task *, int result_fd, int pulse_fd, int stderr_fd, const struct relay *);

/* The child says on `fd` which GPUs there are: `dpsweep info --gpus`. */
pid_t spawn_gpu_question(int fd);
#endif
