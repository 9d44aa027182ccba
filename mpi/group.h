/* group.h - the ranks that train one configuration together (data parallel), as one member's process sees them.
 *
 * Members do the same in the same order: each calls the same functions below with the same sizes.  Everything here does
 * nothing in a group of one, in a dry ledger and in a rehearsal.
 * The process of a member is a child of its rank and knows no MPI: it speaks with its rank (channel.h), and the ranks
 * with one another (relay.h).  On GPUs vectors go from child to child over NCCL.  A member that dies or hangs never
 * leaves the others waiting: their ranks end them. */
#ifndef GROUP_H
#define GROUP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct group { int rank, size; };          /* this member's number, 0 .. size-1 */
const struct group *group(void);           /* {0, 1} before group_join and without it */

void group_join(void);                     /* first of all, in a child that was started as a member */
const char *group_absent(void);            /* NULL, or one line: why this build has no groups of several ranks */
void group_open(void);                     /* all members, after device_open and before device memory is counted */
void group_close(void);                    /* all members, before device_close */

/* The elements of a vector of n that belong to one of `size` members.  The parts are in the order of the members and
 * equally large, a multiple of 4 elements (a Philox block, 16 bytes), but for the last, which has the rest as well:
 * it is the largest. */
struct part { long begin, end; };
struct part group_part(long n, int rank, int size);

/* Vectors of floats in device memory, in place, enqueued like kernels. */
void group_sum(float *x, long n);            /* every member ends with the sum over members, the same bits on all */
/* A vector whose last parts are known before its first: each part is summed beside what is enqueued after it, which
 * must leave the part alone until the join.  All members hand over the same parts in the same order.  Only where
 * group_overlaps() says so (NCCL): elsewhere one group_sum is better. */
bool group_overlaps(void);
void group_sum_part(float *x, long n);
void group_sum_join(void);                   /* what is enqueued from now on sees the sums of all parts */
void group_reduce_scatter(float *x, long n); /* the own part becomes the sum; the rest is undefined */
void group_all_gather(float *x, long n);     /* every part becomes what its owner has there */

/* A few numbers of the host.  They wait for all members. */
void group_sum_host(double *x, int n);       /* the same bits on all members */
enum { GROUP_MOST_NUMBERS = 16 };
void group_max_host(double *x, int n);       /* n <= GROUP_MOST_NUMBERS; NaN counts as greater than all */
void group_share(void *x, size_t bytes);     /* all get what member 0 has: identities of libraries */

/* Bytes that each member had to send for the collectives on vectors so far, by the fewest that any algorithm can do
 * with: (size-1)/size of a vector for a reduce-scatter or an all-gather, twice that for a sum. */
uint64_t group_bytes(void);

enum { GROUP_MOST = 1024 };                  /* ranks of a group */
#endif
