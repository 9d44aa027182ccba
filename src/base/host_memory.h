/* host_memory.h - how much memory the processes of a job may take on this machine. */
#ifndef HOST_MEMORY_H
#define HOST_MEMORY_H
#include <stdint.h>

/* Physical memory, or the limit of the cgroup this process is in (containers, Slurm jobs) where that is less.
 * `root` goes before /proc and /sys: "" but for tests. */
uint64_t host_memory_bytes(const char *root);
#endif
