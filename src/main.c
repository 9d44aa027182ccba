/* dpsweep - benchmarks differentially private training of language models.
 *
 * main.c finds the command; each command is a function in the module it belongs to. */
#include "base/log.h"
#include "bench/check_golden.h"
#include "bench/child.h"
#include "bench/help.h"
#include "bench/info.h"
#include "bench/options.h"
#include "bench/plan.h"
#include "bench/sweep.h"
#include "records/report.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*main)(int argc, char **argv);
} commands[] = {
    {"run", run_main},       {"sweep", sweep_main}, {"plan", plan_main},     {"check", check_main},
    {"report", report_main}, {"info", info_main},   {"worker", worker_main},
};
enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

static bool is_one_of(const char *word, const char *a, const char *b)
{
    return strcmp(word, a) == 0 || strcmp(word, b) == 0;
}

int main(int argc, char **argv)
{
    char names[128];
    options_translate_original(&argc, &argv);
    if (argc > 1 && is_one_of(argv[1], "--help", "-h"))
        return help_program(stdout), EXIT_OK;
    if (argc > 1 && is_one_of(argv[1], "--version", "-V"))
        return printf("dpsweep %s, device %s\n", DPSWEEP_VERSION, DPSWEEP_DEVICE), EXIT_OK;
    for (int i = 0; argc > 1 && i < N_COMMANDS; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].main(argc - 1, argv + 1);
    help_command_names(names, sizeof names);
    die(EXIT_USAGE, "%s%s%s: choose one of %s; 'dpsweep --help' explains them", argc > 1 ? "'" : "no command",
        argc > 1 ? argv[1] : "", argc > 1 ? "' is not a command" : "", names);
}
