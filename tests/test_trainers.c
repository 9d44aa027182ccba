/* test_trainers.c - every trainer with every clipping it takes, on every architecture, against a loop over samples in
 * double precision. */
#include "trainer_rig.h"

/* ---- the clipped sum ------------------------------------------------------------------------------------------- */

/* Norms, coefficients and sums are computed in fp32 from gradients that other GEMMs may have formed: of sums of some
 * hundred products with u = 6e-8 each, whose errors add up like a random walk, and through some layers. */
#define ROUNDING 1e-5

static void check_all(const struct rig *r)
{
    const struct trainer_config *c = &r->t->config;
    trainer_clipped_sum(r->t, &r->x, NULL, NULL);
    check_clipped_sum(r->m, &r->truth, c->clipping, c->max_grad_norm, fetch(r->t->sum, r->m->n_params), ROUNDING);
    const float *loss = fetch(r->t->loss, r->x.n), *norm = fetch(r->t->norm, r->x.n);
    for (int b = 0; b < r->x.n; b++) {
        near(who, b, loss[b], r->truth.loss[b], ROUNDING * r->truth.loss[b]);
        if (r->t->ops->is_private)
            near(who, b, norm[b], r->truth.norm[b], ROUNDING * r->truth.norm[b]);
    }
}

static void random_shapes(struct pairing p)
{
    static const enum clipped clipped[] =
        {SOME_CLIPPED, ALL_CLIPPED, NONE_CLIPPED, SOME_CLIPPED, SOME_CLIPPED};
    for (int number = 0; number < COUNT(clipped); number++) {
        const int heads = random_int(1, 3), T = random_int(1, 23);
        const struct rig_wish wish = {p.ops, p.clipping,
            {p.arch, random_int(2, 40), heads * random_int(1, 6), random_int(1, 2), heads, random_int(T, 30)},
            {random_int(1, MOST), T, random_int(0, 2), (enum id_layout)random_int(0, N_ID_LAYOUTS - 1),
                (enum id_layout)random_int(0, N_ID_LAYOUTS - 1)},
            .norm_mode = number % 2 ? NORM_GRAM : NORM_INSTANTIATE, .dropout = number == 3 ? 0.3 : 0,
            .recompute = number > 2 ? RECOMPUTE_BLOCK : RECOMPUTE_NONE};
        struct rig *r = rig_open(&wish);
        rig_find_truth(r);
        r->t->config.max_grad_norm = threshold(&r->truth, clipped[number]);
        check_all(r);
        rig_close();
    }
}

static void clipped_sums_are_those_of_a_loop_over_samples(void **state)
{
    (void)state;
    for_each_pairing(random_shapes);
}

/* So long that the head shows two samples at a time and Gram matrices have more than one tile. */
static void long_sequences(struct pairing p)
{
    struct rig_wish wish = {p.ops, p.clipping, small_shape(p.arch), {MOST, 201, 1, CONTIGUOUS, BROADCAST},
        .norm_mode = NORM_GRAM};
    wish.shape.max_seq = 201;
    struct rig *r = rig_open(&wish);
    rig_find_truth(r);
    r->t->config.max_grad_norm = threshold(&r->truth, SOME_CLIPPED);
    check_all(r);
    rig_close();
}

static void long_sequences_make_no_difference(void **state)
{
    (void)state;
    for_each_pairing(long_sequences);
}

static void splits(struct pairing p)
{
    static const int physical[] = {1, 2};
    for (int k = 0; k < COUNT(physical); k++) {
        const struct rig_wish wish = {p.ops, p.clipping, small_shape(p.arch), {MOST, 8, 2, CONTIGUOUS, BROADCAST},
            .physical = physical[k], .dropout = k % 2 ? 0.2 : 0};
        struct rig *r = rig_open(&wish);
        rig_find_truth(r);
        r->t->config.max_grad_norm = threshold(&r->truth, SOME_CLIPPED);
        check_all(r);
        rig_close();
    }
}

static void physical_batches_make_one_logical_batch(void **state)
{
    (void)state;
    for_each_pairing(splits);
}

static void empty(struct pairing p)
{
    const struct rig_wish wish = {p.ops, p.clipping, small_shape(p.arch), {2, 8, 0, CONTIGUOUS, BROADCAST},
        .physical = 0};
    struct rig *r = rig_open(&wish);
    const struct batch none = batch_slice(&r->x, 0, 0);
    trainer_clipped_sum(r->t, &none, NULL, NULL);
    same(who, fetch(r->t->sum, r->m->n_params), zeros(r->m->n_params), r->m->n_params);
    rig_close();
}

static void an_empty_batch_adds_nothing(void **state)
{
    (void)state;
    for_each_pairing(empty);
}

/* ---- what one sample may do ------------------------------------------------------------------------------------ */

static double sum_length(const struct rig *r)
{
    const float *sum = fetch(r->t->sum, r->m->n_params);
    double sq = 0;
    for (long i = 0; i < r->m->n_params; i++) sq += (double)sum[i] * sum[i];
    return sqrt(sq);
}

static void one_sample(struct pairing p)
{
    const struct rig_wish wish = {p.ops, p.clipping, {p.arch, .vocab = 20, .dim = 16, .layers = 2, .heads = 2,
        .max_seq = 24}, {2, 24, 1, STRIDED, BROADCAST}, .norm_mode = NORM_GRAM};
    struct rig *r = rig_open(&wish);
    for (int b = 0; b < 2 && p.ops->is_private; b++)
        for (double R = 1e-3; R < 1e4; R *= 20) {
            const struct batch one = batch_slice(&r->x, b, 1);
            r->t->config.max_grad_norm = R;
            trainer_clipped_sum(r->t, &one, NULL, NULL);
            assert_true(sum_length(r) <= R * (1 + ROUNDING));
            assert_true(clip_sensitivity(p.clipping, R) == R);
        }
    rig_close();
}

static void one_sample_adds_at_most_the_threshold(void **state)
{
    (void)state;
    for_each_pairing(one_sample);
}

static void one_sample_adds_at_most_the_threshold_in_bf16(void **state)
{
    (void)state;
    if (device_lacks(PRECISION_BF16))
        skip();
    precision_set(PRECISION_BF16);
    for_each_pairing(one_sample);
    precision_set(PRECISION_FP32);
}

/* Positions that no two samples share, and one of sample 0's at infinity. */
static void make_sample_0_overflow(struct rig *r)
{
    const int n = r->x.n, T = r->x.T;
    int *position = array((size_t)(n * T), sizeof *position);
    for (int i = 0; i < n * T; i++) position[i] = i;
    r->x.position = (struct ids){send(position, n * T), T, 1};
    for (int p = 0; p < r->m->n_tensors; p++)
        if (strcmp(r->m->tensor[p].name, "wpe.weight") == 0)
            device_copy_in(r->m->params + r->m->tensor[p].offset, &(float){INFINITY}, sizeof(float));
}

static void overflow(struct pairing p)
{
    if (!p.ops->is_private)
        return;
    struct rig_wish wish = {p.ops, p.clipping, small_shape(p.arch), {3, 5, 0, CONTIGUOUS, CONTIGUOUS}, .physical = 0};
    wish.shape.max_seq = 15;
    struct rig *r = rig_open(&wish);
    make_sample_0_overflow(r);
    rig_find_truth(r);
    assert_true(!isfinite(r->truth.norm[0]) && isfinite(r->truth.norm[1]));
    trainer_clipped_sum(r->t, &r->x, NULL, NULL);
    check_clipped_sum(r->m, &r->truth, p.clipping, 1, fetch(r->t->sum, r->m->n_params), ROUNDING);
    rig_close();
}

static void a_sample_that_overflows_is_left_out(void **state)
{
    (void)state;
    for_each_pairing(overflow);
}

/* ---- what may not change a bit ----------------------------------------------------------------------------------- */

/* The clipped sum, the norms and the losses of a batch; of a private trainer, one with a sample that overflows. */
static float *results(struct rig_wish wish, enum recompute recompute, long *n)
{
    wish.recompute = recompute;
    struct rig *r = rig_open(&wish);
    const long P = r->m->n_params, B = r->x.n;
    float *result = calloc((size_t)(*n = P + 2 * B), sizeof *result);
    if (wish.ops->is_private)
        make_sample_0_overflow(r);
    r->t->config.max_grad_norm = 3;
    trainer_clipped_sum(r->t, &r->x, NULL, NULL);
    device_copy_out(result, r->t->sum, (size_t)P * sizeof *result);
    assert_true(sum_length(r) > 0);
    device_copy_out(result + P, r->t->loss, (size_t)B * sizeof *result);
    if (wish.ops->is_private)
        device_copy_out(result + P + B, r->t->norm, (size_t)B * sizeof *result);
    rig_close();
    return result;
}

static void recomputed(struct pairing p)
{
    const struct rig_wish wish = {p.ops, p.clipping, {p.arch, .vocab = 20, .dim = 16, .layers = 2, .heads = 2,
        .max_seq = 96}, {4, 24, 1, STRIDED, CONTIGUOUS}, .physical = 3, .norm_mode = NORM_GRAM, .dropout = 0.2};
    const uint64_t before = random_state;
    long n, m;
    float *kept = results(wish, RECOMPUTE_NONE, &n);
    random_state = before;
    float *formed = results(wish, RECOMPUTE_BLOCK, &m);
    if (n != m || memcmp(kept, formed, (size_t)n * sizeof *kept) != 0)
        fail_msg("%s: recomputed activations give other numbers", who);
    free(kept);
    free(formed);
}

static void recomputation_changes_no_bit(void **state)
{
    (void)state;
    for_each_pairing(recomputed);
}

static void recomputation_changes_no_bit_in_bf16(void **state)
{
    (void)state;
    if (device_lacks(PRECISION_BF16))
        skip();
    precision_set(PRECISION_BF16);
    for_each_pairing(recomputed);
    precision_set(PRECISION_FP32);
}

static void the_threshold_means_nothing_to_standard(void **state)
{
    (void)state;
    const struct rig_wish wish = {trainer_find("standard"), CLIPPING_NONE, small_shape(ARCH_POSTLN),
        {3, 8, 1, CONTIGUOUS, BROADCAST}, .noise_multiplier = 7};
    struct rig *r = rig_open(&wish);
    rig_find_truth(r);
    for (double R = 1e-9; R < 1e10; R *= 1e9) {
        r->t->config.max_grad_norm = R;
        check_all(r);
        assert_true(trainer_stated_noise_std(r->t) == 0);
    }
    rig_close();
}

int main(void)
{
    open_strict_device(1);
    const struct CMUnitTest tests[] = {
        CLOSED(clipped_sums_are_those_of_a_loop_over_samples),
        CLOSED(long_sequences_make_no_difference),
        CLOSED(physical_batches_make_one_logical_batch),
        CLOSED(an_empty_batch_adds_nothing),
        CLOSED(one_sample_adds_at_most_the_threshold),
        CLOSED(one_sample_adds_at_most_the_threshold_in_bf16),
        CLOSED(a_sample_that_overflows_is_left_out),
        CLOSED(recomputation_changes_no_bit),
        CLOSED(recomputation_changes_no_bit_in_bf16),
        CLOSED(the_threshold_means_nothing_to_standard),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    device_close();
    return failed;
}
