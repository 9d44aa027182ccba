/* trainer_mixed.c - mixed ghost clipping (Bu et al. 2022): each linear layer's norm in the way that takes fewer FLOPs,
 * then a second, re-weighted backward pass.
 *
 *     Gram matrices:   T^2 (I + O), half of each and the diagonal tiles        gradient itself:   2 T I O
 *
 * Decided for each layer and T anew.  Time and memory between those of ghost and fastclip. */
#include "../device/timer.h"
#include "trainer.h"

static enum norm_mode cheaper(const struct layer *l)
{
    if (l->ops != &layer_linear)
        return NORM_INSTANTIATE; /* no choice */
    return linear_norm_flops(l, NORM_GRAM) < linear_norm_flops(l, NORM_INSTANTIATE) ? NORM_GRAM : NORM_INSTANTIATE;
}

static void sqnorm(struct layer *l, struct span s, void *t)
{
    trainer_layer_sqnorm(t, l, s, cheaper(l));
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

const struct trainer_ops trainer_mixed = {
    .name = "mixed",
    .summary = "mixed ghost clipping: each layer's norm in the way that takes fewer FLOPs",
    .is_private = true,
    .clipped_grad = clipped_grad,
};
