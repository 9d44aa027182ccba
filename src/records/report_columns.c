#include "report_columns.h"

#include "../base/text.h"

#include <math.h>
#include <string.h>

void number_text(double value, bool exact, char text[CELL_BYTES])
{
    if (exact)
        text_from_f64(value, text, CELL_BYTES);
    else if (value != 0 && (fabs(value) < 1e-3 || fabs(value) >= 1e7))
        snprintf(text, CELL_BYTES, "%.3e", value);
    else
        snprintf(text, CELL_BYTES, "%.*f", fabs(value) >= 1000 ? 0 : fabs(value) >= 1 ? 3 : 5, value);
}

static const struct field *column(const void *ctx, int c)
{
    return ((const struct run_rows *)ctx)->columns->field[c];
}

static void heading(const void *ctx, int c, char text[CELL_BYTES])
{
    snprintf(text, CELL_BYTES, "%s", column(ctx, c)->name);
}

static bool is_number(const void *ctx, int c)
{
    return column(ctx, c)->kind != FIELD_TEXT;
}

static bool cell(const void *ctx, size_t row, int c, bool exact, char text[CELL_BYTES])
{
    const struct record *r = &((const struct run_rows *)ctx)->state->record[row];
    const struct field *f = column(ctx, c);
    if (f->kind != FIELD_F64) {
        field_text(f, r, text, CELL_BYTES);
        return true;
    }
    const double value = *(const double *)((const char *)r + f->offset);
    if (!isfinite(value))
        return false;
    number_text(value, exact, text);
    return true;
}

struct table runs_table(const struct run_rows *rows)
{
    return (struct table){rows->state->n_records, rows->columns->n, rows, heading, is_number, cell};
}
