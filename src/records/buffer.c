/* buffer.c - grows by doubling, so that n appends cost O(n). */
#include "buffer.h"

#include "../base/log.h"

#include <stdlib.h>
#include <string.h>

static _Noreturn void no_memory(size_t bytes)
{
    die(EXIT_ENVIRONMENT, "no memory for %zu bytes of results on the host", bytes);
}

void *memory_get(size_t bytes)
{
    void *p = calloc(1, bytes ? bytes : 1);
    if (!p)
        no_memory(bytes);
    return p;
}

void *memory_resize(void *old, size_t bytes)
{
    void *p = realloc(old, bytes ? bytes : 1);
    if (!p)
        no_memory(bytes);
    return p;
}

static void make_room(struct buffer *b, size_t bytes)
{
    if (bytes <= b->room - b->bytes)
        return;
    size_t room = b->room ? b->room : 256;
    while (room - b->bytes < bytes)
        room *= 2;
    b->data = memory_resize(b->data, room);
    b->room = room;
}

void *buffer_add(struct buffer *b, const void *source, size_t bytes)
{
    make_room(b, bytes + 1); /* never empty, so that the place is never NULL */
    void *place = b->data + b->bytes;
    if (source)
        memcpy(place, source, bytes);
    else
        memset(place, 0, bytes);
    b->bytes += bytes;
    return place;
}

void buffer_drop(struct buffer *b, size_t bytes)
{
    b->bytes -= bytes;
    if (b->bytes)
        memmove(b->data, b->data + bytes, b->bytes);
}

void buffer_clear(struct buffer *b)
{
    free(b->data);
    *b = (struct buffer){0};
}
