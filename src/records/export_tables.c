/* export_tables.c - the groups of a results file as tables: runs, and the rows of steps, memory and timeline with the
 * run that they belong to. */
#include "buffer.h"
#include "export_formats.h"
#include "report_columns.h"
#include "schema.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- rows of runs -------------------------------------------------------------------------------------------- */

struct place { size_t run, row; };
struct series {
    const struct sweep_state *state;
    const struct column *column; /* offsets in a line: the run, then the row */
    int n_columns, n_kinds;      /* N_MEMORY_KINDS where a row has bytes of each kind */
    size_t count_offset, rows_offset, row_bytes, bytes_offset; /* in struct record; of a row; in a row */
    struct place *place;
    size_t n;
};

static const char *row_of(const struct series *s, size_t i)
{
    const struct place at = s->place[i];
    const char *rows;
    memcpy(&rows, (const char *)&s->state->record[at.run] + s->rows_offset, sizeof rows);
    return rows + at.row * s->row_bytes;
}

static void heading(const void *ctx, int c, char text[CELL_BYTES])
{
    const struct series *s = ctx;
    snprintf(text, CELL_BYTES, "%s", c == 0                ? "run_id"
                                     : c <= s->n_columns ? s->column[c - 1].field.name
                                                         : memory_kind_name[c - 1 - s->n_columns]);
}

static bool is_number(const void *ctx, int c)
{
    const struct series *s = ctx;
    return c == 0 || c > s->n_columns || !s->column[c - 1].meanings;
}

/* The i-th of some words. */
static void put_word(const char *words, uint64_t i, char text[CELL_BYTES])
{
    for (; i && strchr(words, ' '); i--)
        words = strchr(words, ' ') + 1;
    snprintf(text, CELL_BYTES, "%.*s", (int)strcspn(words, " "), words);
}

static bool cell(const void *ctx, size_t i, int c, bool exact, char text[CELL_BYTES])
{
    const struct series *s = ctx;
    const char *row = row_of(s, i);
    uint64_t whole;
    double number;
    if (c == 0) {
        snprintf(text, CELL_BYTES, "%llu", (unsigned long long)s->state->record[s->place[i].run].run_id);
        return true;
    }
    const struct column *column = c <= s->n_columns ? &s->column[c - 1] : NULL;
    const char *at = column ? row + column->field.offset - sizeof(uint64_t)
                            : row + s->bytes_offset + (size_t)(c - 1 - s->n_columns) * sizeof whole;
    memcpy(&whole, at, sizeof whole);
    memcpy(&number, at, sizeof number);
    if (column && column->field.kind == FIELD_F64) {
        if (isfinite(number))
            number_text(number, exact, text);
        return isfinite(number);
    }
    if (column && column->meanings)
        put_word(column->meanings, whole, text);
    else
        snprintf(text, CELL_BYTES, "%llu", (unsigned long long)whole);
    return true;
}

static void find_places(struct series *s)
{
    struct buffer all = {0};
    for (size_t i = 0; i < s->state->n_records; i++) {
        const uint64_t count = *(const uint64_t *)((const char *)&s->state->record[i] + s->count_offset);
        for (size_t k = 0; k < count; k++)
            buffer_add(&all, &(struct place){i, k}, sizeof(struct place));
    }
    s->n = all.bytes / sizeof *s->place;
    s->place = (struct place *)all.data;
}

/* ---- files --------------------------------------------------------------------------------------------------- */

static bool write_file(const char *directory, const char *name, const struct table *t, enum export_format format)
{
    char file[64];
    const bool csv = format == EXPORT_CSV;
    snprintf(file, sizeof file, "%s.%s", name, csv ? "csv" : "jsonl");
    FILE *out = export_create(directory, file);
    if (!out)
        return false;
    (csv ? table_csv : table_jsonl)(out, t);
    return export_close(out);
}

static bool write_series(const char *directory, const char *name, struct series s, enum export_format format)
{
    find_places(&s);
    const struct table t = {s.n, 1 + s.n_columns + s.n_kinds, &s, heading, is_number, cell};
    const bool ok = write_file(directory, name, &t, format);
    free(s.place);
    return ok;
}

static bool write_runs(const char *directory, const struct sweep_state *s, enum export_format format)
{
    struct columns all = columns_all();
    const struct run_rows rows = {s, &all};
    const struct table t = runs_table(&rows);
    const bool ok = write_file(directory, "runs", &t, format);
    columns_clear(&all);
    return ok;
}

#define SERIES(columns, member, row_type, kinds, offset)                                                          \
    (struct series){.state = s, .column = columns, .n_columns = n_##columns##s, .n_kinds = kinds,                    \
                    .count_offset = offsetof(struct record, n_##member),                                          \
                    .rows_offset = offsetof(struct record, member), .row_bytes = sizeof(struct row_type),         \
                    .bytes_offset = offset}

bool export_tables(const char *directory, const struct sweep_state *s, enum export_format format)
{
    return write_runs(directory, s, format) &&
           write_series(directory, "steps", SERIES(step_column, steps, step_row, 0, 0), format) &&
           write_series(directory, "memory", SERIES(memory_column, memory, memory_row, N_MEMORY_KINDS,
                                                    offsetof(struct memory_row, bytes)), format) &&
           write_series(directory, "timeline", SERIES(timeline_column, timeline, trace_row, N_MEMORY_KINDS,
                                                      offsetof(struct trace_row, bytes)), format);
}
