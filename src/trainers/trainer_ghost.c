/* trainer_ghost.c - ghost clipping (Li et al. 2022): the norm of a linear layer's gradient from two Gram matrices,
 * then a second, re-weighted backward pass.
 *
 *     |dy_b^T x_b|^2 = sum over t,u of <x_bt, x_bu> <dy_bt, dy_bu>
 *     backward of sum_b loss_b:           n_b, layer by layer, no gradient is formed
 *     backward of sum_b coef_b loss_b:    sum += its ordinary gradient
 *
 * Time: two backward passes and T^2 (I + O) FLOPs a sample and linear layer.  Memory: activations, kept for the
 * second pass; two tiles of Gram matrices, whatever T. */
#include "../device/timer.h"
#include "trainer.h"

static void sqnorm(struct layer *l, struct span s, void *t)
{
    trainer_layer_sqnorm(t, l, s, NORM_GRAM);
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

const struct trainer_ops trainer_ghost = {
    .name = "ghost",
    .long_name = "DPGhostClippingTrainer",
    .summary = "ghost clipping: norms from Gram matrices, then a re-weighted second backward pass",
    .is_private = true,
    .clipped_grad = clipped_grad,
};
