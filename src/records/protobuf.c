#include "protobuf.h"

#include <string.h>

enum wire_type { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

static void varint(struct buffer *b, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        buffer_add(b, &(unsigned char){(unsigned char)(value | 0x80)}, 1);
    buffer_add(b, &(unsigned char){(unsigned char)value}, 1);
}

static void key(struct buffer *b, int field, enum wire_type type)
{
    varint(b, (uint64_t)field << 3 | type);
}

void put_varint(struct buffer *b, int field, uint64_t value)
{
    key(b, field, VARINT);
    varint(b, value);
}

void put_double(struct buffer *b, int field, double value)
{
    key(b, field, FIXED64);
    buffer_add(b, &value, sizeof value);
}

void put_float(struct buffer *b, int field, float value)
{
    key(b, field, FIXED32);
    buffer_add(b, &value, sizeof value);
}

void put_bytes_field(struct buffer *b, int field, const void *data, size_t bytes)
{
    key(b, field, BYTES);
    varint(b, bytes);
    buffer_add(b, data, bytes);
}

void put_string(struct buffer *b, int field, const char *text)
{
    put_bytes_field(b, field, text, strlen(text));
}

void put_message(struct buffer *b, int field, struct buffer *message)
{
    put_bytes_field(b, field, message->data, message->bytes);
    buffer_clear(message);
}
