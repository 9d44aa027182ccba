/* buffer.h - bytes that grow.  Host memory that runs out ends the program with one line. */
#ifndef BUFFER_H
#define BUFFER_H
#include <stddef.h>

struct buffer {
    char *data;                  /* aligned as malloc does: may hold an array of any type */
    size_t bytes, room;
};

/* Appends a copy of `source` (NULL: zeros) and returns its place, valid until the next call. */
void *buffer_add(struct buffer *, const void *source, size_t bytes);
void buffer_drop(struct buffer *, size_t bytes); /* from the front */
void buffer_clear(struct buffer *);

/* calloc and realloc that never return NULL: they end the program. */
void *memory_get(size_t bytes);
void *memory_resize(void *, size_t bytes);
#endif
