/* pulse.h - how far a run has come, in memory that another process reads while it runs: where a run hangs or died is
 * known without its help.
 *
 * The run says where it is; without pulse_share nobody hears it.  The rank that started it reads. */
#ifndef PULSE_H
#define PULSE_H
#include <stddef.h>
#include <stdint.h>

#define PART_LIST(X)                          \
    X(PREPARATION, "the preparation")         \
    X(VERIFICATION, "the verification")       \
    X(STEPS, "step")                          \
    X(END, "the end, after all steps")
#define PART_ENUM(NAME, words) PART_##NAME,
enum run_part { PART_LIST(PART_ENUM) N_PARTS };

struct pulse {
    _Atomic uint32_t part, phase;             /* enum run_part; enum phase, N_PHASES between them */
    _Atomic uint64_t step, beats;             /* beats: changes of any of these */
};

struct pulse *pulse_create(int *fd);          /* the reader's; fd is for the run, and the caller's to close */
void pulse_free(struct pulse *);              /* NULL is fine */
void pulse_words(const struct pulse *, char *text, size_t bytes); /* "in backward of step 12" */

void pulse_share(int fd);                     /* the run, before the rest: writes there from now on; closes fd */
void pulse_part(enum run_part);
void pulse_step(uint64_t);
void pulse_phase(uint32_t phase);             /* by the timer */
#endif
