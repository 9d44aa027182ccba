/* work.c - a list of distinct calls, found through a hash table of their indices.  A step of a transformer has
 * thousands of calls and some dozens of distinct ones, because its blocks are alike. */
#include "work.h"

#include "../base/check.h"
#include "device.h"
#include "ledger.h"

#include <stdint.h>
#include <stdlib.h>

static struct {
    struct call *call;           /* (n) */
    size_t n, room;
    size_t *slot;                /* (2 room): index + 1 of a call, 0: none */
    size_t live_bytes[N_PHASES + 1];
    bool apart;
    long turns;                  /* for which a call stands; 0 means 1 */
    double (*clock)(void);       /* NULL: calls are not timed */
    struct call *timed;          /* the one that goes on; NULL: none */
    double started_s;
} work;

void work_reset(void)
{
    work.n = 0;
    if (work.slot)
        memset(work.slot, 0, 2 * work.room * sizeof *work.slot);
    memset(work.live_bytes, 0, sizeof work.live_bytes);
    work.apart = false;
}

void work_set_apart(bool apart) { work.apart = apart; }

static uint64_t bits_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static bool same_product(const struct product *a, const struct product *b)
{
    return a->op == b->op && a->m == b->m && a->n == b->n && a->k == b->k && a->batch == b->batch;
}

/* The place in the hash table of an equal call, or the empty one where it belongs. */
static size_t *slot_of(const struct call *c)
{
    const struct product *p = &c->product;
    const uint64_t key = bits_of(c->flops) ^ bits_of(c->bytes) * 3 ^ (uint64_t)c->phase << 40 ^
                         (uint64_t)(p->m + 31 * p->n + 1009 * p->k) << 20;
    size_t at = (size_t)(key * 0x9e3779b97f4a7c15u >> 32) & (2 * work.room - 1);
    for (; work.slot[at]; at = (at + 1) & (2 * work.room - 1)) {
        const struct call *other = &work.call[work.slot[at] - 1];
        if (other->flops == c->flops && other->bytes == c->bytes && other->phase == c->phase &&
            same_product(&other->product, p) && strcmp(other->name, c->name) == 0)
            break;
    }
    return &work.slot[at];
}

static void grow(void)
{
    work.room = work.room ? 2 * work.room : 256;
    work.call = realloc(work.call, work.room * sizeof *work.call);
    free(work.slot);
    work.slot = calloc(2 * work.room, sizeof *work.slot);
    if (!work.call || !work.slot)
        die(EXIT_ENVIRONMENT, "out of host memory");
    for (size_t i = 0; i < work.n; i++)
        *slot_of(&work.call[i]) = i + 1;
}

static void add(struct call one)
{
    one.phase = work.apart ? N_PHASES : timer_phase();
    one.count = work_turns();
    if (work.n == work.room)
        grow();
    size_t *slot = slot_of(&one);
    if (*slot)
        work.call[*slot - 1].count += one.count;
    else
        work.call[(*slot = ++work.n) - 1] = one;
    if (ledger_live_bytes() > work.live_bytes[one.phase])
        work.live_bytes[one.phase] = ledger_live_bytes();
    if (work.clock) {
        device_sync();
        work.timed = &work.call[*slot - 1];
        work.started_s = work.clock();
    }
}

static bool is_one_turn_enough(int n)
{
    return n > 1 && (ledger_is_dry() || ledger_is_rehearsing());
}

long work_turns(void)
{
    return work.turns ? work.turns : 1;
}

int work_turns_begin(int n)
{
    if (!is_one_turn_enough(n))
        return n;
    work.turns = work_turns() * n;
    return 1;
}

void work_turns_end(int n)
{
    if (is_one_turn_enough(n))
        work.turns /= n;
}

void work_time(bool on)
{
    struct device_info info;
    device_describe(&info);
    work.clock = !on ? NULL : device_is_gpu() || info.threads > 1 ? clock_wall_s : clock_cpu_s;
    work.timed = NULL;
}

void work_ended(void)
{
    if (!work.timed)
        return;
    device_sync();
    work.timed->s += work.clock() - work.started_s;
    work.timed = NULL;
}

void work_add(const char *name, double bytes)
{
    add((struct call){.name = name, .bytes = bytes});
}

void work_add_product(struct product p, double bytes)
{
    const double flops = 2.0 * p.batch * (double)p.m * (double)p.n * (double)p.k;
    add((struct call){.name = "gemm", .product = p, .flops = flops, .bytes = bytes});
}

const struct call *work_calls(size_t *n)
{
    *n = work.n;
    return work.call;
}

double work_flops(void)
{
    double flops = 0.0;
    for (size_t i = 0; i < work.n; i++)
        flops += work.call[i].flops * (double)work.call[i].count;
    return flops;
}

size_t work_live_bytes(enum phase phase) { return work.live_bytes[phase]; }

bool gemm_count(const struct gemm *g)
{
    const struct product p = {g->op, g->m, g->n, g->k, g->batch > 1 ? g->batch : 1};
    const double m = (double)g->m, n = (double)g->n, k = (double)g->k;
    const double factor_bytes = precision_now() == PRECISION_BF16 ? 2 : 4;
    const double result_bytes = g->add ? 2 * sizeof(float) : sizeof(float);
    const bool any = m > 0 && n > 0 && k > 0;
    if (any)
        work_add_product(p, p.batch * (factor_bytes * (m * k + k * n) + result_bytes * m * n));
    return any;
}
