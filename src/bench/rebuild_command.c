#include "rebuild_command.h"
#include "options.h"
#include "../base/log.h"
#include "../records/store.h"

#include <stdio.h>

static int rebuild(const char *h5_path, const char *journal_path)
{
    char error[1024];
    struct sweep_state state;
    if (!journal_read(journal_path, &state, error, sizeof error)) {
        log_error("%s", error);
        return EXIT_USAGE;
    }
    if (state.damaged_frames)
        log_warn("%s is damaged: %zu frames are left out", journal_path, state.damaged_frames);
    const bool published = store_publish(h5_path, &state, error, sizeof error);
    if (published)
        printf("%s: %zu runs from %s%s\n", h5_path, state.n_records, journal_path,
               state.ended ? "" : ", of a sweep that is not complete");
    else
        log_error("%s", error);
    sweep_state_clear(&state);
    return published ? EXIT_OK : EXIT_ENVIRONMENT;
}

int rebuild_main(int argc, char **argv)
{
    struct options options;
    char journal_path[4096];
    const int code = options_parse("rebuild", argc, argv, &options, NULL);
    if (code >= 0)
        return code;
    if (journal_path_of(options.file[0], journal_path, sizeof journal_path))
        return rebuild(options.file[0], journal_path);
    log_error("rebuild %s: name the file that is to be published, FILE.h5", options.file[0]);
    return EXIT_USAGE;
}
