/* sweep_file.h - .sweep files: the axes of a sweep, written down.
 *
 *     ; comment
 *     seq-len = 64,128            before the first section: for all sections
 *     [dp]
 *     trainer = dpsgd, microbatch
 *     [base line]
 *     trainer = standard
 *
 * Keys are the options of a configuration, values are comma lists.  Each section is a cross product of its own; a file
 * without sections is one. */
#ifndef SWEEP_FILE_H
#define SWEEP_FILE_H
#include "points.h"

/* NULL: the file cannot be read or understood, `error` is one line with file:line.  *n sections, freed with
 * sweep_file_free; *text is the file itself, owned by the caller. */
struct axes *sweep_file_read(const char *path, int *n, char **text, char *error, size_t error_bytes);
void sweep_file_free(struct axes *, int n);
#endif
