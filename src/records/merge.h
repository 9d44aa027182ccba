/* merge.h - the results of several sweeps, such as the tasks of a job array, as one. */
#ifndef MERGE_H
#define MERGE_H
#include "journal.h"

struct merge_summary {
    size_t n_repeated;           /* records left out: another one of the same configuration was kept */
    bool renumbered;             /* run_ids met, and were given anew in the order of the parts */
};

/* Moves the records of the parts into `merged`.  Of several results of one configuration the last successful one is
 * kept, or the last one that was measured at all.  The header says what the parts said, but for the name, uuid,
 * command line and configuration, which `merged` brings; it is complete if all parts are. */
struct merge_summary merge_states(struct sweep_state *part, size_t n, struct sweep_state *merged);
#endif
