#include "export_formats.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

FILE *export_create(const char *directory, const char *name)
{
    char path[4096];
    if ((size_t)snprintf(path, sizeof path, "%s/%s", directory, name) < sizeof path)
        return fopen(path, "we");
    errno = ENAMETOOLONG;
    return NULL;
}

bool export_close(FILE *f)
{
    const bool written = fflush(f) == 0 && !ferror(f);
    const int why = errno;
    const bool closed = fclose(f) == 0;
    if (!written)
        errno = why;
    return written && closed;
}

static bool write_chrome(const char *path, const struct sweep_state *s)
{
    FILE *out = fopen(path, "we");
    if (!out)
        return false;
    export_chrome(out, s);
    return export_close(out);
}

static bool write_folder(const char *path, const struct sweep_state *s, enum export_format format)
{
    if (mkdir(path, 0755) != 0 && errno != EEXIST)
        return false;
    return format == EXPORT_TENSORBOARD ? export_tensorboard(path, s) : export_tables(path, s, format);
}

bool export_write(const char *path, const struct sweep_state *s, enum export_format format, char *error,
                  size_t error_bytes)
{
    if (format == EXPORT_CHROME ? write_chrome(path, s) : write_folder(path, s, format))
        return true;
    snprintf(error, error_bytes, "cannot write %s: %s", path, strerror(errno));
    return false;
}
