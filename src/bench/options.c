#include "options.h"

#include "../base/check.h"
#include "../base/text.h"
#include "../privacy/noise.h"
#include "help.h"
#include "option_table.h"
#include "shard.h"
#include "sweep_file.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Codes that getopt_long returns: letters, then rows of option_table, then fields of a configuration. */
enum { CODE_OPTION = 1000, CODE_FIELD = 2000, MOST_OPTIONS = 64 };
enum { MOST_THREADS = 4096 }; /* with many more, the OpenMP runtime dies without a word */

struct parser {
    const struct command_row *command;
    struct option option[MOST_OPTIONS + N_CONFIG_FIELDS]; /* ends with an empty one */
    struct option_name field_option[N_CONFIG_FIELDS];
    char letters[MOST_OPTIONS];
    bool given[MOST_OPTIONS];
    struct options *options;
    struct axes axes; /* the fields given on the command line */
    char error[512];
};

#define REFUSE(...) return snprintf(parser->error, sizeof parser->error, __VA_ARGS__), false

/* ---- what the command takes, as getopt_long wants it --------------------------------------------------------- */

static void list_options(struct parser *parser)
{
    struct option *option = parser->option;
    strcpy(parser->letters, ":h");
    *option++ = (struct option){"help", no_argument, NULL, 'h'};
    for (int i = 0; i < n_options; i++) {
        const struct option_row *row = &option_table[i];
        int has_value = row->type == OPTION_SWITCH ? no_argument : required_argument;
        if (!(row->commands & parser->command->command))
            continue;
        *option++ = (struct option){row->name, has_value, NULL, CODE_OPTION + i};
        if (row->letter)
            text_append(parser->letters, sizeof parser->letters, "%c%s", row->letter, has_value ? ":" : "");
    }
    for (int i = 0; i < N_CONFIG_FIELDS && parser->command->points != NO_POINTS; i++) {
        parser->field_option[i] = option_of(&config_field[i]);
        *option++ = (struct option){parser->field_option[i].text, required_argument, NULL, CODE_FIELD + i};
    }
    *option = (struct option){0};
}

static int code_of_letter(const struct parser *parser, int letter)
{
    for (int i = 0; i < n_options; i++)
        if (option_table[i].letter == letter && option_table[i].commands & parser->command->command)
            return CODE_OPTION + i;
    return letter;
}

static bool takes(const struct command_row *command, const char *name)
{
    for (int i = 0; i < n_options; i++)
        if (option_table[i].commands & command->command && strcmp(option_table[i].name, name) == 0)
            return true;
    return false;
}

static bool refuse_unknown(struct parser *parser, const char *name)
{
    struct nearest near = {.word = name};
    char others[128] = "";
    for (int i = 0; i < n_commands; i++)
        if (command_table[i].command != COMMAND_WORKER && takes(&command_table[i], name))
            text_append(others, sizeof others, "%s%s", others[0] ? ", " : "", command_table[i].name);
    if (others[0])
        REFUSE("unknown option --%s: it belongs to %s; 'dpsweep %s --help' lists the valid ones", name, others,
               parser->command->name);
    for (const struct option *option = parser->option; option->name; option++)
        nearest_offer(&near, option->name);
    if (near.best[0])
        REFUSE("unknown option --%s; did you mean --%s?", name, near.best);
    REFUSE("unknown option --%s; 'dpsweep %s --help' lists the valid ones", name, parser->command->name);
}

/* getopt_long takes any unambiguous beginning of an option. A script should not change its meaning when options are
 * added, so names are wanted whole. */
static bool check_names(struct parser *parser, int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (argv[i][0] != '-')
            continue;
        char name[64];
        const bool has_two_dashes = argv[i][1] == '-';
        const char *word = argv[i] + 1 + has_two_dashes;
        snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "="), word);
        const struct option *option = parser->option;
        while (option->name && strcmp(option->name, name) != 0)
            option++;
        if (has_two_dashes && !option->name)
            return refuse_unknown(parser, name);
        if (!has_two_dashes && option->name)
            REFUSE("-%s: letters have one dash, words have two: --%s", name, name);
    }
    return true;
}

/* ---- one option ---------------------------------------------------------------------------------------------- */

/* True for a word of a list such as "text, csv". */
static bool is_listed(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = list; length && (at = strstr(at, word)); at++)
        if ((at == list || at[-1] == ' ') && (!at[length] || at[length] == ','))
            return true;
    return false;
}

static bool set_option(struct parser *parser, int i, const char *text)
{
    const struct option_row *row = &option_table[i];
    void *place = (char *)parser->options + row->offset;
    if (parser->given[i])
        REFUSE("--%s: given twice", row->name);
    parser->given[i] = true;
    switch (row->type) {
    case OPTION_SWITCH:
        *(bool *)place = true;
        break;
    case OPTION_TEXT:
        if (!*text)
            REFUSE("--%s: is empty; give it a %s", row->name, row->value);
        if (row->values && !is_listed(row->values, text))
            REFUSE("--%s: '%s' is not one of %s", row->name, text, row->values);
        *(const char **)place = text;
        break;
    case OPTION_U64:
        if (!text_to_u64(text, place) || *(uint64_t *)place > MOST_THREADS)
            REFUSE("--%s: '%s' is not a possible whole number (0 to %d)", row->name, text, MOST_THREADS);
        break;
    case OPTION_F64:
        if (!text_to_f64(text, place) || *(double *)place <= 0)
            REFUSE("--%s: '%s' is not a number above 0", row->name, text);
        break;
    case OPTION_SECONDS:
        if (!text_to_seconds(text, place) || *(double *)place <= 0)
            REFUSE("--%s: '%s' is not a time above 0; write seconds, or 90s, 15m, 2h", row->name, text);
        break;
    }
    return true;
}

static bool set_field(struct parser *parser, int field, const char *list)
{
    if (parser->axes.list[field])
        REFUSE("--%s: given twice; a comma list takes several values", option_of(&config_field[field]).text);
    axes_set(&parser->axes, field, list, 0);
    return true;
}

/* Sets *wants_help, or parser->error. */
static bool read_options(struct parser *parser, int argc, char **argv, bool *wants_help)
{
    int code;
    opterr = 0;
    optind = 0; /* glibc: start afresh */
    while ((code = getopt_long(argc, argv, parser->letters, parser->option, NULL)) != -1) {
        bool fine = true;
        if (code < CODE_OPTION && code != ':' && code != '?')
            code = code_of_letter(parser, code);
        if (code == 'h')
            *wants_help = true;
        else if (code >= CODE_FIELD)
            fine = set_field(parser, code - CODE_FIELD, optarg);
        else if (code >= CODE_OPTION)
            fine = set_option(parser, code - CODE_OPTION, optarg);
        else if (code == ':')
            REFUSE("%s: its value is missing", argv[optind - 1]);
        else if (optopt && optopt < CODE_OPTION)
            REFUSE("unknown option -%c; 'dpsweep %s --help' lists the valid ones", optopt, parser->command->name);
        else
            REFUSE("%s: takes no value", argv[optind - 1]);
        if (!fine)
            return false;
    }
    parser->options->file = (const char **)argv + optind;
    parser->options->n_files = argc - optind;
    return true;
}

static bool choose_secure_noise(struct parser *parser)
{
    const int field = (int)(config_field_find("noise_generator") - config_field);
    const char *name = noise_generator_name[NOISE_CHACHA20];
    if (parser->axes.list[field])
        REFUSE("--secure-noise is short for --noise-generator %s, and there is --noise-generator %s; leave one out",
               name, parser->axes.list[field]);
    return set_field(parser, field, name);
}

/* What a command cannot do without, and what contradicts. */
static bool check_together(struct parser *parser)
{
    const struct options *options = parser->options;
    const struct command_row *command = parser->command;
    if (options->secure_noise && !choose_secure_noise(parser))
        return false;
    if (options->n_files && command->files == NO_FILES)
        REFUSE("'%s': %s takes options only; 'dpsweep %s --help' lists them", options->file[0], command->name,
               command->name);
    if (command->files == ONE_FILE && options->n_files != 1)
        REFUSE("%s takes one file: dpsweep %s %s", command->name, command->name, command->usage);
    if (command->files == TWO_FILES && options->n_files != 2)
        REFUSE("%s takes two files: dpsweep %s %s", command->name, command->name, command->usage);
    if (command->files == SOME_FILES && options->n_files == 0)
        REFUSE("%s needs files: dpsweep %s %s", command->name, command->name, command->usage);
    if (command->command == COMMAND_EXPORT && (!options->format || !options->output))
        REFUSE("export: say what to write and where: dpsweep %s %s", command->name, command->usage);
    if (command->command == COMMAND_MERGE && !options->output)
        REFUSE("merge: say where the results go, -o FILE.h5");
    if (command->command == COMMAND_CHECK && !options->golden)
        REFUSE("check needs a reference: --golden FILE.h5");
    if (command->command == COMMAND_SWEEP && !options->output && !options->no_output)
        REFUSE("sweep: say where the results go, -o FILE.h5, or --no-output to print them only");
    if (command->command == COMMAND_LAUNCH && !options->output)
        REFUSE("launch: say where the results go, -o FILE.h5");
    if (options->output && options->no_output)
        REFUSE("--output and --no-output contradict each other; choose one");
    if (options->json && options->format && strcmp(options->format, "json") != 0)
        REFUSE("--json and --format %s contradict each other; choose one", options->format);
    if (options->pivot && options->columns)
        REFUSE("--pivot and --columns contradict each other; choose one");
    if (options->resume && options->overwrite)
        REFUSE("--resume and --overwrite contradict each other; choose one");
    if ((options->resume || options->overwrite) && !options->output)
        REFUSE("--resume and --overwrite are about a results file; name it with -o FILE.h5");
    if (options->measure && !options->frontier)
        REFUSE("--measure goes with --frontier");
    if (options->frontier && options->output)
        REFUSE("--frontier is printed, not kept; leave --output out");
    if (options->retry_failed && !options->resume)
        REFUSE("--retry-failed goes with --resume");
    return true;
}

/* ---- points -------------------------------------------------------------------------------------------------- */

/* What the command line says stands in place of what the file says. */
static void override(struct axes *section, const struct parser *parser)
{
    for (int i = 0; i < N_CONFIG_FIELDS; i++)
        if (parser->axes.list[i])
            axes_set(section, i, parser->axes.list[i], 0);
}

static bool append_file(struct parser *parser, struct sweep_points *points, const char *path)
{
    int n;
    char *text, title[512];
    struct axes *section = sweep_file_read(path, &n, &text, parser->error, sizeof parser->error);
    if (!section)
        return false;
    bool fine = true;
    for (int i = 0; i < n && fine; i++) {
        override(&section[i], parser);
        fine = points_append(points, &section[i], parser->error, sizeof parser->error);
    }
    snprintf(title, sizeof title, "; %s\n", path);
    points_add_text(points, title);
    points_add_text(points, text);
    sweep_file_free(section, n);
    free(text);
    return fine;
}

/* What the command line says of a field; NULL: nothing. */
static const char *given(const struct parser *parser, const char *field)
{
    return parser->axes.list[config_field_find(field) - config_field];
}

static bool refuse_list(struct parser *parser, size_t n)
{
    int i = 0;
    while (!parser->axes.list[i] || !strchr(parser->axes.list[i], ','))
        i++;
    REFUSE("--%s %s: %s measures one configuration, these are %zu; 'dpsweep sweep' takes them",
           option_of(&config_field[i]).text, parser->axes.list[i], parser->command->name, n);
}

static bool make_points(struct parser *parser, int argc, char **argv, struct sweep_points *points)
{
    struct options *options = parser->options;
    char *error = parser->error;
    const size_t bytes = sizeof parser->error;
    const char *target = given(parser, "target_epsilon");
    if (target && strcmp(target, "0") != 0 && given(parser, "noise_multiplier") &&
        parser->command->command != COMMAND_WORKER)
        REFUSE("--target-epsilon and --noise-multiplier contradict each other; choose one");
    for (int i = 0; i < options->n_files; i++)
        if (!append_file(parser, points, options->file[i]))
            return false;
    if (!options->n_files && !points_append(points, &parser->axes, error, bytes))
        return false;
    points_add_text(points, "; dpsweep");
    for (int i = 0; i < argc; i++) {
        points_add_text(points, " ");
        points_add_text(points, argv[i]);
    }
    points_add_text(points, "\n");
    if (parser->command->points == ONE_POINT && points->n != 1)
        return refuse_list(parser, points->n);
    size_t repeated = points_remove_repeated(points);
    if (repeated)
        log_warn("%zu of %zu points repeat others and are left out", repeated, points->n + repeated);
    if (options->shard && !shard_take(points, options->shard, error, bytes))
        return false;
    return parser->command->command == COMMAND_WORKER || points_check_data(points, error, bytes);
}

enum report_format options_report_format(const struct options *options)
{
    static const char *const name[] = {
        [REPORT_TEXT] = "text", [REPORT_MARKDOWN] = "markdown", [REPORT_CSV] = "csv", [REPORT_JSON] = "json",
    };
    enum report_format format = options->json ? REPORT_JSON : REPORT_TEXT;
    for (int i = 0; options->format && i <= REPORT_JSON; i++)
        if (strcmp(options->format, name[i]) == 0)
            format = i;
    return format;
}

int options_parse(const char *command, int argc, char **argv, struct options *options, struct sweep_points *points)
{
    struct parser *parser = &(struct parser){.command = command_find(command), .options = options};
    CHECK(parser->command && (parser->command->points == NO_POINTS) == !points && n_options < MOST_OPTIONS);
    bool wants_help = false;
    *options = (struct options){0};
    list_options(parser);
    bool fine = check_names(parser, argc, argv) && read_options(parser, argc, argv, &wants_help);
    if (fine && wants_help) {
        help_command(stdout, parser->command);
        axes_clear(&parser->axes);
        return EXIT_OK;
    }
    fine = fine && check_together(parser) && (!points || make_points(parser, argc, argv, points));
    axes_clear(&parser->axes);
    if (fine)
        return -1;
    log_error("%s", parser->error);
    if (points)
        sweep_points_clear(points);
    return EXIT_USAGE;
}
