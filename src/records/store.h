/* store.h - the published HDF5 file; store*.c are the only files of dpsweep that name HDF5.
 *
 * X.h5 is built whole in memory from a sweep_state, written to a temporary name, read back, then renamed: it is
 * complete and readable at every moment, and never modified in place.  Schema: docs/results-format.md. */
#ifndef STORE_H
#define STORE_H
#include "journal.h"

/* False: nothing changed on disk, `error` is one line (with errno's text).  Equal states give equal bytes. */
bool store_publish(const char *h5_path, const struct sweep_state *, char *error, size_t error_bytes);
/* Reads /runs, /steps, /memory, /timeline of a published file back; columns it does not know are left out, missing
 * ones keep record_init's value. */
bool store_read(const char *h5_path, struct sweep_state *, char *error, size_t error_bytes);
/* Opens a published file: its rows in all groups, and the checksum of its journal. */
bool store_glance(const char *h5_path, size_t *rows, uint32_t *journal_crc32, char *error, size_t error_bytes);
const char *store_hdf5_version(void); /* of the library in use: "1.10.8" */
#endif
