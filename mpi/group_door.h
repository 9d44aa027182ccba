/* group_door.h - the door that vectors of device memory go through: group_mpi.c (CPU) or group_nccl.c (GPU), of which
 * one is linked.  Called by group.c alone, never for a group of one, in a dry ledger or in a rehearsal; group.h says
 * what each does.  group_share and the host's collectives can be used in all of them. */
#ifndef GROUP_DOOR_H
#define GROUP_DOOR_H
#include <stdbool.h>

const char *door_absent(void);             /* NULL, or why there are no groups */
void door_open(void);
void door_close(void);
void door_sum(float *x, long n);
bool door_overlaps(void);                  /* false: the next two are never called */
void door_sum_part(float *x, long n);
void door_sum_join(void);
void door_reduce_scatter(float *x, long n);
void door_all_gather(float *x, long n);
#endif
