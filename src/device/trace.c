/* How: each row stands for `every` changes in a row.  When all rows are taken, pairs become one and `every` doubles. */
#include "trace.h"

#include "device.h"

#include <string.h>

static struct {
    bool on;
    double start_s;
    struct trace_row row[TRACE_MOST_ROWS];
    size_t n, every, in_last;        /* rows; changes that a row stands for, and that the last one stands for so far */
} trace;

static uint64_t total(const struct trace_row *r)
{
    uint64_t bytes = 0;
    for (int k = 0; k < N_MEMORY_KINDS; k++)
        bytes += r->bytes[k];
    return bytes;
}

static const struct trace_row *larger(const struct trace_row *a, const struct trace_row *b)
{
    return total(b) > total(a) ? b : a;
}

static void thin_out(void)
{
    for (size_t i = 0; i < TRACE_MOST_ROWS / 2; i++)
        trace.row[i] = *larger(&trace.row[2 * i], &trace.row[2 * i + 1]);
    trace.n = TRACE_MOST_ROWS / 2;
    trace.every *= 2;
}

static struct trace_row state_now(void)
{
    device_sync();
    struct trace_row now = {.time_s = clock_wall_s() - trace.start_s, .phase = (uint64_t)timer_phase()};
    for (int k = 0; k < N_MEMORY_KINDS; k++)
        now.bytes[k] = ledger_live((enum memory_kind)k);
    return now;
}

void trace_change(void)
{
    if (!trace.on)
        return;
    const struct trace_row now = state_now();
    if (trace.in_last == trace.every || trace.n == 0) {
        if (trace.n == TRACE_MOST_ROWS)
            thin_out();
        trace.row[trace.n++] = now;
        trace.in_last = 1;
    } else {
        trace.row[trace.n - 1] = *larger(&trace.row[trace.n - 1], &now);
        trace.in_last++;
    }
}

void trace_begin(void)
{
    trace.on = true;
    trace.n = trace.in_last = 0;
    trace.every = 1;
    trace.start_s = clock_wall_s();
    trace_change();
}

size_t trace_end(struct trace_row row[TRACE_MOST_ROWS])
{
    trace.on = false;
    memcpy(row, trace.row, trace.n * sizeof *row);
    return trace.n;
}
