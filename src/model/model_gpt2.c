/* model_gpt2.c - a pre-layernorm decoder block (Radford et al. 2019, GPT-2), causal, with a tied head:
 *
 *     in_2   = in_1 + attention(ln_1(in_1)) W_o + b_o
 *     output = in_2 + gelu(ln_2(in_2) W_up + b_up) W_down + b_down
 *
 * The layernorm outputs and the activated hidden units are formed again in the backward pass. */
#include "../device/ledger.h"
#include "model_pass.h"

/* dropout(gelu(hidden)), taken from the ledger */
static float *activated(const struct model *m, int l)
{
    const struct block *k = &m->pass->block[l];
    const long n = pass_rows(m) * 4 * m->shape.dim;
    float *h = ledger_take(MEMORY_WORKSPACE, "activated hidden units", (size_t)n * sizeof(float));
    KERNEL(gelu_fwd, k->hidden, h, n);
    dropout_in_place(m, l, DROPOUT_ACTIVATION, h, 4L * m->shape.dim);
    return h;
}

static void attend(const struct model *m, int l)
{
    struct block *k = &m->pass->block[l];
    const long rows = pass_rows(m), D = m->shape.dim;
    const struct attention attention = pass_attention(m);
    float *x = ledger_take(MEMORY_WORKSPACE, "layernorm output", (size_t)(rows * D) * sizeof(float));
    pass_layernorm(m, k->ln_1, k->in_1, x, k->mean_1, k->rstd_1);
    linear_forward(k->q, x, rows, (struct linear_out){.y = k->q_out});
    linear_forward(k->k, x, rows, (struct linear_out){.y = k->k_out});
    linear_forward(k->v, x, rows, (struct linear_out){.y = k->v_out});
    ledger_release(x);
    attention_forward(&attention, k->q_out, k->k_out, k->v_out, k->attended, k->lse);
    dropout_residual(m, l, DROPOUT_ATTENTION, k->o, k->attended, k->in_1, k->in_2);
}

static void hide(const struct model *m, int l)
{
    struct block *k = &m->pass->block[l];
    const long rows = pass_rows(m), D = m->shape.dim;
    float *x = ledger_take(MEMORY_WORKSPACE, "layernorm output", (size_t)(rows * D) * sizeof(float));
    pass_layernorm(m, k->ln_2, k->in_2, x, k->mean_2, k->rstd_2);
    linear_forward(k->up, x, rows, (struct linear_out){.y = k->hidden});
    ledger_release(x);
}

static void gpt2_activate(const struct model *m, int l, float *x)
{
    struct block *k = &m->pass->block[l];
    const long D = m->shape.dim;
    k->in_1 = x;
    k->mean_1 = pass_keep(m, "mean", 1);
    k->rstd_1 = pass_keep(m, "rstd", 1);
    k->q_out = pass_keep(m, "q", D);
    k->k_out = pass_keep(m, "k", D);
    k->v_out = pass_keep(m, "v", D);
    k->attended = pass_keep(m, "attention output", D);
    k->lse = pass_keep(m, "attention log-sum-exp", m->shape.heads);
    k->in_2 = pass_keep(m, "residual stream", D);
    attend(m, l);
    k->mean_2 = pass_keep(m, "mean", 1);
    k->rstd_2 = pass_keep(m, "rstd", 1);
    k->hidden = pass_keep(m, "hidden units", 4 * D);
    hide(m, l);
}

static float *gpt2_forward(const struct model *m, int l, float *x)
{
    const struct block *k = &m->pass->block[l];
    gpt2_activate(m, l, x);
    float *out = pass_keep(m, "residual stream", m->shape.dim);
    float *h = activated(m, l);
    dropout_residual(m, l, DROPOUT_FFN, k->down, h, k->in_2, out);
    ledger_release(h);
    return out;
}

static void show_down(const struct model *m, int l, const float *dy)
{
    float *h = activated(m, l);
    pass_show(m, m->pass->block[l].down, h, dy);
    ledger_release(h);
}

static void show_up(const struct model *m, struct block *k, const float *du)
{
    float *x = pass_normed(m, (struct normed){k->ln_2, k->in_2, k->mean_2, k->rstd_2});
    pass_show(m, k->up, x, du);
    ledger_release(x);
}

static void show_qkv(const struct model *m, struct block *k, const float *dq, const float *dk, const float *dv)
{
    float *x = pass_normed(m, (struct normed){k->ln_1, k->in_1, k->mean_1, k->rstd_1});
    pass_show(m, k->q, x, dq);
    pass_show(m, k->k, x, dk);
    pass_show(m, k->v, x, dv);
    ledger_release(x);
}

/* dy += gradient through the layernorm ln, whose output has the gradient dx */
static void add_through_layernorm(const struct model *m, struct layer *ln, float *x, const float *mean,
    const float *rstd, const float *dx, float *dy)
{
    pass_show_layernorm(m, ln, x, mean, rstd, dx);
    KERNEL(layernorm_bwd_add, dx, x, ln->weight, mean, rstd, dy, pass_rows(m), ln->out);
}

/* dy: of the block's output -> of in_2 */
static void feed_forward_backward(const struct model *m, int l, float *dy)
{
    struct block *k = &m->pass->block[l];
    const long rows = pass_rows(m), D = m->shape.dim;
    float *du = pass_gradient(m, "hidden gradient", 4 * D);
    float *dx = pass_gradient(m, "layernorm gradient", D);
    float *masked = dropout_gradient(m, l, DROPOUT_FFN, dy);
    show_down(m, l, masked);
    linear_backward(k->down, masked, rows, du, NULL);
    dropout_gradient_end(m, masked);
    dropout_in_place(m, l, DROPOUT_ACTIVATION, du, 4 * D);
    KERNEL(gelu_bwd, du, k->hidden, du, rows * 4 * D);
    show_up(m, k, du);
    linear_backward(k->up, du, rows, dx, NULL);
    pass_release_dy(k->up, du);
    add_through_layernorm(m, k->ln_2, k->in_2, k->mean_2, k->rstd_2, dx, dy);
    ledger_release(dx);
}

/* dy: of in_2 -> of in_1 */
static void attention_block_backward(const struct model *m, int l, float *dy)
{
    struct block *k = &m->pass->block[l];
    const long rows = pass_rows(m), D = m->shape.dim;
    const struct attention attention = pass_attention(m);
    float *dq = pass_gradient(m, "q gradient", D);
    float *dk = pass_gradient(m, "k gradient", D);
    float *dv = pass_gradient(m, "v gradient", D);
    float *dx = pass_gradient(m, "attention gradient", D);
    float *masked = dropout_gradient(m, l, DROPOUT_ATTENTION, dy);
    pass_show(m, k->o, k->attended, masked);
    linear_backward(k->o, masked, rows, dx, NULL);
    dropout_gradient_end(m, masked);
    attention_backward(&attention, k->q_out, k->k_out, k->v_out, k->lse, dx, dq, dk, dv);
    show_qkv(m, k, dq, dk, dv);
    linear_backward(k->q, dq, rows, dx, NULL); /* the attention gradient is no longer needed */
    linear_backward(k->k, dk, rows, dx, dx);
    linear_backward(k->v, dv, rows, dx, dx);
    pass_release_dy(k->v, dv);
    pass_release_dy(k->k, dk);
    pass_release_dy(k->q, dq);
    add_through_layernorm(m, k->ln_1, k->in_1, k->mean_1, k->rstd_1, dx, dy);
    ledger_release(dx);
}

static void gpt2_backward(const struct model *m, int l, float *dy)
{
    feed_forward_backward(m, l, dy);
    attention_block_backward(m, l, dy);
}

static void gpt2_revisit(const struct model *m, int l)
{
    struct block *k = &m->pass->block[l];
    show_down(m, l, NULL);
    show_up(m, k, NULL);
    pass_show_layernorm(m, k->ln_2, k->in_2, k->mean_2, k->rstd_2, NULL);
    pass_show(m, k->o, k->attended, NULL);
    show_qkv(m, k, NULL, NULL, NULL);
    pass_show_layernorm(m, k->ln_1, k->in_1, k->mean_1, k->rstd_1, NULL);
}

const struct arch_ops arch_gpt2 = {gpt2_forward, gpt2_activate, gpt2_backward, gpt2_revisit, .causal = true,
    .tied_head = true};
