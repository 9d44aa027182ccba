/* format_doc.h - docs/results-format.md, written from the tables that the results themselves are written from. */
#ifndef FORMAT_DOC_H
#define FORMAT_DOC_H
#include <stdio.h>
void results_format_write(FILE *);
#endif
