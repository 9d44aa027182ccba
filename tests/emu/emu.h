/* emu.h - the words of CUDA that kernels/ uses, with their meaning on a GPU, for g++ -DEMU.
 *
 * kernels/grid.h includes this in the place of cuda_runtime.h; only LAUNCH differs from what nvcc compiles.  A thread
 * is a fiber, blocks run one after another, and a __shared__ array holds NaN when a block starts.  What is not here
 * (atomics, other warp intrinsics, dynamic shared memory, a second dimension) is not allowed in a kernel. */
#ifndef EMU_H
#define EMU_H
#include "emu_launch.h"

#include <cstdint>
#include <cstring>
#include <utility>

struct emu_index { unsigned x; };
struct emu_indices { emu_index thread, block, block_dim, grid_dim; };
extern emu_indices emu; /* of the running thread */
#define threadIdx (emu.thread)
#define blockIdx  (emu.block)
#define blockDim  (emu.block_dim)
#define gridDim   (emu.grid_dim)

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __shared__      static __attribute__((section("emu_shared")))

const emu_kernel *emu_enter(emu_kernel); // its name is at the end of the given one

void emu_barrier(const char *file, int line);
uint32_t emu_shuffle_xor(unsigned mask, uint32_t value, int lane_mask, const char *file, int line);

template <class T> inline T emu_shuffle_xor_of(unsigned mask, T value, int lane_mask, const char *file, int line)
{
    static_assert(sizeof(T) == 4, "only values of 32 bits are shuffled");
    uint32_t bits;
    memcpy(&bits, &value, 4);
    bits = emu_shuffle_xor(mask, bits, lane_mask, file, line);
    memcpy(&value, &bits, 4);
    return value;
}
#define __syncthreads()              emu_barrier(__FILE__, __LINE__)
#define __shfl_xor_sync(mask, v, lm) emu_shuffle_xor_of(mask, v, lm, __FILE__, __LINE__)

/* emulated<kernel>::launch converts its arguments as a call would.  The kernel is entered in the table of
 * emu_kernel_of before main, as LAUNCH mentions it. */
template <auto kernel> struct emulated;
template <class... P, void (*kernel)(P...)> struct emulated<kernel> {
    static constexpr size_t bytes[] = {sizeof(P)..., 0};
    template <size_t... i> static void call_with(void **a, std::index_sequence<i...>)
    {
        kernel(*static_cast<P *>(a[i])...);
    }
    static void call(void **a) { call_with(a, std::index_sequence_for<P...>{}); }
    static const char *signature() { return __PRETTY_FUNCTION__; } // ... = name of the kernel]
    static inline const emu_kernel *entry =
        emu_enter({signature(), (void *)kernel, call, sizeof...(P), bytes});
    static int launch(long grid, int block, P... arguments)
    {
        void *a[] = {&arguments..., nullptr};
        return emu_launch(entry, grid, block, a);
    }
};
#define LAUNCH(kernel, grid, block, stream, ...) \
    ((void)(stream), emulated<kernel>::launch((long)(grid), (int)(block), __VA_ARGS__))
#endif
