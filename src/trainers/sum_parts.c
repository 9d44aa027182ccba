#include "sum_parts.h"

#include "../base/check.h"
#include "../device/timer.h"
#include "../../mpi/group.h"

#include <stdlib.h>

enum { LEAST_PART = 1 << 16 };  /* floats, 256 KiB: for fewer the time of a call is all latency */
enum { NOT_THE_LAST = -1 };

void sum_parts_create(struct sum_parts *p, const struct model *m)
{
    *p = (struct sum_parts){.model = m, .complete = calloc((size_t)m->n_tensors, sizeof *p->complete)};
    if (!p->complete)
        die(EXIT_ENVIRONMENT, "out of host memory");
}

void sum_parts_free(struct sum_parts *p)
{
    free(p->complete);
}

void sum_parts_begin(struct sum_parts *p, float *sum, bool wanted)
{
    p->sum = sum;
    p->wanted = wanted && group_overlaps();
    p->samples = NOT_THE_LAST;
    p->from = p->handed_over = p->model->n_tensors;
    for (int i = 0; i < p->model->n_tensors; i++)
        p->complete[i] = false;
}

void sum_parts_of(struct sum_parts *p, const struct batch *physical, bool last)
{
    p->samples = last ? physical->n : NOT_THE_LAST;
}

static long offset_of(const struct sum_parts *p, int tensor)
{
    return tensor < p->model->n_tensors ? p->model->tensor[tensor].offset : p->model->n_params;
}

/* All from this tensor on. */
static void hand_over(struct sum_parts *p, int tensor)
{
    const long begin = offset_of(p, tensor), n = offset_of(p, p->handed_over) - begin;
    if (n > 0)
        PHASE(AGGREGATE) group_sum_part(p->sum + begin, n);
    p->handed_over = tensor;
}

void sum_parts_grew(struct sum_parts *p, const struct layer *l, struct span s)
{
    if (!p->wanted || p->samples == NOT_THE_LAST || s.b0 + s.n < p->samples || !layer_completes(l))
        return;
    for (int i = 0; i < l->n_tensors; i++)
        p->complete[l->first_tensor + i] = true;
    while (p->from > 0 && p->complete[p->from - 1])
        p->from--;
    if (offset_of(p, p->handed_over) - offset_of(p, p->from) >= LEAST_PART)
        hand_over(p, p->from);
}

bool sum_parts_join(struct sum_parts *p)
{
    if (!p->wanted)
        return false;
    hand_over(p, 0);
    PHASE(AGGREGATE) group_sum_join();
    p->wanted = false;
    return true;
}
