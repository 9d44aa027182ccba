/* model.c - parameters of the transformer and the passes over it; a block's own algebra is in model_<arch>.c.
 *
 * Parameters lie in one flat vector, in this order and under these names, which golden files and noise share:
 *     wte, wpe, h.0.{attn.q, attn.k, attn.v, attn.o, ln_1, mlp.up, mlp.down, ln_2}, h.1..., ln_f, lm_head
 * A tied head has no tensor of its own: its weights are wte. */
#include "model.h"

#include "../base/check.h"
#include "../device/ledger.h"
#include "model_pass.h"

#include <stdio.h>
#include <stdlib.h>

const char *const arch_name[N_ARCHS] = {"postln", "gpt2"};
const char *const recompute_name[N_RECOMPUTES] = {"none", "block"};

/* ---- the list of layers -------------------------------------------------------------------------------------- */

enum { LAYERS_PER_BLOCK = 8, LAYERS_OUTSIDE = 4, TENSORS_PER_LAYER = 2 };

static void add_tensor(struct model *m, struct layer *l, const char *suffix, int rows, int cols)
{
    struct tensor *t = &m->tensor[m->n_tensors++];
    *t = (struct tensor){
        .rows = rows, .cols = cols, .offset = m->n_params, .size = (long)rows * cols, .layer = l->index};
    snprintf(t->name, sizeof t->name, "%s.%s", l->name, suffix);
    m->n_params += t->size;
    l->n_params += t->size;
    l->n_tensors++;
}

static struct layer *add_layer(struct model *m, const struct layer_ops *ops, const char *name, int in, int out)
{
    struct layer *l = &m->layer[m->n_layers];
    *l = (struct layer){.ops = ops, .name = strdup(name), .index = m->n_layers++, .first_tensor = m->n_tensors,
        .offset = m->n_params, .in = in, .out = out};
    if (!l->name)
        die(EXIT_ENVIRONMENT, "out of host memory");
    if (ops == &layer_embedding)
        add_tensor(m, l, "weight", in, out);
    else if (ops == &layer_layernorm)
        add_tensor(m, l, "weight", 1, out), add_tensor(m, l, "bias", 1, out);
    else
        add_tensor(m, l, "weight", out, in);
    return l;
}

static struct layer *add_linear(struct model *m, const char *name, int in, int out)
{
    struct layer *l = add_layer(m, &layer_linear, name, in, out);
    add_tensor(m, l, "bias", 1, out);
    return l;
}

static void add_block(struct model *m, int number)
{
    struct block *b = &m->pass->block[number];
    const int D = m->shape.dim;
    char name[48];
#define NAMED(part) (snprintf(name, sizeof name, "h.%d." part, number), name)
    b->q = add_linear(m, NAMED("attn.q"), D, D);
    b->k = add_linear(m, NAMED("attn.k"), D, D);
    b->v = add_linear(m, NAMED("attn.v"), D, D);
    b->o = add_linear(m, NAMED("attn.o"), D, D);
    b->ln_1 = add_layer(m, &layer_layernorm, NAMED("ln_1"), D, D);
    b->up = add_linear(m, NAMED("mlp.up"), D, 4 * D);
    b->down = add_linear(m, NAMED("mlp.down"), 4 * D, D);
    b->ln_2 = add_layer(m, &layer_layernorm, NAMED("ln_2"), D, D);
    b->q->dy_may_stay = b->k->dy_may_stay = b->v->dy_may_stay = b->up->dy_may_stay = true;
#undef NAMED
}

static struct layer *add_tied_head(struct model *m)
{
    struct layer *wte = m->pass->wte, *head = &m->layer[m->n_layers];
    *head = *wte;
    head->ops = &layer_linear;
    head->name = strdup("lm_head");
    head->index = m->n_layers++;
    head->in = wte->out;
    head->out = wte->in;
    head->tied = wte;
    wte->tied = head;
    return head;
}

static void add_all(struct model *m)
{
    const struct model_shape *s = &m->shape;
    m->pass->wte = add_layer(m, &layer_embedding, "wte", s->vocab, s->dim);
    m->pass->wpe = add_layer(m, &layer_embedding, "wpe", s->max_seq, s->dim);
    for (int l = 0; l < s->layers; l++)
        add_block(m, l);
    m->pass->ln_f = add_layer(m, &layer_layernorm, "ln_f", s->dim, s->dim);
    m->pass->head = m->arch->tied_head ? add_tied_head(m) : add_layer(m, &layer_linear, "lm_head", s->dim, s->vocab);
    m->pass->head->in_spans = true;
}

static const struct arch_ops *arch_of(enum arch arch)
{
    static const struct arch_ops *const ops[N_ARCHS] = {[ARCH_POSTLN] = &arch_postln, [ARCH_GPT2] = &arch_gpt2};
    return ops[arch];
}

long model_shape_params(const struct model_shape *s)
{
    const long V = s->vocab, D = s->dim, L = s->layers, M = s->max_seq;
    const long block = 4 * (D * D + D) + (4 * D * D + 4 * D) + (4 * D * D + D) + 4 * D;
    return V * D + M * D + L * block + 2 * D + (arch_of(s->arch)->tied_head ? 0 : V * D);
}

int model_shape_tensors(const struct model_shape *s)
{
    const int block = 2 * LAYERS_PER_BLOCK, around = 4; /* weight and bias; wte, wpe, ln_f */
    return s->layers * block + around + (arch_of(s->arch)->tied_head ? 0 : 1);
}

struct model *model_create(const struct model_shape *shape)
{
    struct model *m = calloc(1, sizeof *m);
    const size_t n_layers = (size_t)shape->layers * LAYERS_PER_BLOCK + LAYERS_OUTSIDE;
    if (m) {
        m->shape = *shape;
        m->arch = arch_of(shape->arch);
        m->layer = calloc(n_layers, sizeof *m->layer);
        m->tensor = calloc(n_layers * TENSORS_PER_LAYER, sizeof *m->tensor);
        m->pass = calloc(1, sizeof *m->pass);
    }
    if (m && m->pass)
        m->pass->block = calloc((size_t)shape->layers, sizeof *m->pass->block);
    if (!m || !m->layer || !m->tensor || !m->pass || !m->pass->block)
        die(EXIT_ENVIRONMENT, "out of host memory");
    add_all(m);
    m->params = ledger_alloc(MEMORY_PARAMETERS, "weights", (size_t)m->n_params * sizeof(float));
    if (!m->params) {
        model_free(m);
        return NULL;
    }
    for (int i = 0; i < m->n_layers; i++) {
        struct layer *l = &m->layer[i];
        l->weight = m->params + l->offset;
        l->bias = l->n_tensors > 1 ? m->params + m->tensor[l->first_tensor + 1].offset : NULL;
    }
    if (!rounded_create(m)) {
        model_free(m);
        return NULL;
    }
    return m;
}

void model_free(struct model *m)
{
    if (!m)
        return;
    ledger_free(m->params_bf16);
    ledger_free(m->params);
    for (int i = 0; i < m->n_layers; i++)
        free((char *)m->layer[i].name);
    free(m->pass->block);
    free(m->pass);
    free(m->tensor);
    free(m->layer);
    free(m);
}

struct layer *model_tied_embedding(const struct model *m)
{
    return m->arch->tied_head ? m->pass->wte : NULL;
}

void model_init(struct model *m, uint64_t seed)
{
    KERNEL(fill, m->params, 0.0f, m->n_params);
    for (int p = 0; p < m->n_tensors; p++) {
        const struct tensor *t = &m->tensor[p];
        const struct layer *l = &m->layer[t->layer];
        const bool is_weight = p == l->first_tensor;
        if (is_weight && l->ops == &layer_layernorm)
            KERNEL(fill, m->params + t->offset, 1.0f, t->size);
        else if (is_weight)
            KERNEL(noise_add, m->params + t->offset, 0.02f,
                ((struct philox_stream){.seed = seed, .stream = STREAM_OF(INIT, p)}), 0, t->size);
    }
    model_weights_changed(m);
}

struct batch batch_slice(const struct batch *x, int b0, int n)
{
    struct batch s = *x;
    s.n = n;
    s.first = x->first + b0;
    s.place = x->place + b0;
    s.token.id = x->token.id + b0 * x->token.stride_b;
    s.position.id = x->position.id + b0 * x->position.stride_b;
    s.target = x->target + (long)b0 * x->T;
    s.length = x->length + b0;
    s.loss_scale = x->loss_scale + b0;
    return s;
}

/* ---- what blocks and passes share ---------------------------------------------------------------------------- */

long pass_rows(const struct model *m)
{
    return (long)m->pass->batch.n * m->pass->batch.T;
}

float *pass_keep(const struct model *m, const char *name, long columns)
{
    return ledger_take(MEMORY_ACTIVATIONS, name, (size_t)(pass_rows(m) * columns) * sizeof(float));
}

float *pass_gradient(const struct model *m, const char *name, long columns)
{
    return ledger_take(MEMORY_OUTPUT_GRADIENTS, name, (size_t)(pass_rows(m) * columns) * sizeof(float));
}

void pass_drop(const struct model *m, float *activation)
{
    if (m->pass->kind != NOT_LAST_PASS)
        ledger_release(activation);
}

void pass_show(const struct model *m, struct layer *l, float *x, const float *dy)
{
    l->T = m->pass->batch.T;
    l->x = x;
    l->dy = dy;
    l->keep_dy = false;
    m->pass->hook(l, (struct span){0, m->pass->batch.n}, m->pass->ctx);
}

void pass_show_layernorm(const struct model *m, struct layer *l, float *x, const float *mean, const float *rstd,
    const float *dy)
{
    l->mean = mean;
    l->rstd = rstd;
    pass_show(m, l, x, dy);
}

void pass_release_dy(const struct layer *l, float *dy)
{
    if (!l->keep_dy)
        ledger_release(dy);
}

void pass_layernorm(const struct model *m, const struct layer *ln, const float *x, float *y, float *mean, float *rstd)
{
    KERNEL(layernorm_fwd, x, ln->weight, ln->bias, y, mean, rstd, pass_rows(m), ln->out);
}

void pass_layernorm_backward(const struct model *m, struct layer *ln, float *x, const float *mean,
    const float *rstd, float *dy)
{
    pass_show_layernorm(m, ln, x, mean, rstd, dy);
    KERNEL(layernorm_bwd, dy, x, ln->weight, mean, rstd, dy, pass_rows(m), ln->out);
}

float *pass_normed(const struct model *m, struct normed in)
{
    const long rows = pass_rows(m);
    float *y = ledger_take(MEMORY_WORKSPACE, "layernorm output", (size_t)(rows * in.ln->out) * sizeof(float));
    KERNEL(layernorm_apply, in.x, in.ln->weight, in.ln->bias, in.mean, in.rstd, y, rows, in.ln->out);
    return y;
}

struct attention pass_attention(const struct model *m)
{
    const struct batch *b = &m->pass->batch;
    return (struct attention){b->n, b->T, m->shape.dim, m->shape.heads, m->arch->causal, b->length};
}

/* Does something with every activation of a block, x (n,T,columns), but an input that is kept apart. */
typedef void with_activation(const struct model *, float *x, long columns);
static void for_each_of_block(const struct model *m, const struct block *k, with_activation *visit)
{
    const long D = m->shape.dim;
    float *const wide[] = {k->q_out, k->k_out, k->v_out, k->attended, k->in_1, k->in_2};
    float *const statistics[] = {k->mean_1, k->rstd_1, k->mean_2, k->rstd_2};
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
        if (wide[i] != k->input)
            visit(m, wide[i], D);
    for (size_t i = 0; i < sizeof statistics / sizeof *statistics; i++)
        visit(m, statistics[i], 1);
    visit(m, k->lse, m->shape.heads);
    visit(m, k->hidden, 4 * D);
}

static void for_each_of_top(const struct model *m, with_activation *visit)
{
    const struct pass *p = m->pass;
    visit(m, p->rstd_f, 1);
    visit(m, p->mean_f, 1);
    visit(m, p->in_f, m->shape.dim);
}

/* The same for what the forward pass leaves of a block. */
static void for_each_kept(const struct model *m, const struct block *k, with_activation *visit)
{
    if (k->input)
        visit(m, k->input, m->shape.dim);
    else
        for_each_of_block(m, k, visit);
}

static void drop(const struct model *m, float *x, long columns)
{
    (void)columns;
    pass_drop(m, x);
}

static void drop_now(const struct model *m, float *x, long columns)
{
    (void)m, (void)columns;
    ledger_release(x);
}

/* So that nothing of a sample of weight 0 can spread, not even what is not finite (0 NaN = NaN). */
static void leave_out(const struct model *m, float *x, long columns)
{
    const struct batch *b = &m->pass->batch;
    KERNEL(leave_out, x, m->pass->weight, b->n, b->T * columns);
}

void pass_embed(const struct model *m, float *x)
{
    const struct pass *p = m->pass;
    const struct batch *b = &p->batch;
    KERNEL(embedding_fwd, b->token.id, b->token.stride_b, b->token.stride_t, p->wte->weight, x, b->n, b->T,
           m->shape.dim);
    KERNEL(embedding_add, b->position.id, b->position.stride_b, b->position.stride_t, p->wpe->weight, x, b->n, b->T,
        m->shape.dim);
    if (p->weight)
        leave_out(m, x, m->shape.dim);
}

static void drop_top(const struct model *m)
{
    pass_drop(m, m->pass->out_f);
    for_each_of_top(m, drop);
}

static void drop_all(const struct model *m)
{
    drop_top(m);
    for (int l = m->shape.layers - 1; l >= 0; l--)
        for_each_kept(m, &m->pass->block[l], drop);
}

static void leave_out_samples(const struct model *m)
{
    leave_out(m, m->pass->out_f, m->shape.dim);
    for_each_of_top(m, leave_out);
    for (int l = 0; l < m->shape.layers; l++)
        for_each_kept(m, &m->pass->block[l], leave_out);
}

/* ---- recomputation ------------------------------------------------------------------------------------------- */

static float *block_forward(const struct model *m, int l, float *x)
{
    struct block *k = &m->pass->block[l];
    k->input = m->recompute == RECOMPUTE_BLOCK ? x : NULL;
    float *out = m->arch->forward(m, l, x);
    if (k->input)
        for_each_of_block(m, k, drop_now);
    return out;
}

/* Before block l's turn in a pass over what was kept, and after it. */
static void block_begin(const struct model *m, int l)
{
    const struct block *k = &m->pass->block[l];
    if (!k->input)
        return;
    m->arch->activate(m, l, k->input);
    if (m->pass->weight)
        for_each_of_block(m, k, leave_out);
}

static void block_end(const struct model *m, int l)
{
    const struct block *k = &m->pass->block[l];
    if (k->input)
        for_each_of_block(m, k, drop_now);
    for_each_kept(m, k, drop);
}

/* ---- the passes ---------------------------------------------------------------------------------------------- */

void model_forward(struct model *m, const struct batch *batch)
{
    struct pass *p = m->pass;
    p->batch = *batch;
    p->again = false;
    p->weight = NULL;
    p->wte->ids = p->head->ids = batch->token;
    float *x = pass_keep(m, "residual stream", m->shape.dim);
    pass_embed(m, x);
    for (int l = 0; l < m->shape.layers; l++)
        x = block_forward(m, l, x);
    p->in_f = x;
    p->mean_f = pass_keep(m, "mean", 1);
    p->rstd_f = pass_keep(m, "rstd", 1);
    p->out_f = pass_keep(m, "head input", m->shape.dim);
    pass_layernorm(m, p->ln_f, p->in_f, p->out_f, p->mean_f, p->rstd_f);
}

static void show_embeddings(struct model *m, const float *dy)
{
    struct pass *p = m->pass;
    p->wpe->ids = p->batch.position;
    pass_show(m, p->wpe, NULL, dy);
    pass_show(m, p->wte, NULL, dy);
}

static void begin_pass(struct model *m, grad_hook *hook, void *ctx, enum pass_kind kind)
{
    struct pass *p = m->pass;
    p->hook = hook;
    p->ctx = ctx;
    p->weight = NULL;
    p->kind = kind;
}

void model_backward(struct model *m, const float *weight, grad_hook *hook, void *ctx, float *loss, enum pass_kind kind)
{
    struct pass *p = m->pass;
    begin_pass(m, hook, ctx, kind);
    p->weight = weight;
    if (weight)
        leave_out_samples(m);
    float *dy = pass_gradient(m, "residual gradient", m->shape.dim);
    head_backward(m, weight, loss, dy);
    if (kind != HEAD_STAYS)
        pass_drop(m, p->out_f);
    pass_layernorm_backward(m, p->ln_f, p->in_f, p->mean_f, p->rstd_f, dy);
    for_each_of_top(m, drop);
    for (int l = m->shape.layers - 1; l >= 0; l--) {
        block_begin(m, l);
        m->arch->backward(m, l, dy);
        block_end(m, l);
    }
    show_embeddings(m, dy);
    ledger_release(dy);
}

static void revisit_blocks(struct model *m)
{
    struct pass *p = m->pass;
    pass_show_layernorm(m, p->ln_f, p->in_f, p->mean_f, p->rstd_f, NULL);
    drop_top(m);
    for (int l = m->shape.layers - 1; l >= 0; l--) {
        block_begin(m, l);
        m->arch->revisit(m, l);
        block_end(m, l);
    }
}

void model_revisit(struct model *m, enum revisit parts, grad_hook *hook, void *ctx)
{
    struct pass *p = m->pass;
    const enum pass_kind before = p->kind;
    begin_pass(m, hook, ctx, LAST_PASS);
    if (parts & REVISIT_HEAD)
        head_revisit(m);
    if (parts & REVISIT_KEPT_HEAD)
        pass_show(m, p->head, p->out_f, NULL);
    if (parts & REVISIT_BLOCKS)
        revisit_blocks(m);
    show_embeddings(m, NULL);
    if (before == HEAD_STAYS)
        pass_drop(m, p->out_f);
    else if (before == NOT_LAST_PASS && !(parts & REVISIT_BLOCKS))
        drop_all(m);
}

void model_loss(struct model *m, float *loss)
{
    struct pass *p = m->pass;
    p->kind = LAST_PASS;
    head_loss(m, loss);
    drop_all(m);
}
