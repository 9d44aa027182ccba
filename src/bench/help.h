/* help.h - what `dpsweep --help`, `dpsweep COMMAND --help` and docs/options.md say, from the tables. */
#ifndef HELP_H
#define HELP_H
#include "option_table.h"

#include <stdio.h>

void help_program(FILE *);
void help_command(FILE *, const struct command_row *);
void help_markdown(FILE *);                          /* docs/options.md */
void help_command_names(char *text, size_t bytes);   /* "run, sweep, plan" */
#endif
