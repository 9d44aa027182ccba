/* report_columns.h - runs as rows of a table (table.h). */
#ifndef REPORT_COLUMNS_H
#define REPORT_COLUMNS_H
#include "select.h"
#include "table.h"

struct run_rows { const struct sweep_state *state; const struct columns *columns; };
struct table runs_table(const struct run_rows *); /* borrows */

/* The text of a number: all digits, or four. */
void number_text(double value, bool exact, char text[CELL_BYTES]);

/* "batch_size,seq_len:trainer:throughput_p50": a row for each batch size and sequence length, a column for each
 * trainer, in the cells the median (of texts: each different one).  False: `error` is one line. */
struct pivot;
struct pivot *pivot_create(const struct sweep_state *, const char *description, char *error, size_t error_bytes);
struct table pivot_table(const struct pivot *);
void pivot_free(struct pivot *);
#endif
