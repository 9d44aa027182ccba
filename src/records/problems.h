/* problems.h - what is wrong, one line each, in the order in which it was found. */
#ifndef PROBLEMS_H
#define PROBLEMS_H
#include <stddef.h>

struct problems {
    char **line;
    size_t n;
};
void problem(struct problems *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void problems_clear(struct problems *);
#endif
