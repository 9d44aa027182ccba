/* sweep_header.h - what is said once about a whole sweep: who measured, where, with which programs. */
#ifndef SWEEP_HEADER_H
#define SWEEP_HEADER_H
#include "../records/journal.h"

/* End with sweep_header_clear.  h5_path may be NULL.
 * What the command line says: uuid, name, command line, configuration, time. */
void sweep_header_begin(struct sweep_header *, const char *h5_path, const char *sweep_text, int argc, char **argv);
/* That, and who measures: program, libraries, host, ranks. */
void sweep_header_fill(struct sweep_header *, const char *h5_path, const char *sweep_text, int argc, char **argv);
#endif
