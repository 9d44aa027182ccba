#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char context[128];
static char progress[256];

void log_context(const char *host, int rank)
{
    if (rank < 0)
        context[0] = '\0';
    else
        snprintf(context, sizeof context, "[%s:%d]", host, rank);
}

bool log_is_terminal(void)
{
    return isatty(STDERR_FILENO);
}

static void show_progress(void)
{
    if (progress[0] && log_is_terminal())
        fprintf(stderr, "%s", progress);
}

static void say(const char *level, const char *format, va_list args)
{
    char line[4096];
    vsnprintf(line, sizeof line, format, args);
    fprintf(stderr, "%sdpsweep%s: %s%s\n", progress[0] && log_is_terminal() ? "\r\033[K" : "", context, level, line);
    show_progress();
}

#define SAY(level)                \
    va_list args;                 \
    va_start(args, format);       \
    say(level, format, args);     \
    va_end(args)

void log_error(const char *format, ...) { SAY("error: "); }
void log_warn(const char *format, ...) { SAY("warning: "); }
void log_info(const char *format, ...) { SAY(""); }

void log_progress(const char *format, ...)
{
    if (progress[0] && log_is_terminal())
        fprintf(stderr, "\r\033[K");
    progress[0] = '\0';
    if (!format)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(progress, sizeof progress, format, args);
    va_end(args);
    show_progress();
}

void die(enum exit_code code, const char *format, ...)
{
    SAY("error: ");
    exit(code);
}
