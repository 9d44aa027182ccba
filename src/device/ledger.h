/* ledger.h - every byte of device memory, by kind, and where in the step it is alive.
 *
 * Two ways to get memory:
 *   ledger_alloc   for what lives as long as the model or the trainer: parameters, momentum, the gradient sum;
 *   ledger_take    for what lives a part of a step: activations, output gradients, workspaces.
 *
 * A step reads as if it allocated and freed, but it never does.  Before the first real step the same code is run once
 * as a rehearsal, in which the device computes nothing and the ledger writes down each take and release.
 * ledger_commit then gives takes that are never alive together the same bytes of one arena.  In a real step the k-th
 * take returns the place of the k-th rehearsed take: a mark moves, no memory does.  A step that departs from its
 * rehearsal stops the program.
 *
 * Dry (`plan`, the parent of a run): everything as above, but no memory at all is behind the addresses.  The bytes are
 * therefore the ones a real run will have, because they come from the same code.
 *
 * A program is one rehearsed sequence; programs share the arena.  A loop over equal bodies is rehearsed once:
 *     size_t mark = ledger_mark();
 *     for (...) { ledger_rewind(mark); body }
 * What a body takes it must release. */
#ifndef LEDGER_H
#define LEDGER_H
#include <stdbool.h>
#include <stddef.h>

#define MEMORY_KIND_LIST(X)                                                                     \
    X(PARAMETERS, parameters, "model weights")                                                  \
    X(GRADIENTS, gradients, "the sum of (clipped) gradients")                                   \
    X(PER_SAMPLE_GRADIENTS, per_sample_gradients, "per-sample gradients, norms, coefficients")  \
    X(ACTIVATIONS, activations, "what the forward pass keeps for the backward pass")            \
    X(OUTPUT_GRADIENTS, output_gradients, "gradients of layer outputs")                         \
    X(WORKSPACE, workspace, "scratch of kernels and libraries")                                 \
    X(OPTIMIZER, optimizer, "optimizer state")                                                  \
    X(DATA, data, "the batch")                                                                  \
    X(COMMUNICATION, communication, "buffers of collectives")

#define MEMORY_KIND_ENUM(NAME, name, help) MEMORY_##NAME,
enum memory_kind { MEMORY_KIND_LIST(MEMORY_KIND_ENUM) N_MEMORY_KINDS };
extern const char *const memory_kind_name[N_MEMORY_KINDS];

enum ledger_mode { LEDGER_REAL, LEDGER_DRY };
enum program { PROGRAM_STEP, PROGRAM_REFERENCE, PROGRAM_FIGURES, N_PROGRAMS };

void ledger_open(enum ledger_mode, size_t limit_bytes); /* 0: no limit.  Forgets all that was before. */
void ledger_close(void);                                /* gives the arena back; live bytes must be 0 */

/* NULL when the memory is not there or the limit would be passed: ledger_message() says which, how much, of what. */
void *ledger_alloc(enum memory_kind, const char *name, size_t bytes);
void ledger_free(void *);                               /* NULL is fine */

void ledger_rehearse_begin(void);                       /* takes are written down from here ... */
void ledger_rehearse_end(void);                         /* ... to here; any programs, in any order, repeated or not */
bool ledger_commit(void);                               /* places all programs, gets the arena; false as ledger_alloc */
void ledger_retire(void);                               /* gives the arena back, keeps what ledger_alloc gave */
void ledger_start(enum program);                        /* at the beginning of a program */
void ledger_finish(void);                               /* at its end: nothing is taken any more */

void *ledger_take(enum memory_kind, const char *name, size_t bytes);
void ledger_release(void *);                            /* NULL is fine */
size_t ledger_mark(void);
void ledger_rewind(size_t mark);

bool ledger_is_dry(void);
bool ledger_is_rehearsing(void);
size_t ledger_allocated(void);                          /* bytes by ledger_alloc now, plus the arena if committed */
size_t ledger_reserved_peak(void);                      /* the highest that was: what a limit is compared with */
size_t ledger_live(enum memory_kind);                   /* bytes of a kind in use at this point */
size_t ledger_live_bytes(void);                         /* of all kinds */
/* At the point of the step where the sum over kinds is highest: */
size_t ledger_peak(enum memory_kind);
const char *ledger_peak_phase(void);
const char *ledger_message(void);                       /* why the last allocation failed */
#endif
