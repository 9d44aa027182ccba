#include "privacy.h"

#include "../base/check.h"
#include "../privacy/poisson.h"
#include "../privacy/sampler.h"
#include "../trainers/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t steps_of(const struct config *c)
{
    return c->privacy_steps ? c->privacy_steps : c->wait_steps + c->warmup_steps + c->active_steps;
}

static bool is_private(const struct config *c)
{
    return trainer_find(c->trainer)->is_private;
}

static bool is_poisson(const struct config *c)
{
    return strcmp(c->sampling, sampling_name[SAMPLING_POISSON]) == 0;
}

/* ---- epsilon ------------------------------------------------------------------------------------------------- */

/* What epsilon depends on. */
struct question { struct privacy_phase phase; double delta, cut; /* chance of a cut batch, in one step */ };

static bool ask(const struct question *q, double delta, struct privacy_epsilon *e, char *error, size_t bytes)
{
    return accountant_epsilon(&q->phase, 1, delta, e, error, bytes);
}

/* What a cut batch may cost of delta, over all steps, where epsilon is at most `most`. */
static double price_of_cuts(double cut, uint64_t steps, double most)
{
    return (double)steps * cut * (1.0 + exp(most));
}

/* The chance that a batch is cut, with the record that a neighbour has more. */
static double chance_of_cut(const struct config *c, double rate, long n_records)
{
    return poisson_tail(rate, n_records + 1, (long)c->max_batch_size);
}

/* A little more than an epsilon: so much it may grow when delta becomes less by that price. */
static double at_most(double epsilon)
{
    return 1.01 * epsilon + 0.01;
}

#define TOO_LIKELY "batches larger than --max-batch-size are too likely for --delta; choose a larger one"

/* delta less the price of cut batches, for which epsilon at that delta is not above the epsilon it is computed with. */
static bool answer(const struct question *q, struct privacy_epsilon *e, char *error, size_t bytes)
{
    if (!ask(q, q->delta, e, error, bytes))
        return false;
    const double most = at_most(e->prv_upper), price = price_of_cuts(q->cut, q->phase.steps, most);
    if (!(price < q->delta / 2)) {
        snprintf(error, bytes, TOO_LIKELY);
        return false;
    }
    if (!ask(q, q->delta - price, e, error, bytes))
        return false;
    if (e->prv_upper > most) {
        snprintf(error, bytes, "epsilon changes too fast at this delta; choose a larger --max-batch-size");
        return false;
    }
    return true;
}

/* Answers so far: the points of a sweep ask the same again and again. */
struct answered { struct question question; struct privacy_epsilon epsilon; char error[TEXT_BYTES]; };

static const struct answered *answer_once(const struct question *q)
{
    static struct answered *known;
    static size_t n_known;
    for (size_t i = 0; i < n_known; i++)
        if (memcmp(&known[i].question, q, sizeof *q) == 0)
            return &known[i];
    known = realloc(known, (n_known + 1) * sizeof *known);
    CHECK(known);
    struct answered *a = &known[n_known++];
    *a = (struct answered){.question = *q};
    char error[512] = "";
    if (!answer(q, &a->epsilon, error, sizeof error))
        snprintf(a->error, sizeof a->error, "no number: %s", error);
    return a;
}

static void account(const struct config *c, struct privacy *p, long n_records)
{
    struct question q;
    memset(&q, 0, sizeof q); /* compared as bytes */
    q.phase = (struct privacy_phase){c->noise_multiplier, p->sample_rate, p->steps};
    q.delta = c->delta;
    q.cut = chance_of_cut(c, p->sample_rate, n_records);
    const struct answered *a = answer_once(&q);
    snprintf(p->guarantee, sizeof p->guarantee, "%s", a->error);
    if (a->error[0])
        return;
    p->epsilon = a->epsilon;
    const double not_less = 1.00001 * a->epsilon.prv_upper; /* in six digits */
    const bool is_secret = strcmp(c->noise_generator, noise_generator_name[NOISE_CHACHA20]) == 0;
    snprintf(p->guarantee, sizeof p->guarantee, "(%.6g, %g)-DP for %llu steps, one record added or removed%s", not_less,
             c->delta, (unsigned long long)p->steps, is_secret ? "" : ", if the seed stays secret");
}

struct privacy privacy_of(const struct config *c, long n_records)
{
    struct privacy p = {.sample_rate = NAN, .steps = steps_of(c), .epsilon = {NAN, NAN, NAN, NAN, false}};
    if (is_poisson(c))
        p.sample_rate = (double)c->batch_size / (double)n_records;
    if (!is_private(c))
        snprintf(p.guarantee, sizeof p.guarantee, "none: not a private trainer");
    else if (trainer_find(c->trainer)->is_control)
        snprintf(p.guarantee, sizeof p.guarantee, "none: a deliberately wrong trainer");
    else if (c->noise_multiplier == 0.0)
        snprintf(p.guarantee, sizeof p.guarantee, "none: no noise");
    else if (!is_poisson(c))
        snprintf(p.guarantee, sizeof p.guarantee, "no guarantee for this sampling: --sampling poisson has one");
    else
        account(c, &p, n_records);
    return p;
}

/* ---- calibration --------------------------------------------------------------------------------------------- */

bool privacy_calibrate(struct config *c, long n_records, char *error, size_t error_bytes)
{
    if (c->target_epsilon == 0.0 || !is_private(c))
        return true;
    if (!is_poisson(c)) {
        snprintf(error, error_bytes, "--target-epsilon: no epsilon holds for --sampling %s; choose poisson",
                 c->sampling);
        return false;
    }
    static struct { double target, rate, delta, noise; uint64_t steps; } last;
    const double rate = (double)c->batch_size / (double)n_records;
    const uint64_t steps = steps_of(c);
    const double cut = chance_of_cut(c, rate, n_records);
    const double price = price_of_cuts(cut, steps, at_most(c->target_epsilon)), delta = c->delta - price;
    if (!(price < c->delta / 2)) {
        snprintf(error, error_bytes, "--target-epsilon %g: " TOO_LIKELY, c->target_epsilon);
        return false;
    }
    char why[512];
    struct privacy_epsilon achieved;
    const bool again = last.target == c->target_epsilon && last.rate == rate && last.delta == delta &&
                       last.steps == steps;
    if (!again && !accountant_noise_multiplier(c->target_epsilon, rate, steps, delta, &last.noise, &achieved, why,
                                               sizeof why)) {
        snprintf(error, error_bytes, "--target-epsilon %g: %s%s", c->target_epsilon, why,
                 strcmp(c->data, "random") ? "" : "; --data random has no end: say --data random:RECORDS");
        return false;
    }
    last.target = c->target_epsilon;
    last.rate = rate;
    last.delta = delta;
    last.steps = steps;
    c->noise_multiplier = last.noise;
    return config_resolve_count_noise(c, error, error_bytes);
}
