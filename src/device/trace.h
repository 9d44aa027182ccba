/* trace.h - one step, change by change: which phase it is in and how many bytes of each kind are in use.
 *
 * The ledger and the timer report here; between trace_begin and trace_end their reports become rows.  To give each
 * change its time the device is waited for, so a traced step is not one that is measured. */
#ifndef TRACE_H
#define TRACE_H
#include "ledger.h"
#include "timer.h"

#include <stdint.h>

struct trace_row {
    double time_s;                   /* since trace_begin */
    uint64_t phase;                  /* enum phase; N_PHASES: outside of all */
    uint64_t bytes[N_MEMORY_KINDS];  /* in use, from now on */
};

/* A step with more changes is thinned evenly: of neighbours the row stays in which more bytes are in use, so that the
 * peak is always there. */
enum { TRACE_MOST_ROWS = 256 };

void trace_begin(void);
size_t trace_end(struct trace_row row[TRACE_MOST_ROWS]); /* copies the rows, returns how many */
void trace_change(void);                                 /* for the ledger and the timer alone */
#endif
