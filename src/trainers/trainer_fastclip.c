/* trainer_fastclip.c - fast gradient clipping (Lee & Kifer 2021): only norms of per-sample gradients, then a second,
 * re-weighted backward pass.
 *
 *     backward of sum_b loss_b:           n_b = |g_b|, layer by layer, each layer's gradients formed and forgotten
 *     backward of sum_b coef_b loss_b:    sum += its ordinary gradient
 *
 * --norm-mode says how a linear layer's norm is formed: instantiate (default) or ghost.
 * Time: two backward passes and the norms.  Memory: activations, kept for the second pass; one sample's gradient of
 * one layer at a time. */
#include "../device/timer.h"
#include "trainer.h"

static void sqnorm(struct layer *l, struct span s, void *ctx)
{
    struct trainer *t = ctx;
    trainer_layer_sqnorm(t, l, s, t->config.norm_mode);
}

static void clipped_grad(struct trainer *t, const struct batch *x)
{
    struct model *m = t->model;
    if (t->config.clipping == CLIPPING_PER_LAYER) {
        trainer_clip_layers(t, x, sqnorm);
        return;
    }
    PHASE(FORWARD) model_forward(m, x);
    PHASE(BACKWARD) trainer_norm_pass(t, x, sqnorm, t, NOT_LAST_PASS);
    PHASE(CLIP) trainer_coefficients(t, x, (struct span){0, x->n});
    PHASE(BACKWARD) model_backward(m, t->coef + x->first, trainer_add_grad, t, NULL, LAST_PASS);
}

const struct trainer_ops trainer_fastclip = {
    .name = "fastclip",
    .long_name = "DPFastGradientClippingTrainer",
    .summary = "fast gradient clipping: norms, then a re-weighted second backward pass",
    .is_private = true,
    .clipped_grad = clipped_grad,
};
