/* journal_whole.c - a journal that is there at once.
 *
 * It is written under a temporary name and renamed: whatever kills the program, the journal of that name is the old
 * one, none, or all of it. */
#include "disk.h"
#include "journal_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool fill(struct journal *j, const struct sweep_state *s)
{
    for (size_t i = 0; i < s->n_records; i++) {
        journal_started(j, s->record[i].config_sha256, s->record[i].attempt, s->record[i].rank);
        journal_result(j, &s->record[i]);
    }
    for (size_t i = 0; i < s->n_unfinished; i++)
        journal_started(j, s->unfinished[i].config_sha256, s->unfinished[i].attempt, 0);
    if (s->ended)
        journal_ended(j);
    return journal_close(j);
}

static bool write_and_rename(const char *temporary, const char *path, const struct sweep_state *s, char *error,
                             size_t error_bytes)
{
    unlink(temporary);
    struct journal *j = journal_open(temporary, JOURNAL_NEW, &s->header, error, error_bytes);
    if (!j)
        return false;
    if (fill(j, s) && rename(temporary, path) == 0 && disk_sync_directory(path))
        return true;
    snprintf(error, error_bytes, "cannot write %s: %s", path, strerror(errno));
    unlink(temporary);
    return false;
}

bool journal_write_whole(const char *path, const struct sweep_state *s, char *error, size_t error_bytes)
{
    char directory[4096], temporary[8192];
    const char *slash = strrchr(path, '/');
    struct journal old = {.fd = open(path, O_RDWR | O_CLOEXEC), .path = (char *)path};
    disk_directory_of(path, directory, sizeof directory);
    snprintf(temporary, sizeof temporary, "%s/.%s.tmp.%ld", directory, slash ? slash + 1 : path, (long)getpid());
    const bool ok = (old.fd < 0 || journal_lock(&old, error, error_bytes)) &&
                    write_and_rename(temporary, path, s, error, error_bytes);
    if (old.fd >= 0)
        close(old.fd);
    return ok;
}
