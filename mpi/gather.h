/* gather.h - tasks travel from rank 0 to the ranks, records back.  Rank 0 measures too, as one of them.
 * A task goes to one rank or to a group of them, which end together and give one record.
 *
 * Rank 0:       gather_start; gather_wait until a record comes; gather_stop at the end.
 * Other ranks:  gather_serve. */
#ifndef GATHER_H
#define GATHER_H
#include "worker.h"
#include "../src/base/log.h"

void gather_open(void);                          /* all ranks, before the rest: from here signals are caught */
void gather_serve(void);                         /* returns after gather_stop of rank 0 */

/* Rank 0: */
/* Gives each rank its GPU, for all that is started later.  Not EXIT_OK: one line said why not. */
enum exit_code gather_gpus(bool share);
struct gpu_facts {
    char name[128];                              /* of rank 0's */
    double largest_share_bytes;                  /* gpus_largest_share of all ranks */
};
const struct gpu_facts *gather_gpu_facts(void);  /* after gather_gpus; NULL: it was not called */
void gather_start(const struct task *);          /* on its members, which have nothing to do */
bool gather_wait(struct record *);   /* a few ms at most; true: the task whose first member is its rank has ended */
void gather_stop(void);                          /* ends the ranks; what they are measuring is lost */

int gather_signal(void);                         /* SIGTERM, SIGINT, SIGUSR1 or SIGHUP, once any rank got it; else 0 */
#endif
