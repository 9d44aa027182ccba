/* trainer_standard.c - ordinary training, no privacy: the base line.
 *
 *     sum = sum_b g_b
 *
 * Time: one forward and one backward pass.  Memory: activations of the physical batch. */
#include "../device/timer.h"
#include "trainer.h"

static void clipped_grad(struct trainer *t, const struct batch *x)
{
    PHASE(FORWARD) model_forward(t->model, x);
    PHASE(BACKWARD) model_backward(t->model, NULL, trainer_add_grad, t, t->loss + x->first, LAST_PASS);
}

const struct trainer_ops trainer_standard = {
    .name = "standard",
    .long_name = "StandardTrainer",
    .summary = "no privacy: the sum of gradients, the base line",
    .clipped_grad = clipped_grad,
};
