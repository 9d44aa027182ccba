/* shared_memory.h - what kernel_bits.c needs of the side that runs kernels: the host's own, or a GPU's (tests/gpu). */
#ifndef SHARED_MEMORY_H
#define SHARED_MEMORY_H
#include <stddef.h>

void *shared_memory(size_t bytes); /* for kernels and host, aligned as cudaMalloc aligns; NULL: none */
void shared_memory_sync(void);     /* waits for all kernels */
void *kernel_stream(void);
#endif
