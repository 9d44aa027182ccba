/* relay.h - the rank's side of a member of a group: does with the other ranks what its child asks for (channel.h).
 *
 *     relay_open  ->  the child gets the files of relay_files  ->  relay_look, again and again
 *     relay_leave, when the child has ended or been killed, however it did
 *     relay_look until relay_is_over: all ranks see that in the same round  ->  relay_close
 *
 * Before each request the ranks agree on it.  Who has no child any more says so instead, and that round is the last:
 * a member that dies never leaves the others waiting. */
#ifndef RELAY_H
#define RELAY_H
#include <stdbool.h>

struct relay;
/* All members, with the same list of their ranks in ascending order; waits for the others.  Never NULL. */
struct relay *relay_open(const int *rank, int n);
int relay_socket(const struct relay *);     /* for poll: the child asks for something; -1: it cannot any more */
void relay_files(const struct relay *, int *socket, int *memory); /* of the child */
void relay_started(struct relay *);         /* the child has its files */

/* One look at what there is to do.  True: it went on, or waits for other ranks; false: nothing is asked for. */
bool relay_look(struct relay *);
bool relay_child_waits(const struct relay *);  /* for an answer: what keeps it is in other ranks */
void relay_leave(struct relay *);
bool relay_is_over(const struct relay *);
void relay_close(struct relay *);           /* leaves if that has not been done, waits until it is over; NULL is fine */
#endif
