#include "export_command.h"
#include "options.h"
#include "../base/log.h"
#include "../records/export.h"
#include "../records/results_file.h"
#include "../records/select.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum export_format format_of(const char *name)
{
    static const char *const names[] = {
        [EXPORT_CHROME] = "chrome", [EXPORT_TENSORBOARD] = "tensorboard", [EXPORT_CSV] = "csv",
        [EXPORT_JSONL] = "jsonl",
    };
    int i = 0;
    while (strcmp(names[i], name) != 0)
        i++;
    return (enum export_format)i;
}

static int export(const struct options *o, const struct sweep_state *s)
{
    char error[1024];
    struct sweep_state chosen = select_view(s);
    int code = EXIT_USAGE;
    if (o->where && !select_runs(&chosen, o->where, error, sizeof error))
        log_error("%s", error);
    else if (export_write(o->output, &chosen, format_of(o->format), error, sizeof error))
        code = EXIT_OK;
    else
        log_error("%s", error), code = EXIT_ENVIRONMENT;
    if (code == EXIT_OK)
        printf("%s: %zu runs\n", o->output, chosen.n_records);
    free(chosen.record);
    return code;
}

int export_main(int argc, char **argv)
{
    struct options options;
    struct sweep_state state;
    char error[1024];
    int code = options_parse("export", argc, argv, &options, NULL);
    if (code >= 0)
        return code;
    if (access(options.output, F_OK) == 0) {
        log_error("%s exists: take another -o, or remove it", options.output);
        return EXIT_USAGE;
    }
    if (!results_read(options.file[0], &state, error, sizeof error)) {
        log_error("%s", error);
        return EXIT_USAGE;
    }
    code = export(&options, &state);
    sweep_state_clear(&state);
    return code;
}
