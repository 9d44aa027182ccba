/* cudart_streams.c - a stream is a list of work; lazy ones do it when something waits for it.  An event is reached when the
 * work before it is done. */
#include "standin.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

struct work {
    struct work *next;
    void (*run)(void *context);
    _Alignas(16) char context[];
};
struct CUstream_st {
    struct work *first, **end;
    struct CUstream_st *next;
};
struct CUevent_st {
    cudaStream_t stream;         /* NULL: never recorded */
    long recorded, reached;      /* how often */
    double reached_ms;
};
static struct CUstream_st *streams;

static void run_first(cudaStream_t stream)
{
    struct work *w = stream->first;
    stream->first = w->next;
    if (!w->next)
        stream->end = &stream->first;
    if (!standin_sticky_error())
        w->run(w->context);
    free(w);
}

static void drain(cudaStream_t stream)
{
    while (stream->first)
        run_first(stream);
}

void standin_drain(void)
{
    for (cudaStream_t s = streams; s; s = s->next)
        drain(s);
}

/* New streams stand before older ones in the list. */
static bool is_lazy(cudaStream_t stream)
{
    const char *lazy = getenv("CUDA_STANDIN_LAZY");
    return lazy && (strcmp(lazy, "first") != 0 || !stream->next);
}

void standin_enqueue_later(cudaStream_t stream, void (*run)(void *), const void *context, size_t bytes)
{
    if (!stream)
        standin_violation("work in the default stream");
    struct work *w = malloc(sizeof *w + bytes);
    w->next = NULL;
    w->run = run;
    memcpy(w->context, context, bytes);
    *stream->end = w;
    stream->end = &w->next;
}

void standin_enqueue(cudaStream_t stream, void (*run)(void *), const void *context, size_t bytes)
{
    standin_enqueue_later(stream, run, context, bytes);
    if (!is_lazy(stream))
        drain(stream);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags)
{
    ENTRY(cudaErrorMemoryAllocation);
    if (flags != cudaStreamNonBlocking)
        standin_violation("cudaStreamCreateWithFlags: only non-blocking streams have a stand-in");
    *stream = calloc(1, sizeof **stream);
    (*stream)->end = &(*stream)->first;
    (*stream)->next = streams;
    streams = *stream;
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    ENTRY(cudaErrorInvalidResourceHandle);
    drain(stream);
    struct CUstream_st **at = &streams;
    while (*at != stream)
        at = &(*at)->next;
    *at = stream->next;
    free(stream);
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    ENTRY(cudaErrorLaunchFailure);
    drain(stream);
    return standin_sticky_error();
}

/* ---- events -------------------------------------------------------------------------------------------------------- */

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static void reach(void *context)
{
    const cudaEvent_t event = *(cudaEvent_t *)context;
    event->reached++;
    event->reached_ms = now_ms();
}

cudaError_t cudaEventCreate(cudaEvent_t *event)
{
    ENTRY(cudaErrorMemoryAllocation);
    *event = calloc(1, sizeof **event);
    return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    ENTRY(cudaErrorInvalidResourceHandle);
    if (event->stream)
        drain(event->stream);
    free(event);
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    ENTRY(cudaErrorInvalidResourceHandle);
    event->stream = stream;
    event->recorded++;
    standin_enqueue(stream, reach, &event, sizeof event);
    return cudaSuccess;
}

struct wait { cudaEvent_t event; long times; };

/* Work of the other stream is done until the event is reached as often as it was recorded when the wait was asked for,
 * and none behind it: that may wait for this stream. */
static void wait_for(void *context)
{
    const struct wait *w = context;
    while (w->event->reached < w->times && w->event->stream->first)
        run_first(w->event->stream);
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags)
{
    ENTRY(cudaErrorInvalidResourceHandle);
    if (flags)
        standin_violation("cudaStreamWaitEvent: flags have no stand-in");
    const struct wait w = {event, event->recorded};
    standin_enqueue(stream, wait_for, &w, sizeof w);
    return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    ENTRY(cudaErrorLaunchFailure);
    if (event->stream && event->reached < event->recorded)
        drain(event->stream);
    return standin_sticky_error();
}

cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t from, cudaEvent_t to)
{
    ENTRY(cudaErrorInvalidResourceHandle);
    if (!from->recorded || !to->recorded || from->reached < from->recorded || to->reached < to->recorded)
        standin_violation("cudaEventElapsedTime: an event is not reached yet");
    *ms = (float)(to->reached_ms - from->reached_ms);
    return cudaSuccess;
}
