/* report.c - a sweep in one of the formats. */
#include "report_formats.h"

void report_write(FILE *out, const struct sweep_state *s, enum report_format format)
{
    if (format == REPORT_CSV)
        report_csv(out, s);
    else if (format == REPORT_JSON)
        report_json(out, s);
    else
        report_tables(out, s, format == REPORT_MARKDOWN);
}
