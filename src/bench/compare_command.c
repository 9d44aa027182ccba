#include "compare_command.h"
#include "options.h"
#include "../base/log.h"
#include "../records/compare_report.h"
#include "../records/report.h"
#include "../records/results_file.h"

#include <stdio.h>

static struct compare_limits limits_of(const struct options *o)
{
    struct compare_limits limit = COMPARE_LIMITS_DEFAULT;
    if (o->time_threshold > 0)
        limit.time = o->time_threshold;
    if (o->memory_threshold > 0)
        limit.memory = o->memory_threshold;
    if (o->error_factor > 0)
        limit.error = o->error_factor;
    if (o->rerun_spread > 0)
        limit.rerun_spread = o->rerun_spread;
    return limit;
}

static int compare(const struct options *o, const struct sweep_state *a, const struct sweep_state *b)
{
    struct comparisons c = compare_sweeps(a, b, limits_of(o));
    const struct table table = comparisons_table(&c);
    const enum report_format format = options_report_format(o);
    report_table(stdout, &table, format);
    if (format == REPORT_TEXT || format == REPORT_MARKDOWN)
        comparisons_summary(stdout, a, b, &c);
    bool regression = false;
    for (size_t i = 0; i < c.n; i++)
        regression |= is_regression(&c.of[i]);
    const size_t n = c.n;
    comparisons_clear(&c);
    if (n)
        return regression ? EXIT_SOME_FAILED : EXIT_OK;
    log_error("%s and %s have no configuration in common", o->file[0], o->file[1]);
    return EXIT_USAGE;
}

int compare_main(int argc, char **argv)
{
    struct options options;
    struct sweep_state state[2] = {0};
    char error[1024];
    int code = options_parse("compare", argc, argv, &options, NULL);
    if (code >= 0)
        return code;
    if (results_read(options.file[0], &state[0], error, sizeof error) &&
        results_read(options.file[1], &state[1], error, sizeof error)) {
        code = compare(&options, &state[0], &state[1]);
    } else {
        log_error("%s", error);
        code = EXIT_USAGE;
    }
    sweep_state_clear(&state[0]);
    sweep_state_clear(&state[1]);
    return code;
}
