/* cudart_errors.c - errors as CUDA reports them, errors on request, and the end of a program that does what it must not. */
#include "standin.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { VIOLATION = 99 };

static cudaError_t last, sticky;

void standin_violation(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fflush(stdout);
    fprintf(stderr, "stand-in: ");
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    _exit(VIOLATION);
}

bool standin_fails(const char *function)
{
    static int calls; /* of the one function that is asked for */
    const char *wanted = getenv("CUDA_STANDIN_FAIL");
    const size_t length = strlen(function);
    return wanted && strncmp(wanted, function, length) == 0 && wanted[length] == ':' &&
           ++calls == atoi(wanted + length + 1);
}

bool standin_is_wrong(const char *library)
{
    const char *wanted = getenv("CUDA_STANDIN_WRONG");
    return wanted && strcmp(wanted, library) == 0;
}

cudaError_t standin_note_error(cudaError_t error) { return last = error; }
cudaError_t standin_sticky_error(void) { return sticky; }
void standin_set_sticky(cudaError_t error) { sticky = error; }

cudaError_t cudaGetLastError(void)
{
    const cudaError_t error = sticky ? sticky : last;
    last = cudaSuccess;
    return error;
}

static const struct { cudaError_t error; const char *name, *words; } errors[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver", "CUDA driver version is insufficient"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorDevicesUnavailable, "cudaErrorDevicesUnavailable", "CUDA-capable device(s) is/are busy or unavailable"},
    {cudaErrorInvalidDeviceFunction, "cudaErrorInvalidDeviceFunction", "invalid device function"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration", "invalid configuration argument"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress", "an illegal memory access was encountered"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
    {cudaErrorNoKernelImageForDevice, "cudaErrorNoKernelImageForDevice", "no kernel image is available"},
};

const char *cudaGetErrorName(cudaError_t error)
{
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].error == error)
            return errors[i].name;
    return "cudaErrorUnknown";
}

const char *cudaGetErrorString(cudaError_t error)
{
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].error == error)
            return errors[i].words;
    return "unknown error";
}
