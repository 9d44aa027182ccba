#include "results_file.h"

#include "../base/log.h"
#include "store.h"

#include <stdio.h>
#include <string.h>
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

static void warn_of_interim(const char *h5_path)
{
    char journal_path[4096];
    if (journal_path_of(h5_path, journal_path, sizeof journal_path) && access(journal_path, R_OK) == 0)
        log_warn("%s was published while its sweep went on: %s may hold more, 'dpsweep rebuild %s' publishes it",
                 h5_path, journal_path, h5_path);
}

bool results_read(const char *path, struct sweep_state *s, char *error, size_t error_bytes)
{
    const bool published = results_is_hdf5(path);
    if (!(published ? store_read : journal_read)(path, s, error, error_bytes))
        return false;
    if (s->damaged_frames)
        log_warn("%s is damaged: %zu frames are left out", path, s->damaged_frames);
    if (published && !s->ended)
        warn_of_interim(path);
    return true;
}
