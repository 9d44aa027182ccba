/* merge_command.c - reads all parts, writes the journal, then publishes it: a kill in between leaves the whole journal,
 * of which `rebuild` makes the file. */
#include "merge_command.h"
#include "options.h"
#include "sweep_header.h"
#include "../base/log.h"
#include "../records/buffer.h"
#include "../records/merge.h"
#include "../records/results_file.h"
#include "../records/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ERROR_BYTES = 1024 };

struct parts {
    struct sweep_state *state;
    size_t n;
};

static bool is_same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* May the result be written?  All refusals come before the first byte. */
static bool check_output(const struct options *o, char journal_path[4096], char *error)
{
    if (!journal_path_of(o->output, journal_path, 4096))
        return snprintf(error, ERROR_BYTES, "--output %s: the name must end in .h5", o->output), false;
    for (int i = 0; i < o->n_files; i++)
        if (is_same_file(o->file[i], o->output) || is_same_file(o->file[i], journal_path))
            return snprintf(error, ERROR_BYTES, "--output %s is one of the files to be merged: take another -o",
                            o->output), false;
    for (int i = 0; i < 2 && !o->overwrite; i++) {
        const char *path = i ? o->output : journal_path;
        if (access(path, F_OK) == 0)
            return snprintf(error, ERROR_BYTES, "%s exists: take another -o, or replace it with --overwrite", path),
                   false;
    }
    return true;
}

static bool read_parts(const struct options *o, struct parts *parts, char *error)
{
    parts->state = memory_get((size_t)o->n_files * sizeof *parts->state);
    for (int i = 0; i < o->n_files; i++)
        for (int k = 0; k < i; k++)
            if (is_same_file(o->file[i], o->file[k]))
                return snprintf(error, ERROR_BYTES, "%s is named twice", o->file[i]), false;
    for (; parts->n < (size_t)o->n_files; parts->n++)
        if (!results_read(o->file[parts->n], &parts->state[parts->n], error, ERROR_BYTES))
            return false;
    return true;
}

static void clear_parts(struct parts *parts)
{
    for (size_t i = 0; i < parts->n; i++)
        sweep_state_clear(&parts->state[i]);
    free(parts->state);
}

static char *all_config_texts(const struct parts *parts)
{
    struct buffer all = {0};
    for (size_t i = 0; i < parts->n; i++) {
        const char *text = parts->state[i].header.config_text;
        buffer_add(&all, text ? text : "", text ? strlen(text) : 0);
    }
    buffer_add(&all, "", 1);
    return all.data;
}

static void say(const struct options *o, const struct sweep_state *merged, const struct merge_summary *summary)
{
    printf("%s: %zu runs from %d file%s%s\n", o->output, merged->n_records, o->n_files, o->n_files == 1 ? "" : "s",
           merged->ended ? "" : ", not complete: some of their sweeps are not");
    if (summary->n_repeated)
        printf("%zu results left out: of the same configuration the last successful one is kept\n",
               summary->n_repeated);
    if (summary->renumbered)
        printf("run_id given anew, in the order of the files: they used the same numbers\n");
    if (merged->n_unfinished)
        printf("%zu runs were begun and have no result\n", merged->n_unfinished);
}

static bool write_merged(const struct options *o, const char *journal_path, char *error)
{
    struct sweep_state whole;
    const bool published = journal_read(journal_path, &whole, error, ERROR_BYTES) &&
                           store_publish(o->output, &whole, error, ERROR_BYTES);
    sweep_state_clear(&whole);
    return published;
}

static int merge(const struct options *o, struct parts *parts, const char *journal_path, int argc, char **argv,
                 char *error)
{
    struct sweep_state merged = {0};
    char *text = all_config_texts(parts);
    sweep_header_begin(&merged.header, o->output, text, argc, argv);
    const struct merge_summary summary = merge_states(parts->state, parts->n, &merged);
    const bool written = journal_write_whole(journal_path, &merged, error, ERROR_BYTES) &&
                         write_merged(o, journal_path, error);
    if (written)
        say(o, &merged, &summary);
    sweep_state_clear(&merged);
    free(text);
    return written ? EXIT_OK : EXIT_ENVIRONMENT;
}

int merge_main(int argc, char **argv)
{
    struct options options;
    struct parts parts = {0};
    char journal_path[4096], error[ERROR_BYTES];
    int code = options_parse("merge", argc, argv, &options, NULL);
    if (code >= 0)
        return code;
    code = EXIT_USAGE;
    if (check_output(&options, journal_path, error) && read_parts(&options, &parts, error))
        code = merge(&options, &parts, journal_path, argc, argv, error);
    if (code != EXIT_OK)
        log_error("%s", error);
    clear_parts(&parts);
    return code;
}
