#include "table.h"

#include "../base/log.h"
#include "buffer.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

static const char *cell(const struct table *t, size_t row, int column, char text[CELL_BYTES])
{
    if (!t->cell(t->ctx, row, column, false, text) || !text[0])
        snprintf(text, CELL_BYTES, "-");
    return text;
}

/* ---- for people ---------------------------------------------------------------------------------------------- */

static int *column_widths(const struct table *t)
{
    char text[CELL_BYTES];
    int *width = memory_get((size_t)t->n_columns * sizeof *width);
    for (int c = 0; c < t->n_columns; c++) {
        t->heading(t->ctx, c, text);
        width[c] = (int)strlen(text);
        for (size_t r = 0; r < t->n_rows; r++) {
            const int n = (int)strlen(cell(t, r, c, text));
            width[c] = n > width[c] ? n : width[c];
        }
    }
    return width;
}

/* A text in the last column is not filled up. */
static void text_cell(FILE *out, const struct table *t, int c, int width, const char *text)
{
    const bool number = t->is_number(t->ctx, c), last = c + 1 == t->n_columns;
    fprintf(out, "%*s%s", number ? width : last ? 0 : -width, text, last ? "\n" : "  ");
}

void table_text(FILE *out, const struct table *t)
{
    char text[CELL_BYTES];
    int *width = column_widths(t);
    for (int c = 0; c < t->n_columns; c++) {
        t->heading(t->ctx, c, text);
        text_cell(out, t, c, width[c], text);
    }
    for (size_t r = 0; r < t->n_rows; r++)
        for (int c = 0; c < t->n_columns; c++)
            text_cell(out, t, c, width[c], cell(t, r, c, text));
    free(width);
}

/* A bar would end the cell. */
static void markdown_cell(FILE *out, const char *text)
{
    fputs("| ", out);
    for (; *text; text++)
        fprintf(out, *text == '|' ? "\\|" : "%c", *text);
    fputc(' ', out);
}

void table_markdown(FILE *out, const struct table *t)
{
    char text[CELL_BYTES];
    for (int c = 0; c < t->n_columns; c++) {
        t->heading(t->ctx, c, text);
        markdown_cell(out, text);
    }
    fputs("|\n", out);
    for (int c = 0; c < t->n_columns; c++)
        fputs(t->is_number(t->ctx, c) ? "|---:" : "|---", out);
    fputs("|\n", out);
    for (size_t r = 0; r < t->n_rows; r++) {
        for (int c = 0; c < t->n_columns; c++)
            markdown_cell(out, cell(t, r, c, text));
        fputs("|\n", out);
    }
}

/* ---- for programs -------------------------------------------------------------------------------------------- */

void table_csv_text(FILE *out, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

void table_csv(FILE *out, const struct table *t)
{
    char text[CELL_BYTES];
    for (int c = 0; c < t->n_columns; c++) {
        t->heading(t->ctx, c, text);
        fputs(c ? "," : "", out);
        table_csv_text(out, text);
    }
    fputs("\r\n", out);
    for (size_t r = 0; r < t->n_rows; r++) {
        for (int c = 0; c < t->n_columns; c++) {
            fputs(c ? "," : "", out);
            if (t->cell(t->ctx, r, c, true, text))
                table_csv_text(out, text);
        }
        fputs("\r\n", out);
    }
}

/* Numbers as raw text: a double of cJSON holds 53 bits only. */
static void json_row(FILE *out, const struct table *t, size_t r)
{
    char name[CELL_BYTES], text[CELL_BYTES];
    cJSON *row = cJSON_CreateObject();
    for (int c = 0; c < t->n_columns; c++) {
        t->heading(t->ctx, c, name);
        if (!t->cell(t->ctx, r, c, true, text))
            cJSON_AddNullToObject(row, name);
        else if (t->is_number(t->ctx, c))
            cJSON_AddRawToObject(row, name, text);
        else
            cJSON_AddStringToObject(row, name, text);
    }
    char *line = cJSON_PrintUnformatted(row);
    if (!line)
        die(EXIT_ENVIRONMENT, "no memory on the host for a row of JSON");
    fputs(line, out);
    cJSON_free(line);
    cJSON_Delete(row);
}

void table_json(FILE *out, const struct table *t)
{
    fputs("[", out);
    for (size_t r = 0; r < t->n_rows; r++) {
        fputs(r ? ",\n " : "\n ", out);
        json_row(out, t, r);
    }
    fputs("\n]\n", out);
}

void table_jsonl(FILE *out, const struct table *t)
{
    for (size_t r = 0; r < t->n_rows; r++) {
        json_row(out, t, r);
        fputc('\n', out);
    }
}
