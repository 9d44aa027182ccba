/* inih reads the lines. It is fed from memory through a reader of ours that counts them, because its handler is not
 * told where a key stands. */
#include "sweep_file.h"

#include "../base/check.h"
#include "../base/text.h"

#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reading {
    const char *path, *rest;   /* rest of the file's text */
    int line, error_line;      /* of the key at hand; of `error` */
    bool line_too_long;
    struct axes *axes;         /* axes[0]: before the first section */
    int n;
    char section[64];
    char *error;               /* the first one */
    size_t error_bytes;
};

/* As fgets, from memory. */
static char *read_line(char *line, int bytes, void *stream)
{
    struct reading *reading = stream;
    size_t length = strcspn(reading->rest, "\n");
    bool has_end = reading->rest[length] == '\n';
    length += has_end;
    if (length == 0)
        return NULL;
    if (length > (size_t)bytes - 1) {
        length = (size_t)bytes - 1;
        reading->line_too_long = true;
    }
    memcpy(line, reading->rest, length);
    line[length] = '\0';
    reading->rest += length;
    reading->line++;
    return line;
}

__attribute__((format(printf, 2, 3))) static int refuse(struct reading *reading, const char *format, ...)
{
    if (reading->error[0])
        return 0;
    char why[512];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    snprintf(reading->error, reading->error_bytes, "%s:%d: %s", reading->path, reading->line, why);
    reading->error_line = reading->line;
    return 0;
}

static void begin_axes(struct reading *reading, const char *section)
{
    reading->axes = reallocarray(reading->axes, (size_t)reading->n + 1, sizeof *reading->axes);
    CHECK_SYS(reading->axes ? 0 : -1);
    struct axes *axes = &reading->axes[reading->n++];
    *axes = (struct axes){.first_line = reading->line, .file = strdup(reading->path)};
    snprintf(reading->section, sizeof reading->section, "%s", section);
    const struct axes *common = &reading->axes[0];
    if (axes == common)
        return;
    for (int i = 0; i < N_CONFIG_FIELDS; i++)
        if (common->list[i])
            axes_set(axes, i, common->list[i], common->line[i]);
}

static int refuse_key(struct reading *reading, const char *name)
{
    struct nearest near = {.word = name};
    for (int i = 0; i < N_CONFIG_FIELDS; i++)
        nearest_offer(&near, strchr(name, '_') ? config_field[i].name : option_of(&config_field[i]).text);
    return near.best[0] ? refuse(reading, "'%s' is not a key; did you mean '%s'?", name, near.best)
                        : refuse(reading, "'%s' is not a key; keys are the options in 'dpsweep run --help'", name);
}

/* inih's handler: 1 to go on, 0 for an error. */
static int on_key(void *user, const char *section, const char *name, const char *value)
{
    struct reading *reading = user;
    if (strcmp(section, reading->section) != 0)
        begin_axes(reading, section);
    struct axes *axes = &reading->axes[reading->n - 1];
    if (!axes->first_line)
        axes->first_line = reading->line;
    const struct field *field = config_field_find(name);
    if (!field)
        return refuse_key(reading, name);
    int i = (int)(field - config_field);
    if (axes->list[i] && axes->line[i] >= axes->first_line)
        return refuse(reading, "%s: given twice in this section; a list stands on one line", name);
    axes_set(axes, i, value, reading->line);
    return 1;
}

static char *read_file(const char *path, char *error, size_t error_bytes)
{
    FILE *file = fopen(path, "r");
    char *text = NULL;
    size_t bytes = 0;
    if (file) {
        errno = 0;
        if (getdelim(&text, &bytes, '\0', file) < 0 && !errno) { /* an empty file */
            free(text);
            text = strdup("");
        }
    }
    if (!file || !text || ferror(file)) {
        snprintf(error, error_bytes, "%s: %s", path, strerror(errno));
        free(text);
        text = NULL;
    }
    if (file)
        fclose(file);
    return text;
}

/* Axes[0], what stands before the sections, is a section itself only when there is no other. */
static struct axes *finish(struct reading *reading, int *n)
{
    *n = reading->n;
    if (reading->n > 1) {
        axes_clear(&reading->axes[0]);
        memmove(reading->axes, reading->axes + 1, (size_t)--*n * sizeof *reading->axes);
    }
    return reading->axes;
}

struct axes *sweep_file_read(const char *path, int *n, char **text, char *error, size_t error_bytes)
{
    error[0] = '\0';
    *text = read_file(path, error, error_bytes);
    if (!*text)
        return NULL;
    struct reading reading = {.path = path, .rest = *text, .error = error, .error_bytes = error_bytes};
    begin_axes(&reading, "");
    const int bad_line = ini_parse_stream(read_line, &reading, on_key, &reading); /* the first; 0: none */
    if (reading.line_too_long)
        snprintf(error, error_bytes, "%s: has a line of more than 198 letters", path);
    else if (bad_line > 0 && bad_line != reading.error_line)
        snprintf(error, error_bytes, "%s:%d: is neither a [section] nor key = list", path, bad_line);
    else if (!error[0] && reading.n == 1 && !reading.axes[0].first_line)
        snprintf(error, error_bytes, "%s: has no key = list in it", path);
    struct axes *axes = finish(&reading, n);
    if (!error[0])
        return axes;
    sweep_file_free(axes, *n);
    free(*text);
    *text = NULL;
    return NULL;
}

void sweep_file_free(struct axes *axes, int n)
{
    for (int i = 0; i < n; i++)
        axes_clear(&axes[i]);
    free(axes);
}
