/* layer_embedding.c - y_bt = W[id_bt], W (V,D); token and position embeddings alike.
 *
 * Gradient of sample b: row v is the sum of dy_bt over the t with id_bt = v.  Ids may repeat, be strided or be the
 * same memory for all samples (stride 0).  The norm sums rows of equal ids first:
 *     |g_b|^2 = sum over pairs t,u with id_bt = id_bu of <dy_bt, dy_bu>,   never a V x D matrix per sample. */
#include "../device/ledger.h"
#include "per_sample.h"

static void embedding_grad(struct layer *l, struct span s, struct weights w, float *g, enum destination to)
{
    if (to == OVERWRITE)
        KERNEL(fill, g, 0.0f, l->n_params);
    KERNEL(embedding_grad, l->ids.id, l->ids.stride_b, l->ids.stride_t, weights_of(w, 0, s), l->dy, g,
        s.n, l->T, l->out);
}

static void embedding_grad_sample(struct layer *l, struct span s, float *g, long stride_g, enum destination to)
{
    if (to == OVERWRITE)
        per_sample_clear(g, stride_g, s.n, l->n_params);
    KERNEL(embedding_grad_sample, l->ids.id, l->ids.stride_b, l->ids.stride_t, l->dy, g, stride_g, s.n, l->T, l->out);
}

/* 2 <g_embedding, g_head> of a tied pair */
static void add_cross(struct layer *l, struct span s, float *sq)
{
    const long n = (long)l->T * l->out, chunks = (n + SQNORM_CHUNK - 1) / SQNORM_CHUNK;
    float *part = ledger_take(MEMORY_WORKSPACE, "partial sums", (size_t)(s.n * chunks) * sizeof(float));
    KERNEL(dot_rows, l->dy, l->cross + s.b0 * n, 2.0f, part, sq + s.b0, s.n, n);
    ledger_release(part);
}

static void embedding_sqnorm(struct layer *l, struct span s, enum norm_mode mode, float *sq, long stride_sq)
{
    (void)mode;
    (void)stride_sq; /* one tensor */
    const size_t rows = (size_t)s.n * (size_t)l->T;
    int *next = ledger_take(MEMORY_WORKSPACE, "next equal id", rows * sizeof(int));
    float *part = ledger_take(MEMORY_WORKSPACE, "partial sums", rows * sizeof(float));
    KERNEL(embedding_sqnorm, l->ids.id, l->ids.stride_b, l->ids.stride_t, l->dy, next, part, sq + s.b0, s.n, l->T,
        l->out);
    ledger_release(part);
    ledger_release(next);
    if (l->cross)
        add_cross(l, s, sq);
}

const struct layer_ops layer_embedding = {"embedding", embedding_grad, embedding_grad_sample, embedding_sqnorm};
