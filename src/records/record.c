/* record.c - the table of all result columns, and records as bytes.
 *
 * Encoded: schema (u64), the record up to its pointers as it lies in memory, then the rows of each series.
 * The image is safe because the schema covers name, kind and offset of every field and the order of bytes. */
#include "record.h"

#include "buffer.h"
#include "utf8.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_TEXT(NAME, name, help) #name,
const char *const status_name[N_STATUSES] = {STATUS_LIST(NAME_TEXT)};
const char *const stage_name[N_STAGES] = {STAGE_LIST(NAME_TEXT)};

#define AT(member) NULL, offsetof(struct record, member), sizeof((struct record *)NULL)->member
#define CONFIG_ROW(kind, name, default_value, unit, help) {FIELD_##kind, #name, unit, help, AT(config.name)},
#define RESULT_ROW(kind, name, unit, help) {FIELD_##kind, #name, unit, help, AT(name)},
#define PHASE_ROW(NAME, name, help) \
    {FIELD_F64, "time_" #name, "s", "of a measured step, median: " help, AT(time_##name)},
#define PHASE_WORK_ROWS(NAME, name, help)                                                                        \
    {FIELD_F64, "flops_" #name, "1", "of the matrix products of a step: " help, AT(flops_##name)},             \
    {FIELD_F64, "bytes_" #name, "byte", "read and written in a step: " help, AT(bytes_##name)},                \
    {FIELD_U64, "in_use_" #name, "byte", "device bytes in use at most: " help, AT(in_use_##name)},             \
    {FIELD_F64, "estimated_time_" #name, "s", "of `plan`, not measured: " help, AT(estimated_time_##name)},
#define KIND_ROWS(NAME, name, help)                                                                     \
    {FIELD_U64, "predicted_" #name, "byte", "in use at the peak, by the dry run: " help, AT(predicted_##name)}, \
    {FIELD_U64, "peak_" #name, "byte", "in use at the peak, in the run: " help, AT(peak_##name)},
#define STAGE_ROWS(NAME, name, help)                                                                    \
    {FIELD_U64, "memory_" #name, "byte", "by the ledger, " help, AT(memory_##name)},                    \
    {FIELD_U64, "device_used_" #name, "byte", "in use on the GPU as its driver says, by all processes, " help, \
        AT(device_used_##name)},                                                                        \
    {FIELD_U64, "rss_" #name, "byte", "resident set of the process, " help, AT(rss_##name)},

const struct field record_field[] = {
    CONFIG_FIELDS(CONFIG_ROW)
    RESULT_FIELDS(RESULT_ROW)
    PHASE_LIST(PHASE_ROW)
    PHASE_LIST(PHASE_WORK_ROWS)
    MEMORY_KIND_LIST(KIND_ROWS)
    STAGE_LIST(STAGE_ROWS)
};
const int n_record_fields = sizeof record_field / sizeof *record_field;

const struct field *record_field_find(const char *name)
{
    for (int i = 0; i < n_record_fields; i++)
        if (!strcmp(name, record_field[i].name))
            return &record_field[i];
    return NULL;
}

#define FIXED_BYTES offsetof(struct record, steps)
_Static_assert(TEXT_BYTES % 8 == 0 && LONG_BYTES % 8 == 0, "texts of other sizes leave gaps in the image of a record");
_Static_assert(offsetof(struct record, config) == 0, "config fields have the same offset in config and record");

void record_init(struct record *r)
{
    memset(r, 0, sizeof *r);
    for (int i = 0; i < n_record_fields; i++)
        if (record_field[i].kind == FIELD_F64)
            *(double *)((char *)r + record_field[i].offset) = NAN;
    config_default(&r->config);
}

void record_clear(struct record *r)
{
    if (!r->borrows_rows) {
        free(r->steps);
        free(r->memory);
        free(r->timeline);
    }
    r->steps = NULL;
    r->memory = NULL;
    r->timeline = NULL;
    r->n_steps = r->n_memory = r->n_timeline = 0;
}

enum status record_status(const struct record *r)
{
    int i = 0;
    while (i < N_STATUSES && strcmp(r->status, status_name[i]))
        i++;
    return i;
}

bool record_is_disturbed(const struct record *r)
{
    return strcmp(r->config.device, "cpu") == 0 &&
           r->step_cpu_time_p50 < 0.8 * (double)r->threads * r->step_time_p50;
}

void record_set_status(struct record *r, enum status status, const char *format, ...)
{
    memset(r->status, 0, sizeof r->status);
    memset(r->message, 0, sizeof r->message);
    snprintf(r->status, sizeof r->status, "%s", status_name[status]);
    va_list args;
    va_start(args, format);
    vsnprintf(r->message, sizeof r->message, format, args);
    va_end(args);
    for (char *c = r->message; (c = strpbrk(c, "\r\n\t"));) /* tables and logs want one line */
        *c = ' ';
}

static void *add_row(void *rows, uint64_t n, const void *row, size_t row_bytes)
{
    rows = memory_resize(rows, (n + 1) * row_bytes);
    memcpy((char *)rows + n * row_bytes, row, row_bytes);
    return rows;
}

void record_add_step(struct record *r, const struct step_row *row)
{
    r->steps = add_row(r->steps, r->n_steps++, row, sizeof *row);
}

void record_add_memory(struct record *r, const struct memory_row *row)
{
    r->memory = add_row(r->memory, r->n_memory++, row, sizeof *row);
}

void record_add_timeline(struct record *r, const struct trace_row *row)
{
    r->timeline = add_row(r->timeline, r->n_timeline++, row, sizeof *row);
}

static uint64_t fnv1a(uint64_t hash, const void *data, size_t bytes)
{
    for (const unsigned char *p = data; bytes--; p++)
        hash = (hash ^ *p) * 0x100000001b3u;
    return hash;
}

uint64_t record_schema(void)
{
    const uint64_t sizes[] = {TEXT_BYTES, sizeof(struct step_row), sizeof(struct memory_row), sizeof(struct trace_row),
                              FIXED_BYTES};
    uint64_t hash = fnv1a(0xcbf29ce484222325u, sizes, sizeof sizes);
    for (int i = 0; i < n_record_fields; i++) {
        const struct field *f = &record_field[i];
        const uint64_t place[] = {f->kind, f->offset};
        hash = fnv1a(hash, f->name, strlen(f->name) + 1);
        hash = fnv1a(hash, place, sizeof place);
    }
    return hash;
}

void *record_encode(const struct record *r, size_t *bytes)
{
    const uint64_t schema = record_schema();
    struct buffer out = {0};
    buffer_add(&out, &schema, sizeof schema);
    buffer_add(&out, r, FIXED_BYTES);
    buffer_add(&out, r->steps, r->n_steps * sizeof *r->steps);
    buffer_add(&out, r->memory, r->n_memory * sizeof *r->memory);
    buffer_add(&out, r->timeline, r->n_timeline * sizeof *r->timeline);
    *bytes = out.bytes;
    return out.data;
}

/* Takes n rows from [*at, *at + *left); false: there are not so many. */
static bool take_rows(const char **at, size_t *left, bool copied, uint64_t n, size_t row_bytes, void *rows)
{
    if (n > *left / row_bytes)
        return false;
    const void *taken = n && copied ? memcpy(memory_get(n * row_bytes), *at, n * row_bytes) : n ? *at : NULL;
    memcpy(rows, &taken, sizeof taken);
    *at += n * row_bytes;
    *left -= n * row_bytes;
    return true;
}

/* The counts of the record may be anything; its pointers are NULL. */
static bool take_series(struct record *r, const char *at, size_t left)
{
    const bool copied = !r->borrows_rows;
    return take_rows(&at, &left, copied, r->n_steps, sizeof *r->steps, &r->steps) &&
           take_rows(&at, &left, copied, r->n_memory, sizeof *r->memory, &r->memory) &&
           take_rows(&at, &left, copied, r->n_timeline, sizeof *r->timeline, &r->timeline) && left == 0;
}

static bool decode(struct record *r, const void *data, size_t bytes, bool borrows_rows)
{
    uint64_t schema;
    memset(r, 0, sizeof *r);
    r->borrows_rows = borrows_rows;
    if (bytes < sizeof schema + FIXED_BYTES)
        return false;
    memcpy(&schema, data, sizeof schema);
    memcpy(r, (const char *)data + sizeof schema, FIXED_BYTES);
    if (schema != record_schema() || !take_series(r, (const char *)data + sizeof schema + FIXED_BYTES,
                                                  bytes - sizeof schema - FIXED_BYTES)) {
        record_clear(r);
        memset(r, 0, sizeof *r);
        return false;
    }
    for (int i = 0; i < n_record_fields; i++)
        if (record_field[i].kind == FIELD_TEXT) {
            char *text = (char *)r + record_field[i].offset;
            text[record_field[i].bytes - 1] = '\0';
            utf8_clean(text);
        }
    return true;
}

bool record_decode(struct record *r, const void *data, size_t bytes)
{
    return decode(r, data, bytes, false);
}

bool record_view(struct record *r, const void *data, size_t bytes)
{
    return decode(r, data, bytes, true);
}
