/* test_far_indices.c - kernels at indices beyond 2^31 and 2^32, where those of large models are: per-sample gradients
 * of 10^9 parameters, tables and logits of 10^9 numbers.
 *
 * Arrays are address space of which only the pages that a kernel touches come into being.  What is compared is exact:
 * numbers are small integers. */
#include "arrays.h"

#include <sys/mman.h>

#define FAR ((1L << 31) + 12)  /* of three rows so far apart the last is beyond 2^32 */
enum { N = 3, ROOMS = 8 };

static struct { void *address; size_t bytes; } room[ROOMS];
static int n_rooms;

/* n zeros */
static float *far_zeros(long n)
{
    const size_t bytes = (size_t)n * sizeof(float);
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        print_message("[          ] no %zu GiB of address space\n", bytes >> 30);
        skip();
    }
    assert_true(n_rooms < ROOMS);
    room[n_rooms].address = p;
    room[n_rooms++].bytes = bytes;
    return p;
}

static int free_rooms(void **state)
{
    while (n_rooms) {
        n_rooms--;
        munmap(room[n_rooms].address, room[n_rooms].bytes);
    }
    return free_arrays(state);
}

/* n numbers from -4 to 4 */
static float *integers(long n)
{
    float *x = zeros(n);
    for (long i = 0; i < n; i++) x[i] = (float)((int)(next_word() % 9) - 4);
    return x;
}

static void equal(const char *what, long i, float got, double want) { near(what, i, got, want, 0); }

/* ---- rows of per-sample gradients, FAR apart -------------------------------------------------------------------- */

enum { T = 5, D = 7 };

static void sums_over_tokens_reach_the_row_of_their_sample(void **state)
{
    (void)state;
    float *dy = integers(N * T * D), *x = integers(N * T * D), *mean = zeros(N * T), *rstd = zeros(N * T);
    float *bias = far_zeros(2 * FAR + D), *norm = far_zeros(2 * FAR + 2 * D);
    for (int r = 0; r < N * T; r++) rstd[r] = 1;
    k_bias_grad_sample(NULL, dy, bias, FAR, N, T, D);
    k_layernorm_grad_sample(NULL, dy, x, mean, rstd, norm, FAR, N, T, D);
    for (long b = 0; b < N; b++)
        for (int j = 0; j < D; j++) {
            double sum = 0, product = 0;
            for (long r = b * T; r < (b + 1) * T; r++) {
                sum += dy[r * D + j];
                product += dy[r * D + j] * x[r * D + j];
            }
            equal("bias", b, bias[b * FAR + j], sum);
            equal("gamma", b, norm[b * FAR + j], product);
            equal("beta", b, norm[b * FAR + D + j], sum);
        }
}

static void rows_are_squared_and_summed(void **state)
{
    (void)state;
    float *g = far_zeros(2 * FAR + D), *sum = zeros(D), *added = integers(D), *before = copy(added, D);
    float *weight = integers(N), *sq = zeros(N), *part = zeros(N);
    for (long b = 0; b < N; b++)
        for (int j = 0; j < D; j++) g[b * FAR + j] = (float)(10 * b + j);
    k_sqnorm_rows(NULL, g, FAR, part, sq, N, D);
    k_weighted_sum(NULL, g, FAR, weight, sum, N, D);
    k_weighted_add(NULL, g, FAR, weight, added, N, D);
    for (int j = 0; j < D; j++) {
        const double want = weight[0] * j + weight[1] * (10 + j) + weight[2] * (20 + j);
        equal("sum", j, sum[j], want);
        equal("sum", j, added[j], before[j] + want);
    }
    for (long b = 0; b < N; b++) {
        double want = 0;
        for (int j = 0; j < D; j++) want += (double)((10 * b + j) * (10 * b + j));
        equal("square", b, sq[b], want);
    }
}

/* ---- tables and logits ------------------------------------------------------------------------------------------- */

/* Rows beyond 2^32, and one between 2^31 and that.  64 ids on is the same block's again, on a GPU. */
enum { NEAR_ID = 7, NEAR_TOO = NEAR_ID + 64, FAR_ID = 700000007, FAR_TOO = FAR_ID - 64, LESS_FAR_ID = 340000007 };
static const int ids[N * T] = {NEAR_ID, FAR_ID, FAR_TOO, FAR_ID, NEAR_TOO, LESS_FAR_ID, FAR_ID, NEAR_ID, NEAR_ID,
    FAR_TOO, FAR_TOO, FAR_TOO, FAR_ID, NEAR_TOO, LESS_FAR_ID};
static const long table_size = (FAR_ID + 1L) * D;

static void rows_of_a_table_are_found(void **state)
{
    (void)state;
    float *table = far_zeros(table_size), *y = zeros(N * T * D), *z = integers(N * T * D), *before = copy(z, N * T * D);
    for (int r = 0; r < N * T; r++)
        for (int j = 0; j < D; j++) table[(long)ids[r] * D + j] = (float)(ids[r] % 1000 + j);
    k_embedding_fwd(NULL, ids, T, 1, table, y, N, T, D);
    k_embedding_add(NULL, ids, T, 1, table, z, N, T, D);
    for (int i = 0; i < N * T * D; i++) {
        equal("row", i, y[i], ids[i / D] % 1000 + i % D);
        equal("row", i, z[i], before[i] + y[i]);
    }
}

/* Column j of row id in the gradient of samples first .. end-1 */
static double row_sum(const float *dy, int id, int first, int end, int j)
{
    double sum = 0;
    for (int r = first * T; r < end * T; r++) sum += ids[r] == id ? dy[r * D + j] : 0;
    return sum;
}

static void gradients_reach_their_row_of_a_table(void **state)
{
    (void)state;
    float *dy = integers(N * T * D), *g = far_zeros(table_size), *each = far_zeros(2 * FAR + table_size);
    k_embedding_grad(NULL, ids, T, 1, NULL, dy, g, N, T, D);
    k_embedding_grad_sample(NULL, ids, T, 1, dy, each, FAR, N, T, D); /* overlap where no id is */
    for (int r = 0; r < N * T; r++)
        for (int j = 0; j < D; j++) {
            const long at = (long)ids[r] * D + j, b = r / T;
            equal("gradient", r, g[at], row_sum(dy, ids[r], 0, N, j));
            equal("gradient of its sample", r, each[b * FAR + at], row_sum(dy, ids[r], (int)b, (int)b + 1, j));
        }
}

static void columns_of_logits_are_gathered(void **state)
{
    (void)state;
    enum { V = (1 << 30) + 4 };
    const int id[2] = {V - 1, 3};
    float *logits = far_zeros((long)T * V), *picked = zeros(2 * T);
    for (long u = 0; u < T; u++)
        for (int r = 0; r < 2; r++) logits[u * V + id[r]] = (float)(10 * r + u + 1);
    k_gather_columns(NULL, logits, id, 1, picked, 2, T, V);
    for (int i = 0; i < 2 * T; i++) equal("picked", i, picked[i], 10 * (i / T) + i % T + 1);
}

/* Rows without a target are not touched. */
static void the_last_rows_of_logits_have_their_loss(void **state)
{
    (void)state;
    enum { ROWS = 700, V = 4000000 };
    float *logits = far_zeros((long)ROWS * V), *loss = zeros(ROWS);
    int *target = array(ROWS, sizeof *target);
    for (int r = 0; r < ROWS; r++) target[r] = r < ROWS - 2 ? -1 : r % 5;
    logits[(ROWS - 1L) * V + (ROWS - 1) % 5] = 10;
    k_xent_fwd(NULL, logits, target, loss, ROWS, V);
    near("loss", ROWS - 2, loss[ROWS - 2], log((double)V), V * U); /* a sum of V terms, and log' < 1 */
    near("loss", ROWS - 1, loss[ROWS - 1], log(exp(10) + V - 1) - 10, V * U);
}

/* ---- results of products ----------------------------------------------------------------------------------------- */

static void rows_far_apart_are_finished(void **state)
{
    (void)state;
    float *c = far_zeros(2 * FAR + D), *add = far_zeros(2 * FAR + D), *bias = integers(D);
    for (long r = 0; r < N; r++)
        for (int j = 0; j < D; j++) {
            c[r * FAR + j] = (float)(j - r);
            add[r * FAR + j] = (float)(5 * r);
        }
    k_epilogue(NULL, c, FAR, bias, add, 1, N, D);
    for (long r = 0; r < N; r++)
        for (int j = 0; j < D; j++) {
            const float y = (float)(j + 4 * r) + bias[j];
            equal("finished", r, c[r * FAR + j], y > 0 ? y : 0);
        }
}

static void factors_far_apart_are_rounded(void **state)
{
    (void)state;
    float *x = far_zeros(3 * FAR + 2 * D);
    uint32_t y[2 * 2 * BF16_ROW_WORDS(D)];
    for (long p = 0; p < 2; p++) /* problems are 2 FAR apart, their two rows FAR */
        for (long r = 0; r < 2; r++)
            for (int j = 0; j < D; j++) x[(2 * p + r) * FAR + j] = (float)(8 * (2 * p + r) + j);
    k_to_bf16(NULL, x, FAR, 2 * FAR, y, 2, 2, D);
    for (int k = 0; k < 4; k++)
        for (int j = 0; j < D; j++) {
            const uint32_t bits = y[k * BF16_ROW_WORDS(D) + j / 2] >> (j % 2 * 16) << 16;
            float value;
            memcpy(&value, &bits, sizeof value);
            equal("factor", k, value, 8 * k + j);
        }
}

/* ---- elements of random streams ---------------------------------------------------------------------------------- */

static uint32_t word_of(struct philox_stream s, long element)
{
    uint32_t word[4];
    k_philox(s, (uint32_t)(element / 4), word);
    return word[element % 4];
}

static void masks_are_those_of_far_elements(void **state)
{
    (void)state;
    const struct philox_stream mask = {.seed = 3, .stream = STREAM_DROPOUT};
    enum { LENGTH = 1500 };
    float x[LENGTH], y[LENGTH];
    for (int i = 0; i < LENGTH; i++) x[i] = 1;
    for (long first = FAR + 3; first < 8 * FAR; first *= 2) { /* to the last of 2^34 elements */
        k_dropout(NULL, x, y, mask, 0.5f, first, LENGTH);
        for (int i = 0; i < LENGTH; i++) equal("mask", first + i, y[i], word_of(mask, first + i) < 1u << 31 ? 0 : 2);
    }
}

/* The noise of an element, and the update by it, is the same wherever a call begins, and not that 2^31 before. */
static void noise_is_that_of_far_elements(void **state)
{
    (void)state;
    const struct philox_stream noise = {.seed = 3, .stream = STREAM_NOISE};
    enum { LENGTH = 1500, BEFORE = 3 };
    for (long first = FAR; first < 8 * FAR; first *= 2) {
        float *x = zeros(LENGTH), *y = zeros(LENGTH + BEFORE), *z = zeros(LENGTH);
        float *w = zeros(LENGTH), *m = zeros(LENGTH);
        const float *g = zeros(LENGTH);
        k_noise_add(NULL, x, 1, noise, first, LENGTH);
        k_noise_add(NULL, y, 1, noise, first - BEFORE, LENGTH + BEFORE);
        k_noise_add(NULL, z, 1, noise, first - (1L << 31), LENGTH);
        k_sgd(NULL, w, m, g, 1, 0, 1, 1, noise, first, LENGTH);
        same("noise", x, y + BEFORE, LENGTH);
        same("update", x, m, LENGTH);
        assert_true(memcmp(x, z, LENGTH * sizeof *x) != 0);
    }
}

int main(void)
{
#define FAR_TEST(f) cmocka_unit_test_teardown(f, free_rooms)
    const struct CMUnitTest tests[] = {
        FAR_TEST(sums_over_tokens_reach_the_row_of_their_sample), FAR_TEST(rows_are_squared_and_summed),
        FAR_TEST(rows_of_a_table_are_found), FAR_TEST(gradients_reach_their_row_of_a_table),
        FAR_TEST(columns_of_logits_are_gathered), FAR_TEST(the_last_rows_of_logits_have_their_loss),
        FAR_TEST(rows_far_apart_are_finished), FAR_TEST(factors_far_apart_are_rounded),
        FAR_TEST(masks_are_those_of_far_elements), FAR_TEST(noise_is_that_of_far_elements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
