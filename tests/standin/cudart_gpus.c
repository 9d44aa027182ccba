/* cudart_gpus.c - which GPUs there are. */
#include "standin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_GPUS = 16 };

static int number_from(const char *variable, int otherwise)
{
    const char *text = getenv(variable);
    return text ? atoi(text) : otherwise;
}

/* Numbers of the visible ones; like CUDA's, the list ends at the first that there is not. */
static int visible_gpus(int gpu[MOST_GPUS])
{
    const int all = number_from("CUDA_STANDIN_DEVICES", 2);
    const char *list = getenv("CUDA_VISIBLE_DEVICES");
    int n = 0;
    for (int i = 0; !list && i < all && i < MOST_GPUS; i++)
        gpu[n++] = i;
    while (list && *list && n < MOST_GPUS) {
        char *end;
        const long i = strtol(list, &end, 10);
        if (end == list || i < 0 || i >= all)
            break;
        gpu[n++] = (int)i;
        list = *end == ',' ? end + 1 : "";
    }
    return n;
}

cudaError_t cudaDriverGetVersion(int *version)
{
    ENTRY(cudaErrorInvalidValue);
    *version = number_from("CUDA_STANDIN_DRIVER", CUDART_VERSION);
    return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *version)
{
    ENTRY(cudaErrorInvalidValue);
    *version = CUDART_VERSION;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int *n)
{
    int gpu[MOST_GPUS];
    ENTRY(cudaErrorNoDevice);
    *n = 0;
    if (number_from("CUDA_STANDIN_DRIVER", CUDART_VERSION) / 1000 < CUDART_VERSION / 1000)
        return standin_note_error(cudaErrorInsufficientDriver);
    *n = visible_gpus(gpu);
    return *n ? cudaSuccess : standin_note_error(cudaErrorNoDevice);
}

static bool exists(int device)
{
    int gpu[MOST_GPUS];
    return device >= 0 && device < visible_gpus(gpu);
}

cudaError_t cudaSetDevice(int device)
{
    ENTRY(cudaErrorDevicesUnavailable);
    return exists(device) ? cudaSuccess : standin_note_error(cudaErrorInvalidDevice);
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *properties, int device)
{
    ENTRY(cudaErrorInvalidDevice);
    int gpu[MOST_GPUS];
    if (!exists(device))
        return standin_note_error(cudaErrorInvalidDevice);
    memset(properties, 0, sizeof *properties);
    visible_gpus(gpu);
    properties->uuid.bytes[0] = (char)gpu[device];
    snprintf(properties->name, sizeof properties->name, "stand-in GPU");
    properties->totalGlobalMem = standin_memory_bytes();
    properties->major = number_from("CUDA_STANDIN_CAPABILITY", 9);
    return cudaSuccess;
}
