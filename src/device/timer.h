/* timer.h - where the time of a step goes.
 *
 *     PHASE(NOISE) noise_add(...);        one statement or block; no break, return or goto out of it
 *
 * Phases nest: time is counted in the innermost one only, so that the phases of a step sum to its time.
 * Outside every phase time is counted nowhere.  On a GPU it is the time in which the device gets from one change of
 * phase to the next, and reading it waits for the device. */
#ifndef TIMER_H
#define TIMER_H

#define PHASE_LIST(X)                                                                  \
    X(DATA, data, "batch sampled, padded and copied to the device")                    \
    X(FORWARD, forward, "forward pass")                                                \
    X(BACKWARD, backward, "backward passes, with per-sample gradients where stored")   \
    X(NORM, norm, "per-sample gradient norms")                                         \
    X(CLIP, clip, "clipping coefficients and the sum of clipped gradients")            \
    X(AGGREGATE, aggregate, "sum over the ranks of a group")                           \
    X(NOISE, noise, "Gaussian noise, if not drawn in the update")                      \
    X(UPDATE, update, "optimizer, with the noise unless secure or in shares")

#define PHASE_ENUM(NAME, name, help) PHASE_##NAME,
enum phase { PHASE_LIST(PHASE_ENUM) N_PHASES };

extern const char *const phase_name[N_PHASES];

#define PHASE(NAME) for (int once_##NAME = timer_push(PHASE_##NAME); once_##NAME; once_##NAME = timer_pop())
/* The same for a phase that is a value. */
#define PHASE_OF(phase) for (int once_ = timer_push(phase); once_; once_ = timer_pop())

int timer_push(enum phase);      /* returns 1 */
int timer_pop(void);             /* returns 0 */
enum phase timer_phase(void);    /* the innermost open phase; N_PHASES outside all */
void timer_reset(void);          /* all sums to zero */
double timer_s(enum phase);      /* seconds since the last reset */

double clock_wall_s(void);       /* monotonic */
double clock_cpu_s(void);        /* CPU time of all threads of this process */
#endif
