/* choose.h - the policy of trainer auto: the quickest, by estimates, whose step fits into a budget of memory.
 *
 * For each number m of samples at a time, 1, 2, 4 ... and all, there are three families of policies:
 *     blocks are stored       the head is stored, or its output gradient is kept, or formed again
 *     free                    each layer is stored or its output gradient is kept: a knapsack.  The head as above
 *     twice                   nothing is stored or kept
 * Time and memory come from rehearsals, that is from the code of a step: of a micro-batch for the search, of the whole
 * configuration for what is chosen.  So a policy that is said to fit does fit, to the byte. */
#ifndef CHOOSE_H
#define CHOOSE_H
#include "../trainers/policy.h"
#include "target.h"

struct alternative {
    struct policy policy;
    double clipped_s;              /* estimated time of a step's clipped sum */
    uint64_t peak_bytes;           /* about: of the step alone, without verification */
};

/* What storing saves of a layer, for m samples. */
struct layer_price {
    enum layer_kind kind;
    double store_s, gram_s, instantiate_s;    /* store_s is 0: the others are differences to it */
    double store_bytes, keep_bytes;
};

enum { SIZES_MOST = 18, FAMILIES = 6, PRICES = 5 };
struct choice {
    struct policy policy;
    bool fits;                     /* no: it is the leanest */
    uint64_t peak_bytes;           /* exact */
    struct alternative alternative[SIZES_MOST * FAMILIES];
    int n_alternatives;
    struct layer_price price[PRICES];     /* for the m that was chosen */
};

/* Of a resolved configuration, for runs of so many threads.  All zeros for a trainer that does not choose. */
void choose_policy(const struct config *, int threads, struct choice *);
/* From here on policies are chosen for this device, its memory and its rates.  NULL, at first: for this one. */
void choose_for(const struct target *);
/* On this one so many bytes are for a run; 0: as much as there is. */
void choose_within(double bytes);
void choose_print(const struct choice *, const struct config *);   /* the alternatives, for people: choose_print.c */
/* config_memory, or what the device has; infinite: not known. */
double choose_budget(const struct config *);
#endif
