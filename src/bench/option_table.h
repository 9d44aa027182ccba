/* option_table.h - the commands and their options: what options.c parses and help.c prints. */
#ifndef OPTION_TABLE_H
#define OPTION_TABLE_H
#include "options.h"

enum command {
    COMMAND_RUN = 1, COMMAND_SWEEP = 2, COMMAND_PLAN = 4, COMMAND_CHECK = 8, COMMAND_REPORT = 16, COMMAND_INFO = 32,
    COMMAND_WORKER = 64, /* what a sweep starts for each point; not for people */
    COMMAND_MERGE = 1 << 16, COMMAND_REBUILD = 1 << 17, COMMAND_VALIDATE = 1 << 18, COMMAND_COMPARE = 1 << 19,
    COMMAND_LAUNCH = 1 << 20, COMMAND_EXPORT = 1 << 21, COMMAND_ACCOUNTANT = 1 << 22, COMMAND_TUNE = 1 << 23
};

struct command_row {
    enum command command;
    const char *name, *usage, *summary;
    enum { NO_POINTS, ONE_POINT, MANY_POINTS } points; /* configurations: none, one, comma lists and .sweep files */
    enum { NO_FILES, ONE_FILE, TWO_FILES, SOME_FILES, SWEEP_FILES } files; /* what stands beside the options */
    const char *example;     /* NULL: the usage says enough */
};

struct option_row {
    unsigned commands;       /* the enum commands that take it */
    const char *name;        /* "output" */
    char letter;             /* 'o', or 0 */
    const char *value;       /* "FILE" for --help; NULL: a switch */
    const char *values;      /* the valid ones, "text, csv"; NULL: any */
    const char *help;
    enum { OPTION_SWITCH, OPTION_TEXT, OPTION_U64, OPTION_SECONDS, OPTION_F64 } type;
    size_t offset;           /* in struct options: bool, const char *, uint64_t or double */
};

extern const struct command_row command_table[];
extern const struct option_row option_table[];
extern const int n_commands, n_options;
const struct command_row *command_find(const char *name); /* NULL: unknown */
#endif
