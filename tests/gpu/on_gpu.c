/* on_gpu.c - shared_memory.h on a GPU. */
#include "../emu/shared_memory.h"

#include <cuda_runtime_api.h>
#include <stdio.h>
#include <stdlib.h>

static void check(cudaError_t error, const char *call)
{
    if (error) {
        fprintf(stderr, "kernel_bits: %s: %s\n", call, cudaGetErrorString(error));
        exit(3);
    }
}
#define CHECK(call) check(call, #call)

void *shared_memory(size_t bytes)
{
    void *p;
    CHECK(cudaMallocManaged(&p, bytes, cudaMemAttachGlobal));
    return p;
}

void *kernel_stream(void)
{
    static cudaStream_t stream;
    if (!stream)
        CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    return stream;
}

void shared_memory_sync(void)
{
    CHECK(cudaStreamSynchronize(kernel_stream()));
}
