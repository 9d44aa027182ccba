/* test_layer_kernels.c - kernels of embedding, layernorm, attention and loss against plain double loops. */
#include "arrays.h"

#include <stdbool.h>

/* ---- embedding -------------------------------------------------------------------------------------------------- */

enum { VOCABULARY = 13 };

/* Layouts of ids: contiguous, strided, one row for all samples, one id per sample, one id for all. */
struct ids { int *id; long stride_b, stride_t; };
enum { LAYOUTS = 5 };
static struct ids ids_of(int layout, int T)
{
    const long strides[LAYOUTS][2] = {{T, 1}, {3 * T + 1, 3}, {0, 1}, {1, 0}, {0, 0}};
    struct ids x = {array((size_t)4 * (3 * (size_t)T + 1), sizeof(int)), strides[layout][0], strides[layout][1]};
    for (int i = 0; i < 4 * (3 * T + 1); i++) x.id[i] = (int)(next_word() % VOCABULARY);
    return x;
}
static int id_at(struct ids x, long b, long t) { return x.id[b * x.stride_b + t * x.stride_t]; }

/* All combinations of layouts and shapes: samples, tokens, columns. */
struct shape { int layout, n, T, D; };
enum { SHAPES = LAYOUTS * 3 * 2 * 4 };
static struct shape shape_of(int k)
{
    static const int samples[] = {0, 1, 3}, tokens[] = {1, 19}, columns[] = {1, 33, 256, 300};
    return (struct shape){k % LAYOUTS, samples[k / LAYOUTS % 3], tokens[k / LAYOUTS / 3 % 2], columns[k / LAYOUTS / 6]};
}

static void embeddings_are_rows_of_the_table(void **state)
{
    (void)state;
    for (int k = 0; k < SHAPES; k++) {
        const struct shape s = shape_of(k);
        const struct ids x = ids_of(s.layout, s.T);
        const long size = (long)s.n * s.T * s.D;
        float *table = numbers(VOCABULARY * s.D, 0, 1), *y = numbers(size, 0, 1), *z = copy(y, size);
        float *before = copy(y, size);
        k_embedding_fwd(NULL, x.id, x.stride_b, x.stride_t, table, y, s.n, s.T, s.D);
        k_embedding_add(NULL, x.id, x.stride_b, x.stride_t, table, z, s.n, s.T, s.D);
        for (long i = 0; i < size; i++) {
            const float e = table[id_at(x, i / s.D / s.T, i / s.D % s.T) * s.D + i % s.D];
            near("y", i, y[i], e, 0);
            near("y", i, z[i], before[i] + e, 0);
        }
    }
}

/* want, size (n, V, D): value and sum of absolute terms of each per-sample gradient; an entry has at most T terms. */
static void gradient_rows(struct ids x, struct shape s, const float *dy, double *want, double *size)
{
    for (long i = 0; i < (long)s.n * s.T * s.D; i++) {
        const long r = i / s.D, b = r / s.T, at = (b * VOCABULARY + id_at(x, b, r % s.T)) * s.D + i % s.D;
        want[at] += dy[i];
        size[at] += fabs(dy[i]);
    }
}

static void embedding_gradients_add_up_repeated_ids(void **state)
{
    (void)state;
    for (int k = 0; k < SHAPES; k++) {
        const struct shape s = shape_of(k);
        const struct ids x = ids_of(s.layout, s.T);
        const long P = VOCABULARY * s.D, stride = P + 7;
        float *dy = numbers((long)s.n * s.T * s.D, 0.2f, 1), *g = numbers(s.n * stride, 0, 1);
        float *before = copy(g, s.n * stride);
        double *want = array((size_t)(s.n * P), sizeof *want), *size = array((size_t)(s.n * P), sizeof *size);
        gradient_rows(x, s, dy, want, size);
        k_embedding_grad_sample(NULL, x.id, x.stride_b, x.stride_t, dy, g, stride, s.n, s.T, s.D);
        for (long i = 0; i < s.n * stride; i++) {
            const long b = i / stride, j = i % stride, at = b * P + j;
            if (j < P) near("g", i, g[i], before[i] + want[at], (s.T + 2) * U * (size[at] + fabs(before[i])));
            else near("gap", i, g[i], before[i], 0);
        }
    }
}

static void embedding_gradients_are_weighted_sums_over_samples(void **state)
{
    (void)state;
    for (int k = 0; k < 2 * SHAPES; k++) {
        const struct shape s = shape_of(k / 2);
        const struct ids x = ids_of(s.layout, s.T);
        const long P = VOCABULARY * s.D;
        float *dy = numbers((long)s.n * s.T * s.D, 0.2f, 1), *g = numbers(P, 0, 1), *before = copy(g, P);
        float *weight = k % 2 ? numbers(s.n, 1, 1) : NULL;
        double *want = array((size_t)(s.n * P), sizeof *want), *size = array((size_t)(s.n * P), sizeof *size);
        gradient_rows(x, s, dy, want, size);
        k_embedding_grad(NULL, x.id, x.stride_b, x.stride_t, weight, dy, g, s.n, s.T, s.D);
        for (long j = 0; j < P; j++) {
            double sum = before[j], total = fabs(sum);
            for (int b = 0; b < s.n; b++) {
                sum += (weight ? weight[b] : 1.0) * want[b * P + j];
                total += (weight ? weight[b] : 1.0) * size[b * P + j];
            }
            near("g", j, g[j], sum, (s.n * s.T + 2) * U * total);
        }
    }
}

static void a_weight_of_zero_leaves_a_sample_out(void **state)
{
    (void)state;
    const int id[] = {1, 0};
    const float dy[] = {NAN, 2}, weight[] = {0, 3};
    float g[] = {1, 1};
    k_embedding_grad(NULL, id, 1, 1, weight, dy, g, 2, 1, 1);
    near("g", 0, g[0], 7, 0);
    near("g", 1, g[1], 1, 0);
}

static void embedding_norms_are_those_of_the_summed_rows(void **state)
{
    (void)state;
    for (int k = 0; k < SHAPES; k++) {
        const struct shape s = shape_of(k);
        const struct ids x = ids_of(s.layout, s.T);
        const long P = VOCABULARY * s.D, rows = (long)s.n * s.T;
        float *dy = numbers(rows * s.D, 0.2f, 1), *part = zeros(rows), *sq = numbers(s.n, 1, 1);
        float *before = copy(sq, s.n);
        int *next = array((size_t)rows, sizeof *next);
        double *g = array((size_t)(s.n * P), sizeof *g), *size = array((size_t)(s.n * P), sizeof *size);
        gradient_rows(x, s, dy, g, size);
        k_embedding_sqnorm(NULL, x.id, x.stride_b, x.stride_t, dy, next, part, sq, s.n, s.T, s.D);
        for (long b = 0; b < s.n; b++) {
            double want = before[b], limit = want;
            for (long j = 0; j < P; j++) {
                want += g[b * P + j] * g[b * P + j];
                limit += size[b * P + j] * size[b * P + j];
            }
            near("sq", b, sq[b], want, (s.D + 3 * s.T + 3) * U * limit);
        }
    }
}

/* ---- layernorm -------------------------------------------------------------------------------------------------- */

static const int widths[] = {1, 33, 130, 777};

/* u ((D+1) mean|x|) is the error of the mean, D/2 + 6 roundings that of rstd; y adds 5 more. */
static void layernorm_normalizes_rows(void **state)
{
    (void)state;
    for (int k = 0; k < 2 * COUNT(widths); k++) {
        const int rows = 7, D = widths[k / 2];
        float *x = numbers(rows * D, k % 2 ? 30 : 0, 2), *gamma = numbers(D, 1, 1), *beta = numbers(D, 0, 1);
        float *y = zeros(rows * D), *mean = zeros(rows), *rstd = zeros(rows), *again = zeros(rows * D);
        k_layernorm_fwd(NULL, x, gamma, beta, y, mean, rstd, rows, D);
        for (int r = 0; r < rows; r++) {
            double mu = 0, size = 0, variance = 0;
            for (int j = 0; j < D; j++) mu += x[r * D + j] / (double)D;
            for (int j = 0; j < D; j++) size += fabs(x[r * D + j]) / D;
            for (int j = 0; j < D; j++) variance += pow(x[r * D + j] - mu, 2) / D;
            const double rs = 1 / sqrt(variance + 1e-5), mean_limit = (D + 1) * U * size;
            /* with D = 1 the variance is the square of the mean's error */
            const double rs_limit = rs * (D / 2 + 6) * U + pow(mean_limit * rs, 2) * rs;
            near("mean", r, mean[r], mu, mean_limit);
            near("rstd", r, rstd[r], rs, rs_limit);
            for (int j = 0; j < D; j++) {
                const double centred = x[r * D + j] - mu, want = centred * rs * gamma[j] + beta[j];
                near("y", r * D + j, y[r * D + j], want,
                     fabs(gamma[j]) * (rs * mean_limit + fabs(centred) * rs_limit) +
                         5 * U * (fabs(want) + fabs(beta[j])));
            }
        }
        k_layernorm_apply(NULL, x, gamma, beta, mean, rstd, again, rows, D);
        same("applied again", y, again, rows * D);
    }
}

/* A row of dx from the kernel's own mean and rstd; limit: D + 8 roundings of each mean, 6 of the rest. */
static void layernorm_dx(const float *dy, const float *x, const float *gamma, double mu, double rs, int D, double *dx,
                         double *limit)
{
    double s = 0, t = 0, s_size = 0, t_size = 0;
    for (int j = 0; j < D; j++) {
        const double d = (double)dy[j] * gamma[j] / D, h = (x[j] - mu) * rs;
        s += d;
        t += d * h;
        s_size += fabs(d);
        t_size += fabs(d * h);
    }
    for (int j = 0; j < D; j++) {
        const double d = (double)dy[j] * gamma[j], h = (x[j] - mu) * rs;
        dx[j] = rs * (d - s - h * t);
        limit[j] = (rs * (fabs(d) * 6 + (s_size + fabs(h) * t_size) * (D + 14)) + fabs(dx[j])) * U;
    }
}

static void layernorm_gradients_follow_the_formula(void **state)
{
    (void)state;
    for (int k = 0; k < COUNT(widths); k++) {
        const int rows = 7, D = widths[k];
        float *x = numbers(rows * D, 0.5f, 2), *gamma = numbers(D, 1, 1), *beta = zeros(D);
        float *dy = numbers(rows * D, 0.3f, 1), *y = zeros(rows * D), *dx = zeros(rows * D);
        float *mean = zeros(rows), *rstd = zeros(rows), *added = numbers(rows * D, 0, 1);
        float *before = copy(added, rows * D);
        double *want = array((size_t)D, sizeof *want), *limit = array((size_t)D, sizeof *limit);
        k_layernorm_fwd(NULL, x, gamma, beta, y, mean, rstd, rows, D);
        k_layernorm_bwd(NULL, dy, x, gamma, mean, rstd, dx, rows, D);
        k_layernorm_bwd_add(NULL, dy, x, gamma, mean, rstd, added, rows, D);
        for (int i = 0; i < rows * D; i++) {
            const int r = i / D, j = i % D;
            if (!j) layernorm_dx(dy + i, x + i, gamma, mean[r], rstd[r], D, want, limit);
            near("dx", i, dx[i], want[j], limit[j]);
            near("dx", i, added[i], before[i] + want[j], limit[j] + U * fabs(added[i]));
        }
        k_layernorm_bwd(NULL, dy, x, gamma, mean, rstd, dy, rows, D);
        same("in place", dy, dx, rows * D);
        k_layernorm_bwd(NULL, dy, x, gamma, mean, rstd, dy, 0, D);
        same("no rows", dy, dx, rows * D);
    }
}

static void layernorm_parameters_have_gradients_per_sample(void **state)
{
    (void)state;
    static const int samples[] = {0, 1, 3}, tokens[] = {1, 50};
    for (int k = 0; k < 6 * COUNT(widths); k++) {
        const int n = samples[k % 3], T = tokens[k / 3 % 2], D = widths[k / 6], stride = 2 * D + 3;
        const long rows = (long)n * T;
        float *x = numbers(rows * D, 0, 2), *dy = numbers(rows * D, 0.3f, 1), *mean = numbers(rows, 0, 1);
        float *rstd = numbers(rows, 1, 0.5f), *g = numbers((long)n * stride, 0, 1), *before = copy(g, (long)n * stride);
        k_layernorm_grad_sample(NULL, dy, x, mean, rstd, g, stride, n, T, D);
        for (long i = 0; i < (long)n * stride; i++) {
            const long b = i / stride, c = i % stride, j = c % D;
            double want = before[i], size = fabs(want);
            for (long r = b * T; c < 2 * D && r < (b + 1) * T; r++) {
                const double term = dy[r * D + j] * (c < D ? ((double)x[r * D + j] - mean[r]) * rstd[r] : 1);
                want += term;
                size += fabs(term);
            }
            near("g", i, g[i], want, c < 2 * D ? (T + 4) * U * size : 0);
        }
    }
}

/* ---- attention -------------------------------------------------------------------------------------------------- */

struct attention { int T, length, causal; float spread; struct score_rows rows; };
enum { HEADS = 3, ATTENTIONS = 4 * 3 * 2 * 3 };
static const float SCALE = 0.125f;

/* All scores, or those of some queries in the middle with the keys that they may see. */
static struct score_rows score_rows_of(int T, int causal, bool all)
{
    const int first = T / 3, queries = (T - first + 1) / 2, keys = causal ? first + queries : T;
    return all ? (struct score_rows){0, T, T} : (struct score_rows){first, queries, keys};
}
static struct attention attention_of(int k)
{
    static const int tokens[] = {1, 7, 33, 130};
    static const float spreads[] = {10, 1e5f, 1e-30f};
    const int T = tokens[k % 4], length[] = {1, (T + 1) / 2, T}, causal = k / 12 % 2;
    return (struct attention){T, length[k / 4 % 3], causal, spreads[k / 24], score_rows_of(T, causal, k % 5 % 2)};
}
static int rows_of(struct attention a) { return HEADS * a.rows.queries; }
static int query_of(struct attention a, int row) { return a.rows.first + row % a.rows.queries; }
static int lse_of(struct attention a, int row) { return row / a.rows.queries * a.T + query_of(a, row); }
static bool sees(struct attention a, int row, int key)
{
    return key < a.length && (!a.causal || key <= query_of(a, row));
}

/* The exponent scale s - m, with |scale s| <= M, has 4 u M of absolute error, which is the relative error of p; sums
 * add T roundings, exp and the quotient 8.  Below e^-87 a probability is 0. */
static double softmax_limit(struct attention a) { return (4.0 * SCALE * a.spread + a.T + 8) * U; }

static void softmax_rows_are_probabilities_of_visible_keys(void **state)
{
    (void)state;
    for (int k = 0; k < ATTENTIONS; k++) {
        const struct attention a = attention_of(k);
        const int keys = a.rows.keys, rows = rows_of(a);
        float *s = numbers(rows * keys, 0, a.spread), *p = copy(s, rows * keys), *lse = zeros(HEADS * a.T);
        k_softmax_fwd(NULL, p, &a.length, lse, SCALE, a.causal, HEADS, a.rows, a.T);
        for (int r = 0; r < rows; r++) {
            double m = -INFINITY, sum = 0;
            for (int j = 0; j < keys; j++)
                if (sees(a, r, j)) m = fmax(m, SCALE * s[r * keys + j]);
            for (int j = 0; j < keys; j++)
                if (sees(a, r, j)) sum += exp(SCALE * s[r * keys + j] - m);
            near("lse", r, lse[lse_of(a, r)], m + log(sum), softmax_limit(a) + 2 * U * fabs(m));
            lse[lse_of(a, r)] = 0;
            for (int j = 0; j < keys; j++) {
                const double want = sees(a, r, j) ? exp(SCALE * s[r * keys + j] - m) / sum : 0;
                near("p", r * keys + j, p[r * keys + j], want, 2 * softmax_limit(a) * want + (want > 0 ? 2e-38 : 0));
            }
        }
        same("lse of other queries", lse, zeros(HEADS * a.T), HEADS * a.T);
    }
}

/* ds = scale p (dp - delta): p as above, delta a sum of T products with p. */
static void softmax_gradients_follow_the_formula(void **state)
{
    (void)state;
    for (int k = 0; k < ATTENTIONS; k++) {
        const struct attention a = attention_of(k);
        const int keys = a.rows.keys, rows = rows_of(a), n = rows * keys;
        float *s = numbers(n, 0, a.spread), *p = copy(s, n), *q = copy(s, n), *lse = zeros(HEADS * a.T);
        float *dp = numbers(n, 0.5f, 1), *ds = copy(dp, n);
        k_softmax_fwd(NULL, p, &a.length, lse, SCALE, a.causal, HEADS, a.rows, a.T);
        k_softmax_bwd(NULL, q, ds, lse, &a.length, SCALE, a.causal, HEADS, a.rows, a.T);
        for (int r = 0; r < rows; r++) {
            const float l = lse[lse_of(a, r)];
            double delta = 0, size = 0;
            for (int j = 0; j < keys; j++) {
                if (!sees(a, r, j)) continue;
                delta += exp(SCALE * s[r * keys + j] - l) * dp[r * keys + j];
                size += exp(SCALE * s[r * keys + j] - l) * fabs(dp[r * keys + j]);
            }
            for (int j = 0, i = r * keys; j < keys; j++, i++) {
                const double prob = sees(a, r, j) ? exp(SCALE * s[i] - l) : 0, none = prob > 0 ? 2e-38 : 0;
                near("p", i, q[i], prob, softmax_limit(a) * prob + none);
                near("ds", i, ds[i], SCALE * prob * (dp[i] - delta),
                     2 * softmax_limit(a) * SCALE * prob * (fabs(dp[i]) + size) + none);
            }
        }
    }
}

static void no_heads_are_no_work(void **state)
{
    (void)state;
    const int length = 1;
    const struct score_rows rows = {0, 5, 5};
    assert_int_equal(k_softmax_fwd(NULL, NULL, &length, NULL, SCALE, 0, 0, rows, 5), 0);
    assert_int_equal(k_softmax_bwd(NULL, NULL, NULL, NULL, &length, SCALE, 0, 0, rows, 5), 0);
}

/* ---- cross-entropy ---------------------------------------------------------------------------------------------- */

enum { TOKENS = 5, LOSSES = 4 * 3 * 3 };
struct loss { int n, V; float spread; };
static struct loss loss_of(int k)
{
    static const int samples[] = {0, 1, 3}, vocabularies[] = {1, 33, 777, 5003};
    static const float spreads[] = {5, 1e5f, 1e-30f};
    return (struct loss){samples[k % 3], vocabularies[k / 3 % 4], spreads[k / 12]};
}

/* As softmax with scale 1: exponents are off by 3 u max|x|. */
static double loss_limit(struct loss l) { return (3.0 * l.spread + l.V + 8) * U; }

static int *targets(struct loss l)
{
    int *target = array((size_t)(l.n * TOKENS), sizeof *target);
    for (int r = 0; r < l.n * TOKENS; r++) target[r] = r % 4 == 1 ? -1 : (int)(next_word() % (unsigned)l.V);
    return target;
}

static double log_sum_exp(const float *x, int V)
{
    double m = -INFINITY, sum = 0;
    for (int j = 0; j < V; j++) m = fmax(m, x[j]);
    for (int j = 0; j < V; j++) sum += exp(x[j] - m);
    return m + log(sum);
}

static void cross_entropy_is_log_sum_exp_less_the_target(void **state)
{
    (void)state;
    for (int k = 0; k < LOSSES; k++) {
        const struct loss l = loss_of(k);
        const int rows = l.n * TOKENS, *target = targets(l);
        float *x = numbers((long)rows * l.V, 0, l.spread), *loss = zeros(rows);
        k_xent_fwd(NULL, x, target, loss, rows, l.V);
        for (long r = 0; r < rows; r++) {
            const double want = target[r] < 0 ? 0 : log_sum_exp(x + r * l.V, l.V) - x[r * l.V + target[r]];
            near("loss", r, loss[r], want, target[r] < 0 ? 0 : loss_limit(l));
        }
    }
}

static void cross_entropy_gradients_are_softmax_less_one_hot(void **state)
{
    (void)state;
    for (int k = 0; k < 2 * LOSSES; k++) {
        const struct loss l = loss_of(k / 2);
        const int rows = l.n * TOKENS, *target = targets(l);
        float *x = numbers((long)rows * l.V, 0, l.spread), *dx = copy(x, (long)rows * l.V);
        float *loss = zeros(rows), *forward = zeros(rows);
        float *scale = numbers(l.n, 0.3f, 0.2f), *weight = k % 2 ? numbers(l.n, 1, 1) : NULL;
        k_xent_fwd(NULL, x, target, forward, rows, l.V);
        k_xent_bwd(NULL, dx, target, scale, weight, loss, l.n, TOKENS, l.V);
        for (long i = 0; i < (long)rows * l.V; i++) {
            const long r = i / l.V;
            static double lse;
            if (i % l.V == 0) lse = log_sum_exp(x + i, l.V);
            const double w = scale[r / TOKENS] * (weight ? weight[r / TOKENS] : 1.0), p = exp(x[i] - lse);
            const double want = target[r] < 0 ? 0 : w * (p - (i % l.V == target[r]));
            const double limit = w * 2 * (loss_limit(l) * p + (i % l.V == target[r]) * U) + 2e-38;
            near("dx", i, dx[i], want, target[r] < 0 ? 0 : limit);
        }
        for (long r = 0; r < rows; r++) near("loss", r, loss[r], forward[r], target[r] < 0 ? 0 : loss_limit(l));
    }
}

static void losses_are_scaled_sums_over_tokens(void **state)
{
    (void)state;
    static const int tokens[] = {1, 33, 777};
    for (int k = 0; k < 3; k++) {
        const int n = 7, T = tokens[k];
        float *row_loss = numbers(n * T, 3, 3), *scale = numbers(n, 1, 1), *loss = zeros(n);
        k_loss_mean(NULL, row_loss, scale, loss, 0, T);
        for (int b = 0; b < n; b++) near("untouched", b, loss[b], 0, 0);
        k_loss_mean(NULL, row_loss, scale, loss, n, T);
        for (int b = 0; b < n; b++) {
            double sum = 0;
            for (int t = 0; t < T; t++) sum += row_loss[b * T + t];
            near("loss", b, loss[b], scale[b] * sum, (T + 1) * U * scale[b] * sum);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(embeddings_are_rows_of_the_table),
        TEST(embedding_gradients_add_up_repeated_ids),
        TEST(embedding_gradients_are_weighted_sums_over_samples),
        TEST(a_weight_of_zero_leaves_a_sample_out),
        TEST(embedding_norms_are_those_of_the_summed_rows),
        TEST(layernorm_normalizes_rows),
        TEST(layernorm_gradients_follow_the_formula),
        TEST(layernorm_parameters_have_gradients_per_sample),
        TEST(softmax_rows_are_probabilities_of_visible_keys),
        TEST(softmax_gradients_follow_the_formula),
        TEST(no_heads_are_no_work),
        TEST(cross_entropy_is_log_sum_exp_less_the_target),
        TEST(cross_entropy_gradients_are_softmax_less_one_hot),
        TEST(losses_are_scaled_sums_over_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
