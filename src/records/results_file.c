#include "results_file.h"

#include "../base/log.h"
#include "store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool results_is_hdf5(const char *path)
{
    char first[8] = "";
    FILE *f = fopen(path, "rbe");
    const bool yes = f && fread(first, 1, 8, f) == 8 && memcmp(first, "\211HDF\r\n\032\n", 8) == 0;
    if (f)
        fclose(f);
    return yes;
}

static bool has_journal(const char *h5_path, char *journal_path, size_t bytes)
{
    return journal_path_of(h5_path, journal_path, bytes) && access(journal_path, R_OK) == 0;
}

static void warn_of_interim(const char *h5_path)
{
    char journal_path[4096];
    if (has_journal(h5_path, journal_path, sizeof journal_path))
        log_warn("%s was published while its sweep went on: %s may hold more, 'dpsweep rebuild %s' publishes it",
                 h5_path, journal_path, h5_path);
}

/* NAME.h5 without a byte would pass for a journal that has just been begun. */
static bool is_unpublished(const char *path, char *error, size_t error_bytes)
{
    char journal_path[4096];
    struct stat file;
    const bool is_there = stat(path, &file) == 0;
    if (!journal_path_of(path, journal_path, sizeof journal_path) || (is_there ? file.st_size > 0 : errno != ENOENT))
        return false;
    const int n = snprintf(error, error_bytes, "cannot read %s: %s", path, is_there ? "it is empty" : strerror(ENOENT));
    if (has_journal(path, journal_path, sizeof journal_path) && (size_t)n < error_bytes)
        snprintf(error + n, error_bytes - (size_t)n, "; what its sweep has measured is in %s", journal_path);
    return true;
}

bool results_read(const char *path, struct sweep_state *s, char *error, size_t error_bytes)
{
    memset(s, 0, sizeof *s);
    if (is_unpublished(path, error, error_bytes))
        return false;
    const bool published = results_is_hdf5(path);
    if (!(published ? store_read : journal_read)(path, s, error, error_bytes))
        return false;
    if (s->damaged_frames)
        log_warn("%s is damaged: %zu frames are left out", path, s->damaged_frames);
    if (published && !s->ended)
        warn_of_interim(path);
    return true;
}
