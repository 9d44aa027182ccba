/* report.h - tables of results for people: the original benchmark's comparison first. */
#ifndef REPORT_H
#define REPORT_H
#include "journal.h"

#include <stdio.h>

enum report_format { REPORT_TEXT, REPORT_MARKDOWN, REPORT_CSV, REPORT_JSON };
/* trainer x batch x sequence: memory after profiling / after cleanup / peak, step time, tokens/s, ratio to standard,
 * verdict, status.  A run that is not ok shows no time; its message stands below the table. */
void report_write(FILE *, const struct sweep_state *, enum report_format);
#endif
