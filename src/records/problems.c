#include "problems.h"

#include "buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void problem(struct problems *p, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    p->line = memory_resize(p->line, (p->n + 1) * sizeof *p->line);
    p->line[p->n++] = strcpy(memory_get(strlen(line) + 1), line);
}

void problems_clear(struct problems *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->line[i]);
    free(p->line);
    *p = (struct problems){0};
}
