/* compare_report.h - what became of each configuration, as a table (table.h). */
#ifndef COMPARE_REPORT_H
#define COMPARE_REPORT_H
#include "compare.h"
#include "table.h"

struct table comparisons_table(const struct comparisons *); /* borrows */
/* For people: the machines where they differ, the counts of each verdict, why times are ambiguous. */
void comparisons_summary(FILE *, const struct sweep_state *a, const struct sweep_state *b, const struct comparisons *);
#endif
