/* members.h - rank 0's book of which ranks run a configuration together, and the one record that is made of theirs. */
#ifndef MEMBERS_H
#define MEMBERS_H
#include "worker.h"

/* The members of a task have begun. */
void members_begin(const struct task *);
bool members_share(int rank, int other);       /* do these two run the same configuration now? */
/* Takes the record with which `rank` has ended; victim: it is about another member.  True: that was the last, and
 * *whole is the record of all:
 *   - of the first member that failed by its own fault, if one did; its message then names the rank;
 *   - else of member 0, with what is noted of the worst member: resident set, memory and its peaks.
 * Its rank is the first member's, its host names those of all. */
bool members_add(int rank, struct record *, bool victim, struct record *whole);
void members_forget(void);        /* what has not ended */
#endif
