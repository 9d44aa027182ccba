/* sweep_header.h - what is said once about a whole sweep: who measured, where, with which programs. */
#ifndef SWEEP_HEADER_H
#define SWEEP_HEADER_H
#include "../records/journal.h"

/* End with sweep_header_clear.  h5_path may be NULL. */
void sweep_header_fill(struct sweep_header *, const char *h5_path, const char *sweep_text, int argc, char **argv);
#endif
