/* export_formats.h - the formats of export.c.  Errors of writing show in the stream, or in `directory` as errno. */
#ifndef EXPORT_FORMATS_H
#define EXPORT_FORMATS_H
#include "export.h"

#include <stdio.h>

void export_chrome(FILE *, const struct sweep_state *);
bool export_tensorboard(const char *directory, const struct sweep_state *);
bool export_tables(const char *directory, const struct sweep_state *, enum export_format);

/* A new file `directory/name`; NULL: errno says why.  Closing says whether all was written. */
FILE *export_create(const char *directory, const char *name);
bool export_close(FILE *);
#endif
