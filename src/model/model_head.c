/* model_head.c - the language-model head: logits, cross-entropy and their gradient, a few samples at a time, so that
 * never more than span x T x V logits exist.  The loss is computed here, with the gradient, because both need the
 * same logits.
 *
 *     loss_b = (1/targets of b) sum over t with a target of -log softmax(x_bt W^T)[target_bt] */
#include "../device/ledger.h"
#include "../device/timer.h"
#include "model_pass.h"

enum { SPAN_ROWS = 512 }; /* enough rows for an efficient GEMM */

static int span_samples(const struct model *m)
{
    const int fit = SPAN_ROWS / m->pass->batch.T;
    return fit < 1 ? 1 : fit;
}

struct head_span { struct span s; long rows, at; float *logits, *row_loss; };

/* Logits and loss belong to the forward pass, also where they are formed late; formed again they do not. */
static enum phase logits_phase(const struct model *m)
{
    return m->pass->again ? PHASE_BACKWARD : PHASE_FORWARD;
}

static struct head_span span_at(const struct model *m, int b0)
{
    const struct batch *b = &m->pass->batch;
    const int left = b->n - b0, most = span_samples(m);
    struct head_span h = {.s = {b0, left < most ? left : most}, .at = (long)b0 * b->T};
    h.rows = (long)h.s.n * b->T;
    h.logits = ledger_take(MEMORY_OUTPUT_GRADIENTS, "logits", (size_t)(h.rows * m->shape.vocab) * sizeof(float));
    h.row_loss = ledger_take(MEMORY_WORKSPACE, "loss of each token", (size_t)h.rows * sizeof(float));
    PHASE_OF(logits_phase(m))
        linear_forward(m->pass->head, m->pass->out_f + h.at * m->shape.dim, h.rows, (struct linear_out){.y = h.logits});
    return h;
}

static void span_end(struct head_span h)
{
    ledger_release(h.row_loss);
    ledger_release(h.logits);
}

static void mean_loss(const struct model *m, struct head_span h, float *loss)
{
    if (loss)
        KERNEL(loss_mean, h.row_loss, m->pass->batch.loss_scale + h.s.b0, loss + h.s.b0, h.s.n, m->pass->batch.T);
}

/* Logits of a span become their gradient, and the head is shown. */
static void show_span(const struct model *m, struct head_span h, const float *weight, float *loss)
{
    const struct batch *b = &m->pass->batch;
    struct layer *head = m->pass->head;
    PHASE_OF(logits_phase(m)) {
        KERNEL(xent_bwd, h.logits, b->target + h.at, b->loss_scale + h.s.b0, weight ? weight + h.s.b0 : NULL,
               h.row_loss, h.s.n, b->T, m->shape.vocab);
        mean_loss(m, h, loss);
    }
    head->T = b->T;
    head->x = m->pass->out_f + h.at * m->shape.dim;
    head->dy = h.logits;
    m->pass->hook(head, h.s, m->pass->ctx);
}

/* dx (n,T,D) = gradient of sum_b weight[b] loss[b] with respect to the head's input */
void head_backward(const struct model *m, const float *weight, float *loss, float *dx)
{
    const size_t mark = ledger_mark();
    for (int b0 = 0; b0 == 0 || b0 < m->pass->batch.n; b0 += span_samples(m)) {
        ledger_rewind(mark);
        const struct head_span h = span_at(m, b0);
        show_span(m, h, weight, loss);
        linear_backward(m->pass->head, h.logits, h.rows, dx + h.at * m->shape.dim, NULL);
        span_end(h);
    }
    m->pass->again = true;
}

void head_revisit(const struct model *m)
{
    const size_t mark = ledger_mark();
    for (int b0 = 0; b0 == 0 || b0 < m->pass->batch.n; b0 += span_samples(m)) {
        ledger_rewind(mark);
        const struct head_span h = span_at(m, b0);
        show_span(m, h, NULL, NULL);
        span_end(h);
    }
}

void head_loss(const struct model *m, float *loss)
{
    const struct batch *b = &m->pass->batch;
    const size_t mark = ledger_mark();
    for (int b0 = 0; b0 == 0 || b0 < b->n; b0 += span_samples(m)) {
        ledger_rewind(mark);
        const struct head_span h = span_at(m, b0);
        KERNEL(xent_fwd, h.logits, b->target + h.at, h.row_loss, h.rows, m->shape.vocab);
        mean_loss(m, h, loss);
        span_end(h);
    }
}
