/* standin.h - what the parts of the stand-in libraries tell one another.
 *
 * libcudart and libcublas of this folder take the place of NVIDIA's for a program that nvcc has built (LD_LIBRARY_PATH):
 * device memory is host memory, kernels run in the emulator of tests/emu.  They are stricter than the real ones: what a
 * GPU might let pass ends the program with code 99 and one line.
 *
 *   CUDA_STANDIN_LAZY=1         work of a stream is done when something waits for it, not at once
 *   CUDA_STANDIN_LAZY=first     ... of the first stream: others run ahead of it where they do not wait
 *   CUDA_STANDIN_GUARD=1        an allocation ends at memory that cannot be touched
 *   CUDA_STANDIN_MEMORY=bytes   of each GPU (1 GiB)
 *   CUDA_STANDIN_DEVICES=n      GPUs (2); CUDA_VISIBLE_DEVICES chooses among them
 *   CUDA_STANDIN_CAPABILITY=n   their compute capability is n.0 (9)
 *   CUDA_STANDIN_DRIVER=n       CUDA version of the driver, 12020 for 12.2; 0: there is no driver (that of the headers)
 *   CUDA_STANDIN_FAIL=name:k    the k-th call of that function fails; kernel:k - the k-th kernel does, once it runs
 *   CUDA_STANDIN_WRONG=library  numbers that the library does not promise: cublas - factors with fewer bits than asked for;
 *                               nccl - the last number of a collective is the next one
 *   CUDA_STANDIN_LEAKS=1        device memory that is left at the end is a violation */
#ifndef STANDIN_H
#define STANDIN_H
#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stddef.h>

_Noreturn void standin_violation(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool standin_fails(const char *function); /* by CUDA_STANDIN_FAIL */
bool standin_is_wrong(const char *library); /* by CUDA_STANDIN_WRONG */

/* Every entry point begins with one of these: an error stays what it is, or is made. */
#define ENTRY(error)                            \
    do {                                        \
        if (standin_sticky_error())             \
            return standin_sticky_error();      \
        if (standin_fails(__func__))            \
            return standin_note_error(error);   \
    } while (0)
cudaError_t standin_note_error(cudaError_t); /* for cudaGetLastError; returns it */
cudaError_t standin_sticky_error(void);
void standin_set_sticky(cudaError_t);        /* from now on every call fails with it, as after a kernel's bad access */

/* Work for a stream: run(context), with a copy of the context. */
void standin_enqueue(cudaStream_t, void (*run)(void *), const void *context, size_t bytes);
/* In no case before the stream is used again: work that waits for other processes must not do so in the call. */
void standin_enqueue_later(cudaStream_t, void (*run)(void *), const void *context, size_t bytes);
void standin_drain(void);                    /* all streams */

size_t standin_memory_bytes(void);           /* of a GPU */
/* A violation unless [address, address + bytes) lies in one live allocation. */
void standin_check_memory(const char *what, const void *address, size_t bytes);
#endif
