#include "optimizer.h"

#include "../device/device.h"
#include "../device/ledger.h"

const char *const optimizer_name[N_OPTIMIZERS] = {"sgd", "adamw"};

bool optimizer_create(struct optimizer *o, const struct optimizer_config *config, long n, long room)
{
    const size_t bytes = (size_t)room * sizeof(float);
    *o = (struct optimizer){.config = *config, .n = n};
    o->m = ledger_alloc(MEMORY_OPTIMIZER, config->kind == OPTIMIZER_SGD ? "momentum" : "first moment", bytes);
    if (o->m && config->kind == OPTIMIZER_ADAMW)
        o->v = ledger_alloc(MEMORY_OPTIMIZER, "second moment", bytes);
    return o->m && (o->v || config->kind == OPTIMIZER_SGD);
}

void optimizer_free(struct optimizer *o)
{
    ledger_free(o->v);
    ledger_free(o->m);
}

void optimizer_set(struct optimizer *o, double m, double v, int steps)
{
    KERNEL(fill, o->m, (float)m, o->n);
    if (o->v)
        KERNEL(fill, o->v, (float)v, o->n);
    o->step = steps;
}

void optimizer_reset(struct optimizer *o)
{
    optimizer_set(o, 0.0, 0.0, 0);
}

void optimizer_update(struct optimizer *o, float *w, const float *sum, double scale, struct drawn_noise noise)
{
    const struct optimizer_config *c = &o->config;
    const double momentum = sum == o->m ? 0.0 : c->momentum;
    o->step++;
    if (c->kind == OPTIMIZER_SGD)
        KERNEL(sgd, w, o->m, sum, (float)c->learning_rate, (float)momentum, (float)scale,
            (float)noise.std, noise.stream, noise.first, o->n);
    else
        KERNEL(adamw, w, o->m, o->v, sum, (float)c->learning_rate, (float)c->beta1, (float)c->beta2, (float)c->eps,
            (float)c->weight_decay, (float)scale, o->step, (float)noise.std, noise.stream, noise.first, o->n);
}

struct moment_factors optimizer_moment_factors(const struct optimizer_config *c)
{
    if (c->kind == OPTIMIZER_SGD)
        return (struct moment_factors){(float)c->momentum, 1.0};
    return (struct moment_factors){(float)c->beta1, 1.0f - (float)c->beta1};
}
