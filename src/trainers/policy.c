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

bool policy_is(const struct policy *a, const struct policy *b)
{
    return a->samples == b->samples && memcmp(a->stored, b->stored, sizeof a->stored) == 0 &&
           memcmp(a->norm, b->norm, sizeof a->norm) == 0 && a->keeps_logits == b->keeps_logits && a->twice == b->twice;
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
static const char *const way_name[N_WAYS] = {"store", "gram", "instantiate", "dy"};

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

/* "up 5/8": a kind, and how many of them. */
static bool read_kind(const char *item, enum way way, const struct model_shape *s, struct policy *p)
{
    char name[16];
    int kind = 0, n = 0;
    const int words = sscanf(item, "%15s %d", name, &n);
    while (words > 0 && kind < N_LAYER_KINDS && strcmp(name, layer_kind_name[kind]) != 0)
        kind++;
    if (words < 1 || kind == N_LAYER_KINDS)
        return false;
    if (way == STORE)
        p->stored[kind] = words == 2 ? n : policy_layers(s, (enum layer_kind)kind);
    else if (way == KEEP_DY)
        p->keeps_logits |= kind == KIND_HEAD;
    else
        p->norm[kind] = way == GRAM ? NORM_GRAM : NORM_INSTANTIATE;
    return true;
}

/* "store q,k,v,up 5/8" */
static bool read_way(char *part, const struct model_shape *s, struct policy *p)
{
    char *rest;
    const char *word = strtok_r(part, " ", &rest);
    int way = 0;
    while (word && way < N_WAYS && strcmp(word, way_name[way]) != 0)
        way++;
    bool good = word && way < N_WAYS;
    for (const char *item; good && (item = strtok_r(NULL, ",", &rest));)
        good = read_kind(item, (enum way)way, s, p);
    return good;
}

bool policy_read(const char *text, const struct model_shape *s, struct policy *p)
{
    char copy[256], twice[8] = "", *rest;
    memset(p, 0, sizeof *p);
    snprintf(copy, sizeof copy, "%s", text);
    char *part = strtok_r(copy, ";", &rest);
    bool good = part && sscanf(part, "m=%d %7s", &p->samples, twice) >= 1;
    p->twice = strcmp(twice, "twice") == 0;
    while (good && (part = strtok_r(NULL, ";", &rest)))
        good = read_way(part, s, p);
    policy_text(p, s, copy, sizeof copy);
    return good && strcmp(copy, text) == 0;
}
