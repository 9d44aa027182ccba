/* grid.h - one kernel source, three builds.
 *
 *   nvcc            the GPU: plain CUDA, every macro below is one line of CUDA
 *   g++ -DEMU       an emulator of thread blocks for tests: the SAME text as nvcc sees
 *   gcc             the CPU: one thread per block, OpenMP over rows, SIMD inside rows
 *
 * A kernel is one of
 *   element-wise    GRID_LOOP: each element by itself;  ITEM_LOOP: each item is a loop of one thread
 *   row-wise        ROW_LOOP: the whole block works on row r, BLOCK_LOOP spreads its columns
 *   column-wise     LANE_LOOP inside ROW_LOOP: a thread keeps one column while the code walks down the rows
 * The CPU build is CUDA with blockDim.x == 1, where the lanes are a small array.  Rules for authors: RULES.md. */
#ifndef GRID_H
#define GRID_H
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LANES 256 /* columns of a column tile; such kernels launch LANES threads */

#if defined(__CUDACC__) || defined(EMU) /* ---------------- GPU and emulator ---------------------------------- */
#ifdef EMU
#include "emu.h" /* __global__, threadIdx, __shfl_xor_sync, LAUNCH ... */
#else
#include <cuda_runtime.h>
#define LAUNCH(kernel, grid, block, stream, ...)                                    \
    (kernel<<<(unsigned)(grid), (block), 0, (cudaStream_t)(stream)>>>(__VA_ARGS__), \
     (int)cudaGetLastError())
#endif
#define API    extern "C"
#define DEVICE static __host__ __device__ __forceinline__
#define GRID_LOOP(i, n)                                                                               \
    for (long i = blockIdx.x * (long)blockDim.x + threadIdx.x, step_ = (long)gridDim.x * blockDim.x; \
         i < (n); i += step_)
#define ITEM_LOOP(i, n, work)     GRID_LOOP(i, n)
#define ROW_LOOP(r, rows, work)   for (long r = blockIdx.x; r < (rows); r += gridDim.x)
#define BLOCK_LOOP(j, n)          for (int j = threadIdx.x; j < (n); j += blockDim.x)
#define BLOCK_LOOP_SUM(j, n, ...) BLOCK_LOOP(j, n) /* then s = block_sum(s) */
#define BLOCK_LOOP_MAX(j, n, ...) BLOCK_LOOP(j, n) /* then m = block_max(m) */
#define IS_LEAD                   (threadIdx.x == 0)
#define LANE_VAR(type, v)         type v = 0 /* a thread owns column l == threadIdx.x */
#define LANE(v, l)                v
#define LANE_LOOP(l, n)           for (int l = threadIdx.x; l < (n); l = (n)) /* one turn */
#define LANE_LOOP_SUM(l, n, ...)  LANE_LOOP(l, n)
#define ID_CLASSES                64 /* blocks that share the rows of a table: a GPU runs hundreds at once */

/* Block reductions: every thread gets the same bits; the order depends on blockDim only, a multiple of 32.
 * They hold two barriers: call them from uniform control flow only. */
#define BLOCK_REDUCE(name, IDENTITY, OP)                                  \
    static __device__ __forceinline__ float name(float v)                 \
    {                                                                     \
        __shared__ float part[32];                                        \
        const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;       \
        for (int m = 16; m; m >>= 1) {                                    \
            const float o = __shfl_xor_sync(~0u, v, m);                   \
            v = OP(v, o);                                                 \
        }                                                                 \
        if (lane == 0) part[warp] = v;                                    \
        __syncthreads();                                                  \
        v = lane < (int)blockDim.x >> 5 ? part[lane] : (IDENTITY);        \
        for (int m = 16; m; m >>= 1) {                                    \
            const float o = __shfl_xor_sync(~0u, v, m);                   \
            v = OP(v, o);                                                 \
        }                                                                 \
        __syncthreads(); /* part[] may be written again */                \
        return v;                                                         \
    }
#define ADD_(a, b)  ((a) + (b))
#define k_max(a, b) ((a) > (b) ? (a) : (b))
BLOCK_REDUCE(block_sum, 0.0f, ADD_)
BLOCK_REDUCE(block_max, -INFINITY, k_max)

#else /* -------------------------------------------------- the CPU -------------------------------------------- */
#define PRAGMA_(x) _Pragma(#x)
#define PRAGMA(x)  PRAGMA_(x)
#define API
#ifdef CLONES /* of each kernel, made by gcc; the processor chooses when the program starts */
#define __global__ static __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define __global__ static
#endif
#define __shared__ /* an ordinary local of the row: declare it inside ROW_LOOP */
#define __syncthreads() ((void)0)
#define DEVICE          static inline __attribute__((always_inline))
#define PARALLEL_MIN    32768 /* floats of work below which starting threads costs more than it brings */
#define GRID_LOOP(i, n)                                                                   \
    PRAGMA(omp parallel for simd schedule(static) if (parallel : (n) > PARALLEL_MIN))     \
    for (long i = 0; i < (n); i++)
#define ITEM_LOOP(i, n, work)                                                             \
    PRAGMA(omp parallel for schedule(static) if ((n) > 1 && (n) * (long)(work) > PARALLEL_MIN)) \
    for (long i = 0; i < (n); i++)
#define ROW_LOOP                 ITEM_LOOP
#define BLOCK_LOOP(j, n)         PRAGMA(omp simd) for (int j = 0; j < (n); j++)
#define BLOCK_LOOP_SUM(j, n, ...) PRAGMA(omp simd reduction(+ : __VA_ARGS__)) for (int j = 0; j < (n); j++)
#define BLOCK_LOOP_MAX(j, n, ...) PRAGMA(omp simd reduction(max : __VA_ARGS__)) for (int j = 0; j < (n); j++)
#define IS_LEAD           1
#define LANE_VAR(type, v) type v[LANES] = {0} /* the block owns LANES columns */
#define LANE(v, l)        v[l]
#define LANE_LOOP         BLOCK_LOOP
#define LANE_LOOP_SUM     BLOCK_LOOP_SUM
#define ID_CLASSES        1
#define block_sum(v)      (v)
#define block_max(v)      (v)
#define k_max(a, b)       ((a) > (b) ? (a) : (b))
#define LAUNCH(kernel, grid, block, stream, ...) \
    ((void)(grid), (void)(block), (void)(stream), kernel(__VA_ARGS__), 0)
#endif

/* ---------------------------------------------------------- shapes --------------------------------------------- */
#define TILES(n, width) (((n) + (width) - 1) / (width))
DEVICE int tile_size(long n, long start, int width) { return n - start < width ? (int)(n - start) : width; }

#define ELT_BLOCK       256
#define ELT_GRID(n)     ((n) < 1 ? 1 : TILES(n, 256) > 4096 ? 4096 : TILES(n, 256))
#define ROW_GRID(rows)  ((rows) < 1 ? 1 : (rows) > 1048576 ? 1048576 : (rows))
#define ROW_BLOCK(cols) ((cols) <= 512 ? 128 : (cols) <= 4096 ? 256 : 512)
#endif
