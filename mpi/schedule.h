/* schedule.h - which configuration is measured next.  Decides only; gather.h carries it out. */
#ifndef SCHEDULE_H
#define SCHEDULE_H
#include "../src/records/record.h"

/* What the dry run says, see run.h. */
struct prediction {
    uint64_t n_params, peak_bytes, kind_bytes[N_MEMORY_KINDS];
    double flops;                        /* of one step */
    double step_s, run_s;                /* estimated; of all steps and verification */
    char policy[TEXT_BYTES];             /* of a trainer that chooses; else "" */
};

/* A configuration of the sweep and how far it has come. */
struct point {
    const struct config *config;         /* borrowed */
    char config_sha256[65];
    uint64_t run_id, attempt;            /* attempt: of the next start */
    uint64_t vain_starts;                /* starts since the last result, of earlier jobs */
    uint64_t retries;                    /* of this job */
    struct prediction predicted;
    enum point_state { POINT_WAITING, POINT_RUNNING, POINT_DONE } state;
};

/* Zero for configurations that are compared with one another: equal model, batch, sequence and number of ranks. */
int schedule_compare_shape(const struct config *, const struct config *);

/* Sorts.  Configurations that are compared with one another stand together, one of each trainer in turn, so that drift
 * of the machine hits all trainers alike.  The costliest group is first, so that no rank begins it when the others are
 * done; with ORDER_SHORTEST it is last, so that much is known soon.  What needs many ranks is before what needs few.
 * ORDER_LISTED leaves all as it is. */
enum order { ORDER_LONGEST, ORDER_SHORTEST, ORDER_LISTED };
void schedule_order(struct point *, size_t n, enum order);

/* Points in the order of measurement, and how far the hand-out has come. */
struct schedule {
    struct point *point;                 /* (n), borrowed */
    size_t n, first;                     /* none before `first` waits */
};
/* The first that waits; NULL: none.  A whole sweep of them costs O(n). */
struct point *schedule_next(struct schedule *);
void schedule_again(struct schedule *, struct point *);    /* it waits once more */
/* The first that waits and needs no more than `idle` ranks; NULL: none.  One that needs more is passed over only while
 * something runs on as many ranks as it needs: their end is its turn, so nothing waits for ever. */
struct point *schedule_fitting(struct schedule *, int idle, int largest_running);

/* Chooses n of the idle ranks (at least n of `size` are): on as few hosts as possible, neighbours where possible.
 * chosen (n) becomes their numbers, ascending. */
void schedule_ranks(const bool *idle, const int *host_of, int size, int n, int *chosen);

/* True when `ended` ran out of real memory and `waiting` needs no less of it on the same device.  A run that its own
 * --memory-limit stopped says nothing about others. */
bool schedule_is_hopeless(const struct point *waiting, const struct record *ended);
#endif
