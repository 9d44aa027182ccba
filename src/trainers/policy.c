#include "policy.h"

#include "../base/text.h"

#include <stdio.h>
#include <string.h>

#define LAYER_KIND_NAME(NAME, name) #name,
const char *const layer_kind_name[N_LAYER_KINDS] = {LAYER_KIND_LIST(LAYER_KIND_NAME)};

static bool is_in_blocks(enum layer_kind kind) { return kind >= KIND_Q && kind <= KIND_DOWN; }
static bool is_embedding(enum layer_kind kind) { return kind <= KIND_WPE; }

/* Of two tied layers the head decides for both.  N_LAYER_KINDS: a layernorm. */
static enum layer_kind kind_of(const struct layer *l)
{
    const char *dot = strrchr(l->name, '.'), *word = dot ? dot + 1 : l->name;
    int kind = 0;
    while (kind < N_LAYER_KINDS && strcmp(word, layer_kind_name[kind]) != 0)
        kind++;
    return l->tied ? KIND_HEAD : (enum layer_kind)kind;
}

/* Its place among those of its kind. */
static int number_of(const struct layer *l)
{
    int block = 0;
    return sscanf(l->name, "h.%d.", &block) == 1 ? block : 0;
}

int policy_layers(const struct model_shape *s, enum layer_kind kind)
{
    return is_in_blocks(kind) ? s->layers : 1;
}

bool policy_stores(const struct policy *p, const struct layer *l)
{
    const enum layer_kind kind = kind_of(l);
    return kind == N_LAYER_KINDS || number_of(l) < p->stored[kind];
}

enum norm_mode policy_norm(const struct policy *p, const struct layer *l)
{
    const enum layer_kind kind = kind_of(l);
    return kind == N_LAYER_KINDS ? NORM_INSTANTIATE : p->norm[kind];
}

bool policy_stores_blocks(const struct policy *p, int layers)
{
    for (int kind = KIND_Q; kind <= KIND_DOWN; kind++)
        if (p->stored[kind] < layers)
            return false;
    return true;
}

enum { ROWS = 512, GRAM_IS_CHEAP = 4 };

struct policy policy_default(const struct model_shape *s, int T)
{
    struct policy p = {.samples = T < ROWS ? ROWS / T : 1};
    for (int kind = 0; kind < N_LAYER_KINDS; kind++) {
        const int in = kind == KIND_DOWN ? 4 * s->dim : s->dim;
        const bool stores = !is_embedding((enum layer_kind)kind) && GRAM_IS_CHEAP * T >= in;
        p.stored[kind] = stores ? policy_layers(s, (enum layer_kind)kind) : 0;
        p.norm[kind] = NORM_GRAM;
    }
    return p;
}

/* ---- as text ------------------------------------------------------------------------------------------------- */

/* Kinds are listed under what some of their layers do. */
enum way { STORE, GRAM, INSTANTIATE, KEEP_DY, N_WAYS };

static int layers_that(const struct policy *p, const struct model_shape *s, enum way way, enum layer_kind kind)
{
    const bool tied = kind == KIND_WTE && s->arch == ARCH_GPT2;
    const int stored = p->stored[tied ? KIND_HEAD : kind], others = policy_layers(s, kind) - stored;
    if (way == STORE)
        return stored;
    if (way == KEEP_DY)
        return !p->twice && (is_embedding(kind) || (kind == KIND_HEAD && p->keeps_logits)) ? others : 0;
    if (is_embedding(kind))
        return 0;
    return way == (p->norm[kind] == NORM_GRAM ? GRAM : INSTANTIATE) ? others : 0;
}

void policy_text(const struct policy *p, const struct model_shape *s, char *text, size_t bytes)
{
    static const char *const way_name[N_WAYS] = {"store", "gram", "instantiate", "dy"};
    snprintf(text, bytes, "m=%d%s", p->samples, p->twice ? " twice" : "");
    for (int way = 0; way < N_WAYS; way++) {
        const char *before = way_name[way];
        for (int kind = 0; kind < N_LAYER_KINDS; kind++) {
            const int n = layers_that(p, s, (enum way)way, (enum layer_kind)kind);
            if (n == 0)
                continue;
            text_append(text, bytes, before == way_name[way] ? "; %s %s" : "%s%s", before, layer_kind_name[kind]);
            if (n < policy_layers(s, (enum layer_kind)kind))
                text_append(text, bytes, " %d/%d", n, policy_layers(s, (enum layer_kind)kind));
            before = ",";
        }
    }
}
