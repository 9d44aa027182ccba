/* report_pivot.c - one column of runs spread over a table by others. */
#include "../base/quantile.h"
#include "../base/text.h"
#include "buffer.h"
#include "report_columns.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct pivot {
    const struct sweep_state *state;
    struct columns rows, columns, value;
    size_t *row, *column;        /* the first run of each distinct row and column */
    size_t n_rows;
    int n_columns;
};

static bool same(const struct columns *c, const struct record *a, const struct record *b)
{
    char x[CELL_BYTES], y[CELL_BYTES];
    for (int i = 0; i < c->n; i++) {
        field_text(c->field[i], a, x, sizeof x);
        field_text(c->field[i], b, y, sizeof y);
        if (strcmp(x, y))
            return false;
    }
    return true;
}

/* The first run of each set of equal ones, in order of appearance. */
static size_t *distinct(const struct sweep_state *s, const struct columns *c, size_t *n)
{
    size_t *first = memory_get(s->n_records * sizeof *first);
    *n = 0;
    for (size_t i = 0; i < s->n_records; i++) {
        size_t k = 0;
        while (k < *n && !same(c, &s->record[first[k]], &s->record[i]))
            k++;
        if (k == *n)
            first[(*n)++] = i;
    }
    return first;
}

struct pivot *pivot_create(const struct sweep_state *s, const char *description, char *error, size_t error_bytes)
{
    char part[3][512];
    int end = 0;
    struct pivot *p = memory_get(sizeof *p);
    p->state = s;
    if (sscanf(description, "%511[^:]:%511[^:]:%511[^:]%n", part[0], part[1], part[2], &end) < 3 || description[end]) {
        snprintf(error, error_bytes, "--pivot %s: write ROWS:COLUMNS:VALUE, such as "
                 "batch_size,seq_len:trainer:throughput_p50", description);
        return pivot_free(p), NULL;
    }
    if (!select_columns(part[0], &p->rows, error, error_bytes) ||
        !select_columns(part[1], &p->columns, error, error_bytes) ||
        !select_columns(part[2], &p->value, error, error_bytes))
        return pivot_free(p), NULL;
    if (p->value.n != 1) {
        snprintf(error, error_bytes, "--pivot %s: the cells show one column", description);
        return pivot_free(p), NULL;
    }
    size_t n;
    p->column = distinct(s, &p->columns, &n);
    p->n_columns = (int)n;
    p->row = distinct(s, &p->rows, &p->n_rows);
    return p;
}

void pivot_free(struct pivot *p)
{
    columns_clear(&p->rows);
    columns_clear(&p->columns);
    columns_clear(&p->value);
    free(p->row);
    free(p->column);
    free(p);
}

/* ---- the table ----------------------------------------------------------------------------------------------- */

static void heading(const void *ctx, int c, char text[CELL_BYTES])
{
    const struct pivot *p = ctx;
    char value[CELL_BYTES];
    text[0] = '\0';
    if (c < p->rows.n) {
        snprintf(text, CELL_BYTES, "%s", p->rows.field[c]->name);
        return;
    }
    for (int i = 0; i < p->columns.n; i++) {
        field_text(p->columns.field[i], &p->state->record[p->column[c - p->rows.n]], value, sizeof value);
        text_append(text, CELL_BYTES, "%s%s", i ? " " : "", value);
    }
}

static bool is_number(const void *ctx, int c)
{
    const struct pivot *p = ctx;
    return (c < p->rows.n ? p->rows.field[c] : p->value.field[0])->kind != FIELD_TEXT;
}

static void add_text(char list[CELL_BYTES], const char *text)
{
    if (!strstr(list, text))
        text_append(list, CELL_BYTES, "%s%s", list[0] ? " " : "", text);
}

/* The runs of one row and one column together: median of numbers, or each text. */
static bool combine(const struct pivot *p, const struct record *row, const struct record *column, bool exact,
                    char text[CELL_BYTES])
{
    const struct field *f = p->value.field[0];
    struct buffer numbers = {0};
    text[0] = '\0';
    for (size_t i = 0; i < p->state->n_records; i++) {
        const struct record *r = &p->state->record[i];
        const void *at = (const char *)r + f->offset;
        if (!same(&p->rows, row, r) || !same(&p->columns, column, r))
            continue;
        if (f->kind == FIELD_TEXT) {
            add_text(text, at);
            continue;
        }
        const double value = f->kind == FIELD_U64 ? (double)*(const uint64_t *)at : *(const double *)at;
        if (isfinite(value))
            buffer_add(&numbers, &value, sizeof value);
    }
    const size_t n = numbers.bytes / sizeof(double);
    const double median = quantile((double *)numbers.data, n, 0.5);
    if (n && f->kind == FIELD_U64 && median == floor(median))
        snprintf(text, CELL_BYTES, "%.0f", median);
    else if (n)
        number_text(median, exact, text);
    buffer_clear(&numbers);
    return text[0];
}

static bool cell(const void *ctx, size_t row, int c, bool exact, char text[CELL_BYTES])
{
    const struct pivot *p = ctx;
    const struct record *first = &p->state->record[p->row[row]];
    if (c >= p->rows.n)
        return combine(p, first, &p->state->record[p->column[c - p->rows.n]], exact, text);
    field_text(p->rows.field[c], first, text, CELL_BYTES);
    return true;
}

struct table pivot_table(const struct pivot *p)
{
    return (struct table){p->n_rows, p->rows.n + p->n_columns, p, heading, is_number, cell};
}
