/* trainer_broken.c - negative controls: trainers with one mistake each, such as have been made.
 * Verification must find every one of them INVALID.  They are not in ordinary lists, but runnable by name. */
#include "../device/ledger.h"
#include "../device/timer.h"
#include "trainer.h"

#include <math.h>

/* Norms are computed and thrown away, no clipping happens. */

static void norm_and_grad(struct layer *l, struct span s, void *ctx)
{
    struct trainer *t = ctx;
    const int stride = t->config.physical_batch_size;
    l->ops->sqnorm(l, s, NORM_INSTANTIATE, t->sq + (long)l->first_tensor * stride, stride);
    trainer_add_grad(l, s, t);
}

static void clipped_grad_noclip(struct trainer *t, const struct batch *x)
{
    PHASE(FORWARD) model_forward(t->model, x);
    PHASE(BACKWARD) trainer_norm_pass(t, x, norm_and_grad, t, LAST_PASS);
    PHASE(CLIP) trainer_coefficients(t, x, (struct span){0, x->n});
}

const struct trainer_ops trainer_broken_noclip = {
    .name = "broken-noclip",
    .summary = "control: computes norms and never clips",
    .is_private = true,
    .is_control = true,
    .clipped_grad = clipped_grad_noclip,
};

/* The gradient of a physical batch is clipped, not those of its samples. */

static void add_to_whole(struct layer *l, struct span s, void *ctx)
{
    float *g = ctx;
    l->ops->grad(l, s, UNWEIGHTED, g + l->offset, layer_begins(l) && s.b0 == 0 ? OVERWRITE : ADD);
}

static void clipped_grad_batch(struct trainer *t, const struct batch *x)
{
    struct model *m = t->model;
    const struct span one = {0, x->n > 0};
    float *g = ledger_take(MEMORY_PER_SAMPLE_GRADIENTS, "a batch's gradient", (size_t)m->n_params * sizeof *g);
    PHASE(FORWARD) model_forward(m, x);
    PHASE(BACKWARD) model_backward(m, NULL, add_to_whole, g, t->loss + x->first, LAST_PASS);
    for (int l = 0; l < m->n_layers; l++)
        if (layer_begins(&m->layer[l]))
            trainer_stored_sqnorm(t, &m->layer[l], g + m->layer[l].offset, m->layer[l].n_params, one);
    PHASE(CLIP) trainer_coefficients(t, x, one);
    for (int l = 0; l < m->n_layers; l++)
        if (layer_begins(&m->layer[l]))
            PHASE(CLIP) trainer_add_stored(t, &m->layer[l], g + m->layer[l].offset, m->layer[l].n_params, x, one);
    ledger_release(g);
}

static const char *hidden_by_single_samples(const struct model_shape *shape, const struct trainer_config *config)
{
    (void)shape;
    return config->physical_batch_size > 1
               ? NULL
               : "this control is wrong with several samples in memory only; choose --physical-batch-size above 1";
}

const struct trainer_ops trainer_broken_batchclip = {
    .name = "broken-batchclip",
    .summary = "control: clips the gradient of the batch, not of each sample",
    .is_private = true,
    .is_control = true,
    .clipped_grad = clipped_grad_batch,
    .hidden_by = hidden_by_single_samples,
};

/* The norm of an embedding's gradient adds the squares of rows of equal ids without summing the rows first. */

static void sqnorm_of_rows(struct layer *l, struct span s, void *ctx)
{
    struct trainer *t = ctx;
    const int stride = t->config.physical_batch_size;
    float *sq = t->sq + (long)l->first_tensor * stride;
    if (l->ops != &layer_embedding) {
        l->ops->sqnorm(l, s, NORM_INSTANTIATE, sq, stride);
        return;
    }
    struct layer row = *l; /* a sample's rows side by side as one long row: no id repeats in it */
    row.T = 1;
    row.out = l->T * l->out;
    row.ops->sqnorm(&row, s, NORM_INSTANTIATE, sq, stride);
}

/* Ghost clipping with norms by another hook. */
static void clip_by_norms_of(struct trainer *t, const struct batch *x, grad_hook *sqnorm_of)
{
    struct model *m = t->model;
    if (t->config.clipping == CLIPPING_PER_LAYER) {
        trainer_clip_layers(t, x, sqnorm_of);
        return;
    }
    PHASE(FORWARD) model_forward(m, x);
    PHASE(BACKWARD) trainer_norm_pass(t, x, sqnorm_of, t, NOT_LAST_PASS);
    PHASE(CLIP) trainer_coefficients(t, x, (struct span){0, x->n});
    PHASE(BACKWARD) model_backward(m, t->coef + x->first, trainer_add_grad, t, NULL, LAST_PASS);
}

static void clipped_grad_embedding(struct trainer *t, const struct batch *x)
{
    clip_by_norms_of(t, x, sqnorm_of_rows);
}

const struct trainer_ops trainer_broken_embedding = {
    .name = "broken-embedding",
    .summary = "control: repeated token ids not summed before squaring",
    .is_private = true,
    .is_control = true,
    .clipped_grad = clipped_grad_embedding,
};

/* The norm leaves out embeddings, whose gradients are added like all others. */

static void sqnorm_but_of_embeddings(struct layer *l, struct span s, void *t)
{
    if (l->ops != &layer_embedding)
        trainer_layer_sqnorm(t, l, s, NORM_GRAM);
}

static void clipped_grad_uncounted(struct trainer *t, const struct batch *x)
{
    clip_by_norms_of(t, x, sqnorm_but_of_embeddings);
}

const struct trainer_ops trainer_broken_uncounted = {
    .name = "broken-uncounted",
    .summary = "control: norms leave out the embeddings",
    .is_private = true,
    .is_control = true,
    .clipped_grad = clipped_grad_uncounted,
};

/* The norm of a tied tensor without the cross term 2 <g_embedding, g_head>. */

static void sqnorm_without_cross(struct layer *l, struct span s, void *t)
{
    float *cross = l->cross;
    l->cross = NULL;
    trainer_layer_sqnorm(t, l, s, NORM_GRAM);
    l->cross = cross;
}

static void clipped_grad_tied(struct trainer *t, const struct batch *x)
{
    clip_by_norms_of(t, x, sqnorm_without_cross);
}

static const char *hidden_by_untied_head(const struct model_shape *shape, const struct trainer_config *config)
{
    (void)config;
    return shape->arch == ARCH_GPT2 ? NULL : "this control is wrong with a tied head only; choose --model gpt2";
}

const struct trainer_ops trainer_broken_tied = {
    .name = "broken-tied",
    .summary = "control: no cross term for a tied head (wrong with gpt2 models)",
    .is_private = true,
    .is_control = true,
    .clipped_grad = clipped_grad_tied,
    .hidden_by = hidden_by_untied_head,
};

static void divide_by_physical_batch(struct trainer *t)
{
    t->divisor = t->config.physical_batch_size;
}

static const char *hidden_by_whole_batch(const struct model_shape *shape, const struct trainer_config *config)
{
    (void)shape;
    return config->physical_batch_size < config->expected_batch_size
               ? NULL
               : "this control is wrong with a split batch only; choose --physical-batch-size below --batch-size";
}

const struct trainer_ops trainer_broken_divisor = {
    .name = "broken-divisor",
    .summary = "control: divides by the physical batch size (wrong with --physical-batch-size)",
    .is_private = true,
    .is_control = true,
    .clipped_grad = microbatch_clipped_grad,
    .spoil = divide_by_physical_batch,
    .hidden_by = hidden_by_whole_batch,
};

/* The sum is divided by the samples that were drawn. */

static void clipped_grad_drawn(struct trainer *t, const struct batch *x)
{
    t->divisor = x->first + x->n > 0 ? x->first + x->n : 1; /* so many so far */
    microbatch_clipped_grad(t, x);
}

static const char *hidden_by_equal_sizes(const struct model_shape *shape, const struct trainer_config *config)
{
    (void)shape;
    return config->sizes_vary ? NULL : "this control is wrong where batches vary; choose --sampling poisson";
}

const struct trainer_ops trainer_broken_drawn = {
    .name = "broken-drawn",
    .summary = "control: divides by the samples drawn, not by those expected (wrong with --sampling poisson)",
    .is_private = true,
    .is_control = true,
    .clipped_grad = clipped_grad_drawn,
    .hidden_by = hidden_by_equal_sizes,
};

static void halve_noise_variance(struct trainer *t)
{
    t->noise_factor /= sqrt(2.0);
}

static const char *hidden_by_no_noise(const struct model_shape *shape, const struct trainer_config *config)
{
    (void)shape;
    return config->noise_multiplier > 0.0 ? NULL : "this control needs noise; choose --noise-multiplier above 0";
}

const struct trainer_ops trainer_broken_noise = {
    .name = "broken-noise",
    .summary = "control: half the stated noise variance",
    .is_private = true,
    .is_control = true,
    .clipped_grad = microbatch_clipped_grad,
    .spoil = halve_noise_variance,
    .hidden_by = hidden_by_no_noise,
};

/* The noise is sigma, whatever R is. */

static void forget_threshold(struct trainer *t)
{
    t->noise_factor /= t->config.max_grad_norm;
}

static const char *hidden_by_threshold_1(const struct model_shape *shape, const struct trainer_config *config)
{
    return config->max_grad_norm != 1.0 ? hidden_by_no_noise(shape, config)
                                        : "this control is right for a threshold of 1; choose another --max-grad-norm";
}

const struct trainer_ops trainer_broken_sigma = {
    .name = "broken-sigma",
    .summary = "control: noise of sigma instead of sigma R (wrong with --max-grad-norm other than 1)",
    .is_private = true,
    .is_control = true,
    .clipped_grad = microbatch_clipped_grad,
    .spoil = forget_threshold,
    .hidden_by = hidden_by_threshold_1,
};

/* Every rank of a group adds the same share of noise: the sum has ranks times the variance. */

static void use_one_key(struct trainer *t)
{
    t->own_noise = t->noise;
    t->noise_rank = 0;
}

static const char *hidden_by_one_noise(const struct model_shape *shape, const struct trainer_config *config)
{
    if (config->ranks < 2 || config->noise_placement != NOISE_SHARES)
        return "this control is wrong where ranks add shares only; choose --ranks-per-run 2 --noise-placement shares";
    return hidden_by_no_noise(shape, config);
}

const struct trainer_ops trainer_broken_samekey = {
    .name = "broken-samekey",
    .summary = "control: all ranks add the same noise (wrong with --noise-placement shares)",
    .is_private = true,
    .is_control = true,
    .clipped_grad = microbatch_clipped_grad,
    .spoil = use_one_key,
    .hidden_by = hidden_by_one_noise,
};

/* Every rank of a group adds the whole noise. */

static void add_whole_noise(struct trainer *t)
{
    t->noise_factor = 1.0;
}

const struct trainer_ops trainer_broken_shares = {
    .name = "broken-shares",
    .summary = "control: every rank adds the whole noise (wrong with --noise-placement shares)",
    .is_private = true,
    .is_control = true,
    .clipped_grad = microbatch_clipped_grad,
    .spoil = add_whole_noise,
    .hidden_by = hidden_by_one_noise,
};
