/* test_auto.c - trainer auto: any policy gives the clipped sum, and the policy that is chosen fits its budget. */
#include "../src/bench/choose.h"
#include "../src/bench/run.h"
#include "trainer_rig.h"

#define ROUNDING 1e-5                      /* as in test_trainers.c */

/* ---- any policy ------------------------------------------------------------------------------------------------ */

static struct policy random_policy(int layers)
{
    struct policy p = {.samples = random_int(1, MOST + 1), .keeps_logits = random_int(0, 1),
        .twice = random_int(0, 3) == 0};
    for (int kind = 0; kind < N_LAYER_KINDS; kind++) {
        const bool in_blocks = kind >= KIND_Q && kind <= KIND_DOWN;
        p.stored[kind] = random_int(0, in_blocks ? layers : 1);
        p.norm[kind] = random_int(0, 1) ? NORM_GRAM : NORM_INSTANTIATE;
    }
    return p;
}

static void any_policy(struct pairing p)
{
    for (int number = 0; p.ops->chooses && number < 12; number++) {
        const int T = random_int(1, 23), layers = random_int(1, 2), n = random_int(1, MOST);
        struct rig_wish wish = {p.ops, p.clipping, {p.arch, random_int(2, 40), 2 * random_int(1, 6), layers, 2, 23},
            {n, T, random_int(0, 2), STRIDED, BROADCAST}, .physical = random_int(1, n), .policy = random_policy(layers),
            .dropout = number % 3 ? 0 : 0.3};
        if (number % 2)                    /* blocks are stored, and their activations gone when the head comes again */
            for (int kind = KIND_Q; kind <= KIND_DOWN; kind++) wish.policy.stored[kind] = layers;
        char text[512];                    /* as it travels to another process */
        policy_text(&wish.policy, &wish.shape, text, sizeof text);
        assert_true(policy_read(text, &wish.shape, &wish.policy));
        struct rig *r = rig_open(&wish);
        rig_find_truth(r);
        r->t->config.max_grad_norm = threshold(&r->truth, SOME_CLIPPED);
        trainer_clipped_sum(r->t, &r->x, NULL, NULL);
        check_clipped_sum(r->m, &r->truth, p.clipping, r->t->config.max_grad_norm, fetch(r->t->sum, r->m->n_params),
            ROUNDING);
        const float *norm = fetch(r->t->norm, n);
        for (int b = 0; b < n; b++) near(who, b, norm[b], r->truth.norm[b], ROUNDING * r->truth.norm[b]);
        rig_close();
    }
}

static void a_policy_can_be_read(void **state)
{
    (void)state;
    const struct model_shape shape[2] = {{ARCH_POSTLN, 100, 8, 7, 2, 8}, {ARCH_GPT2, 100, 8, 7, 2, 8}};
    char text[TEXT_BYTES], again[TEXT_BYTES];
    struct policy p;
    for (int number = 0; number < 200; number++) {
        const struct policy random = random_policy(7);
        policy_text(&random, &shape[number % 2], text, sizeof text);
        if (strlen(text) == sizeof text - 1)
            continue;                      /* cut: more kinds are split than the knapsack splits */
        assert_true(policy_read(text, &shape[number % 2], &p));
        policy_text(&p, &shape[number % 2], again, sizeof again);
        assert_string_equal(again, text);
    }
    static const char *const wrong[] = {"", "m=", "m=1; save q", "m=1; store x", "m=1; store q; store k", "m=1 thrice"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) assert_false(policy_read(wrong[i], &shape[0], &p));
}

static void policies_are_compared_by_their_members(void **state)
{
    (void)state;
    struct policy a, b;
    memset(&a, 0x00, sizeof a);
    memset(&b, 0xff, sizeof b);            /* what lies between members differs */
    a.samples = b.samples = 2, a.keeps_logits = b.keeps_logits = true, a.twice = b.twice = false;
    for (int kind = 0; kind < N_LAYER_KINDS; kind++)
        a.stored[kind] = b.stored[kind] = kind, a.norm[kind] = b.norm[kind] = NORM_GRAM;
    assert_true(policy_is(&a, &b));
    b.stored[KIND_HEAD]++;
    assert_false(policy_is(&a, &b));
}

static void any_policy_gives_the_clipped_sum(void **state)
{
    (void)state;
    for_each_pairing(any_policy);
}

static void a_policy_has_words(void **state)
{
    (void)state;
    const struct model_shape postln = {ARCH_POSTLN, 100, 8, 8, 2, 8}, gpt2 = {ARCH_GPT2, 100, 8, 8, 2, 8};
    struct policy p = {.samples = 2, .stored = {0, 0, 8, 8, 8, 8, 5, 8, 1}, .norm = {[KIND_UP] = NORM_GRAM}};
    char text[TEXT_BYTES];
    policy_text(&p, &postln, text, sizeof text);
    assert_string_equal(text, "m=2; store q,k,v,o,up 5/8,down,lm_head; gram up 3/8; dy wte,wpe");
    policy_text(&p, &gpt2, text, sizeof text);
    assert_string_equal(text, "m=2; store wte,q,k,v,o,up 5/8,down,lm_head; gram up 3/8; dy wpe");
    p = (struct policy){.samples = 1, .twice = true};
    policy_text(&p, &gpt2, text, sizeof text);
    assert_string_equal(text, "m=1 twice; instantiate q,k,v,o,up,down,lm_head");
    p = (struct policy){.samples = 65536, .keeps_logits = true, .stored = {0, 0, 99, 99, 99, 0, 0, 0, 0},
        .norm = {[KIND_O] = NORM_GRAM}};
    policy_text(&p, &(struct model_shape){ARCH_POSTLN, 100, 8, 100, 2, 8}, text, sizeof text);
    assert_true(strlen(text) < TEXT_BYTES - 1);
}

/* ---- the choice ------------------------------------------------------------------------------------------------ */

static struct config config_with(const char *const *words)
{
    struct config c;
    char error[512];
    config_default(&c);
    for (; words[0]; words += 2)
        if (!config_set(&c, config_field_find(words[0]), words[1], error, sizeof error))
            fail_msg("%s", error);
    if (!config_resolve(&c, error, sizeof error))
        fail_msg("%s", error);
    return c;
}

static const char *const some[][20] = {
    {"trainer", "auto", "model", "tiny", "batch_size", "5", "seq_len", "64"},
    {"trainer", "auto", "model", "tiny", "batch_size", "16", "seq_len", "16", "clipping", "per_layer"},
    {"trainer", "auto", "model", "gpt2", "layers", "3", "dim", "48", "heads", "4", "vocab", "900", "batch_size", "7",
        "seq_len", "33", "physical_batch_size", "3"},
    {"trainer", "auto", "model", "medium", "batch_size", "4", "seq_len", "512", "dropout", "0.1"},
};

/* From what is leanest to what is quickest, in steps. */
static void a_choice_fits_its_budget_or_is_the_leanest(void **state)
{
    (void)state;
    for (int i = 0; i < COUNT(some); i++) {
        struct config c = config_with(some[i]);
        struct choice leanest, choice;
        c.memory_budget = 1;
        choose_policy(&c, 1, &leanest);
        assert_false(leanest.fits);
        c.memory_budget = leanest.peak_bytes - 1;
        choose_policy(&c, 1, &choice);
        assert_false(choice.fits);
        for (double share = 1; share < 4; share *= 1.17) {
            c.memory_budget = (uint64_t)(share * (double)leanest.peak_bytes);
            choose_policy(&c, 1, &choice);
            assert_true(choice.fits);
            assert_true(choice.peak_bytes <= c.memory_budget);
            assert_true(run_predict_peak(&c, 1) == choice.peak_bytes);
        }
    }
}

/* Of alternatives that fit, none is quicker by more than 2 %. */
static void a_choice_is_near_the_quickest(void **state)
{
    (void)state;
    for (int i = 0; i < COUNT(some); i++) {
        const struct config c = config_with(some[i]);
        struct choice choice;
        double chosen_s = INFINITY, least_s = INFINITY;
        choose_policy(&c, 1, &choice);
        for (int k = 0; k < choice.n_alternatives; k++) {
            const struct alternative *a = &choice.alternative[k];
            least_s = fmin(least_s, a->clipped_s);
            if (memcmp(&a->policy, &choice.policy, sizeof a->policy) == 0)
                chosen_s = a->clipped_s;
        }
        assert_true(chosen_s <= 1.02 * least_s);
    }
}

static void others_have_no_choice(void **state)
{
    (void)state;
    const char *const words[] = {"trainer", "ghost", NULL};
    const struct config c = config_with(words);
    struct choice choice;
    choose_policy(&c, 1, &choice);
    assert_int_equal(choice.policy.samples, 0);
}

int main(void)
{
    open_strict_device(1);
    const struct CMUnitTest tests[] = {
        CLOSED(any_policy_gives_the_clipped_sum),
        cmocka_unit_test(a_policy_has_words),
        cmocka_unit_test(a_policy_can_be_read),
        cmocka_unit_test(policies_are_compared_by_their_members),
        cmocka_unit_test(a_choice_fits_its_budget_or_is_the_leanest),
        cmocka_unit_test(a_choice_is_near_the_quickest),
        cmocka_unit_test(others_have_no_choice),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    device_close();
    return failed;
}
