#include "help.h"

#include "../base/text.h"
#include "../model/model.h"
#include "../trainers/trainer.h"
#include "choices.h"

#include <string.h>

/* The fields of a configuration in groups: each begins where config.h's list reaches its first field. */
static const struct group {
    const char *first_field, *heading;
} groups[] = {
    {"trainer", "What is trained"},
    {"recompute", "How it is computed"},
    {"optimizer", "Optimizer"},
    {"dropout", "Dropout, groups of ranks"},
    {"clipping", "Privacy"},
    {"data", "Data"},
    {"wait_steps", "Measurement"},
};

static const char *group_heading(const struct field *field)
{
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
        if (strcmp(field->name, groups[i].first_field) == 0)
            return groups[i].heading;
    return NULL;
}

static const char *value_word(const struct field *field)
{
    if (strcmp(field->unit, "byte") == 0)
        return "BYTES";
    return field->kind == FIELD_TEXT ? "NAME" : field->kind == FIELD_U64 ? "N" : "X";
}

/* ---- on the terminal ----------------------------------------------------------------------------------------- */

enum { OPTION_COLUMNS = 32, COMMAND_COLUMNS = 14, LINE_COLUMNS = 100 }; /* where words begin and end */

static void begin_line(FILE *out, int indent, int *column)
{
    fprintf(out, "\n%*s", indent, "");
    *column = indent;
}

/* Each with a blank before it but at the beginning of a line, and no further than LINE_COLUMNS. */
static void print_words(FILE *out, const char *text, int indent, int *column)
{
    for (size_t n; (n = strcspn(text, " ")); text += n + strspn(text + n, " ")) {
        if (*column + 1 + (int)n > LINE_COLUMNS)
            begin_line(out, indent, column);
        *column += fprintf(out, "%s%.*s", *column > indent ? " " : "", (int)n, text);
    }
}

/* "heading: words"; the words may go on at the beginning of lines. */
static void print_paragraph(FILE *out, const char *heading, const char *words)
{
    int column = fprintf(out, "%s", heading);
    print_words(out, words, 0, &column);
    fputc('\n', out);
}

/* "  --seed N                  help [remark]"; the remark on a line of its own where the line would be too long */
static void print_option(FILE *out, const char *option, const char *help, const char *remark)
{
    char bracketed[512] = "";
    int column = fprintf(out, "  %-*s  ", OPTION_COLUMNS - 4, option);
    if (*remark)
        snprintf(bracketed, sizeof bracketed, "[%s]", remark);
    print_words(out, help, OPTION_COLUMNS, &column);
    if (column + 1 + (int)strlen(bracketed) > LINE_COLUMNS)
        begin_line(out, OPTION_COLUMNS, &column);
    print_words(out, bracketed, OPTION_COLUMNS, &column);
    fputc('\n', out);
}

static void print_field(FILE *out, const struct field *field, bool takes_list)
{
    char option[96], remark[256];
    snprintf(option, sizeof option, "--%s %s%s", option_of(field).text, value_word(field), takes_list ? ",..." : "");
    config_values(field, remark, sizeof remark);
    if (field->default_text[0])
        text_append(remark, sizeof remark, "%sdefault: %s", remark[0] ? "; " : "", field->default_text);
    print_option(out, option, field->help, remark);
}

static void print_option_row(FILE *out, const struct option_row *row)
{
    char option[96] = "";
    if (row->letter)
        text_append(option, sizeof option, "-%c, ", row->letter);
    text_append(option, sizeof option, "--%s%s%s", row->name, row->value ? " " : "", row->value ? row->value : "");
    print_option(out, option, row->help, row->values ? row->values : "");
}

static void print_trainers(FILE *out)
{
    const struct trainer_ops *trainer;
    fprintf(out, "\nTrainers\n");
    for (int i = 0; (trainer = trainer_at(i)); i++) {
        char remark[96] = "";
        if (trainer->long_name)
            snprintf(remark, sizeof remark, "also: %s", trainer->long_name);
        if (trainer->is_control && (i == 0 || !trainer_at(i - 1)->is_control))
            fprintf(out, "\nNegative controls: deliberately wrong trainers, which must come out INVALID\n");
        print_option(out, trainer->name, trainer->summary, remark);
    }
}

/* "post-LN, V 1000, D 64, 2 layers, 4 heads, 256 positions, 0.2 M parameters" */
static void describe_shape(const struct model_shape *shape, char *text, size_t bytes)
{
    snprintf(text, bytes, "%s, V %d, D %d, %d layers, %d heads, %d positions, %.1f M parameters",
             arch_name[shape->arch], shape->vocab, shape->dim, shape->layers, shape->heads, shape->max_seq,
             1e-6 * (double)model_shape_params(shape));
}

static void print_models(FILE *out)
{
    const struct model_size *size;
    char shape[128];
    fprintf(out, "\nModels\n");
    for (int i = 0; (size = model_size_at(i)); i++) {
        describe_shape(&size->shape, shape, sizeof shape);
        print_option(out, size->name, shape, size->help);
    }
}

static void print_accountant_notes(FILE *out)
{
    fprintf(out, "\nComma lists of equal length are the phases of one history; a single value goes for all of them.\n\n"
                 "The numbers hold for one record added or removed, when every step draws its batch by Poisson\n"
                 "sampling (each record by itself with probability Q), clips every record's gradient and adds the\n"
                 "noise once.  Fixed-size and shuffled batches are not amplified by sampling like that.  What holds\n"
                 "for shuffled epochs of disjoint batches is --sample-rate 1 --steps EPOCHS, and for one record\n"
                 "replaced by an empty one.\n\n"
                 "State prv_upper.  rdp is an upper bound too; gdp is no bound.  docs/privacy.md says more.\n");
}

static const char *what_is_bad(enum command command)
{
    return command == COMMAND_VALIDATE  ? "the results are not sound"
           : command == COMMAND_COMPARE ? "something became worse"
           : command == COMMAND_CHECK   ? "a trainer is wrong"
                                        : "a run failed or is INVALID";
}

static void print_exit_codes(FILE *out, enum command command)
{
    const bool measures = command & (COMMAND_RUN | COMMAND_SWEEP | COMMAND_LAUNCH);
    const bool judges = measures || command & (COMMAND_PLAN | COMMAND_CHECK | COMMAND_VALIDATE | COMMAND_COMPARE);
    char codes[512] = "0 all well";
    if (measures)
        text_append(codes, sizeof codes, " (or out of memory, which is a result)");
    if (judges)
        text_append(codes, sizeof codes, ", 1 %s", what_is_bad(command));
    text_append(codes, sizeof codes, ", 2 wrong usage, 3 the environment does not do what is needed%s.",
                measures ? ", 75 stopped early: --resume goes on" : "");
    print_paragraph(out, "\nExit codes:", codes);
}

void help_command(FILE *out, const struct command_row *command)
{
    const bool takes_list = command->points == MANY_POINTS;
    char name[32];
    snprintf(name, sizeof name, "dpsweep %s -", command->name);
    print_paragraph(out, name, command->summary);
    fprintf(out, "\nusage: dpsweep %s %s\n", command->name, command->usage);
    if (command->example)
        fprintf(out, "  e.g. %s\n", command->example);
    if (takes_list)
        fprintf(out, "\nOptions with ,... take a comma list; every combination is one configuration.  A .sweep file\n"
                     "says the same: key = list, in sections that are added up; options replace what it says.\n");
    for (int i = 0; i < N_CONFIG_FIELDS && command->points != NO_POINTS; i++) {
        if (group_heading(&config_field[i]))
            fprintf(out, "\n%s\n", group_heading(&config_field[i]));
        print_field(out, &config_field[i], takes_list);
    }
    fprintf(out, "\nOutput and control\n");
    for (int i = 0; i < n_options; i++)
        if (option_table[i].commands & command->command)
            print_option_row(out, &option_table[i]);
    print_option(out, "-h, --help", "print this", "");
    if (command->points != NO_POINTS) {
        print_trainers(out);
        print_models(out);
    }
    if (command->command == COMMAND_ACCOUNTANT)
        print_accountant_notes(out);
    print_exit_codes(out, command->command);
}

void help_command_names(char *text, size_t bytes)
{
    text[0] = '\0';
    for (int i = 0; i < n_commands; i++)
        if (command_table[i].command != COMMAND_WORKER)
            text_append(text, bytes, "%s%s", i ? ", " : "", command_table[i].name);
}

void help_program(FILE *out)
{
    fprintf(out, "dpsweep - benchmark differentially private training of language models, every result checked\n\n"
                 "usage: dpsweep COMMAND [options]\n\n");
    for (int i = 0, column; i < n_commands; i++) {
        if (command_table[i].command == COMMAND_WORKER)
            continue;
        column = fprintf(out, "  %-*s  ", COMMAND_COLUMNS - 4, command_table[i].name);
        print_words(out, command_table[i].summary, COMMAND_COLUMNS, &column);
        fputc('\n', out);
    }
    fprintf(out, "\n'dpsweep COMMAND --help' lists the options of a command, 'dpsweep --version' the version.\n");
}

/* ---- docs/options.md ----------------------------------------------------------------------------------------- */

/* The build decides about the device: the page is the same for all of them. */
static void markdown_field(FILE *out, const struct field *field)
{
    char values[256];
    bool is_device = strcmp(field->name, "device") == 0;
    config_values(field, values, sizeof values);
    fprintf(out, "| `--%s` | %s | %s | %s |\n", option_of(field).text, is_device ? "as built: cpu or cuda" : values,
            is_device ? "as built" : field->default_text, field->help);
}

static void markdown_fields(FILE *out)
{
    for (int i = 0; i < N_CONFIG_FIELDS; i++) {
        if (group_heading(&config_field[i]))
            fprintf(out, "\n## %s\n\n| option | values | default | meaning |\n|---|---|---|---|\n",
                    group_heading(&config_field[i]));
        markdown_field(out, &config_field[i]);
    }
}

static void markdown_command(FILE *out, const struct command_row *command)
{
    fprintf(out, "\n## dpsweep %s\n\n%c%s.\n\n    dpsweep %s %s\n", command->name, command->summary[0] - 'a' + 'A',
            command->summary + 1, command->name, command->usage);
    if (command->example)
        fprintf(out, "    %s\n", command->example);
    fputc('\n', out);
    if (command->points != NO_POINTS)
        fprintf(out, "All options above%s, and:\n\n", command->points == MANY_POINTS ? ", with comma lists" : "");
    fprintf(out, "| option | meaning |\n|---|---|\n");
    for (int i = 0; i < n_options; i++) {
        const struct option_row *row = &option_table[i];
        if (!(row->commands & command->command))
            continue;
        fprintf(out, "| `--%s%s%s`", row->name, row->value ? " " : "", row->value ? row->value : "");
        if (row->letter)
            fprintf(out, ", `-%c`", row->letter);
        fprintf(out, " | %s%s%s |\n", row->help, row->values ? ": " : "", row->values ? row->values : "");
    }
}

static void markdown_trainers(FILE *out)
{
    const struct trainer_ops *trainer;
    fprintf(out, "\n## Trainers\n\n| name | also | |\n|---|---|---|\n");
    for (int i = 0; (trainer = trainer_at(i)); i++)
        fprintf(out, "| `%s` | %s | %s%s |\n", trainer->name, trainer->long_name ? trainer->long_name : "",
                trainer->is_control ? "negative control, must come out INVALID: " : "", trainer->summary);
}

static void markdown_models(FILE *out)
{
    const struct model_size *size;
    char shape[128];
    fprintf(out, "\n## Models\n\n| name | shape | |\n|---|---|---|\n");
    for (int i = 0; (size = model_size_at(i)); i++) {
        describe_shape(&size->shape, shape, sizeof shape);
        fprintf(out, "| `%s` | %s | %s |\n", size->name, shape, size->help);
    }
}

void help_markdown(FILE *out)
{
    fprintf(out, "# Options\n\nPrinted by `dpsweep info --options`; do not edit.\n\n"
                 "These options describe one configuration.  `run` takes one value of each; `sweep` and `plan` take\n"
                 "comma lists and measure every combination.  Their names, with dashes or underscores, are the keys\n"
                 "of .sweep files and the columns of the results.\n");
    markdown_fields(out);
    markdown_trainers(out);
    markdown_models(out);
    for (int i = 0; i < n_commands; i++)
        if (command_table[i].command != COMMAND_WORKER)
            markdown_command(out, &command_table[i]);
}
