/* check.h - CHECK_X(call) for each library X.
 *
 * A failed call ends the process it happens in (the worker of one configuration, or its group) with one line that
 * names file:line, the call's text and the library's own words; the sweep records it and goes on. */
#ifndef CHECK_H
#define CHECK_H
#include "log.h"

#include <errno.h>
#include <string.h>

/* Makes a CHECK_X: `success` is what a good call returns, `words(status)` the library's text for a bad one. */
#define CHECK_GENERIC(status_type, call, success, words)                                             \
    do {                                                                                             \
        const status_type check_status_ = (call);                                                    \
        if (check_status_ != (success))                                                              \
            die(EXIT_ENVIRONMENT, "%s:%d: %s: %s", __FILE__, __LINE__, #call, words(check_status_)); \
    } while (0)

/* A condition of the program itself: its failure is a defect of dpsweep. */
#define CHECK(condition)                                                                                         \
    do {                                                                                                         \
        if (!(condition))                                                                                        \
            die(EXIT_ENVIRONMENT, "%s:%d: internal error: %s does not hold", __FILE__, __LINE__, #condition);    \
    } while (0)

/* A system call that returns a negative number and sets errno. */
#define CHECK_SYS(call)                                                                                   \
    do {                                                                                                  \
        if ((call) < 0)                                                                                   \
            die(EXIT_ENVIRONMENT, "%s:%d: %s: %s", __FILE__, __LINE__, #call, strerror(errno));           \
    } while (0)
#endif
