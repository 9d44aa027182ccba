/* protobuf.h - the wire format of protocol buffers, as far as it is needed to write messages: a field is a number, a
 * type and a value; a message within a message is a field of bytes. */
#ifndef PROTOBUF_H
#define PROTOBUF_H
#include "buffer.h"

#include <stdint.h>

void put_varint(struct buffer *, int field, uint64_t value);
void put_double(struct buffer *, int field, double value);
void put_float(struct buffer *, int field, float value);
void put_bytes_field(struct buffer *, int field, const void *data, size_t bytes);
void put_string(struct buffer *, int field, const char *text);
void put_message(struct buffer *, int field, struct buffer *message); /* and clears it */
#endif
