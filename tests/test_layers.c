/* test_layers.c - what a trainer asks of a layer, and attention, against plain double loops on the strict device. */
#include "../src/layers/attention.h"
#include "../src/layers/layer.h"
#include "on_device.h"

/* ---- layers with parameters ------------------------------------------------------------------------------------ */

/* The samples are a span of a batch of BATCH: numbers indexed by sample of the batch begin at FIRST. */
enum { BATCH = 9, FIRST = 2, MOST_TENSORS = 2, GAP = 5 };

/* in: columns of a linear layer's input, rows of an embedding.  layout: of ids. */
struct shape { const struct layer_ops *ops; int n, T, in, out; bool bias; int layout; };

/* Layouts of ids: contiguous, strided, one row for all samples, one id per sample, one id for all. */
enum { LAYOUTS = 5 };
static struct ids ids_of(struct shape s, int *id)
{
    const long T = s.T, stride[LAYOUTS][2] = {{T, 1}, {3 * T + 1, 3}, {0, 1}, {1, 0}, {0, 0}};
    return (struct ids){id, stride[s.layout][0], stride[s.layout][1]};
}

static int tensors_of(struct shape s) { return s.ops == &layer_layernorm || s.bias ? 2 : 1; }
static long first_size(struct shape s) { return s.ops == &layer_layernorm ? s.out : (long)s.in * s.out; }
static long params_of(struct shape s) { return first_size(s) + (tensors_of(s) > 1 ? s.out : 0); }

/* What a layer sees at the hook, on the host. */
struct sight { float *x, *dy, *mean, *rstd; int *id; long ids; };

/* More positive than negative numbers: sums that cancel have wide limits. */
static struct sight random_sight(struct shape s)
{
    const long rows = (long)BATCH * s.T, ids = BATCH * (3L * s.T + 1);
    struct sight v = {.dy = numbers(rows * s.out, 0.5f, 1), .id = array((size_t)ids, sizeof(int)), .ids = ids};
    v.x = numbers(rows * (s.ops == &layer_layernorm ? s.out : s.in), 0.6f, 1);
    v.mean = numbers(rows, 0.2f, 0.1f);
    v.rstd = numbers(rows, 1.5f, 0.5f);
    for (long i = 0; i < ids; i++) v.id[i] = (int)(next_word() % (unsigned)s.in);
    return v;
}

static struct layer layer_of(struct shape s, struct sight v)
{
    return (struct layer){.ops = s.ops, .name = "l", .n_tensors = tensors_of(s), .n_params = params_of(s), .in = s.in,
        .out = s.out, .T = s.T, .bias = s.bias ? v.dy : NULL, .x = v.x, .dy = v.dy, .mean = v.mean, .rstd = v.rstd,
        .ids = ids_of(s, v.id)};
}

/* Per-sample gradients (n,P), and the sums of the absolute values of their terms, of which there are at most T. */
struct gradients { double *value, *size; };

static void add_term(struct gradients g, long at, double term, double size)
{
    g.value[at] += term;
    g.size[at] += size;
}

static void add_row(struct gradients g, struct shape s, struct sight v, int b, int t)
{
    const long row = (long)b * s.T + t, at = b * params_of(s);
    const struct ids ids = ids_of(s, v.id);
    for (int o = 0; o < s.out; o++) {
        const double dy = v.dy[row * s.out + o];
        if (s.ops == &layer_embedding)
            add_term(g, at + (long)ids.id[b * ids.stride_b + t * ids.stride_t] * s.out + o, dy, fabs(dy));
        else if (s.ops == &layer_layernorm) {
            const double x = v.x[row * s.out + o], mean = v.mean[row], rstd = v.rstd[row];
            add_term(g, at + o, dy * (x - mean) * rstd, fabs(dy) * (fabs(x) + fabs(mean)) * rstd);
        } else
            for (int i = 0; i < s.in; i++) {
                const double term = dy * v.x[row * s.in + i];
                add_term(g, at + (long)o * s.in + i, term, fabs(term));
            }
        if (tensors_of(s) > 1)
            add_term(g, at + first_size(s) + o, dy, fabs(dy));
    }
}

static struct gradients gradients_of(struct shape s, struct sight v)
{
    const size_t n = (size_t)(s.n * params_of(s));
    struct gradients g = {array(n, sizeof(double)), array(n, sizeof(double))};
    for (int b = 0; b < s.n; b++)
        for (int t = 0; t < s.T; t++) add_row(g, s, v, b, t);
    return g;
}

/* Everything that a layer can be asked, in one program. */
enum { WEIGHTINGS = 3, DESTINATIONS = 2, NORM_MODES = 2 }; /* no weights, one for all tensors, one for each tensor */
struct questions {
    struct layer layer;
    struct span span;
    float *weight;                                     /* (tensors, BATCH) */
    float *grad[WEIGHTINGS][DESTINATIONS];             /* (P) */
    float *grad_sample[DESTINATIONS];                  /* (n, P + GAP) */
    float *sq[NORM_MODES];                             /* (tensors, BATCH) */
};

static struct weights weights_for(int weighting, const float *weight)
{
    return (struct weights){weighting ? weight : NULL, weighting == 2 ? BATCH : 0};
}

static void ask_everything(void *ctx)
{
    struct questions *q = ctx;
    struct layer *l = &q->layer;
    for (int to = 0; to < DESTINATIONS; to++) {
        for (int w = 0; w < WEIGHTINGS; w++)
            l->ops->grad(l, q->span, weights_for(w, q->weight), q->grad[w][to], (enum destination)to);
        l->ops->grad_sample(l, q->span, q->grad_sample[to], l->n_params + GAP, (enum destination)to);
    }
    for (int mode = 0; mode < NORM_MODES; mode++)
        l->ops->sqnorm(l, q->span, (enum norm_mode)mode, q->sq[mode], BATCH);
}

/* What lies in every destination beforehand. */
struct before { float *weight, *grad, *grad_sample, *sq; };

static void check_grad(struct shape s, struct gradients g, const struct before *before, struct questions *q)
{
    const long P = params_of(s);
    for (int w = 0; w < WEIGHTINGS; w++)
        for (int to = 0; to < DESTINATIONS; to++) {
            const float *got = fetch(q->grad[w][to], P);
            for (long i = 0; i < P && (s.n || to == ADD); i++) {
                double want = to == ADD ? before->grad[i] : 0, size = fabs(want);
                for (int b = 0; b < s.n; b++) {
                    const int tensor = w == 2 && i >= first_size(s);
                    const double weight = w ? before->weight[tensor * BATCH + FIRST + b] : 1;
                    want += weight * g.value[b * P + i];
                    size += fabs(weight) * g.size[b * P + i];
                }
                near("grad", i, got[i], want, (s.n * s.T + 10) * U * size);
            }
        }
}

static void check_grad_sample(struct shape s, struct gradients g, const struct before *before, struct questions *q)
{
    const long P = params_of(s), stride = P + GAP;
    for (int to = 0; to < DESTINATIONS; to++) {
        const float *got = fetch(q->grad_sample[to], BATCH * stride);
        for (long i = 0; i < BATCH * stride; i++) {
            const long b = i / stride, j = i % stride;
            if (b < s.n && j < P) {
                const double old = to == ADD ? before->grad_sample[i] : 0;
                near("grad_sample", i, got[i], old + g.value[b * P + j],
                    (s.T + 10) * U * (g.size[b * P + j] + fabs(old)));
            } else {
                near("untouched", i, got[i], before->grad_sample[i], 0);
            }
        }
    }
}

/* |g|^2 is a sum of P squares, each of a sum of T terms, or of T^2 products of sums of I and O terms.  Either way the
 * absolute values of all the terms add up to sum_i size_i^2. */
static void check_sqnorm(struct shape s, struct gradients g, const struct before *before, struct questions *q)
{
    const long P = params_of(s);
    const double roundings = (double)P + 2.0 * s.T + (double)s.T * s.T + s.in + s.out + 20;
    for (int mode = 0; mode < NORM_MODES; mode++) {
        const float *got = fetch(q->sq[mode], MOST_TENSORS * BATCH);
        for (int i = 0; i < MOST_TENSORS * BATCH; i++) {
            const int p = i / BATCH, b = i % BATCH - FIRST;
            double want = before->sq[i], size = fabs(want);
            const bool counts = p < tensors_of(s) && b >= 0 && b < s.n;
            for (long j = p ? first_size(s) : 0; counts && j < (p ? P : first_size(s)); j++) {
                want += g.value[b * P + j] * g.value[b * P + j];
                size += g.size[b * P + j] * g.size[b * P + j];
            }
            near("sqnorm", i, got[i], want, counts ? roundings * U * size : 0);
        }
    }
}

static void check_shape(struct shape s)
{
    const long P = params_of(s), rows = (long)BATCH * s.T;
    struct sight v = random_sight(s);
    const struct gradients g = gradients_of(s, v);
    const struct before before = {numbers(MOST_TENSORS * BATCH, 0, 2), numbers(P, 0, 1),
        numbers(BATCH * (P + GAP), 0, 1), numbers(MOST_TENSORS * BATCH, 3, 1)};
    ledger_open(LEDGER_REAL, 0);
    v.x = send(v.x, rows * (s.ops == &layer_layernorm ? s.out : s.in));
    v.dy = send(v.dy, rows * s.out);
    v.mean = send(v.mean, rows);
    v.rstd = send(v.rstd, rows);
    v.id = send(v.id, v.ids);
    struct questions q = {.layer = layer_of(s, v), .span = {FIRST, s.n}};
    q.weight = send(before.weight, MOST_TENSORS * BATCH);
    for (int to = 0; to < DESTINATIONS; to++) {
        for (int w = 0; w < WEIGHTINGS; w++) q.grad[w][to] = send(before.grad, P);
        q.grad_sample[to] = send(before.grad_sample, BATCH * (P + GAP));
    }
    for (int mode = 0; mode < NORM_MODES; mode++) q.sq[mode] = send(before.sq, MOST_TENSORS * BATCH);
    struct questions larger = q;
    larger.span.n = BATCH - FIRST;
    run_rehearsed(ask_everything, &larger, &q);
    check_grad(s, g, &before, &q);
    check_grad_sample(s, g, &before, &q);
    check_sqnorm(s, g, &before, &q);
    ledger_retire();
    drop_all();
    ledger_close();
    free_arrays(NULL);
}

static const int samples[] = {0, 1, 3};

static void linear_layers_agree_with_double_loops(void **state)
{
    (void)state;
    static const int size[][3] = /* T, I, O */
        {{1, 1, 1}, {1, 7, 33}, {5, 3, 1}, {19, 40, 17}, {131, 5, 9}, {257, 3, 2}};
    for (int i = 0; i < COUNT(size); i++)
        for (int n = 0; n < COUNT(samples); n++)
            for (int bias = 0; bias < 2; bias++)
                check_shape((struct shape){&layer_linear, samples[n], size[i][0], size[i][1], size[i][2], bias, 0});
}

static void layernorms_agree_with_double_loops(void **state)
{
    (void)state;
    static const int size[][2] = {{1, 1}, {1, 33}, {19, 5}, {40, 300}}; /* T, D */
    for (int i = 0; i < COUNT(size); i++)
        for (int n = 0; n < COUNT(samples); n++)
            check_shape((struct shape){&layer_layernorm, samples[n], size[i][0], size[i][1], size[i][1], false, 0});
}

static void embeddings_agree_with_double_loops_on_repeated_strided_and_broadcast_ids(void **state)
{
    (void)state;
    static const int size[][3] = {{1, 3, 4}, {19, 7, 33}, {60, 50, 5}, {23, 1, 8}}; /* T, V, D */
    for (int i = 0; i < COUNT(size); i++)
        for (int n = 0; n < COUNT(samples); n++)
            for (int layout = 0; layout < LAYOUTS; layout++)
                check_shape((struct shape){
                    &layer_embedding, samples[n], size[i][0], size[i][1], size[i][2], false, layout});
}

/* ---- attention ------------------------------------------------------------------------------------------------- */

enum { MATRICES = 8 }; /* q, k, v, dout given; out, dq, dk, dv asked for */
struct attention_pass { struct attention shape; float *q, *k, *v, *dout, *out, *dq, *dk, *dv, *lse; };

static void attend(void *ctx)
{
    struct attention_pass *p = ctx;
    attention_forward(&p->shape, p->q, p->k, p->v, p->out, p->lse);
    attention_backward(&p->shape, p->q, p->k, p->v, p->lse, p->dout, p->dq, p->dk, p->dv);
}

/* The same for one query t of one head in double, added to what it contributes to, each with the sum of absolute
 * terms that its rounding error scales with. */
struct sums { double *value, *size; };
struct wanted { struct sums out, dq, dk, dv; double *lse; double score_size; };

static double dot(const float *x, const float *y, int d, double *size)
{
    double sum = 0;
    *size = 0;
    for (int j = 0; j < d; j++) {
        sum += (double)x[j] * y[j];
        *size += fabs((double)x[j] * y[j]);
    }
    return sum;
}

static void add_scaled(struct sums s, long at, double factor, double size, const float *x, int d)
{
    for (int j = 0; j < d; j++) {
        s.value[at + j] += factor * x[j];
        s.size[at + j] += size * fabs(x[j]);
    }
}

static int keys_of(const struct attention *a, int b, int t)
{
    return a->causal && t + 1 < a->length[b] ? t + 1 : a->length[b];
}

static void query_wanted(const struct attention_pass *p, int b, int h, int t, struct wanted *w)
{
    const struct attention *a = &p->shape;
    const int d = a->D / a->H, keys = keys_of(a, b, t);
    const long base = (long)b * a->T * a->D + (long)h * d, at = base + (long)t * a->D;
    const double scale = 1 / sqrt(d);
    double *prob = malloc((size_t)keys * sizeof *prob), *dprob = malloc((size_t)keys * sizeof *dprob);
    double *size = malloc((size_t)keys * sizeof *size), max = -INFINITY, sum = 0, mean = 0, mean_size = 0, s;
    for (int u = 0; u < keys; u++) {
        prob[u] = scale * dot(p->q + at, p->k + base + (long)u * a->D, d, &s);
        w->score_size = fmax(w->score_size, scale * s);
        max = fmax(max, prob[u]);
    }
    for (int u = 0; u < keys; u++) sum += prob[u] = exp(prob[u] - max);
    w->lse[((long)b * a->H + h) * a->T + t] = max + log(sum);
    for (int u = 0; u < keys; u++) {
        prob[u] /= sum;
        dprob[u] = dot(p->dout + at, p->v + base + (long)u * a->D, d, &size[u]);
        mean += prob[u] * dprob[u];
        mean_size += prob[u] * size[u];
    }
    for (int u = 0; u < keys; u++) {
        const long key = base + (long)u * a->D;
        const double ds = prob[u] * (dprob[u] - mean) * scale, ds_size = prob[u] * (size[u] + mean_size) * scale;
        add_scaled(w->out, at, prob[u], prob[u], p->v + key, d);
        add_scaled(w->dv, key, prob[u], prob[u], p->dout + at, d);
        add_scaled(w->dq, at, ds, ds_size, p->k + key, d);
        add_scaled(w->dk, key, ds, ds_size, p->q + at, d);
    }
    free(prob);
    free(dprob);
    free(size);
}

static struct sums sums(long n)
{
    return (struct sums){array((size_t)n, sizeof(double)), array((size_t)n, sizeof(double))};
}

static struct wanted attention_wanted(const struct attention_pass *p)
{
    const struct attention *a = &p->shape;
    const long n = (long)a->n * a->T * a->D;
    struct wanted w = {sums(n), sums(n), sums(n), sums(n), array((size_t)(a->n * a->H * a->T), sizeof(double)), 0};
    for (int b = 0; b < a->n; b++)
        for (int h = 0; h < a->H; h++)
            for (int t = 0; t < a->T; t++) query_wanted(p, b, h, t, &w);
    return w;
}

/* A score is off by (d+2) u sum |q||k|, a probability relatively by twice that and the rounding of exp and of a sum
 * of T; both enter score gradients at most twice, which enter another sum of T. */
static double attention_rel_limit(const struct attention *a, const struct wanted *w)
{
    const double d = (double)a->D / a->H;
    return 4 * ((2 * (d + 2) * w->score_size) + 2 * a->T + d + 20) * U;
}

static void check_sums(const char *what, const float *device, struct sums want, long n, double rel_limit)
{
    const float *got = fetch(device, n);
    for (long i = 0; i < n; i++) near(what, i, got[i], want.value[i], rel_limit * want.size[i]);
}

static void check_attention(int n, int T, int D, int H, bool causal)
{
    enum { MOST = 3 };
    const long size = (long)MOST * T * D, rows = (long)MOST * H * T, used = (long)n * T * D;
    const float spread = 2 / sqrtf((float)D / (float)H);
    int length[MOST] = {T, (T + 1) / 2, 1};
    struct attention_pass p = {{n, T, D, H, causal, length}, numbers(size, 0.1f, spread), numbers(size, 0, spread),
        numbers(size, 0, 1), numbers(size, 0, 1), NULL, NULL, NULL, NULL, NULL};
    const struct wanted want = attention_wanted(&p);
    ledger_open(LEDGER_REAL, 0);
    const float *nan = memset(zeros(size), 0xff, (size_t)size * sizeof *nan);
    p.shape.length = send(length, MOST);
    p.q = send(p.q, size), p.k = send(p.k, size), p.v = send(p.v, size), p.dout = send(p.dout, size);
    p.out = send(nan, size), p.dq = send(nan, size), p.dk = send(nan, size), p.dv = send(nan, size);
    p.lse = send(zeros(rows), rows);
    struct attention_pass larger = p;
    larger.shape.n = MOST;
    run_rehearsed(attend, &larger, &p);
    const double limit = attention_rel_limit(&p.shape, &want);
    check_sums("out", p.out, want.out, used, limit);
    check_sums("dq", p.dq, want.dq, used, limit);
    check_sums("dk", p.dk, want.dk, used, limit);
    check_sums("dv", p.dv, want.dv, used, limit);
    const float *lse = fetch(p.lse, rows);
    for (long i = 0; i < (long)n * H * T; i++)
        near("lse", i, lse[i], want.lse[i], limit * (1 + fabs(want.lse[i])));
    ledger_retire();
    drop_all();
    ledger_close();
    free_arrays(NULL);
}

static void attention_agrees_with_double_loops(void **state)
{
    (void)state;
    static const int size[][3] = {{1, 1, 1}, {7, 6, 1}, {7, 12, 3}, {33, 20, 5}, {64, 32, 4}}; /* T, D, H */
    for (int i = 0; i < COUNT(size); i++)
        for (int causal = 0; causal < 2; causal++)
            for (int n = 0; n <= 3; n++) check_attention(n, size[i][0], size[i][1], size[i][2], causal);
}

/* Some queries at a time: of all heads, of one head, and with keys in larger steps than queries. */
static void attention_in_chunks_agrees_too(void **state)
{
    (void)state;
    check_attention(2, 300, 4, 2, true);
    check_attention(2, 600, 6, 3, false);
    check_attention(1, 2100, 2, 2, true);
}

int main(void)
{
    open_strict_device(1);
    const struct CMUnitTest tests[] = {
        TEST(linear_layers_agree_with_double_loops),
        TEST(layernorms_agree_with_double_loops),
        TEST(embeddings_agree_with_double_loops_on_repeated_strided_and_broadcast_ids),
        TEST(attention_agrees_with_double_loops),
        TEST(attention_in_chunks_agrees_too),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    device_close();
    return failed;
}
