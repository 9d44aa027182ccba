/* model_sizes.c - the presets of --model, and what shapes are possible. */
#include "model.h"

#include <stdio.h>
#include <string.h>

static const struct model_size sizes[] = {
    {"tiny",
     {ARCH_POSTLN, .vocab = 1000, .dim = 64, .layers = 2, .heads = 4, .max_seq = 256},
     "for tests: a step takes milliseconds"},
    {"small", {ARCH_POSTLN, .vocab = 8000, .dim = 256, .layers = 4, .heads = 8, .max_seq = 512}, "for a laptop"},
    {"medium",
     {ARCH_POSTLN, .vocab = 16000, .dim = 512, .layers = 8, .heads = 8, .max_seq = 1024},
     "of the original benchmark's published comparison"},
    {"1b",
     {ARCH_POSTLN, .vocab = 32000, .dim = 2048, .layers = 24, .heads = 32, .max_seq = 2048},
     "the original benchmark's largest"},
    {"gpt2",
     {ARCH_GPT2, .vocab = 50257, .dim = 768, .layers = 12, .heads = 12, .max_seq = 1024},
     "GPT-2 small: pre-layernorm, causal, GELU, tied head"},
    {"gpt2-medium",
     {ARCH_GPT2, .vocab = 50257, .dim = 1024, .layers = 24, .heads = 16, .max_seq = 1024},
     "GPT-2 medium"},
    {"gpt2-large", {ARCH_GPT2, .vocab = 50257, .dim = 1280, .layers = 36, .heads = 20, .max_seq = 1024}, "GPT-2 large"},
    {"gpt2-xl", {ARCH_GPT2, .vocab = 50257, .dim = 1600, .layers = 48, .heads = 25, .max_seq = 1024}, "GPT-2 XL"},
};
enum { N_SIZES = sizeof sizes / sizeof sizes[0] };

const struct model_size *model_size_at(int i)
{
    return i < N_SIZES ? &sizes[i] : NULL;
}

const struct model_size *model_size_find(const char *name)
{
    for (int i = 0; i < N_SIZES; i++)
        if (strcmp(name, sizes[i].name) == 0)
            return &sizes[i];
    return NULL;
}

const char *model_shape_error(const struct model_shape *shape)
{
    static char why[160];
    const struct { const char *option; int value; } size[] = {
        {"layers", shape->layers}, {"dim", shape->dim},         {"heads", shape->heads},
        {"vocab", shape->vocab},   {"max-seq", shape->max_seq},
    };
    for (size_t i = 0; i < sizeof size / sizeof size[0]; i++)
        if (size[i].value < 1) {
            snprintf(why, sizeof why, "--%s %d: must be at least 1", size[i].option, size[i].value);
            return why;
        }
    if (shape->dim % shape->heads) {
        snprintf(why, sizeof why, "--dim %d --heads %d: the width must be a multiple of the heads", shape->dim,
                 shape->heads);
        return why;
    }
    /* 12 D^2 per block: keeps sizes of B per-sample gradients within 63 bits */
    double params = 12.0 * shape->layers * shape->dim * shape->dim + 2.0 * shape->vocab * shape->dim;
    if (params > 0x1p40) {
        snprintf(why, sizeof why, "--layers %d --dim %d --vocab %d: more than 2^40 parameters; choose less",
                 shape->layers, shape->dim, shape->vocab);
        return why;
    }
    return NULL;
}
