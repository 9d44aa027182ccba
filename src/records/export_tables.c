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
struct rows {
    const struct sweep_state *state;
    const struct series *series;
    struct place *place;
    size_t n;
};

static const char *row_of(const struct rows *r, size_t i)
{
    const struct place at = r->place[i];
    return series_rows(r->series, &r->state->record[at.run]) + at.row * r->series->row_bytes;
}

static void heading(const void *ctx, int c, char text[CELL_BYTES])
{
    const struct series *s = ((const struct rows *)ctx)->series;
    snprintf(text, CELL_BYTES, "%s", c == 0              ? "run_id"
                                     : c <= s->n_columns ? s->column[c - 1].field.name
                                                         : memory_kind_name[c - 1 - s->n_columns]);
}

static bool is_number(const void *ctx, int c)
{
    const struct series *s = ((const struct rows *)ctx)->series;
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
    const struct rows *r = ctx;
    const struct series *s = r->series;
    const char *row = row_of(r, i);
    uint64_t whole;
    double number;
    if (c == 0) {
        snprintf(text, CELL_BYTES, "%llu", (unsigned long long)r->state->record[r->place[i].run].run_id);
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

static void find_places(struct rows *r)
{
    struct buffer all = {0};
    for (size_t i = 0; i < r->state->n_records; i++)
        for (size_t k = 0; k < series_count(r->series, &r->state->record[i]); k++)
            buffer_add(&all, &(struct place){i, k}, sizeof(struct place));
    r->n = all.bytes / sizeof *r->place;
    r->place = (struct place *)all.data;
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

static bool write_series(const char *directory, const struct series *s, const struct sweep_state *state,
                         enum export_format format)
{
    struct rows r = {.state = state, .series = s};
    find_places(&r);
    const struct table t = {r.n, 1 + s->n_columns + (s->bytes_offset ? N_MEMORY_KINDS : 0), &r, heading, is_number,
                            cell};
    const bool ok = write_file(directory, s->name, &t, format);
    free(r.place);
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

bool export_tables(const char *directory, const struct sweep_state *s, enum export_format format)
{
    bool ok = write_runs(directory, s, format);
    for (int k = 0; k < N_SERIES && ok; k++)
        ok = write_series(directory, &series_table[k], s, format);
    return ok;
}
