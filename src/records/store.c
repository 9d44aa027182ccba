/* store.c - publishing: a temporary file, its bytes on the disk, a reader's look at it, then the name.
 *
 * Whatever kills the program in between, X.h5 is the old file or the new one.  The temporary file carries host and
 * process in its name, so that one left by a process that is gone can be told from one that is being written. */
#include "store.h"

#include "disk.h"
#include "schema.h"
#include "store_hdf5.h"
#include "store_write.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* ".X.h5.tmp.HOST." */
static void temporary_prefix(const char *h5_path, char *prefix, size_t bytes)
{
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    snprintf(prefix, bytes, ".%s.tmp.%s.", name_of(h5_path), host);
}

static void remove_stale(const char *directory, const char *prefix)
{
    char path[PATH_BYTES];
    const size_t n = strlen(prefix);
    DIR *d = opendir(directory);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (strncmp(e->d_name, prefix, n) || !isdigit((unsigned char)e->d_name[n]))
            continue;
        const pid_t pid = (pid_t)strtol(e->d_name + n, NULL, 10);
        const bool gone = pid == getpid() || (kill(pid, 0) < 0 && errno == ESRCH);
        if (gone && (size_t)snprintf(path, sizeof path, "%s/%s", directory, e->d_name) < sizeof path)
            unlink(path);
    }
    if (d)
        closedir(d);
}

static bool write_image(const char *path, const void *image, size_t bytes)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return false;
    const bool written = disk_write(fd, image, bytes) && fsync(fd) == 0;
    const int why = errno;
    const bool closed = close(fd) == 0;
    if (!written)
        errno = why;
    return written && closed;
}

static size_t count_rows(const struct sweep_state *s)
{
    size_t n = s->n_records;
    for (size_t i = 0; i < s->n_records; i++)
        for (int k = 0; k < N_SERIES; k++)
            n += series_count(&series_table[k], &s->record[i]);
    return n;
}

/* A reader must be able to open it, and find as much as was meant. */
static bool read_back(const char *path, const struct sweep_state *meant, char *error, size_t error_bytes)
{
    size_t rows;
    uint32_t crc32;
    if (!store_glance(path, &rows, &crc32, error, error_bytes))
        return false;
    const bool same = rows == count_rows(meant) && crc32 == meant->crc32;
    if (!same)
        snprintf(error, error_bytes, "%s does not hold what was written to it", path);
    return same;
}

static bool put_in_place(const char *temporary, const char *h5_path, const struct sweep_state *s, const void *image,
                         size_t image_bytes, char *error, size_t error_bytes)
{
    if (write_image(temporary, image, image_bytes)) {
        if (!read_back(temporary, s, error, error_bytes)) {
            unlink(temporary);
            return false;
        }
        if (rename(temporary, h5_path) == 0 && disk_sync_directory(h5_path))
            return true;
    }
    snprintf(error, error_bytes, "cannot write %s: %s", h5_path, strerror(errno));
    unlink(temporary);
    return false;
}

bool store_publish(const char *h5_path, const struct sweep_state *s, char *error, size_t error_bytes)
{
    char directory[PATH_BYTES], prefix[512], temporary[PATH_BYTES];
    disk_directory_of(h5_path, directory, sizeof directory);
    temporary_prefix(h5_path, prefix, sizeof prefix);
    const int n = snprintf(temporary, sizeof temporary, "%s/%s%ld", directory, prefix, (long)getpid());
    if ((size_t)n >= sizeof temporary) {
        snprintf(error, error_bytes, "cannot write %s: %s", h5_path, strerror(ENAMETOOLONG));
        return false;
    }
    remove_stale(directory, prefix);
    char why[512];
    size_t bytes = 0;
    void *image = store_image(s, &bytes, why, sizeof why);
    if (!image)
        snprintf(error, error_bytes, "cannot build %s: %s", h5_path, why);
    const bool ok = image && put_in_place(temporary, h5_path, s, image, bytes, error, error_bytes);
    free(image);
    return ok;
}

const char *store_hdf5_version(void)
{
    static char text[48];
    unsigned major, minor, release;
    H5get_libversion(&major, &minor, &release);
    snprintf(text, sizeof text, "%u.%u.%u", major, minor, release);
    return text;
}
