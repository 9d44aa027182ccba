/* report_command.c - `dpsweep report`. */
#include "report_command.h"
#include "options.h"
#include "../base/log.h"
#include "../records/report.h"
#include "../records/results_file.h"

#include <stdio.h>

int report_main(int argc, char **argv)
{
    struct options options;
    struct sweep_state state;
    char error[1024];
    const int code = options_parse("report", argc, argv, &options, NULL);
    if (code >= 0)
        return code;
    if (!results_read(options.file[0], &state, error, sizeof error)) {
        log_error("%s", error);
        return EXIT_USAGE;
    }
    const struct report_view view = {options.columns, options.where, options.sort, options.pivot};
    const bool shown = report_view_write(stdout, &state, &view, options_report_format(&options), error, sizeof error);
    sweep_state_clear(&state);
    if (shown)
        return EXIT_OK;
    log_error("%s", error);
    return EXIT_USAGE;
}
