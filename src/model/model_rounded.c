/* model_rounded.c - in bf16, a rounded copy of the weights of linear layers, made once for all products of a step.
 *
 * A weight is a factor of a product in each forward and each backward pass, of every physical batch.  Memory: 2 bytes a
 * weight, rows padded to 16 bytes. */
#include "../device/ledger.h"
#include "model_pass.h"

static long words_of(const struct layer *l)
{
    return l->ops == &layer_linear ? (long)l->out * BF16_ROW_WORDS(l->in) : 0;
}

bool rounded_create(struct model *m)
{
    long words = 0;
    if (precision_now() != PRECISION_BF16)
        return true;
    for (int i = 0; i < m->n_layers; i++)
        words += words_of(&m->layer[i]);
    m->params_bf16 = ledger_alloc(MEMORY_PARAMETERS, "weights in bf16", (size_t)words * sizeof *m->params_bf16);
    uint32_t *next = m->params_bf16;
    for (int i = 0; next && i < m->n_layers; i++)
        if (words_of(&m->layer[i])) {
            m->layer[i].weight_bf16 = next;
            next += words_of(&m->layer[i]);
        }
    return next != NULL;
}

void model_weights_changed(struct model *m)
{
    uint32_t *next = m->params_bf16;
    for (int i = 0; next && i < m->n_layers; i++) {
        const struct layer *l = &m->layer[i];
        if (words_of(l))
            KERNEL(to_bf16, l->weight, l->in, 0, next, 1, l->out, l->in);
        next += words_of(l);
    }
}
