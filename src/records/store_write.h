/* store_write.h - a sweep_state as the bytes of an HDF5 file. */
#ifndef STORE_WRITE_H
#define STORE_WRITE_H
#include "journal.h"

/* malloc'ed; equal states give equal bytes.  NULL: `error` is one line. */
void *store_image(const struct sweep_state *, size_t *bytes, char *error, size_t error_bytes);
#endif
