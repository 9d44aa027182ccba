/* emu_launch.h - finding and running an emulated kernel; C, as stand-ins of the CUDA runtime use it too.
 *
 * The host part of a program built by nvcc knows a kernel by its C++ name, which g++ gives to the emulated kernel as
 * well: emu_kernel_of(dlsym(libkernels.so, name)) is the whole translation. */
#ifndef EMU_LAUNCH_H
#define EMU_LAUNCH_H
#include <stddef.h>
#ifdef __cplusplus
extern "C" {
#endif

struct emu_kernel {
    const char *name;
    void *function;
    void (*call)(void **arguments);  /* one pointer per argument, as cudaLaunchKernel takes them */
    int n_arguments;
    const size_t *argument_bytes;    /* for callers that keep a launch until later */
};

/* NULL: there is no such kernel. */
const struct emu_kernel *emu_kernel_of(const void *function);

/* 0, or 9 (cudaErrorInvalidConfiguration).  What no GPU may do ends the program with code 99 and one line. */
int emu_launch(const struct emu_kernel *, long grid, int block, void **arguments);
#ifdef __cplusplus
}
#endif
#endif
