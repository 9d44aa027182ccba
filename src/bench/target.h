/* target.h - the devices that `plan` predicts for: what memory a run may have there, how fast they are at best. */
#ifndef TARGET_H
#define TARGET_H
#include "../device/rates.h"
#include "../records/record.h"

struct target {
    char name[48];                 /* "h100-80g", "cpu:24g", "local" */
    char device[16];               /* the build whose bytes are right for it: "cpu" or "cuda" */
    double memory_bytes;           /* as its driver or system says */
    double kept_bytes;             /* of them, for driver, context and libraries, or the operating system */
    double fp32_flops_per_s, tf32_flops_per_s, bf16_flops_per_s; /* dense products, peak; NaN: not known */
    double bytes_per_s;            /* of its memory, peak */
    bool is_here;                  /* "local", of which there may be a profile */
};

/* Targets of a comma list ("local" if NULL), for runs of `threads` CPU threads.  False: `error` is one line that names
 * the known ones. */
enum { TARGETS_MOST = 16 };
bool targets_find(const char *list, int threads, struct target *, int *n, char *error, size_t error_bytes);

/* How fast products and kernels of this configuration, predicted last, are there. */
void target_rates(const struct target *, const struct config *, struct rates *);

/* What a run may take there at most: the rest of memory_bytes, or config_memory where that is less. */
double target_usable_bytes(const struct target *, const struct config *);
/* Is there no room for a run of these bytes, by config_memory or in share_bytes (0: not known)?  Then `why` says so in
 * one line, with the way out. */
bool target_refuses(const struct config *, double peak_bytes, double share_bytes, char *why, size_t why_bytes);
/* What one of `ranks` ranks on this host may take, as the target "local" has it; 0: not known (a GPU). */
double target_local_share(int ranks);
#endif
