/* layer_linear.c - y = x W^T + b, W (O,I).
 *
 * Gradient of sample b:  dW_b = dy_b^T x_b (O,I),  db_b = sum_t dy_bt.
 * A sum over samples is one GEMM over all rows, per sample it is one GEMM a sample: time 2 B T O I FLOPs.
 * The squared norm: |dW_b|^2 from one sample's gradient at a time, as much time, scratch O I numbers; or from Gram
 * matrices in tiles, time B T^2 (I + O) FLOPs, scratch 2 B tiles, whatever T. */
#include "../device/ledger.h"
#include "per_sample.h"

#include <math.h>

enum { LEAST_TILE = 128 }; /* rows for an efficient GEMM */

const char *const norm_mode_name[N_NORM_MODES] = {"instantiate", "ghost"};

void linear_forward(const struct layer *l, const float *x, long rows, struct linear_out out)
{
    device_gemm(&(struct gemm){.op = GEMM_NT, .m = rows, .n = l->out, .k = l->in, .a = x, .b = l->weight,
        .b_bf16 = l->weight_bf16, .c = out.y, .bias = l->bias, .add = out.add, .relu = out.relu});
}

void linear_backward(const struct layer *l, const float *dy, long rows, float *dx, const float *add)
{
    device_gemm(&(struct gemm){.op = GEMM_NN, .m = rows, .n = l->in, .k = l->out, .a = dy, .b = l->weight,
        .b_bf16 = l->weight_bf16, .c = dx, .add = add});
}

/* g (O,I) += dy^T x over `rows` rows */
static void weight_grad(const struct layer *l, const float *x, const float *dy, long rows, float *g,
                        enum destination to)
{
    device_gemm(&(struct gemm){.op = GEMM_TN, .m = l->out, .n = l->in, .k = rows, .a = dy, .b = x, .c = g,
        .add = to == ADD ? g : NULL});
}

/* The same for one sample of the span.  An empty span has no sample, but the ledger hears the same calls. */
static void weight_grad_of(const struct layer *l, struct span s, int b, float *g, enum destination to)
{
    weight_grad(l, l->x + (long)b * l->T * l->in, l->dy + (long)b * l->T * l->out, s.n ? l->T : 0, g, to);
}

static long weight_size(const struct layer *l)
{
    return (long)l->out * l->in;
}

/* g[b] (O) += sum_t dy_bt */
static void add_bias_grads(const struct layer *l, struct span s, float *g, long stride_g)
{
    const int pieces = per_sample_pieces(l->T);
    if (pieces == 1) {
        KERNEL(bias_grad_sample, l->dy, g, stride_g, s.n, l->T, l->out);
        return;
    }
    float *piece = per_sample_begin(s.n * pieces, l->out);
    KERNEL(bias_grad_sample, l->dy, piece, l->out, s.n * pieces, l->T / pieces, l->out);
    KERNEL(bias_grad_sample, piece, g, stride_g, s.n, pieces, l->out);
    per_sample_end(piece);
}

static void linear_grad(struct layer *l, struct span s, struct weights w, float *g, enum destination to)
{
    const long rows = (long)s.n * l->T;
    if (!w.each) {
        weight_grad(l, l->x, l->dy, rows, g, to);
    } else { /* sum_b (weight_b dy_b)^T x_b */
        float *weighted = ledger_take(MEMORY_WORKSPACE, "weighted dy", (size_t)(rows * l->out) * sizeof(float));
        KERNEL(scale_rows, l->dy, weights_of(w, 0, s), weighted, s.n, (long)l->T * l->out);
        KERNEL(leave_out, l->x, weights_of(w, 0, s), s.n, (long)l->T * l->in);
        weight_grad(l, l->x, weighted, rows, g, to);
        ledger_release(weighted);
    }
    if (!l->bias)
        return;
    float *each = per_sample_begin(s.n, l->out);
    add_bias_grads(l, s, each, l->out);
    per_sample_sum(each, l->out, s.n, l->out, weights_of(w, 1, s), g + weight_size(l), to);
    per_sample_end(each);
}

static void linear_grad_sample(struct layer *l, struct span s, float *g, long stride_g, enum destination to)
{
    const long T = s.n ? l->T : 0;
    device_gemm(&(struct gemm){.op = GEMM_TN, .m = l->out, .n = l->in, .k = T, .a = l->dy, .b = l->x, .c = g,
        .add = to == ADD ? g : NULL, .batch = s.n, .stride_a = T * l->out, .stride_b = T * l->in,
        .stride_c = stride_g});
    if (!l->bias)
        return;
    if (to == OVERWRITE)
        per_sample_clear(g + weight_size(l), stride_g, s.n, l->out);
    add_bias_grads(l, s, g + weight_size(l), stride_g);
}

/* Rows of a sample that are taken at a time where T x T numbers would be too many. */
static int tile_of(const struct layer *l)
{
    const int whole = (l->T + LEAST_TILE - 1) / LEAST_TILE * LEAST_TILE;
    return whole < device_tile() ? whole : device_tile();
}

/* One sample's gradient at a time. */
static void sqnorm_instantiate(struct layer *l, struct span s, float *sq)
{
    float *one = ledger_take(MEMORY_WORKSPACE, "one sample's gradient", (size_t)weight_size(l) * sizeof(float));
    const size_t mark = ledger_mark();
    const int turns = work_turns_begin(s.n);
    for (int b = 0; b == 0 || b < turns; b++) {
        ledger_rewind(mark);
        weight_grad_of(l, s, b, one, OVERWRITE);
        per_sample_sqnorm(one, weight_size(l), s.n ? 1 : 0, weight_size(l), sq + s.b0 + b);
    }
    work_turns_end(s.n);
    ledger_release(one);
}

/* g (n,rows_i,rows_j) = a_i a_j^T for the rows [i0, i0+rows_i) and [j0, j0+rows_j) of each sample of a (n,T,columns).
 * An empty span has no rows. */
struct tile { int n, T, i0, rows_i, j0, rows_j; };

double linear_norm_flops(const struct layer *l, enum norm_mode mode)
{
    const double T = l->T, I = l->in, O = l->out;
    if (mode == NORM_INSTANTIATE)
        return 2.0 * T * I * O;
    return T * (T + fmin(T, tile_of(l))) * (I + O); /* half of the matrices, but diagonal tiles whole */
}

static int tile_rows(const struct layer *l, struct span s, int row)
{
    const int left = s.n ? l->T - row : 0;
    return left < tile_of(l) ? left : tile_of(l);
}

static void gram(struct tile t, const float *a, int columns, float *g)
{
    const long stride = (long)t.T * columns;
    device_gemm(&(struct gemm){.op = GEMM_NT, .m = t.rows_i, .n = t.rows_j, .k = columns, .a = a + (long)t.i0 * columns,
        .b = a + (long)t.j0 * columns, .c = g, .batch = t.n, .stride_a = stride, .stride_b = stride,
        .stride_c = (long)t.rows_i * t.rows_j});
}

/* Both Gram matrices are symmetric: tiles below the diagonal count twice, tiles above are left out. */
static void sqnorm_gram(struct layer *l, struct span s, float *sq)
{
    const int tile = tile_of(l), chunks = (tile * tile + SQNORM_CHUNK - 1) / SQNORM_CHUNK;
    const size_t bytes = (size_t)s.n * (size_t)tile * (size_t)tile * sizeof(float);
    float *gram_x = ledger_take(MEMORY_WORKSPACE, "Gram matrix of x", bytes);
    float *gram_dy = ledger_take(MEMORY_WORKSPACE, "Gram matrix of dy", bytes);
    float *part = ledger_take(MEMORY_WORKSPACE, "partial sums", (size_t)s.n * (size_t)chunks * sizeof(float));
    const size_t mark = ledger_mark();
    for (int i = 0; i < l->T; i += tile)
        for (int j = 0; j <= i; j += tile) {
            const struct tile t = {s.n, l->T, i, tile_rows(l, s, i), j, tile_rows(l, s, j)};
            ledger_rewind(mark);
            gram(t, l->x, l->in, gram_x);
            gram(t, l->dy, l->out, gram_dy);
            KERNEL(dot_rows, gram_x, gram_dy, i == j ? 1.0f : 2.0f, part, sq + s.b0, s.n, (long)t.rows_i * t.rows_j);
        }
    ledger_release(part);
    ledger_release(gram_dy);
    ledger_release(gram_x);
}

/* A head tied to the token embedding:  |g_emb + g_head|^2 = |g_emb|^2 + |g_head|^2 + 2 <g_emb, g_head>.  Row id_bt of
 * g_head,  cross_bt = sum_u dlogit_bu[id_bt] x_bu,  is formed here for the embedding, which multiplies it by dy_bt. */
static void form_cross(struct layer *l, struct span s)
{
    const int tile = tile_of(l);
    const size_t bytes = (size_t)tile * (size_t)l->T * sizeof(float);
    float *picked = ledger_take(MEMORY_WORKSPACE, "logit gradients of own tokens", bytes);
    const size_t mark = ledger_mark();
    for (int b = 0; b == 0 || b < s.n; b++)
        for (int t = 0; t < l->T; t += tile) {
            const int rows = tile_rows(l, s, t);
            const int *id = l->ids.id + (s.b0 + b) * l->ids.stride_b + t * l->ids.stride_t;
            ledger_rewind(mark);
            KERNEL(gather_columns, l->dy + (long)b * l->T * l->out, id, l->ids.stride_t, picked, rows, l->T, l->out);
            device_gemm(&(struct gemm){.op = GEMM_NN, .m = rows, .n = l->in, .k = l->T, .a = picked,
                .b = l->x + (long)b * l->T * l->in, .c = l->cross + ((long)(s.b0 + b) * l->T + t) * l->in});
        }
    ledger_release(picked);
}

static void linear_sqnorm(struct layer *l, struct span s, enum norm_mode mode, float *sq, long stride_sq)
{
    (mode == NORM_GRAM ? sqnorm_gram : sqnorm_instantiate)(l, s, sq);
    if (l->cross)
        form_cross(l, s);
    if (!l->bias)
        return;
    float *each = per_sample_begin(s.n, l->out); /* O(B T O), never a Gram matrix */
    add_bias_grads(l, s, each, l->out);
    per_sample_sqnorm(each, l->out, s.n, l->out, sq + stride_sq + s.b0);
    per_sample_end(each);
}

const struct layer_ops layer_linear = {"linear", linear_grad, linear_grad_sample, linear_sqnorm};
