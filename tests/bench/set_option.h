/* set_option.h - options of dpsweep run for the benches: what is trained, and nothing else. */
#ifndef SET_OPTION_H
#define SET_OPTION_H
#include "../../src/base/check.h"
#include "../../src/bench/config.h"

#include <string.h>

/* --batch-size 4.  Ends the program with one line if there is no such option or value. */
static inline void set_option(struct config *config, const char *option, const char *value)
{
    const struct field *field = strncmp(option, "--", 2) == 0 ? config_field_find(option + 2) : NULL;
    char error[512];
    if (!field)
        die(EXIT_USAGE, "%s: not an option of dpsweep run that says what is trained", option);
    if (!config_set(config, field, value, error, sizeof error))
        die(EXIT_USAGE, "%s", error);
}
#endif
