/* dpsweep - benchmarks differentially private training of language models.
 *
 * main.c finds the command; each command is a function in the module it belongs to. */
#include "base/log.h"
#include "base/standard_streams.h"
#include "bench/accountant_command.h"
#include "bench/check_golden.h"
#include "bench/child.h"
#include "bench/compare_command.h"
#include "bench/export_command.h"
#include "bench/help.h"
#include "bench/info.h"
#include "bench/merge_command.h"
#include "bench/options.h"
#include "bench/plan.h"
#include "bench/rebuild_command.h"
#include "bench/report_command.h"
#include "bench/sweep.h"
#include "bench/tune.h"
#include "bench/validate_command.h"
#include "../mpi/world.h"

#include <stdio.h>
#include <string.h>

static const struct command_main {
    const char *name;
    int (*main)(int argc, char **argv);
    bool on_all_ranks;           /* what the ranks of a launcher do not do together, the first does alone */
} commands[] = {
    {"run", run_main, true},            {"sweep", sweep_main, true},     {"launch", launch_main, true},
    {"plan", plan_main, false},         {"check", check_main, false},     {"report", report_main, false},
    {"merge", merge_main, false},       {"rebuild", rebuild_main, false}, {"validate", validate_main, false},
    {"compare", compare_main, false},   {"export", export_main, false},   {"accountant", accountant_main, false},
    {"tune", tune_main, false},
    {"info", info_main, true},          {"worker", worker_main, true},
};
enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

static const struct command_main *find_command(const char *name)
{
    for (int i = 0; i < N_COMMANDS; i++)
        if (strcmp(name, commands[i].name) == 0)
            return &commands[i];
    return NULL;
}

static bool is_one_of(const char *word, const char *a, const char *b)
{
    return strcmp(word, a) == 0 || strcmp(word, b) == 0;
}

static int program(int argc, char **argv)
{
    char names[256];
    const char *wrong = options_translate_original(&argc, &argv);
    const struct command_main *command = argc > 1 && !wrong ? find_command(argv[1]) : NULL;
    if (world_rank_of_launcher() > 0 && !(command && command->on_all_ranks))
        return EXIT_OK;
    if (wrong)
        die(EXIT_USAGE, "%s", wrong);
    if (argc > 1 && is_one_of(argv[1], "--help", "-h"))
        return help_program(stdout), EXIT_OK;
    if (argc > 1 && is_one_of(argv[1], "--version", "-V"))
        return printf("dpsweep %s, device %s\n", DPSWEEP_VERSION, DPSWEEP_DEVICE), EXIT_OK;
    if (command)
        return command->main(argc - 1, argv + 1);
    help_command_names(names, sizeof names);
    die(EXIT_USAGE, "%s%s%s: choose one of %s; 'dpsweep --help' explains them", argc > 1 ? "'" : "no command",
        argc > 1 ? argv[1] : "", argc > 1 ? "' is not a command" : "", names);
}

int main(int argc, char **argv)
{
    streams_open();
    return streams_close(program(argc, argv));
}
