#include "tfevents.h"

#include "protobuf.h"

#include <math.h>
#include <string.h>

/* ---- frames -------------------------------------------------------------------------------------------------- */

uint32_t crc32c(const void *data, size_t bytes)
{
    uint32_t crc = 0xffffffffu;
    for (const unsigned char *at = data; bytes--; at++) {
        crc ^= *at;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

static void write_crc(FILE *out, const void *data, size_t bytes)
{
    const uint32_t crc = crc32c(data, bytes), masked = (crc >> 15 | crc << 17) + 0xa282ead8u;
    fwrite(&masked, sizeof masked, 1, out);
}

static void write_frame(FILE *out, struct buffer *event)
{
    const uint64_t bytes = event->bytes;
    fwrite(&bytes, sizeof bytes, 1, out);
    write_crc(out, &bytes, sizeof bytes);
    fwrite(event->data, 1, event->bytes, out);
    write_crc(out, event->data, event->bytes);
    buffer_clear(event);
}

/* ---- events: the numbers are those of the fields in TensorFlow's .proto files -------------------------------- */

enum { EVENT_WALL_TIME = 1, EVENT_STEP = 2, EVENT_FILE_VERSION = 3, EVENT_SUMMARY = 5 };
enum { SUMMARY_VALUE = 1, VALUE_TAG = 1, VALUE_SIMPLE = 2, VALUE_TENSOR = 8, VALUE_METADATA = 9 };
enum { METADATA_PLUGIN = 1, METADATA_CLASS = 4, PLUGIN_NAME = 1, PLUGIN_CONTENT = 2, CLASS_TENSOR = 2 };
enum { TENSOR_TYPE = 1, TENSOR_SHAPE = 2, SHAPE_DIM = 2, TYPE_FLOAT = 1 };
/* tensorboard/plugins/hparams/plugin_data.proto, google/protobuf/struct.proto */
enum { HPARAMS_VERSION = 1, HPARAMS_START = 3, HPARAMS_END = 4 };
enum { START_HPARAMS = 1, START_GROUP = 4, START_TIME = 5, END_STATUS = 1, END_TIME = 2, SUCCESS = 1, FAILURE = 2 };
enum { MAP_KEY = 1, MAP_VALUE = 2, NUMBER_VALUE = 2, STRING_VALUE = 3 };

void tfevents_begin(FILE *out, double wall_time)
{
    struct buffer event = {0};
    put_double(&event, EVENT_WALL_TIME, wall_time);
    put_string(&event, EVENT_FILE_VERSION, "brain.Event:2");
    write_frame(out, &event);
}

static void write_value(FILE *out, double wall_time, uint64_t step, struct buffer *value)
{
    struct buffer event = {0}, summary = {0};
    put_message(&summary, SUMMARY_VALUE, value);
    put_double(&event, EVENT_WALL_TIME, wall_time);
    put_varint(&event, EVENT_STEP, step);
    put_message(&event, EVENT_SUMMARY, &summary);
    write_frame(out, &event);
}

void tfevents_scalar(FILE *out, double wall_time, uint64_t step, const char *tag, double number)
{
    struct buffer value = {0};
    if (!isfinite(number))
        return;
    put_string(&value, VALUE_TAG, tag);
    put_float(&value, VALUE_SIMPLE, (float)number);
    write_value(out, wall_time, step, &value);
}

/* Data of a plugin stand in the metadata of a tensor without elements. */
static void write_plugin_data(FILE *out, double wall_time, const char *tag, struct buffer *content)
{
    struct buffer value = {0}, metadata = {0}, plugin = {0}, tensor = {0}, shape = {0}, dim = {0};
    put_string(&plugin, PLUGIN_NAME, "hparams");
    put_message(&plugin, PLUGIN_CONTENT, content);
    put_message(&metadata, METADATA_PLUGIN, &plugin);
    put_varint(&metadata, METADATA_CLASS, CLASS_TENSOR);
    put_message(&shape, SHAPE_DIM, &dim);
    put_varint(&tensor, TENSOR_TYPE, TYPE_FLOAT);
    put_message(&tensor, TENSOR_SHAPE, &shape);
    put_string(&value, VALUE_TAG, tag);
    put_message(&value, VALUE_TENSOR, &tensor);
    put_message(&value, VALUE_METADATA, &metadata);
    write_value(out, wall_time, 0, &value);
}

static void put_hparam(struct buffer *start, const struct field *f, const struct record *r)
{
    struct buffer entry = {0}, value = {0};
    const void *at = (const char *)r + f->offset;
    if (f->kind == FIELD_TEXT)
        put_string(&value, STRING_VALUE, at);
    else
        put_double(&value, NUMBER_VALUE, f->kind == FIELD_U64 ? (double)*(const uint64_t *)at : *(const double *)at);
    put_string(&entry, MAP_KEY, f->name);
    put_message(&entry, MAP_VALUE, &value);
    put_message(start, START_HPARAMS, &entry);
}

void tfevents_hparams(FILE *out, const struct record *r)
{
    struct buffer data = {0}, start = {0};
    for (int i = 0; i < N_CONFIG_FIELDS; i++)
        put_hparam(&start, &record_field[i], r);
    put_string(&start, START_GROUP, r->config_sha256);
    put_double(&start, START_TIME, r->start_time);
    put_varint(&data, HPARAMS_VERSION, 0);
    put_message(&data, HPARAMS_START, &start);
    write_plugin_data(out, r->start_time, "_hparams_/session_start_info", &data);
}

void tfevents_ended(FILE *out, const struct record *r)
{
    struct buffer data = {0}, end = {0};
    put_varint(&end, END_STATUS, record_status(r) == STATUS_OK ? SUCCESS : FAILURE);
    put_double(&end, END_TIME, r->end_time);
    put_varint(&data, HPARAMS_VERSION, 0);
    put_message(&data, HPARAMS_END, &end);
    write_plugin_data(out, r->end_time, "_hparams_/session_end_info", &data);
}
