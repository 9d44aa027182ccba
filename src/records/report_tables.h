/* report_tables.h - the comparison of trainers for people. */
#ifndef REPORT_TABLES_H
#define REPORT_TABLES_H
#include "report.h"

/* `all`: where the runs of standard are that the shown ones are compared with. */
void report_tables(FILE *, const struct sweep_state *shown, const struct sweep_state *all, bool markdown);
#endif
