/* report.h - tables of results for people: the original benchmark's comparison first. */
#ifndef REPORT_H
#define REPORT_H
#include "journal.h"
#include "table.h"

#include <stdio.h>

enum report_format { REPORT_TEXT, REPORT_MARKDOWN, REPORT_CSV, REPORT_JSON };
/* trainer x batch x sequence: memory after profiling / after cleanup / peak, step time, tokens/s, ratio to standard,
 * verdict, status.  A run that is not ok shows no time; its message stands below the table.
 * csv and json: all columns of all runs. */
void report_write(FILE *, const struct sweep_state *, enum report_format);

/* What people ask for, as they write it (select.h, report_columns.h); NULL: not asked. */
struct report_view { const char *columns, *where, *sort, *pivot; };
/* Writes the pivot, the columns, or what report_write writes.  False: `error` is one line and nothing was written. */
bool report_view_write(FILE *, const struct sweep_state *, const struct report_view *, enum report_format, char *error,
                       size_t error_bytes);
void report_table(FILE *, const struct table *, enum report_format);
#endif
