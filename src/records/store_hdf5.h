/* store_hdf5.h - how store_*.c call HDF5.
 *
 * Errors are sticky: TRY(call) notes the first failure with HDF5's own root cause and goes on; calls on the ids of
 * failed calls fail harmlessly; who began looks at `failed` once, at the end.  So every return is checked and nothing
 * is left open. */
#ifndef STORE_HDF5_H
#define STORE_HDF5_H
#include <hdf5.h>
#include <stdbool.h>

struct h5 {
    bool failed;
    char *error;                 /* the caller's */
    size_t error_bytes;
};

/* Also switches off HDF5's own printing. */
struct h5 h5_begin(char *error, size_t error_bytes);
hid_t h5_note(struct h5 *, hid_t result, const char *call);
void h5_fail(struct h5 *, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define TRY(call) h5_note(h, call, #call) /* with a struct h5 *h in scope */

hid_t h5_text_type(struct h5 *);  /* variable length UTF-8; to be closed */
/* A file that is never modified in place needs no lock, which some parallel file systems cannot give. */
hid_t h5_access(struct h5 *);     /* to be closed */
#endif
