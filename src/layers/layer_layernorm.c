/* layer_layernorm.c - y = (x - mean) rstd gamma + beta over the last index; parameters gamma (D), beta (D).
 *
 * Gradient of sample b:  dgamma_b = sum_t dy_bt (x_bt - mean_bt) rstd_bt,  dbeta_b = sum_t dy_bt. */
#include "per_sample.h"

/* g[b] (2,D) += dgamma_b, dbeta_b */
static void add_grads(const struct layer *l, struct span s, float *g, long stride_g)
{
    const int pieces = per_sample_pieces(l->T), P = 2 * l->out;
    if (pieces == 1) {
        KERNEL(layernorm_grad_sample, l->dy, l->x, l->mean, l->rstd, g, stride_g, s.n, l->T, l->out);
        return;
    }
    float *piece = per_sample_begin(s.n * pieces, P);
    KERNEL(layernorm_grad_sample, l->dy, l->x, l->mean, l->rstd, piece, P, s.n * pieces, l->T / pieces, l->out);
    KERNEL(bias_grad_sample, piece, g, stride_g, s.n, pieces, P); /* a sum of rows, whatever they hold */
    per_sample_end(piece);
}

static float *form_each(const struct layer *l, struct span s)
{
    float *each = per_sample_begin(s.n, 2L * l->out);
    add_grads(l, s, each, 2L * l->out);
    return each;
}

static void layernorm_grad(struct layer *l, struct span s, struct weights w, float *g, enum destination to)
{
    float *each = form_each(l, s);
    per_sample_sum(each, 2L * l->out, s.n, l->out, weights_of(w, 0, s), g, to);
    per_sample_sum(each + l->out, 2L * l->out, s.n, l->out, weights_of(w, 1, s), g + l->out, to);
    per_sample_end(each);
}

static void layernorm_grad_sample(struct layer *l, struct span s, float *g, long stride_g, enum destination to)
{
    if (to == OVERWRITE)
        per_sample_clear(g, stride_g, s.n, 2L * l->out);
    add_grads(l, s, g, stride_g);
}

static void layernorm_sqnorm(struct layer *l, struct span s, enum norm_mode mode, float *sq, long stride_sq)
{
    (void)mode; /* few parameters: always formed */
    float *each = form_each(l, s);
    per_sample_sqnorm(each, 2L * l->out, s.n, l->out, sq + s.b0);
    per_sample_sqnorm(each + l->out, 2L * l->out, s.n, l->out, sq + stride_sq + s.b0);
    per_sample_end(each);
}

const struct layer_ops layer_layernorm = {"layernorm", layernorm_grad, layernorm_grad_sample, layernorm_sqnorm};
