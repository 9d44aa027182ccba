/* progress.h - what a person who waits for a sweep sees on stderr. */
#ifndef PROGRESS_H
#define PROGRESS_H
#include "../records/record.h"

/* "12/28 ghost B=4 T=512 tiny on 2 ranks: 34.1 ms, 60,120 tokens/s, 123.0 MiB, VALID", or the status and why. */
void progress_say(const struct record *, size_t done, size_t n);

/* The line that a terminal shows in place.  left_s: estimate; NaN: none. */
void progress_show(size_t done, size_t n, size_t running, double left_s);
void progress_hide(void);
#endif
