/* disk.c - complete writes and durable names. */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool disk_write(int fd, const void *data, size_t bytes)
{
    for (const char *at = data; bytes;) {
        const ssize_t n = write(fd, at, bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        at += n;
        bytes -= (size_t)n;
    }
    return true;
}

void disk_directory_of(const char *path, char *directory, size_t bytes)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        snprintf(directory, bytes, ".");
    else
        snprintf(directory, bytes, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

bool disk_sync_directory(const char *path)
{
    char directory[4096];
    disk_directory_of(path, directory, sizeof directory);
    const int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    const bool ok = fsync(fd) == 0 || errno == EINVAL; /* EINVAL: a file system that cannot */
    close(fd);
    return ok;
}
