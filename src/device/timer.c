#include "timer.h"

#include "../base/check.h"
#include "device.h"
#include "pulse.h"
#include "trace.h"

#include <time.h>

#define PHASE_TEXT(NAME, name, help) #name,
const char *const phase_name[N_PHASES] = {PHASE_LIST(PHASE_TEXT)};

enum { DEPTH = 8 };
_Static_assert((int)N_PHASES < (int)DEVICE_LANES, "each phase has a lane of the device, as has the time outside");
static struct {
    enum phase open[DEPTH];
    int depth;
} timer;

static double clock_s(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double clock_wall_s(void) { return clock_s(CLOCK_MONOTONIC); }
double clock_cpu_s(void) { return clock_s(CLOCK_PROCESS_CPUTIME_ID); }

/* Books the time since the last change to the innermost phase. */
static void book(void)
{
    device_lap((int)timer_phase());
}

int timer_push(enum phase phase)
{
    CHECK(timer.depth < DEPTH);
    book();
    timer.open[timer.depth++] = phase;
    pulse_phase(timer_phase());
    trace_change();
    return 1;
}

int timer_pop(void)
{
    CHECK(timer.depth > 0);
    book();
    timer.depth--;
    pulse_phase(timer_phase());
    trace_change();
    return 0;
}

enum phase timer_phase(void)
{
    return timer.depth ? timer.open[timer.depth - 1] : N_PHASES;
}

void timer_reset(void) { device_lap_reset(); }
double timer_s(enum phase phase) { return device_lap_s((int)phase); }
