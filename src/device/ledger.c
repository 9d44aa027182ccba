/* How: a program is a list of events, TAKE and RELEASE, each of a block.  A rehearsal appends events, a real step and
 * the further turns of a loop follow them with a cursor.  A block is alive between its two events; ledger_commit
 * places blocks, the largest first, each at the lowest offset where no block that lives at the same time is. */
#include "ledger.h"

#include "../base/check.h"
#include "device.h"
#include "timer.h"
#include "trace.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define KIND_TEXT(NAME, name, help) #name,
const char *const memory_kind_name[N_MEMORY_KINDS] = {MEMORY_KIND_LIST(KIND_TEXT)};

enum { ALIGNMENT = 256 };
#define DRY_ADDRESS ((char *)0x10000) /* never touched: only moved about */

struct block {
    enum memory_kind kind;
    const char *name;
    size_t bytes, offset;
    size_t first, last;              /* its events; last is SIZE_MAX as long as it has not been released */
};
struct event { size_t block; bool take; };
struct program_log {
    struct block *block;
    struct event *event;
    size_t n_blocks, n_events, block_room, event_room;
    size_t arena_bytes;
    size_t taken_bytes;              /* of all blocks: spreads their rehearsal addresses */
};
struct allocation { void *address; enum memory_kind kind; size_t bytes; };

static struct {
    enum ledger_mode mode;
    size_t limit_bytes;
    struct allocation *allocation;
    size_t n_allocations, allocation_room;
    size_t allocated_bytes, dry_bytes, reserved_peak;
    struct program_log program[N_PROGRAMS];
    char *arena;
    size_t arena_bytes;
    bool committed, rehearsing;
    /* the program that runs */
    struct program_log *now;
    size_t cursor;
    size_t *alive, n_alive, alive_room; /* grows in rehearsals only */
    size_t live[N_MEMORY_KINDS], live_bytes;
    size_t peak[N_MEMORY_KINDS], peak_bytes;
    enum phase peak_phase;           /* N_PHASES: outside all */
    char message[512];
} ledger;

static size_t aligned(size_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void *grown(void *array, size_t *room, size_t n, size_t item_bytes)
{
    if (n < *room)
        return array;
    *room = *room ? 2 * *room : 64;
    array = realloc(array, *room * item_bytes);
    if (!array)
        die(EXIT_ENVIRONMENT, "out of host memory for the ledger");
    return array;
}

static double mib(size_t bytes)
{
    return (double)bytes / (1 << 20);
}

/* ---- opening and closing ------------------------------------------------------------------------------------- */

void ledger_open(enum ledger_mode mode, size_t limit_bytes)
{
    ledger_close();
    ledger.mode = mode;
    ledger.limit_bytes = limit_bytes;
}

void ledger_close(void)
{
    ledger_retire();
    CHECK(ledger.allocated_bytes == 0);
    for (int i = 0; i < N_PROGRAMS; i++) {
        free(ledger.program[i].block);
        free(ledger.program[i].event);
    }
    free(ledger.alive);
    free(ledger.allocation);
    memset(&ledger, 0, sizeof ledger);
}

bool ledger_is_dry(void) { return ledger.mode == LEDGER_DRY; }
bool ledger_is_rehearsing(void) { return ledger.rehearsing; }
const char *ledger_message(void) { return ledger.message; }

/* ---- what is in use ------------------------------------------------------------------------------------------ */

/* Of equal peaks the first in a phase counts: the reference, which is outside, comes before or after the steps. */
static bool is_peak(enum phase phase)
{
    return ledger.live_bytes > ledger.peak_bytes ||
           (ledger.live_bytes == ledger.peak_bytes && ledger.peak_phase == N_PHASES && phase != N_PHASES);
}

static void live_add(enum memory_kind kind, size_t bytes)
{
    const enum phase phase = timer_phase();
    ledger.live[kind] += bytes;
    ledger.live_bytes += bytes;
    trace_change();
    if (!is_peak(phase))
        return;
    ledger.peak_bytes = ledger.live_bytes;
    ledger.peak_phase = phase;
    memcpy(ledger.peak, ledger.live, sizeof ledger.peak);
}

static void live_subtract(enum memory_kind kind, size_t bytes)
{
    ledger.live[kind] -= bytes;
    ledger.live_bytes -= bytes;
    trace_change();
}

/* Room for `bytes` more under the limit? */
static bool within_limit(const char *what, size_t bytes)
{
    const size_t total = ledger.allocated_bytes + bytes;
    if (ledger.limit_bytes && total > ledger.limit_bytes) {
        snprintf(ledger.message, sizeof ledger.message,
                 "%s needs %.1f MiB beside the %.1f MiB held: %.1f MiB more than the memory limit of %.1f MiB", what,
                 mib(bytes), mib(ledger.allocated_bytes), mib(total - ledger.limit_bytes), mib(ledger.limit_bytes));
        return false;
    }
    return true;
}

static void *get_memory(const char *what, size_t bytes)
{
    if (!within_limit(what, bytes))
        return NULL;
    void *address = DRY_ADDRESS + ledger.dry_bytes;
    if (ledger.mode == LEDGER_DRY)
        ledger.dry_bytes += aligned(bytes);
    else if (!(address = device_memory_get(bytes))) {
        snprintf(ledger.message, sizeof ledger.message, "%s needs %.1f MiB beside the %.1f MiB held: %s", what,
                 mib(bytes), mib(ledger.allocated_bytes), device_memory_message());
        return NULL;
    }
    ledger.allocated_bytes += bytes;
    if (ledger.allocated_bytes > ledger.reserved_peak)
        ledger.reserved_peak = ledger.allocated_bytes;
    return address;
}

static void return_memory(void *address, size_t bytes)
{
    ledger.allocated_bytes -= bytes;
    if (ledger.mode == LEDGER_REAL)
        device_memory_return(address, bytes);
}

/* ---- memory that lives as long as its owner ------------------------------------------------------------------ */

void *ledger_alloc(enum memory_kind kind, const char *name, size_t bytes)
{
    char what[128];
    snprintf(what, sizeof what, "%s '%s'", memory_kind_name[kind], name);
    bytes = aligned(bytes ? bytes : 1);
    void *address = get_memory(what, bytes);
    if (!address)
        return NULL;
    ledger.allocation =
        grown(ledger.allocation, &ledger.allocation_room, ledger.n_allocations, sizeof *ledger.allocation);
    ledger.allocation[ledger.n_allocations++] = (struct allocation){address, kind, bytes};
    live_add(kind, bytes);
    return address;
}

void ledger_free(void *address)
{
    if (!address)
        return;
    size_t i = 0;
    while (i < ledger.n_allocations && ledger.allocation[i].address != address)
        i++;
    CHECK(i < ledger.n_allocations);
    const struct allocation gone = ledger.allocation[i];
    ledger.allocation[i] = ledger.allocation[--ledger.n_allocations];
    live_subtract(gone.kind, gone.bytes);
    return_memory(gone.address, gone.bytes);
}

/* ---- rehearsal and placement --------------------------------------------------------------------------------- */

void ledger_rehearse_begin(void)
{
    CHECK(!ledger.committed && !ledger.rehearsing);
    ledger.rehearsing = true;
}

void ledger_rehearse_end(void)
{
    CHECK(!ledger.now);
    ledger.rehearsing = false;
}

static const struct program_log *sorted_log;
static int larger_first(const void *a, const void *b)
{
    const size_t i = *(const size_t *)a, j = *(const size_t *)b;
    const size_t x = sorted_log->block[i].bytes, y = sorted_log->block[j].bytes;
    return x != y ? (x < y) - (x > y) : (i > j) - (i < j);
}

/* The lowest offset at which `block` fits between the placed blocks that live when it does. */
static size_t lowest_free_offset(const struct block *block, const struct block **placed, size_t n_placed)
{
    size_t offset = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (size_t i = 0; i < n_placed; i++) {
            const struct block *other = placed[i];
            const bool together = block->first < other->last && other->first < block->last;
            if (together && offset < other->offset + other->bytes && other->offset < offset + block->bytes) {
                offset = other->offset + other->bytes;
                moved = true;
            }
        }
    }
    return offset;
}

static void place(struct program_log *log)
{
    size_t *order = malloc((log->n_blocks + 1) * sizeof *order);
    const struct block **placed = malloc((log->n_blocks + 1) * sizeof *placed);
    if (!order || !placed)
        die(EXIT_ENVIRONMENT, "out of host memory for the ledger");
    for (size_t i = 0; i < log->n_blocks; i++)
        order[i] = i;
    sorted_log = log;
    qsort(order, log->n_blocks, sizeof *order, larger_first);
    for (size_t i = 0; i < log->n_blocks; i++) {
        struct block *block = &log->block[order[i]];
        block->offset = lowest_free_offset(block, placed, i);
        placed[i] = block;
        if (block->offset + block->bytes > log->arena_bytes)
            log->arena_bytes = block->offset + block->bytes;
    }
    free(order);
    free(placed);
}

bool ledger_commit(void)
{
    CHECK(!ledger.committed && !ledger.rehearsing);
    size_t bytes = 0;
    for (int i = 0; i < N_PROGRAMS; i++) {
        place(&ledger.program[i]);
        if (ledger.program[i].arena_bytes > bytes)
            bytes = ledger.program[i].arena_bytes;
    }
    char what[160];
    snprintf(what, sizeof what, "a step (at its peak, in %s)", ledger_peak_phase());
    if (bytes && !(ledger.arena = get_memory(what, bytes)))
        return false;
    ledger.arena_bytes = bytes;
    ledger.committed = true;
    if (ledger.mode == LEDGER_REAL) { /* from here the peak is the one of real steps */
        ledger.peak_bytes = 0;
        live_add(MEMORY_WORKSPACE, 0);
    }
    return true;
}

void ledger_retire(void)
{
    if (ledger.arena)
        return_memory(ledger.arena, ledger.arena_bytes);
    ledger.arena = NULL;
    ledger.arena_bytes = 0;
    ledger.committed = false;
}

/* ---- a step -------------------------------------------------------------------------------------------------- */

void ledger_start(enum program program)
{
    CHECK(!ledger.now && (ledger.committed || ledger.rehearsing));
    ledger.now = &ledger.program[program];
    ledger.cursor = 0;
}

void ledger_finish(void)
{
    CHECK(ledger.n_alive == 0 && ledger.cursor == ledger.now->n_events);
    ledger.now = NULL;
}

size_t ledger_mark(void) { return ledger.cursor; }

void ledger_rewind(size_t mark)
{
    CHECK(mark <= ledger.cursor);
    ledger.cursor = mark;
}

static void *block_address(const struct block *block)
{
    return ledger.rehearsing ? DRY_ADDRESS + block->offset : ledger.arena + block->offset;
}

static void append_take(enum memory_kind kind, const char *name, size_t bytes)
{
    struct program_log *log = ledger.now;
    log->event = grown(log->event, &log->event_room, log->n_events, sizeof *log->event);
    log->block = grown(log->block, &log->block_room, log->n_blocks, sizeof *log->block);
    log->event[log->n_events] = (struct event){log->n_blocks, true};
    log->block[log->n_blocks++] = (struct block){.kind = kind, .name = name, .bytes = bytes,
        .offset = log->taken_bytes, .first = log->n_events++, .last = SIZE_MAX};
    log->taken_bytes += bytes;
}

void *ledger_take(enum memory_kind kind, const char *name, size_t bytes)
{
    struct program_log *log = ledger.now;
    CHECK(log != NULL);
    bytes = aligned(bytes ? bytes : 1);
    if (ledger.rehearsing && ledger.cursor == log->n_events)
        append_take(kind, name, bytes);
    CHECK(ledger.cursor < log->n_events && log->event[ledger.cursor].take);
    const size_t i = log->event[ledger.cursor++].block;
    struct block *block = &log->block[i];
    if (ledger.rehearsing && bytes > block->bytes)
        block->bytes = bytes; /* a further turn of a loop may need more than the first */
    CHECK(block->kind == kind && strcmp(block->name, name) == 0 && bytes <= block->bytes);
    ledger.alive = grown(ledger.alive, &ledger.alive_room, ledger.n_alive, sizeof *ledger.alive);
    ledger.alive[ledger.n_alive++] = i;
    live_add(kind, block->bytes);
    if (!ledger.rehearsing && ledger.mode == LEDGER_REAL)
        device_memory_poison(block_address(block), block->bytes);
    return block_address(block);
}

void ledger_release(void *address)
{
    if (!address)
        return;
    struct program_log *log = ledger.now;
    CHECK(log != NULL);
    size_t k = ledger.n_alive;
    while (k > 0 && block_address(&log->block[ledger.alive[k - 1]]) != address)
        k--;
    CHECK(k > 0);
    const size_t i = ledger.alive[k - 1];
    ledger.alive[k - 1] = ledger.alive[--ledger.n_alive];
    struct block *block = &log->block[i];
    if (ledger.rehearsing && ledger.cursor == log->n_events) {
        log->event = grown(log->event, &log->event_room, log->n_events, sizeof *log->event);
        block->last = log->n_events;
        log->event[log->n_events++] = (struct event){i, false};
    }
    CHECK(ledger.cursor < log->n_events && !log->event[ledger.cursor].take && log->event[ledger.cursor].block == i);
    ledger.cursor++;
    live_subtract(block->kind, block->bytes);
    if (!ledger.rehearsing && ledger.mode == LEDGER_REAL)
        device_memory_poison(address, block->bytes);
}

/* ---- figures ------------------------------------------------------------------------------------------------- */

size_t ledger_allocated(void) { return ledger.allocated_bytes; }
size_t ledger_reserved_peak(void) { return ledger.reserved_peak; }
size_t ledger_live(enum memory_kind kind) { return ledger.live[kind]; }
size_t ledger_live_bytes(void) { return ledger.live_bytes; }
size_t ledger_peak(enum memory_kind kind) { return ledger.peak[kind]; }
const char *ledger_peak_phase(void) { return ledger.peak_phase < N_PHASES ? phase_name[ledger.peak_phase] : "setup"; }
