#include "golden_case.h"

#include "../device/ledger.h"
#include "../records/buffer.h"
#include "../records/golden.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PARAMS = 1 << 26 }; /* a damaged attribute must not ask for all the memory there is */

/* The folder of a clipping's sums in the file. */
static const char *folder_of(enum clipping clipping)
{
    return clipping == CLIPPING_NONE ? "mean" : clipping_name[clipping];
}

static bool whole(struct golden_file *f, const char *attribute, double max, int *value)
{
    double number = 0.0;
    if (!golden_number(f, attribute, &number))
        return false;
    *value = number >= 0.0 && number <= max && number == floor(number) ? (int)number : -1;
    return true;
}

static bool find_arch(const char *name, enum arch *arch)
{
    for (int i = 0; i < N_ARCHS; i++)
        if (strcmp(name, arch_name[i]) == 0) {
            *arch = (enum arch)i;
            return true;
        }
    return false;
}

static const char *unknown_arch(const char *name)
{
    static char why[192];
    int length = snprintf(why, sizeof why, "architecture '%.63s' does not exist yet; there is:", name);
    for (int i = 0; i < N_ARCHS; i++)
        length += snprintf(why + length, sizeof why - (size_t)length, "%s %s", i ? "," : "", arch_name[i]);
    return why;
}

static const char *read_shape(struct golden_case *g, struct golden_file *f)
{
    char arch[64];
    int ffn_dim, kv_heads;
    const double most = 1 << 24;
    if (!golden_text(f, "arch", arch, sizeof arch) || !whole(f, "vocab", most, &g->shape.vocab) ||
        !whole(f, "dim", most, &g->shape.dim) || !whole(f, "layers", most, &g->shape.layers) ||
        !whole(f, "heads", most, &g->shape.heads) || !whole(f, "max_seq", most, &g->shape.max_seq) ||
        !whole(f, "ffn_dim", most, &ffn_dim) || !whole(f, "kv_heads", most, &kv_heads) ||
        !whole(f, "batch", most, &g->B) || !whole(f, "seq", most, &g->T) ||
        !golden_number(f, "clip", &g->max_grad_norm))
        return NULL; /* golden_error() says it */
    if (!find_arch(arch, &g->shape.arch))
        return unknown_arch(arch);
    const char *impossible = model_shape_error(&g->shape);
    if (impossible)
        return impossible;
    if (model_shape_params(&g->shape) > MOST_PARAMS)
        return "the sizes are those of more than 2^26 parameters: no golden model is that large";
    if (ffn_dim != 4 * g->shape.dim || kv_heads != g->shape.heads)
        return "only ffn_dim = 4 dim and kv_heads = heads exist";
    if (g->B < 1 || g->T < 2 || g->T > g->shape.max_seq || !(g->max_grad_norm > 0.0))
        return "batch, seq or clip is impossible (batch >= 1, 2 <= seq <= max_seq, clip > 0)";
    return NULL;
}

static const char *read_tokens(struct golden_case *g, struct golden_file *f)
{
    const size_t n = (size_t)g->B * (size_t)g->T;
    double *number = memory_get(n * sizeof *number);
    const char *why = NULL;
    g->token = memory_get(n * sizeof *g->token);
    g->length = memory_get((size_t)g->B * sizeof *g->length);
    if (golden_array(f, "tokens", g->B, g->T, number) || (g->B == 1 && golden_array(f, "tokens", 1, g->T, number)))
        for (size_t i = 0; i < n; i++) {
            if (!(number[i] >= 0.0 && number[i] < g->shape.vocab))
                why = "tokens: an id is outside of the vocabulary";
            g->token[i] = why ? 0 : (int)number[i];
        }
    for (int b = 0; b < g->B; b++)
        g->length[b] = g->T;
    free(number);
    return why;
}

static void read_vector(struct golden_file *f, const struct model *m, const char *folder, double *vector)
{
    char name[96];
    for (int p = 0; p < m->n_tensors; p++) {
        const struct tensor *t = &m->tensor[p];
        snprintf(name, sizeof name, "%s/%s", folder, t->name);
        golden_array(f, name, t->rows, t->cols, vector + t->offset);
    }
}

static void read_numbers(struct golden_case *g, struct golden_file *f, const struct model *m)
{
    char name[96];
    const size_t P = (size_t)m->n_params;
    g->n_params = m->n_params;
    g->n_tensors = m->n_tensors;
    g->loss = memory_get((size_t)g->B * sizeof(double));
    golden_array(f, "loss", 1, g->B, g->loss);
    g->norm = memory_get((size_t)(m->n_tensors * g->B) * sizeof(double));
    for (int p = 0; p < m->n_tensors; p++) {
        snprintf(name, sizeof name, "norm/%s", m->tensor[p].name);
        golden_array(f, name, 1, g->B, g->norm + (long)p * g->B);
    }
    g->norm_total = memory_get((size_t)g->B * sizeof(double));
    golden_array(f, "norm_total", 1, g->B, g->norm_total);
    double *params = memory_get(P * sizeof *params);
    read_vector(f, m, "params", params);
    g->params = memory_get(P * sizeof *g->params);
    for (size_t i = 0; i < P; i++)
        g->params[i] = (float)params[i];
    free(params);
    for (int c = 0; c < N_CLIPPINGS; c++) {
        g->sum[c] = memory_get(P * sizeof(double));
        read_vector(f, m, folder_of((enum clipping)c), g->sum[c]);
    }
    for (size_t i = 0; i < P; i++)
        g->sum[CLIPPING_NONE][i] *= g->B;
}

static const char *read_all(struct golden_case *g, struct golden_file *f)
{
    const char *why = read_shape(g, f);
    if (why || golden_error(f))
        return why;
    why = read_tokens(g, f);
    if (why || golden_error(f))
        return why;
    ledger_open(LEDGER_DRY, 0); /* the list of tensors, without memory behind it */
    struct model *m = model_create(&g->shape);
    read_numbers(g, f, m);
    model_free(m);
    ledger_close();
    return NULL;
}

bool golden_case_read(struct golden_case *g, const char *path, char *error, size_t error_bytes)
{
    memset(g, 0, sizeof *g);
    struct golden_file *f = golden_open(path);
    const char *why = golden_error(f) ? NULL : read_all(g, f);
    if (golden_error(f))
        snprintf(error, error_bytes, "%s", golden_error(f));
    else if (why)
        snprintf(error, error_bytes, "%s: %s", path, why);
    const bool good = !golden_error(f) && !why;
    golden_close(f);
    return good;
}

void golden_case_free(struct golden_case *g)
{
    free(g->token);
    free(g->length);
    free(g->params);
    free(g->loss);
    free(g->norm);
    free(g->norm_total);
    for (int c = 0; c < N_CLIPPINGS; c++)
        free(g->sum[c]);
}
