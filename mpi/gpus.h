/* gpus.h - which GPU each rank measures on.
 *
 * A rank opens none itself: what it held there would be missing to the runs it starts.  It asks a child, `dpsweep info
 * --gpus`, which says a line for each GPU that is visible to it. */
#ifndef GPUS_H
#define GPUS_H

enum { GPUS_MOST = 16 };
struct gpu_list {
    int n;
    char id[GPUS_MOST][64];  /* the same in every process that sees this GPU */
    char name[GPUS_MOST][128];
    double memory_bytes[GPUS_MOST];
    char host[128];
    char error[512];         /* why there is none */
};
void gpus_ask(struct gpu_list *);

/* gpu[r] becomes the index in list[r] of rank r's GPU: of those it sees the one that the fewest ranks before it have,
 * the first of these.  So ranks that all see the same take one after another, and ranks that a scheduler has bound
 * take what they are bound to.  Returns how many ranks are on the GPU that has the most. */
int gpus_share_out(const struct gpu_list *list, int size, int *gpu);
/* The most that a run may have on the GPU of any of `size` ranks: its memory over the ranks on it. */
double gpus_largest_share(const struct gpu_list *list, int size, const int *gpu);
#endif
