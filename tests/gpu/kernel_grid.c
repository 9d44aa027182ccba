/* kernel_grid.c - KERNEL_GRID=n: no kernel is launched with more than n blocks, so that grid-stride loops turn.
 *
 * What nvcc makes of <<<...>>> tells the runtime the grid by __cudaPushCallConfiguration, for which the linker puts ours
 * (--wrap).  At the end the program says on stderr how many launches were cut. */
#include <cuda_runtime_api.h>
#include <stdio.h>
#include <stdlib.h>

unsigned __real___cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream);
unsigned __wrap___cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream);

static struct { int launches, cut; unsigned most; } grids;

__attribute__((constructor)) static void read_most(void)
{
    const char *text = getenv("KERNEL_GRID");
    grids.most = text ? (unsigned)atoi(text) : 0;
}

__attribute__((destructor)) static void say_how_many(void)
{
    if (grids.most)
        fprintf(stderr, "%d of %d launches cut to %u blocks\n", grids.cut, grids.launches, grids.most);
}

unsigned __wrap___cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream)
{
    grids.launches++;
    if (grids.most && grid.x > grids.most) {
        grid.x = grids.most;
        grids.cut++;
    }
    return __real___cudaPushCallConfiguration(grid, block, shared_bytes, stream);
}
