/* choose.c - by rehearsal.  The dry clipped sum of a physical batch tells what it computes, and so its time
 * (device/rates.h), and how much memory it takes.  What storing a kind of layers saves is the difference of two such
 * sums of a model of one block.
 *
 * The knapsack: every layer may store its gradients, which takes m P_l numbers, or keep its output gradient, which
 * takes m T O numbers and time.  Layers leave the store in the order of seconds a byte until the rest fits (Dantzig
 * 1957).  Where bytes add up, such a choice is slower than the best one by less than one layer's seconds. */
#include "choose.h"

#include "../base/check.h"
#include "../device/ledger.h"
#include "../device/profile.h"
#include "rig.h"
#include "target.h"

#include <math.h>
#include <stdlib.h>

/* Estimates tell no two policies apart that differ by less. */
#define NEAR 1.02

/* For one m: the policy that stores all; its estimate; what is saved by that, cheapest first. */
struct size { struct policy all; double stored_s; struct layer_price price[PRICES]; };

struct search {
    const struct config *config;
    struct model_shape shape;
    int threads;
    struct rates rates;
    double budget_bytes;           /* of the clipped sum alone; infinite: none */
    struct choice *choice;
    struct size size[2 * SIZES_MOST]; /* for each m, with logits kept and formed again */
    int n_sizes;
};

/* ---- rehearsals ---------------------------------------------------------------------------------------------- */

/* n samples as a logical batch of their own, of a model of so many blocks. */
static struct config config_of(const struct search *s, int n, int layers)
{
    struct config c = *s->config;
    c.layers = (uint64_t)layers;
    c.batch_size = c.physical_batch_size = c.max_batch_size = (uint64_t)n;
    c.ranks_per_run = 1;
    return c;
}

static double seconds_of_calls(const struct rates *rates)
{
    double seconds = 0.0;
    size_t n;
    const struct call *call = work_calls(&n);
    for (size_t i = 0; i < n; i++)
        seconds += (double)call[i].count * rates_call_s(rates, &call[i]);
    return seconds;
}

static void rehearse(struct trainer *t, const struct batch *batch)
{
    ledger_rehearse_begin();
    ledger_start(PROGRAM_STEP);
    trainer_set_dropout(t);
    trainer_begin_sum(t, batch->n);
    work_reset();
    t->ops->clipped_grad(t, batch);
    ledger_finish();
    ledger_rehearse_end();
}

/* Seconds of n samples; peak_bytes may be NULL. */
static double rehearsed_s(const struct search *s, const struct policy *p, int n, int layers, uint64_t *peak_bytes)
{
    const struct config c = config_of(s, n, layers);
    struct rig rig;
    rig_begin_dry(&rig, &c, s->threads, p);
    const struct batch batch = batch_buffer_view(rig.buffer, n);
    rehearse(rig.trainer, &batch);
    if (peak_bytes) {
        CHECK(ledger_commit());
        *peak_bytes = ledger_reserved_peak();
    }
    rig_free(&rig);
    ledger_close();
    return seconds_of_calls(&s->rates);
}

/* ---- prices -------------------------------------------------------------------------------------------------- */

/* q, k and v cost the same. */
static const enum layer_kind priced[PRICES] = {KIND_Q, KIND_O, KIND_UP, KIND_DOWN, KIND_HEAD}; /* the head last */

static bool is_priced_as(enum layer_kind kind, enum layer_kind as)
{
    return kind == as || (as == KIND_Q && (kind == KIND_K || kind == KIND_V));
}

/* Embeddings keep dy: the gradient of a sample is V rows for the T that are not 0. */
static struct policy all_stored(int samples, int layers)
{
    struct policy p = {.samples = samples};
    for (int kind = KIND_Q; kind < N_LAYER_KINDS; kind++)
        p.stored[kind] = kind == KIND_HEAD ? 1 : layers;
    return p;
}

static double seconds_if_not_stored(const struct search *s, const struct policy *all, enum layer_kind kind,
    enum norm_mode norm)
{
    struct policy p = all_stored(all->samples, 1);
    p.keeps_logits = all->keeps_logits;
    p.stored[kind] = 0;
    p.norm[kind] = norm;
    return rehearsed_s(s, &p, p.samples, 1, NULL);
}

static void find_price(const struct search *s, const struct size *size, struct layer_price *price)
{
    const double D = s->shape.dim, V = s->shape.vocab, T = (double)s->config->seq_len, m = size->all.samples;
    const bool is_head = price->kind == KIND_HEAD;
    const double in = price->kind == KIND_DOWN ? 4 * D : D, out = price->kind == KIND_UP ? 4 * D : is_head ? V : D;
    price->gram_s = seconds_if_not_stored(s, &size->all, price->kind, NORM_GRAM) - size->stored_s;
    price->instantiate_s = seconds_if_not_stored(s, &size->all, price->kind, NORM_INSTANTIATE) - size->stored_s;
    price->store_bytes = m * in * out * sizeof(float);
    price->keep_bytes = is_head && !size->all.keeps_logits ? 0.0 : m * T * out * sizeof(float);
}

static void take_quicker_norm(struct policy *p, const struct layer_price *price)
{
    for (int kind = 0; kind < N_LAYER_KINDS; kind++)
        if (is_priced_as((enum layer_kind)kind, price->kind))
            p->norm[kind] = price->gram_s <= price->instantiate_s ? NORM_GRAM : NORM_INSTANTIATE;
}

static void find_prices(const struct search *s, struct size *size)
{
    const struct policy stored = all_stored(size->all.samples, 1);
    size->stored_s = rehearsed_s(s, &stored, stored.samples, 1, NULL);
    for (int i = 0; i < PRICES; i++) {
        size->price[i].kind = priced[i];
        find_price(s, size, &size->price[i]);
        take_quicker_norm(&size->all, &size->price[i]);
    }
}

static double keep_s(const struct layer_price *p)
{
    return fmin(p->gram_s, p->instantiate_s);
}

/* ---- the knapsack -------------------------------------------------------------------------------------------- */

/* Seconds for each byte that is won: what costs no time goes first, what wins no byte never goes. */
static double seconds_a_byte(const struct layer_price *p)
{
    const double bytes = p->store_bytes - p->keep_bytes;
    return keep_s(p) <= 0 ? 0.0 : bytes > 0 ? keep_s(p) / bytes : INFINITY;
}

static int cheapest_first(const void *a, const void *b)
{
    const double x = seconds_a_byte(a), y = seconds_a_byte(b);
    return (x > y) - (x < y);
}

/* The first n of all layers have left the store, in the order of prices; of a kind the upper blocks first. */
static struct policy without(const struct policy *all, const struct layer_price *price, int n, int layers)
{
    struct policy p = *all;
    for (int i = 0; i < PRICES; i++)
        for (int kind = 0; kind < N_LAYER_KINDS; kind++)
            if (is_priced_as((enum layer_kind)kind, price[i].kind)) {
                const int most = kind == KIND_HEAD ? 1 : layers, gone = n < most ? n : most;
                p.stored[kind] -= gone;
                n -= gone;
            }
    p.keeps_logits = p.keeps_logits && !p.stored[KIND_HEAD]; /* so that equal policies are equal */
    return p;
}

static int layers_that_gain(const struct layer_price *price, int layers, bool time)
{
    int n = 0;
    for (int i = 0; i < PRICES; i++)
        if (time ? keep_s(&price[i]) <= 0 : seconds_a_byte(&price[i]) < INFINITY)
            n += price[i].kind == KIND_HEAD ? 1 : price[i].kind == KIND_Q ? 3 * layers : layers;
    return n;
}

/* ---- alternatives -------------------------------------------------------------------------------------------- */

static bool fits(const struct search *s, const struct alternative *a)
{
    return (double)a->peak_bytes <= s->budget_bytes;
}

static struct alternative examine(const struct search *s, const struct policy *p)
{
    struct alternative a = {.policy = *p};
    a.clipped_s = rehearsed_s(s, p, (int)s->config->physical_batch_size, s->shape.layers, &a.peak_bytes);
    return a;
}

static struct alternative examine_without(const struct search *s, const struct size *size, int n)
{
    const struct policy p = without(&size->all, size->price, n, s->shape.layers);
    return examine(s, &p);
}

static void offer(const struct search *s, struct alternative a)
{
    struct choice *c = s->choice;
    for (int i = 0; i < c->n_alternatives; i++)
        if (policy_is(&a.policy, &c->alternative[i].policy))
            return;
    CHECK(c->n_alternatives < SIZES_MOST * FAMILIES);
    c->alternative[c->n_alternatives++] = a;
}

/* The first of the knapsack's sequence that fits. */
static void offer_knapsack(const struct search *s, const struct size *size)
{
    const int L = s->shape.layers, most = layers_that_gain(size->price, L, false);
    int n = layers_that_gain(size->price, L, true), too_few = n - 1;
    struct alternative a = examine_without(s, size, n);
    for (int step = 1; !fits(s, &a) && n < most; step *= 2) {
        too_few = n;
        n = n + step < most ? n + step : most;
        a = examine_without(s, size, n);
    }
    while (fits(s, &a) && n - too_few > 1) {
        const int middle = too_few + (n - too_few) / 2;
        const struct alternative b = examine_without(s, size, middle);
        if (fits(s, &b))
            n = middle, a = b;
        else
            too_few = middle;
    }
    offer(s, a);
}

static void offer_without_head(const struct search *s, const struct policy *all)
{
    struct policy p = *all;
    p.stored[KIND_HEAD] = 0;
    offer(s, examine(s, &p));
}

/* Not per layer: there the second pass has other gradients than the first below a tensor whose norm is not finite, for
 * then that tensor's input is cleared. */
static void offer_twice(const struct search *s, const struct policy *all)
{
    struct policy p = *all;
    if (strcmp(s->config->clipping, clipping_name[CLIPPING_PER_LAYER]) == 0)
        return;
    memset(p.stored, 0, sizeof p.stored);
    p.twice = true;
    offer(s, examine(s, &p));
}

/* Offers what does not depend on the budget. */
static void begin_size(struct search *s, int samples)
{
    struct size *kept = &s->size[s->n_sizes++], *again = &s->size[s->n_sizes++];
    kept->all = all_stored(samples, s->shape.layers);
    kept->all.keeps_logits = true;
    find_prices(s, kept);
    *again = *kept;
    again->all.keeps_logits = false;
    find_price(s, again, &again->price[PRICES - 1]);
    take_quicker_norm(&again->all, &again->price[PRICES - 1]);
    qsort(kept->price, PRICES, sizeof *kept->price, cheapest_first);
    qsort(again->price, PRICES, sizeof *again->price, cheapest_first);
    offer(s, examine(s, &again->all));
    offer_without_head(s, &kept->all);
    offer_without_head(s, &again->all);
    offer_twice(s, &again->all);
}

/* ---- the choice ---------------------------------------------------------------------------------------------- */

/* Of those that fit and are near the quickest, the one of least time times memory.  If none fits, the leanest. */
static const struct alternative *best(const struct search *s, bool *any_fits)
{
    const struct alternative *a = s->choice->alternative, *best = NULL;
    double least = INFINITY;
    const int n = s->choice->n_alternatives;
    double quickest_s = INFINITY;
    for (int i = 0; i < n; i++)
        if (fits(s, &a[i]))
            quickest_s = fmin(quickest_s, a[i].clipped_s);
    *any_fits = isfinite(quickest_s);
    for (int i = 0; i < n; i++) {
        const bool good = !*any_fits || (fits(s, &a[i]) && a[i].clipped_s <= NEAR * quickest_s);
        const double cost = (double)a[i].peak_bytes * (*any_fits ? a[i].clipped_s : 1.0);
        if (good && cost < least) {
            least = cost;
            best = &a[i];
        }
    }
    return best;
}

static uint64_t exact_peak(const struct search *s, const struct policy *p)
{
    struct rig rig;
    rig_create_dry(&rig, s->config, s->threads, p);
    const uint64_t peak = ledger_reserved_peak();
    rig_free(&rig);
    ledger_close();
    return peak;
}

/* False: nothing fits.  The whole configuration needs a little more than one clipped sum: if that is too much, the next
 * search has so much less, and so does not take the same policy again. */
static bool choose(struct search *s, int n_without_budget, double budget_bytes)
{
    bool any_fits;
    s->choice->n_alternatives = n_without_budget;
    for (int i = 0; i < s->n_sizes; i++)
        offer_knapsack(s, &s->size[i]);
    const struct alternative *chosen = best(s, &any_fits);
    s->choice->policy = chosen->policy;
    s->choice->peak_bytes = exact_peak(s, &chosen->policy);
    s->choice->fits = (double)s->choice->peak_bytes <= budget_bytes;
    s->budget_bytes = budget_bytes - ((double)s->choice->peak_bytes - (double)chosen->peak_bytes);
    return any_fits;
}

static const struct target *place; /* NULL: where the program runs, */
static double here_bytes;          /* and what a run may take here; 0: as one of one rank */

void choose_for(const struct target *target)
{
    place = target;
}

void choose_within(double bytes)
{
    here_bytes = bytes;
}

double choose_budget(const struct config *c)
{
    const double asked = config_memory(c) ? (double)config_memory(c) : INFINITY;
    const double here = here_bytes ? here_bytes : target_local_share(1);
    const double most = place ? target_usable_bytes(place, c) : here > 0 ? fmin(here, asked) : asked;
    return most > 0 ? most : INFINITY; /* nor is it, where nothing is known */
}

static void take_rates(struct search *s)
{
    struct device_info info;
    ledger_open(LEDGER_DRY, 0);
    device_open(s->threads);
    precision_set(rig_precision(s->config));
    device_describe(&info);
    if (place)
        target_rates(place, s->config, &s->rates);
    else
        profile_rates(info.threads, precision_now(), &s->rates);
    if (!(s->rates.product_s[GEMM_NT][PRODUCT_MNK] > 0)) /* they are not known there */
        rates_default(&s->rates, info.threads, precision_now());
    ledger_close();
}

void choose_policy(const struct config *c, int threads, struct choice *choice)
{
    const double budget = choose_budget(c);
    const int most = (int)c->physical_batch_size;
    struct search s = {.config = c, .threads = threads, .budget_bytes = budget, .choice = choice};
    memset(choice, 0, sizeof *choice);
    if (!trainer_find(c->trainer)->chooses)
        return;
    config_model_shape(c, &s.shape);
    take_rates(&s);
    for (int m = 1; m < most; m *= 2)
        begin_size(&s, m);
    begin_size(&s, most);
    const int n_without_budget = choice->n_alternatives;
    while (choose(&s, n_without_budget, budget) && !choice->fits)
        ;
    for (const struct size *z = s.size; z < s.size + s.n_sizes; z++)
        if (z->all.samples == choice->policy.samples && z->all.keeps_logits == choice->policy.keeps_logits)
            memcpy(choice->price, z->price, sizeof choice->price);
}
