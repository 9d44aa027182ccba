/* work.h - what is asked of the device: its matrix products and kernels, by the phase in which they are called.
 *
 * Counted at the call, in rehearsals and dry ledgers as in real steps: so the work of a step is known without doing it,
 * and what is predicted and what is measured have the same FLOPs and bytes. */
#ifndef WORK_H
#define WORK_H
#include "timer.h"

#include <stdbool.h>
#include <stddef.h>

/* What device_gemm is asked for, see device.h: `batch` times C (m,n) = op(A) op(B). */
enum gemm_op { GEMM_NT, GEMM_NN, GEMM_TN, N_GEMM_OPS };
struct product {
    enum gemm_op op;
    long m, n, k;
    int batch;                   /* at least 1 */
};

struct call {                    /* equal calls count together */
    const char *name;            /* "gemm", or that of the kernel */
    enum phase phase;            /* N_PHASES: outside all */
    struct product product;      /* all zeros: a kernel */
    double flops;                /* of one: those of matrix products; kernels have none */
    double bytes;                /* of one: operands read and results written, as in kernels/kernel_bytes.h */
    long count;
    double s;                    /* all of them together took; counted only between work_time(true) and (false) */
};

void work_reset(void);                                        /* ... and nothing is set apart */
/* From here on calls count as outside all phases, whatever phase they are in: for what is done once, not in a step. */
void work_set_apart(bool);
void work_add(const char *name, double bytes);                /* a kernel; `name` is a literal */
void work_add_product(struct product, double bytes);          /* with 2 batch m n k FLOPs */

/* A loop over n equal bodies: where nothing is computed, in a rehearsal or a dry ledger, one turn is enough and what it
 * calls counts n times.  Returns how many turns to make, 0 for n = 0.  May be nested. */
int work_turns_begin(int n);
void work_turns_end(int n);
long work_turns(void);           /* for how many calls one stands at present */

/* Also time each call, for which the device is waited: CPU time where there is one thread, so that what else a machine
 * does counts little.  Real steps only. */
void work_time(bool);
void work_ended(void);           /* for the devices alone: the call that was added last has ended */

/* All since the last reset, (n) in the order of their first appearance; valid until the next call or reset. */
const struct call *work_calls(size_t *n);
double work_flops(void);           /* outside of phases included */
/* The most device memory in use while something of this phase is computed. */
size_t work_live_bytes(enum phase);
#endif
