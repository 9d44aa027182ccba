/* model_postln.c - a post-layernorm encoder block (Vaswani et al. 2017, as in the original benchmark):
 *
 *     in_1 = x + attention(x) W_o + b_o                       x_1 = ln_1(in_1)
 *     in_2 = x_1 + relu(x_1 W_up + b_up) W_down + b_down      output = ln_2(in_2)
 *
 * x becomes in_1, unless it is kept for recomputation, and x_1 becomes in_2 in place.  The layernorm outputs x and x_1,
 * which the gradients of the linear layers need, are formed again in the backward pass from the inputs in_1 and in_2,
 * which are kept. */
#include "../device/ledger.h"
#include "model_pass.h"

static float *copied(const struct model *m, const float *x)
{
    float *copy = pass_keep(m, "residual stream", m->shape.dim);
    KERNEL(copy, copy, x, pass_rows(m) * m->shape.dim);
    return copy;
}

static float *postln_forward(const struct model *m, int l, float *x)
{
    struct block *k = &m->pass->block[l];
    const long rows = pass_rows(m), D = m->shape.dim;
    const struct attention attention = pass_attention(m);
    k->q_out = pass_keep(m, "q", D);
    k->k_out = pass_keep(m, "k", D);
    k->v_out = pass_keep(m, "v", D);
    k->attended = pass_keep(m, "attention output", D);
    k->lse = pass_keep(m, "attention log-sum-exp", m->shape.heads);
    linear_forward(k->q, x, rows, (struct linear_out){.y = k->q_out});
    linear_forward(k->k, x, rows, (struct linear_out){.y = k->k_out});
    linear_forward(k->v, x, rows, (struct linear_out){.y = k->v_out});
    attention_forward(&attention, k->q_out, k->k_out, k->v_out, k->attended, k->lse);
    k->in_1 = k->input ? copied(m, x) : x;
    dropout_residual(m, l, DROPOUT_ATTENTION, k->o, k->attended, k->in_1, k->in_1);

    k->mean_1 = pass_keep(m, "mean", 1);
    k->rstd_1 = pass_keep(m, "rstd", 1);
    float *x_1 = pass_keep(m, "residual stream", D);
    pass_layernorm(m, k->ln_1, k->in_1, x_1, k->mean_1, k->rstd_1);
    k->hidden = pass_keep(m, "hidden units", 4 * D);
    linear_forward(k->up, x_1, rows, (struct linear_out){.y = k->hidden, .relu = true});
    dropout_in_place(m, l, DROPOUT_ACTIVATION, k->hidden, 4 * D);
    dropout_residual(m, l, DROPOUT_FFN, k->down, k->hidden, x_1, x_1);
    k->in_2 = x_1;

    k->mean_2 = pass_keep(m, "mean", 1);
    k->rstd_2 = pass_keep(m, "rstd", 1);
    float *out = pass_keep(m, "residual stream", D);
    pass_layernorm(m, k->ln_2, k->in_2, out, k->mean_2, k->rstd_2);
    return out;
}

static void postln_activate(const struct model *m, int l, float *x)
{
    ledger_release(postln_forward(m, l, x)); /* ln_2's statistics come with the output */
}

/* The FFN's input x_1 is formed again. */
static void show_up(const struct model *m, struct block *k, const float *dh)
{
    float *x_1 = pass_normed(m, (struct normed){k->ln_1, k->in_1, k->mean_1, k->rstd_1});
    pass_show(m, k->up, x_1, dh);
    ledger_release(x_1);
}

/* dy: of ln_2's input -> of ln_1's output */
static void feed_forward_backward(const struct model *m, int l, float *dy)
{
    struct block *k = &m->pass->block[l];
    const long rows = pass_rows(m), D = m->shape.dim;
    float *dh = pass_gradient(m, "hidden gradient", 4 * D);
    float *masked = dropout_gradient(m, l, DROPOUT_FFN, dy);
    pass_show(m, k->down, k->hidden, masked);
    linear_backward(k->down, masked, rows, dh, NULL);
    dropout_gradient_end(m, masked);
    KERNEL(relu_bwd, dh, k->hidden, dropout_scale(m), dh, rows * 4 * D); /* a hidden unit that was dropped is 0 */
    show_up(m, k, dh);
    linear_backward(k->up, dh, rows, dy, dy);
    pass_release_dy(k->up, dh);
}

/* The input of block l: kept, or formed again as the output of the block below, or of the embeddings. */
static float *block_input(const struct model *m, int l)
{
    if (m->pass->block[l].input)
        return m->pass->block[l].input;
    if (l > 0) {
        const struct block *below = &m->pass->block[l - 1];
        return pass_normed(m, (struct normed){below->ln_2, below->in_2, below->mean_2, below->rstd_2});
    }
    float *x = ledger_take(MEMORY_WORKSPACE, "embeddings", (size_t)(pass_rows(m) * m->shape.dim) * sizeof(float));
    pass_embed(m, x);
    return x;
}

static void show_qkv(const struct model *m, int l, const float *dq, const float *dk, const float *dv)
{
    struct block *k = &m->pass->block[l];
    float *x = block_input(m, l);
    pass_show(m, k->q, x, dq);
    pass_show(m, k->k, x, dk);
    pass_show(m, k->v, x, dv);
    if (x != k->input)
        ledger_release(x);
}

/* dy: of ln_1's input -> of the block's input */
static void attention_block_backward(const struct model *m, int l, float *dy)
{
    struct block *k = &m->pass->block[l];
    const long rows = pass_rows(m), D = m->shape.dim;
    const struct attention attention = pass_attention(m);
    float *dq = pass_gradient(m, "q gradient", D);
    float *dk = pass_gradient(m, "k gradient", D);
    float *dv = pass_gradient(m, "v gradient", D);
    float *da = pass_gradient(m, "attention gradient", D);
    float *masked = dropout_gradient(m, l, DROPOUT_ATTENTION, dy);
    pass_show(m, k->o, k->attended, masked);
    linear_backward(k->o, masked, rows, da, NULL);
    dropout_gradient_end(m, masked);
    attention_backward(&attention, k->q_out, k->k_out, k->v_out, k->lse, da, dq, dk, dv);
    ledger_release(da);
    show_qkv(m, l, dq, dk, dv);
    linear_backward(k->q, dq, rows, dy, dy);
    linear_backward(k->k, dk, rows, dy, dy);
    linear_backward(k->v, dv, rows, dy, dy);
    pass_release_dy(k->v, dv);
    pass_release_dy(k->k, dk);
    pass_release_dy(k->q, dq);
}

static void postln_backward(const struct model *m, int l, float *dy)
{
    struct block *k = &m->pass->block[l];
    pass_layernorm_backward(m, k->ln_2, k->in_2, k->mean_2, k->rstd_2, dy);
    feed_forward_backward(m, l, dy);
    pass_layernorm_backward(m, k->ln_1, k->in_1, k->mean_1, k->rstd_1, dy);
    attention_block_backward(m, l, dy);
}

static void postln_revisit(const struct model *m, int l)
{
    struct block *k = &m->pass->block[l];
    pass_show_layernorm(m, k->ln_2, k->in_2, k->mean_2, k->rstd_2, NULL);
    pass_show(m, k->down, k->hidden, NULL);
    show_up(m, k, NULL);
    pass_show_layernorm(m, k->ln_1, k->in_1, k->mean_1, k->rstd_1, NULL);
    pass_show(m, k->o, k->attended, NULL);
    show_qkv(m, l, NULL, NULL, NULL);
}

const struct arch_ops arch_postln = {postln_forward, postln_activate, postln_backward, postln_revisit,
    .causal = false, .tied_head = false};
