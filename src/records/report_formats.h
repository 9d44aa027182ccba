/* report_formats.h - the ways report_write can show a sweep. */
#ifndef REPORT_FORMATS_H
#define REPORT_FORMATS_H
#include "report.h"

void report_tables(FILE *, const struct sweep_state *, bool markdown); /* for people */
void report_csv(FILE *, const struct sweep_state *);   /* RFC 4180: all columns of record_field[]; unknown: empty */
void report_json(FILE *, const struct sweep_state *);  /* an array of runs with all columns; unknown: null */
#endif
