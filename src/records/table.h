/* table.h - rows and columns of text and numbers, written in each format that programs and people read.
 *
 * A table is not stored: it says each cell when it is asked, so that a table of any length can be written. */
#ifndef TABLE_H
#define TABLE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { CELL_BYTES = 512 };         /* LONG_BYTES of a field */
struct table {
    size_t n_rows;
    int n_columns;
    const void *ctx;
    void (*heading)(const void *ctx, int column, char text[CELL_BYTES]);
    bool (*is_number)(const void *ctx, int column);
    /* False: not known.  `exact`: all digits, for programs; else a few. */
    bool (*cell)(const void *ctx, size_t row, int column, bool exact, char text[CELL_BYTES]);
};

void table_text(FILE *, const struct table *);      /* aligned */
void table_markdown(FILE *, const struct table *);
void table_csv(FILE *, const struct table *);       /* RFC 4180; not known: empty */
void table_json(FILE *, const struct table *);      /* an array of objects, one to a line; not known: null */
void table_jsonl(FILE *, const struct table *);     /* an object to a line */
void table_csv_text(FILE *, const char *);          /* one cell, quoted where it must be */
#endif
