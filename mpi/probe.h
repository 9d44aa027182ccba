/* probe.h - does this launch work?  What each rank is, and sums over ranks whose result is known. */
#ifndef PROBE_H
#define PROBE_H
#include <stdbool.h>

/* What a rank says of itself. */
struct rank_facts {
    char host[128], cores[128];    /* "0-3,8"; those it may run on */
    char program[128], library[128];
    char gpus[256];                /* "none", what it sees, or why it sees none */
};

/* All ranks; each waits at most PROBE_MOST_S seconds, then ends the job with a line that names the rank and what it
 * waited for. */
enum { PROBE_MOST_S = 30 };

/* facts (ranks) is filled on rank 0. */
void probe_gather(const struct rank_facts *mine, struct rank_facts *facts);

enum probe_ranks { PROBE_ALL, PROBE_HOST, PROBE_BETWEEN_HOSTS, N_PROBES };
extern const char *const probe_name[N_PROBES];
struct probe_sum {
    int most_ranks;                /* of the largest communicator of this kind; 1: nothing to add */
    bool right;                    /* on all ranks */
    double longest_s;              /* of the slowest rank */
};
struct probe_sum probe_sum(enum probe_ranks);    /* the same result on all ranks */
#endif
