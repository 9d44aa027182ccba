/* test_kernels.c - element-wise kernels, sums over rows, clipping coefficients, optimizers against plain double loops.
 * Kernels of layers: test_layer_kernels.c; random numbers: test_random.c. */
#include "arrays.h"

#include <stdbool.h>

static const long lengths[] = {0, 1, 3, 1003, 100003}; /* the last one is shared by threads */

/* ---- element-wise ---------------------------------------------------------------------------------------------- */

static void fill_scale_and_add_round_once(void **state)
{
    (void)state;
    for (int s = 0; s < COUNT(lengths); s++) {
        const long n = lengths[s];
        float *x = numbers(n, 0, 3), *y = numbers(n, 1, 3), *z = copy(y, n), *w = copy(x, n), *f = numbers(n, 0, 1);
        float *v = zeros(n);
        k_add(NULL, y, x, n);
        k_scale(NULL, w, 0.3f, n);
        k_fill(NULL, f, 0.7f, n);
        k_copy(NULL, v, y, n);
        same("copy", v, y, n);
        for (long i = 0; i < n; i++) {
            near("sum", i, y[i], z[i] + x[i], 0);
            near("scaled", i, w[i], 0.3f * x[i], 0);
            near("filled", i, f[i], 0.7f, 0);
        }
    }
}

static void rows_are_scaled_by_their_weight(void **state)
{
    (void)state;
    static const long cols[] = {1, 33, 777, 9001};
    for (int s = 0; s < COUNT(cols); s++) {
        const long c = cols[s];
        float *x = numbers(7 * c, 0, 3), *weight = numbers(7, 1, 1), *y = zeros(7 * c);
        k_scale_rows(NULL, x, weight, y, 7, c);
        for (long i = 0; i < 7 * c; i++) near("scaled", i, y[i], weight[i / c] * x[i], 0);
        k_scale_rows(NULL, x, weight, x, 7, c);
        same("in place", x, y, 7 * c);
        k_scale_rows(NULL, x, weight, x, 0, c);
        same("no rows", x, y, 7 * c);
    }
}

static void a_row_of_weight_0_becomes_0_whatever_it_holds(void **state)
{
    (void)state;
    static const long cols[] = {1, 33, 9001};
    for (int s = 0; s < COUNT(cols); s++) {
        const long c = cols[s];
        float *x = numbers(3 * c, 0, 3), weight[] = {-2.0f, 0.0f, 0.5f}, *y = zeros(3 * c);
        x[c] = NAN;
        x[2 * c - 1] = c > 1 ? INFINITY : NAN;
        float *left = copy(x, 3 * c);
        k_leave_out(NULL, left, weight, 3, c);
        k_scale_rows(NULL, x, weight, y, 3, c);
        for (long i = 0; i < 3 * c; i++) {
            const int out = i / c == 1;
            near("left out", i, left[i], out ? 0 : x[i], 0);
            near("scaled", i, y[i], out ? 0 : weight[i / c] * x[i], 0);
        }
        float *same_as = copy(left, 3 * c);
        k_leave_out(NULL, left, weight, 0, c);
        same("no rows", left, same_as, 3 * c);
    }
}

/* All eight combinations, in rows with something between them that must stay. */
static void what_follows_a_product_adds_and_cuts_off(void **state)
{
    (void)state;
    static const int rows = 7, cols[] = {1, 33, 777}, gap = 5;
    for (int s = 0; s < 8 * COUNT(cols); s++) {
        const int n = cols[s / 8], ld = n + gap, size = rows * ld;
        float *c = numbers(size, 0, 1), *before = copy(c, size), *b = numbers(n, 0, 1), *a = numbers(size, 0, 1);
        const float *bias = s & 1 ? b : NULL, *add = s & 2 ? a : NULL;
        k_epilogue(NULL, c, ld, bias, add, s & 4, rows, n);
        for (int i = 0; i < size; i++) {
            const int j = i % ld;
            float want = before[i];
            if (j < n && bias) want += bias[j];
            if (j < n && add) want += add[i];
            if (j < n && s & 4 && want < 0) want = 0;
            near("c", i, c[i], want, 0);
        }
        k_epilogue(NULL, c, ld, bias, add, s & 4, 0, n);
    }
}

/* The nearest number of 8 significant bits, of two equally near the even one: in double, without looking at bits. */
static double bf16_nearest(float x)
{
    int exponent;
    if (!isfinite(x) || x == 0)
        return x;
    const double m = 256 * frexp(x, &exponent), below = floor(m), rest = m - below;
    const bool up = rest > 0.5 || (rest == 0.5 && fmod(below, 2) != 0);
    return ldexp(below + up, exponent - 8);
}

static float bf16_number(const uint32_t *y, int i)
{
    const uint32_t bits = i % 2 ? y[i / 2] & 0xffff0000u : y[i / 2] << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Of rows that lie apart, in problems that lie apart: heads side by side. */
static void bf16_copies_are_packed_and_rounded_to_nearest_even(void **state)
{
    (void)state;
    static const float special[] = {0.0f, -0.0f, 1.00390625f, 1.01171875f, -1.00390625f, 1.00390637f, 0.998046875f,
        INFINITY, -INFINITY, 0x1p-126f};
    static const int cols[] = {1, 33, 777};
    enum { BATCH = 3, ROWS = 7, GAP = 5 };
    for (int s = 0; s < COUNT(cols); s++) {
        const int n = cols[s], ld = BATCH * n + GAP;
        float *x = numbers(ROWS * ld, 0, 3);
        const int words = BF16_ROW_WORDS(n);
        uint32_t *y = array((size_t)(BATCH * ROWS * words), sizeof *y);
        memset(y, 0xff, (size_t)(BATCH * ROWS * words) * sizeof *y);
        for (int i = 0; i < COUNT(special); i++) x[i % ROWS * ld + i / ROWS] = special[i];
        k_to_bf16(NULL, x, ld, n, y, BATCH, ROWS, n);
        for (int i = 0; i < BATCH * ROWS * 2 * words; i++) {
            const int row = i / 2 / words, j = i % (2 * words);
            const double want = j < n ? bf16_nearest(x[row % ROWS * ld + row / ROWS * n + j]) : 0;
            if ((double)bf16_number(y, i) != want)
                fail_msg("[%d, %d] is %.9g, should be %.9g", row, j, bf16_number(y, i), want);
        }
        k_to_bf16(NULL, x, ld, n, y, 0, ROWS, n);
        k_to_bf16(NULL, x, ld, n, y, BATCH, 0, n);
    }
    const uint32_t nans[] = {0x7f800001, 0xffffffff, 0x7fc00000};
    uint32_t y[BF16_ROW_WORDS(COUNT(nans))];
    float x[COUNT(nans)];
    memcpy(x, nans, sizeof x);
    k_to_bf16(NULL, x, COUNT(nans), 0, y, 1, 1, COUNT(nans));
    for (int i = 0; i < COUNT(nans); i++) assert_true(isnan(bf16_number(y, i)));
}

static void relu_passes_gradients_where_its_output_is_positive(void **state)
{
    (void)state;
    for (int s = 0; s < COUNT(lengths); s++) {
        const long n = lengths[s];
        float *dy = numbers(n, 0, 2), *y = numbers(n, 0, 1), *dx = zeros(n);
        for (long i = 0; i < n; i += 3) y[i] = 0;
        k_relu_bwd(NULL, dy, y, 1.3f, dx, n);
        for (long i = 0; i < n; i++) near("dx", i, dx[i], y[i] > 0 ? 1.3f * dy[i] : 0, 0);
        k_relu_bwd(NULL, dy, y, 1.3f, dy, n);
        same("in place", dy, dx, n);
    }
}

static double gelu(double x) { return x / (1 + exp(-2 * sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); }
static double gelu_slope(double x)
{
    const double c = 2 * sqrt(2 / M_PI), s = 1 / (1 + exp(-c * (x + 0.044715 * x * x * x)));
    return s + x * s * (1 - s) * c * (1 + 3 * 0.044715 * x * x);
}

/* The exponent v = 2u is off by 6 u |v|, which is the relative error of e^v; the rest has less than 10 roundings. */
static void gelu_and_its_slope_follow_the_formula(void **state)
{
    (void)state;
    for (int s = 0; s < COUNT(lengths); s++) {
        const long n = lengths[s];
        float *x = numbers(n, 0, 7), *dy = numbers(n, 0, 2), *y = zeros(n), *dx = zeros(n);
        k_gelu_fwd(NULL, x, y, n);
        k_gelu_bwd(NULL, dy, x, dx, n);
        for (long i = 0; i < n; i++) {
            const double v = 1.6 * fabs(x[i]) * (1 + 0.045 * x[i] * x[i]), relative = (10 + 6 * v) * U;
            const double sigmoid = gelu(x[i]) / x[i], curve = 1 + fabs(x[i]) * 1.6 * (1 + 0.135 * x[i] * x[i]);
            near("gelu", i, y[i], gelu(x[i]), relative * fabs(gelu(x[i])));
            near("slope", i, dx[i], dy[i] * gelu_slope(x[i]), 2 * relative * fabs(dy[i]) * sigmoid * curve);
        }
        k_gelu_bwd(NULL, dy, x, dy, n);
        same("in place", dy, dx, n);
    }
}

static void gelu_is_linear_far_from_zero(void **state)
{
    (void)state;
    const float x[] = {-1e30f, -200, -20, 20, 200, 1e30f}, one[] = {1, 1, 1, 1, 1, 1};
    float y[6], dx[6];
    k_gelu_fwd(NULL, x, y, 6);
    k_gelu_bwd(NULL, one, x, dx, 6);
    for (int i = 0; i < 6; i++) {
        near("gelu", i, y[i], x[i] > 0 ? x[i] : 0, x[i] > 0 ? 0 : 1e-8);
        near("slope", i, dx[i], x[i] > 0, 1e-30);
    }
}

/* ---- sums over rows --------------------------------------------------------------------------------------------- */

static const int widths[] = {1, 33, 130, 256, 777};

/* T + 1 terms: error <= (T + 1) u sum |term|. */
static void bias_gradients_are_column_sums_per_sample(void **state)
{
    (void)state;
    static const int samples[] = {0, 1, 7}, tokens[] = {1, 9, 300};
    for (int s = 0; s < 3 * 3 * COUNT(widths); s++) {
        const int n = samples[s % 3], T = tokens[s / 3 % 3], O = widths[s / 9], stride = O + 5;
        float *dy = numbers((long)n * T * O, 0.1f, 1), *g = numbers((long)n * stride, 0, 1);
        float *before = copy(g, (long)n * stride);
        k_bias_grad_sample(NULL, dy, g, stride, n, T, O);
        for (long i = 0; i < (long)n * stride; i++) {
            const long b = i / stride, j = i % stride;
            double want = before[i], size = fabs(want);
            for (long t = 0; j < O && t < T; t++) {
                want += dy[(b * T + t) * O + j];
                size += fabs(dy[(b * T + t) * O + j]);
            }
            near("g", i, g[i], want, j < O ? (T + 1) * U * size : 0);
        }
    }
}

/* sum[j] against kept before[j] + sum_b weight[b] g[b][j]; weight NULL: all 1 */
struct rows { const float *g, *weight; long stride; int n; };
static void near_weighted(const char *what, const float *sum, double kept, const float *before, struct rows r, long P)
{
    for (long j = 0; j < P; j++) {
        double want = kept ? kept * before[j] : 0, size = fabs(want);
        for (int b = 0; b < r.n; b++) {
            const double term = (r.weight ? r.weight[b] : 1.0) * r.g[b * r.stride + j];
            want += term;
            size += fabs(term);
        }
        near(what, j, sum[j], want, (r.n + 2) * U * size);
    }
}

static void weighted_sums_add_all_samples(void **state)
{
    (void)state;
    static const int samples[] = {0, 1, 7, 40};
    static const long sizes[] = {1, 33, 777, 20001};
    for (int s = 0; s < 2 * 4 * 4; s++) {
        const long P = sizes[s / 8], stride = P + 3;
        const int n = samples[s / 2 % 4];
        float *g = numbers(n * stride, 0, 1), *weight = numbers(1 + n, 0, 2), *before = numbers(P, 0, 1);
        float *sum = copy(before, P), *added = copy(before, P), *joined = copy(before, P);
        const struct rows rows = {g, s % 2 ? weight : NULL, stride, n}, behind = {g, weight + 1, stride, n};
        for (long j = 0; j < P; j += 2) sum[j] = NAN; /* is not read */
        k_weighted_sum(NULL, g, stride, rows.weight, sum, n, P);
        k_weighted_add(NULL, g, stride, rows.weight, added, n, P);
        k_weighted_join(NULL, g, stride, weight, joined, n, P);
        near_weighted("sum", sum, 0, before, rows, P);
        near_weighted("added", added, 1, before, rows, P);
        near_weighted("joined", joined, weight[0], before, behind, P);
    }
}

static void a_weight_of_zero_leaves_out_what_is_not_finite(void **state)
{
    (void)state;
    float g[] = {1, 2, NAN, INFINITY, 3, 4}, weight[] = {0, 0.5f, 0, 2};
    float sum[] = {NAN, NAN}, added[] = {0, 0}, joined[] = {INFINITY, NAN};
    k_weighted_sum(NULL, g, 2, weight + 1, sum, 3, 2);
    k_weighted_add(NULL, g, 2, weight + 1, added, 3, 2);
    k_weighted_join(NULL, g, 2, weight, joined, 3, 2);
    for (int i = 0; i < 2; i++) {
        near("sum", i, sum[i], i ? 9 : 6.5, 0);
        near("added", i, added[i], i ? 9 : 6.5, 0);
        near("joined", i, joined[i], i ? 9 : 6.5, 0);
    }
}

/* P squares: error <= (P + 2) u sum of squares, but chunks bound the number of terms added one after another. */
static void squared_norms_of_rows_are_added(void **state)
{
    (void)state;
    static const int samples[] = {0, 1, 7};
    static const long sizes[] = {1, 33, 777, SQNORM_CHUNK, SQNORM_CHUNK + 1, 50001};
    for (int s = 0; s < 3 * 6; s++) {
        const int n = samples[s % 3];
        const long P = sizes[s / 3], stride = P + 3, chunks = (P + SQNORM_CHUNK - 1) / SQNORM_CHUNK;
        float *g = numbers(n * stride, 0, 1), *sq = numbers(n, 5, 1), *before = copy(sq, n), *part = zeros(n * chunks);
        k_sqnorm_rows(NULL, g, stride, part, sq, n, P);
        for (long b = 0; b < n; b++) {
            double want = before[b];
            for (long j = 0; j < P; j++) want += (double)g[b * stride + j] * g[b * stride + j];
            near("sq", b, sq[b], want, (fmin((double)P, SQNORM_CHUNK) + (double)chunks + 2) * U * want);
        }
    }
}

static void dot_products_of_rows_are_added(void **state)
{
    (void)state;
    static const int samples[] = {0, 1, 7};
    static const long sizes[] = {1, 33, 777, SQNORM_CHUNK, 50001};
    for (int s = 0; s < 3 * 5; s++) {
        const int n = samples[s % 3];
        const long P = sizes[s / 3], chunks = (P + SQNORM_CHUNK - 1) / SQNORM_CHUNK;
        float *x = numbers(n * P, 0, 1), *y = numbers(n * P, 0.5f, 1), *part = zeros(n * chunks);
        float *dot = numbers(n, 5, 1), *before = copy(dot, n);
        k_dot_rows(NULL, x, y, 2.0f, part, dot, n, P);
        for (long b = 0; b < n; b++) {
            double want = before[b], size = fabs(want);
            for (long j = b * P; j < (b + 1) * P; j++) {
                want += 2.0 * x[j] * y[j];
                size += fabs(2.0 * x[j] * y[j]);
            }
            near("dot", b, dot[b], want, (fmin((double)P, SQNORM_CHUNK) + (double)chunks + 3) * U * size);
        }
    }
}

static void sums_of_rows_are_added(void **state)
{
    (void)state;
    for (int s = 0; s < COUNT(widths); s++) {
        const long c = widths[s];
        float *x = numbers(7 * c, 0, 1), *sum = numbers(7, 0, 1), *before = copy(sum, 7);
        k_sum_rows(NULL, x, sum, 0, c);
        same("no rows", sum, before, 7);
        k_sum_rows(NULL, x, sum, 7, c);
        for (long b = 0; b < 7; b++) {
            double want = before[b], size = fabs(want);
            for (long j = 0; j < c; j++) {
                want += x[b * c + j];
                size += fabs(x[b * c + j]);
            }
            near("sum", b, sum[b], want, ((double)c + 1) * U * size);
        }
    }
}

/* ---- clipping --------------------------------------------------------------------------------------------------- */

typedef int clipping(kstream, const float *, int, float *, float *, float, int, int);

/* 5 tensors, 9 samples in rows of 11: ordinary ones, all zero, tiny, huge, overflowing, infinite and NaN. */
enum { TENSORS = 5, SAMPLES = 9, STRIDE = 11 };
static const float R = 1.5f;
static float *squared_norms(void)
{
    static const float special[] = {0, 1e-30f, 1e36f, 3e38f, INFINITY, NAN};
    float *sq = numbers(TENSORS * STRIDE, 1, 1);
    for (int k = 0; k < COUNT(special); k++)
        for (int p = 0; p < TENSORS; p++)
            if (isfinite(special[k]) || p == 2) sq[p * STRIDE + 3 + k] = special[k];
    return sq;
}

static double norm_of(const float *sq, int b)
{
    float sum = 0; /* in float, as 3e38 five times is meant to overflow */
    for (int p = 0; p < TENSORS; p++) sum += sq[p * STRIDE + b];
    return sqrt(sum);
}

/* Sum, root, sum, quotient: 5 + 4 roundings of relative size u. */
static void same_value(const char *what, long i, double got, double want)
{
    if (isnan(want)) assert_true(isnan(got));
    else if (isinf(want)) assert_true(isinf(got));
    else near(what, i, got, want, 9 * U * fabs(want));
}

static void check_clipping(clipping *clip, double coef_of(double norm))
{
    float *sq = squared_norms(), *coef = zeros(SAMPLES), *norm = zeros(SAMPLES);
    assert_int_equal(clip(NULL, sq, STRIDE, coef, norm, R, TENSORS, SAMPLES), 0);
    for (int b = 0; b < SAMPLES; b++) {
        const double n = norm_of(sq, b);
        same_value("norm", b, norm[b], n);
        same_value("coef", b, coef[b], isfinite(n) ? coef_of(n) : 0);
    }
    assert_int_equal(clip(NULL, sq, STRIDE, coef, norm, R, TENSORS, 0), 0);
}

static double flat(double norm) { return fmin(1, R / (norm + 1e-6)); }
static double automatic(double norm) { return R / (norm + 0.01); }

static void flat_clipping_follows_its_formula(void **state) { (void)state; check_clipping(k_clip_flat, flat); }
static void automatic_clipping_follows_its_formula(void **state)
{
    (void)state;
    check_clipping(k_clip_automatic, automatic);
}

static void per_layer_clipping_clips_each_tensor(void **state)
{
    (void)state;
    float *sq = squared_norms(), *coef = numbers(TENSORS * STRIDE, 0, 1), *norm = zeros(SAMPLES);
    float *before = copy(coef, TENSORS * STRIDE);
    float *share = numbers(TENSORS, 0.5f, 0.4f), *count = numbers(TENSORS, 9, 3), *counted = copy(count, TENSORS);
    k_clip_per_layer(NULL, sq, STRIDE, coef, share, R, TENSORS, SAMPLES);
    k_count_unclipped(NULL, coef, STRIDE, counted, TENSORS, SAMPLES);
    k_norm_total(NULL, sq, STRIDE, norm, TENSORS, SAMPLES);
    for (int i = 0; i < TENSORS * STRIDE; i++) {
        const double n = sqrt(sq[i]), want = isfinite(n) ? fmin(1, share[i / STRIDE] * R / (n + 1e-6)) : 0;
        same_value("coef", i, coef[i], i % STRIDE < SAMPLES ? want : before[i]);
        if (i % STRIDE < SAMPLES) count[i / STRIDE] += coef[i] == 1;
    }
    for (int b = 0; b < SAMPLES; b++) same_value("norm", b, norm[b], norm_of(sq, b));
    same("unclipped", count, counted, TENSORS);
    assert_true(count[0] > 1);
    k_clip_per_layer(NULL, sq, STRIDE, coef, share, R, TENSORS, 0);
    k_count_unclipped(NULL, coef, STRIDE, counted, TENSORS, 0);
    same("none", count, counted, TENSORS);
    k_norm_total(NULL, sq, STRIDE, norm, TENSORS, 0);
}

/* ---- optimizers ------------------------------------------------------------------------------------------------- */

static const struct philox_stream none;

/* Five steps; each adds less than 4 roundings of m and of w. */
static void sgd_follows_its_formula(void **state)
{
    (void)state;
    for (int s = 0; s < COUNT(lengths); s++) {
        const long n = lengths[s];
        float *w = numbers(n, 0, 1), *m = zeros(n), *g = numbers(n, 0, 4), *before = copy(w, n);
        for (int step = 0; step < 5; step++) k_sgd(NULL, w, m, g, 0.1f, 0.9f, 0.25f, 0, none, 0, n);
        for (long i = 0; i < n; i++) {
            double mi = 0, wi = before[i], moved = 0;
            for (int step = 0; step < 5; step++) {
                mi = (double)0.9f * mi + 0.25 * g[i];
                wi -= (double)0.1f * mi;
                moved += (double)0.1f * fabs(mi);
            }
            near("m", i, m[i], mi, 5 * 4 * U * fabs(mi));
            near("w", i, w[i], wi, 5 * 4 * U * (fabs(before[i]) + moved));
        }
    }
}

/* Terms of m and v have one sign: 6 roundings a step.  So m/sqrt(v) is off by 5 (6 + 3) + 15 < 60 roundings after five
 * steps; it moves w, which is below 1.2, by lr. */
static void adamw_follows_its_formula(void **state)
{
    (void)state;
    const double lr = 0.01f, beta1 = 0.9f, beta2 = 0.99f, eps = 1e-8f, decay = 0.1f;
    for (int s = 0; s < COUNT(lengths); s++) {
        const long n = lengths[s];
        float *w = numbers(n, 0, 1), *m = zeros(n), *v = zeros(n), *g = numbers(n, 3, 2), *before = copy(w, n);
        for (int t = 1; t <= 5; t++)
            k_adamw(NULL, w, m, v, g, 0.01f, 0.9f, 0.99f, 1e-8f, 0.1f, 0.25f, t, 0, none, 0, n);
        for (long i = 0; i < n; i++) {
            double mi = 0, vi = 0, wi = before[i];
            for (int t = 1; t <= 5; t++) {
                mi = beta1 * mi + (1 - beta1) * 0.25 * g[i];
                vi = beta2 * vi + (1 - beta2) * 0.25 * g[i] * 0.25 * g[i];
                wi -= lr * (mi / (1 - pow(beta1, t)) / (sqrt(vi / (1 - pow(beta2, t))) + eps) + decay * wi);
            }
            near("m", i, m[i], mi, 5 * 6 * U * fabs(mi));
            near("v", i, v[i], vi, 5 * 6 * U * vi);
            near("w", i, w[i], wi, 5 * (3 * 1.2 + 60 * lr) * U);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(fill_scale_and_add_round_once),
        TEST(rows_are_scaled_by_their_weight),
        TEST(a_row_of_weight_0_becomes_0_whatever_it_holds),
        TEST(what_follows_a_product_adds_and_cuts_off),
        TEST(bf16_copies_are_packed_and_rounded_to_nearest_even),
        TEST(relu_passes_gradients_where_its_output_is_positive),
        TEST(gelu_and_its_slope_follow_the_formula),
        TEST(gelu_is_linear_far_from_zero),
        TEST(bias_gradients_are_column_sums_per_sample),
        TEST(weighted_sums_add_all_samples),
        TEST(a_weight_of_zero_leaves_out_what_is_not_finite),
        TEST(squared_norms_of_rows_are_added),
        TEST(dot_products_of_rows_are_added),
        TEST(sums_of_rows_are_added),
        TEST(flat_clipping_follows_its_formula),
        TEST(automatic_clipping_follows_its_formula),
        TEST(per_layer_clipping_clips_each_tensor),
        TEST(sgd_follows_its_formula),
        TEST(adamw_follows_its_formula),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
