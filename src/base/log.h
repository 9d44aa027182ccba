/* log.h - what the program says on stderr, and the ways it ends.
 *
 * Every line names the program and, under a launcher, host and rank:  "dpsweep[node3:7]: error: ..."
 * One event is one line.  A terminal progress line, if any, is erased before a message and drawn again after it. */
#ifndef LOG_H
#define LOG_H
#include <stdbool.h>

enum exit_code {
    EXIT_OK = 0,          /* all ok, out of memory, or skipped */
    EXIT_SOME_FAILED = 1, /* some run invalid, crashed, failed or timed out; a comparison found a regression */
    EXIT_USAGE = 2,       /* the command line, a .sweep file or an input file is wrong */
    EXIT_ENVIRONMENT = 3, /* a library, device, disk or launcher does not do what is needed */
    EXIT_REQUEUE = 75,    /* stopped by a signal or --time-limit before all was measured: --resume goes on */
};

void log_context(const char *host, int rank); /* rank < 0: no launcher, lines carry neither host nor rank */
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The line that is overwritten in place when stderr is a terminal; NULL removes it.  Silent elsewhere. */
void log_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool log_is_terminal(void);

/* Says one line and ends this process with `code`. */
_Noreturn void die(enum exit_code code, const char *format, ...) __attribute__((format(printf, 2, 3)));
#endif
