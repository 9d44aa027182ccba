/* cudart_kernels.c - what the code that nvcc puts in the place of <<<...>>> calls.  A kernel is found by its C++ name in
 * libkernels.so, the same kernels compiled for the emulator. */
#include "../emu/emu_launch.h"
#include "standin.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_KERNELS = 256, MOST_ARGUMENT_BYTES = 256 };

static struct registered { const void *stub; const char *name; } registered[MOST_KERNELS];
static int n_registered;
static struct { dim3 grid, block; size_t shared_bytes; cudaStream_t stream; } configuration;

/* Declared here, as the headers declare them for C++ only. */
void **__cudaRegisterFatBinary(void *binary);
void __cudaRegisterFatBinaryEnd(void **handle);
void __cudaUnregisterFatBinary(void **handle);
void __cudaRegisterFunction(void **handle, const char *stub, char *device_stub, const char *name, int threads,
                            uint3 *thread, uint3 *block, dim3 *block_dim, dim3 *grid_dim, int *warp_size);
unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream);
cudaError_t __cudaPopCallConfiguration(dim3 *grid, dim3 *block, size_t *shared_bytes, void *stream);
cudaError_t __cudaGetKernel(cudaKernel_t *kernel, const void *stub);
cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void **arguments, size_t shared_bytes,
                               cudaStream_t stream);

void **__cudaRegisterFatBinary(void *binary)
{
    static void *handle;
    (void)binary;
    return &handle;
}

void __cudaRegisterFatBinaryEnd(void **handle) { (void)handle; }
void __cudaUnregisterFatBinary(void **handle) { (void)handle; }

void __cudaRegisterFunction(void **handle, const char *stub, char *device_stub, const char *name, int threads,
                            uint3 *thread, uint3 *block, dim3 *block_dim, dim3 *grid_dim, int *warp_size)
{
    (void)handle, (void)device_stub, (void)threads, (void)thread, (void)block, (void)block_dim, (void)grid_dim,
        (void)warp_size;
    if (n_registered == MOST_KERNELS)
        standin_violation("more than %d kernels", MOST_KERNELS);
    registered[n_registered++] = (struct registered){stub, name};
}

unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream)
{
    configuration.grid = grid;
    configuration.block = block;
    configuration.shared_bytes = shared_bytes;
    configuration.stream = stream;
    return 0;
}

cudaError_t __cudaPopCallConfiguration(dim3 *grid, dim3 *block, size_t *shared_bytes, void *stream)
{
    *grid = configuration.grid;
    *block = configuration.block;
    *shared_bytes = configuration.shared_bytes;
    *(cudaStream_t *)stream = configuration.stream;
    return cudaSuccess;
}

/* The functions of emu_launch.h, found when the first kernel is wanted. */
static struct {
    void *library;
    const struct emu_kernel *(*kernel_of)(const void *);
    int (*launch)(const struct emu_kernel *, long grid, int block, void **arguments);
} emulator;

static const struct emu_kernel *emulated(const char *name)
{
    if (!emulator.library) {
        emulator.library = dlopen("libkernels.so", RTLD_NOW);
        if (!emulator.library)
            standin_violation("%s", dlerror());
        *(void **)&emulator.kernel_of = dlsym(emulator.library, "emu_kernel_of");
        *(void **)&emulator.launch = dlsym(emulator.library, "emu_launch");
    }
    const void *function = dlsym(emulator.library, name);
    return function ? emulator.kernel_of(function) : NULL;
}

static const struct emu_kernel *kernel_of_stub(const void *stub)
{
    int i = 0;
    while (i < n_registered && registered[i].stub != stub)
        i++;
    return i < n_registered ? emulated(registered[i].name) : NULL;
}

cudaError_t __cudaGetKernel(cudaKernel_t *kernel, const void *stub)
{
    ENTRY(cudaErrorInvalidDeviceFunction);
    *kernel = (cudaKernel_t)(const void *)kernel_of_stub(stub);
    return *kernel ? cudaSuccess : standin_note_error(cudaErrorInvalidDeviceFunction);
}

/* ---- launches ------------------------------------------------------------------------------------------------------ */

struct launch {
    const struct emu_kernel *kernel;
    long grid;
    int block;
    _Alignas(16) char arguments[MOST_ARGUMENT_BYTES]; /* one after another, each at a multiple of 8 */
};

static size_t room(size_t bytes) { return (bytes + 7) / 8 * 8; }

static void keep_arguments(struct launch *l, void **arguments)
{
    size_t at = 0;
    for (int i = 0; i < l->kernel->n_arguments; at += room(l->kernel->argument_bytes[i++])) {
        if (at + room(l->kernel->argument_bytes[i]) > MOST_ARGUMENT_BYTES)
            standin_violation("%s: more than %d bytes of arguments", l->kernel->name, MOST_ARGUMENT_BYTES);
        memcpy(l->arguments + at, arguments[i], l->kernel->argument_bytes[i]);
    }
}

static void run_kernel(void *context)
{
    struct launch *l = context;
    void *argument[MOST_ARGUMENT_BYTES / 8];
    size_t at = 0;
    for (int i = 0; i < l->kernel->n_arguments; at += room(l->kernel->argument_bytes[i++]))
        argument[i] = l->arguments + at;
    if (standin_fails("kernel"))
        standin_set_sticky(cudaErrorIllegalAddress);
    else
        emulator.launch(l->kernel, l->grid, l->block, argument);
}

static bool is_flat(dim3 d) { return d.y == 1 && d.z == 1; }

static cudaError_t launch(const struct emu_kernel *kernel, dim3 grid, dim3 block, void **arguments, size_t shared_bytes,
                          cudaStream_t stream)
{
    if (!kernel)
        return standin_note_error(cudaErrorInvalidDeviceFunction);
    if (!is_flat(grid) || !is_flat(block) || shared_bytes)
        standin_violation("a launch in more than one dimension, or with dynamic shared memory");
    if (grid.x < 1 || grid.x > 0x7fffffffu || block.x < 1 || block.x > 1024)
        return standin_note_error(cudaErrorInvalidConfiguration);
    struct launch l = {.kernel = kernel, .grid = (long)grid.x, .block = (int)block.x};
    keep_arguments(&l, arguments);
    standin_enqueue(stream, run_kernel, &l, sizeof l);
    return cudaSuccess;
}

cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void **arguments, size_t shared_bytes,
                               cudaStream_t stream)
{
    ENTRY(cudaErrorInvalidConfiguration);
    return launch((const void *)kernel, grid, block, arguments, shared_bytes, stream);
}

/* What nvcc of CUDA 12 calls, and that of 13 with -D__NV_LEGACY_LAUNCH: the kernel is named by its stub. */
cudaError_t cudaLaunchKernel(const void *stub, dim3 grid, dim3 block, void **arguments, size_t shared_bytes,
                             cudaStream_t stream)
{
    ENTRY(cudaErrorInvalidConfiguration);
    return launch(kernel_of_stub(stub), grid, block, arguments, shared_bytes, stream);
}
