/* results_file.h - what a command is given as results: a published NAME.h5 or a NAME.journal, whichever it is. */
#ifndef RESULTS_FILE_H
#define RESULTS_FILE_H
#include "journal.h"

bool results_is_hdf5(const char *path); /* by its first bytes */
/* Told apart by their first bytes.  False: `error` is one line.  Warns of frames that are lost, and of a file that was
 * published while its sweep went on.  End with sweep_state_clear. */
bool results_read(const char *path, struct sweep_state *, char *error, size_t error_bytes);
#endif
