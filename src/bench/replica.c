/* replica.c - weights are compared by a checksum of their bits, so that one rank need not see another's. */
#include "replica.h"

#include "../base/check.h"
#include "figures.h"

#include <stdlib.h>

/* FNV-1a over 32-bit words instead of bytes: one changed bit changes it, whatever the rest is. */
static uint64_t checksum_add(uint64_t sum, const uint32_t *word, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum = (sum ^ word[i]) * 0x100000001b3u;
    return sum;
}

static uint64_t checksum(const struct model *m)
{
    enum { CHUNK = 1 << 18 };
    uint64_t sum = 0xcbf29ce484222325u;
    uint32_t *host = calloc(CHUNK, sizeof *host);
    if (!host)
        die(EXIT_ENVIRONMENT, "out of host memory");
    for (long at = 0; at < m->n_params; at += CHUNK) {
        const size_t n = (size_t)(m->n_params - at < CHUNK ? m->n_params - at : CHUNK);
        device_copy_out(host, m->params + at, n * sizeof *host);
        sum = checksum_add(sum, host, n);
    }
    free(host);
    return sum;
}

bool replicas_are_equal(const struct model *m)
{
    if (group()->size == 1)
        return true;
    const uint64_t sum = checksum(m);
    const double high = (double)(sum >> 32), low = (double)(sum & 0xffffffff);
    double most[] = {high, -high, low, -low};
    group_max_host(most, 4);
    return most[0] == -most[1] && most[2] == -most[3];
}

double replica_projection(const struct model *m, uint64_t seed)
{
    struct figures f = figures_create(m->n_tensors);
    double projection = 0.0;
    figures_of(&f, m, m->params, seed);
    for (int p = 0; p < m->n_tensors; p++)
        projection += f.projection[(long)p * N_SIGNS];
    figures_free(&f);
    return projection;
}
