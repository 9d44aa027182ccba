/* store_hdf5.c - HDF5's error stack as one line. */
#include "store_hdf5.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* When memory has run out, a file cannot be closed, and HDF5 crashes as it tries to while the program exits.  All is
 * closed by then, or given up.  This has to be said before any other call. */
__attribute__((constructor)) static void leave_nothing_to_exit(void)
{
    H5dont_atexit();
}

struct h5 h5_begin(char *error, size_t error_bytes)
{
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* per thread in a thread-safe library */
    return (struct h5){false, error, error_bytes};
}

void h5_fail(struct h5 *h, const char *format, ...)
{
    if (h->failed)
        return;
    h->failed = true;
    va_list args;
    va_start(args, format);
    vsnprintf(h->error, h->error_bytes, format, args);
    va_end(args);
}

static herr_t keep_first(unsigned depth, const H5E_error2_t *e, void *text)
{
    if (depth == 0)
        snprintf(text, 256, "%s", e->desc ? e->desc : "");
    return 0;
}

/* The deepest entry of the stack is the cause.  The stack is moved aside first: any good call would clear it. */
static void root_cause(char text[256])
{
    strcpy(text, "no reason given");
    const hid_t stack = H5Eget_current_stack();
    H5Ewalk2(stack, H5E_WALK_UPWARD, keep_first, text);
    H5Eclose_stack(stack);
    for (char *c = text; (c = strchr(c, '\n'));) /* ctime's, in errors of open */
        *c = ' ';
}

hid_t h5_note(struct h5 *h, hid_t result, const char *call)
{
    if (result < 0 && !h->failed) {
        char cause[256];
        root_cause(cause);
        h5_fail(h, "%.*s: %s", (int)strcspn(call, "("), call, cause);
    }
    return result;
}

hid_t h5_text_type(struct h5 *h)
{
    const hid_t type = TRY(H5Tcopy(H5T_C_S1));
    TRY(H5Tset_size(type, H5T_VARIABLE));
    TRY(H5Tset_cset(type, H5T_CSET_UTF8));
    return type;
}

hid_t h5_access(struct h5 *h)
{
    const hid_t access = TRY(H5Pcreate(H5P_FILE_ACCESS));
    TRY(H5Pset_fclose_degree(access, H5F_CLOSE_STRONG));
#if (H5_VERSION_GE(1, 10, 7) && !H5_VERSION_GE(1, 12, 0)) || H5_VERSION_GE(1, 12, 1)
    TRY(H5Pset_file_locking(access, 0, 1));
#endif
    return access;
}
