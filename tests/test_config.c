/* Configurations: values from text, what is refused, what identifies one. */
#include "../src/base/text.h"
#include "../src/bench/choices.h"
#include "../src/bench/config.h"
#include "../src/trainers/trainer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char error[1024];

static bool set(const char *name, const char *text, struct config *config)
{
    return config_set(config, config_field_find(name), text, error, sizeof error);
}

static void assert_says(const char *part)
{
    if (!strstr(error, part))
        fail_msg("'%s' does not say '%s'", error, part);
    assert_null(strchr(error, '\n'));
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

static void numbers_are_read_strictly(void **state)
{
    (void)state;
    static const char *const whole[] = {"", " 4", "4 ", "-4", "+4", "4.0", "0x4", "4e0", "four",
                                        "99999999999999999999"};
    static const char *const real[] = {"", " 1", "1 ", "nan", "inf", "-inf", "0x1p3", "1,5", "1e999", "1.0f",
                                       "--1", "."};
    uint64_t u = 7;
    double f = 7;
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        assert_false(text_to_u64(whole[i], &u));
    for (size_t i = 0; i < sizeof real / sizeof *real; i++)
        assert_false(text_to_f64(real[i], &f));
    assert_true(text_to_u64("18446744073709551615", &u) && u == UINT64_MAX);
    assert_true(text_to_f64("-2.5e-3", &f) && f == -2.5e-3);
}

static void bytes_and_times_take_suffixes(void **state)
{
    (void)state;
    static const struct { const char *text; uint64_t bytes; } good[] = {
        {"0", 0}, {"512", 512}, {"3K", 3072}, {"3KiB", 3072},
        {"1.5M", 3 << 19}, {"2G", 2ull << 30}, {"1GiB", 1ull << 30}};
    static const char *const bad[] = {"1k", "1 M", "-1M", "1MB", "M", "nanM", "1e99G"};
    uint64_t bytes;
    double s;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(text_to_bytes(good[i].text, &bytes) && bytes == good[i].bytes);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(text_to_bytes(bad[i], &bytes));
    assert_true(text_to_seconds("90", &s) && s == 90);
    assert_true(text_to_seconds("90s", &s) && s == 90);
    assert_true(text_to_seconds("1.5m", &s) && s == 90);
    assert_true(text_to_seconds("2h", &s) && s == 7200);
    assert_false(text_to_seconds("2d", &s) || text_to_seconds("-1", &s) || text_to_seconds("", &s));
}

static void fields_survive_the_way_through_text_exactly(void **state)
{
    (void)state;
    static const char *const reals[] = {"0.1", "1e-30", "0.30000000000000004", "1e30", "0.001", "7"};
    struct config config, copy;
    char text[TEXT_BYTES];
    config_default(&config);
    config.seed = UINT64_MAX;
    config.memory_limit = (1ull << 53) + 1;
    for (size_t k = 0; k < sizeof reals / sizeof *reals; k++) {
        config.learning_rate = strtod(reals[k], NULL);
        assert_true(config_resolve(&config, error, sizeof error));
        memset(&copy, 0, sizeof copy);
        for (int i = 0; i < n_config_fields; i++) {
            field_text(&config_field[i], &config, text, sizeof text);
            assert_true(config_set(&copy, &config_field[i], text, error, sizeof error));
        }
        assert_memory_equal(&config, &copy, sizeof config);
    }
}

static void fields_are_found_by_either_spelling(void **state)
{
    (void)state;
    assert_ptr_equal(config_field_find("batch_size"), config_field_find("batch-size"));
    assert_non_null(config_field_find("seed"));
    assert_null(config_field_find("batchsize"));
    assert_string_equal(option_of(config_field_find("max_grad_norm")).text, "max-grad-norm");
}

static void a_bad_value_names_the_valid_ones(void **state)
{
    (void)state;
    struct config config;
    assert_false(set("trainer", "foo", &config));
    assert_says("--trainer: 'foo' is not one of standard, dpsgd, ");
    assert_null(strstr(error, "broken"));
    assert_false(set("record", "word", &config));
    assert_says("line, paragraph");
    assert_false(set("batch-size", "0", &config));
    assert_says("1 to 65536");
    assert_false(set("max-grad-norm", "0", &config));
    assert_says("--max-grad-norm: '0'");
    assert_false(set("memory-limit", "many", &config));
    assert_says("GiB");
    assert_false(set("ranks-per-run", "0", &config));
    assert_says("1 to 1024");
}

static void what_does_not_exist_yet_is_refused_by_name(void **state)
{
    (void)state;
    struct config config;
    int refused = 0;
    for (const struct field *field = config_field; field < config_field + n_config_fields; field++) {
        const char *word, *there;
        for (int i = 0; (word = choice_coming_at(field, i)); i++, refused++) {
            assert_false(set(field->name, word, &config));
            assert_says(word);
            assert_says("does not exist yet; there is: ");
            for (int k = 0; (there = choice_at(field, k)); k++)
                assert_string_not_equal(word, there); /* what exists leaves the table of what is to come */
        }
    }
    assert_true(refused > 0);
}

static void every_trainer_is_known_by_its_names(void **state)
{
    (void)state;
    struct config config;
    const struct trainer_ops *trainer;
    for (int i = 0; (trainer = trainer_at(i)); i++) {
        assert_true(set("trainer", trainer->name, &config));
        assert_string_equal(config.trainer, trainer->name);
        if (trainer->long_name)
            assert_true(set("trainer", trainer->long_name, &config));
        assert_string_equal(config.trainer, trainer->name);
    }
}

/* ---- configurations ---------------------------------------------------------------------------------------------- */

static void sizes_come_from_the_model_unless_given(void **state)
{
    (void)state;
    struct config config;
    config_default(&config);
    assert_true(set("model", "small", &config) && set("layers", "1", &config) && set("batch-size", "6", &config));
    assert_true(config_resolve(&config, error, sizeof error));
    assert_int_equal(config.layers, 1);
    assert_int_equal(config.dim, 256);
    assert_int_equal(config.vocab, 8000);
    assert_int_equal(config.physical_batch_size, 6);
}

static bool resolves(const char *trainer, const char *clipping, const char *resolved)
{
    struct config config;
    config_default(&config);
    assert_true(set("trainer", trainer, &config));
    if (clipping)
        assert_true(set("clipping", clipping, &config));
    return config_resolve(&config, error, sizeof error) && strcmp(config.clipping, resolved) == 0;
}

static void clipping_is_flat_and_none_for_standard(void **state)
{
    (void)state;
    assert_true(resolves("standard", NULL, "none"));
    assert_true(resolves("standard", "none", "none"));
    assert_true(resolves("dpsgd", NULL, "flat"));
    assert_false(resolves("standard", "flat", "flat"));
    assert_says("standard does not clip");
    assert_false(resolves("dpsgd", "none", "none"));
    assert_says("choose flat");
}

static void impossible_points_are_refused_with_the_remedy(void **state)
{
    (void)state;
    static const struct { const char *field, *text, *says, *other, *other_text; } impossible[] = {
        {"seq_len", "512", "--max-seq 512", NULL, NULL},
        {"physical_batch_size", "5", "choose 0 to 4", NULL, NULL},
        {"heads", "3", "multiple of the heads", NULL, NULL},
        {"dim", "7", "--dim 7 --heads 4", NULL, NULL},
        {"accumulate", "momentum", "choose --optimizer sgd", "optimizer", "adamw"},
        {"accumulate", "momentum", "choose --ranks-per-run 1", "ranks_per_run", "2"},
        {"accumulate", "momentum", "choose --accumulate sum", "noise_generator", "chacha20"},
        {"noise_multiplier", "1e-25", "choose 0, or 4e-15 or more", NULL, NULL},
        {"noise_multiplier", "1e-7", "choose 0, or 4e-06 or more", "max_grad_norm", "1e-9"},
    };
    for (size_t i = 0; i < sizeof impossible / sizeof *impossible; i++) {
        struct config config;
        config_default(&config);
        assert_true(set(impossible[i].field, impossible[i].text, &config));
        assert_true(!impossible[i].other || set(impossible[i].other, impossible[i].other_text, &config));
        assert_false(config_resolve(&config, error, sizeof error));
        assert_says(impossible[i].says);
    }
}

static void identity_is_of_every_field(void **state)
{
    (void)state;
    char first[65], other[65];
    struct config config, changed;
    config_default(&config);
    config_sha256(&config, first);
    config_sha256(&config, other);
    assert_string_equal(first, other);
    assert_int_equal(strspn(first, "0123456789abcdef"), 64);
    for (int i = 0; i < n_config_fields; i++) {
        changed = config;
        ((char *)&changed)[config_field[i].offset] ^= 1;
        config_sha256(&changed, other);
        assert_string_not_equal(first, other);
    }
}

static void mistyped_words_find_their_neighbour(void **state)
{
    (void)state;
    assert_int_equal(text_distance("trainer", "trainer"), 0);
    assert_int_equal(text_distance("trianer", "trainer"), 1);
    assert_int_equal(text_distance("", "abc"), 3);
    assert_int_equal(text_distance("kitten", "sitting"), 3);
    struct nearest near = {.word = "tranier"};
    nearest_offer(&near, "batch-size");
    assert_string_equal(near.best, "");
    nearest_offer(&near, "trainer");
    nearest_offer(&near, "seed");
    assert_string_equal(near.best, "trainer");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_read_strictly),
        cmocka_unit_test(bytes_and_times_take_suffixes),
        cmocka_unit_test(fields_survive_the_way_through_text_exactly),
        cmocka_unit_test(fields_are_found_by_either_spelling),
        cmocka_unit_test(a_bad_value_names_the_valid_ones),
        cmocka_unit_test(what_does_not_exist_yet_is_refused_by_name),
        cmocka_unit_test(every_trainer_is_known_by_its_names),
        cmocka_unit_test(sizes_come_from_the_model_unless_given),
        cmocka_unit_test(clipping_is_flat_and_none_for_standard),
        cmocka_unit_test(impossible_points_are_refused_with_the_remedy),
        cmocka_unit_test(identity_is_of_every_field),
        cmocka_unit_test(mistyped_words_find_their_neighbour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
