/* test_record.c - the table of columns, and records as bytes. */
#include "sample_records.h"

#include "../src/records/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void fields_have_names_of_their_own(void **state)
{
    (void)state;
    for (int i = 0; i < n_record_fields; i++) {
        assert_ptr_equal(record_field_find(record_field[i].name), &record_field[i]);
        assert_true(record_field[i].help[0]);
    }
    assert_null(record_field_find("nonesuch"));
}

static void fields_cover_a_record_without_gap(void **state)
{
    (void)state;
    size_t bytes = 0;
    for (int i = 0; i < n_record_fields; i++) {
        assert_int_equal(record_field[i].offset, bytes);
        bytes += record_field[i].bytes;
    }
    assert_int_equal(bytes, offsetof(struct record, n_steps));
}

static void numbers_of_a_new_record_are_not_known(void **state)
{
    (void)state;
    struct record r;
    record_init(&r);
    assert_true(isnan(r.step_time_p50) && isnan(r.time_forward));
    assert_int_equal(r.peak_ledger, 0);
    assert_string_equal(r.config.trainer, "microbatch");
    assert_int_equal(record_status(&r), N_STATUSES);
}

static void a_record_comes_back_from_its_bytes(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 24; n++) {
        struct record r = sample_record(n), back;
        size_t bytes;
        void *data = record_encode(&r, &bytes);
        assert_true(record_decode(&back, data, bytes));
        assert_true(same_record(&r, &back));
        free(data);
        record_clear(&r);
        record_clear(&back);
    }
}

static void rows_can_be_added_to_a_decoded_record(void **state)
{
    (void)state;
    struct record r = sample_record(3), back;
    size_t bytes;
    void *data = record_encode(&r, &bytes);
    assert_true(record_decode(&back, data, bytes));
    for (uint64_t k = 0; k < 9; k++)
        record_add_step(&back, &(struct step_row){.step = 3 + k});
    assert_int_equal(back.n_steps, 12);
    assert_int_equal(back.steps[11].step, 11);
    assert_int_equal(back.steps[2].step, 2);
    free(data);
    record_clear(&r);
    record_clear(&back);
}

static void bytes_of_another_length_are_no_record(void **state)
{
    (void)state;
    struct record r = sample_record(5), back;
    size_t bytes;
    char *data = record_encode(&r, &bytes);
    data = realloc(data, bytes + 64);
    memset(data + bytes, 0, 64);
    for (size_t n = 0; n < bytes + 64; n++)
        if (n != bytes)
            assert_false(record_decode(&back, data, n));
    free(data);
    record_clear(&r);
}

static void bytes_of_other_columns_are_no_record(void **state)
{
    (void)state;
    struct record r = sample_record(5), back;
    size_t bytes;
    char *data = record_encode(&r, &bytes);
    data[0] ^= 1;
    assert_false(record_decode(&back, data, bytes));
    free(data);
    record_clear(&r);
}

static void counts_that_overflow_are_no_record(void **state)
{
    (void)state;
    struct record r = sample_record(4), back; /* no steps, one memory row */
    size_t bytes;
    char *data = record_encode(&r, &bytes);
    const size_t at = 8 + offsetof(struct record, n_steps);
    for (int shift = 0; shift < 64; shift++) {
        const uint64_t wild = UINT64_C(1) << shift;
        memcpy(data + at, &wild, 8);
        assert_false(record_decode(&back, data, bytes));
    }
    memset(data + at, 0, 8);
    const uint64_t wraps = UINT64_MAX / sizeof(struct memory_row) + 2; /* times the row: a small number again */
    memcpy(data + at + 8, &wraps, 8);
    assert_false(record_decode(&back, data, bytes));
    free(data);
    record_clear(&r);
}

static void texts_become_utf8(void **state)
{
    (void)state;
    static const char *const pair[][2] = {
        {"plain", "plain"},
        {"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80", "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80"},
        {"lat\xe4in", "lat?in"},
        {"cut \xe2\x82", "cut ??"},
        {"overlong \xc0\xaf \xe0\x80\xaf", "overlong ?? ???"},
        {"surrogate \xed\xa0\x80", "surrogate ???"},
        {"beyond \xf4\x90\x80\x80", "beyond ????"},
    };
    for (size_t i = 0; i < sizeof pair / sizeof *pair; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s", pair[i][0]);
        utf8_clean(text);
        assert_string_equal(text, pair[i][1]);
    }
}

static void a_decoded_text_is_terminated_utf8(void **state)
{
    (void)state;
    struct record r, back;
    size_t bytes;
    record_init(&r);
    memset(r.host, 0xff, sizeof r.host);
    void *data = record_encode(&r, &bytes);
    assert_true(record_decode(&back, data, bytes));
    assert_int_equal(strlen(back.host), TEXT_BYTES - 1);
    assert_int_equal(strspn(back.host, "?"), TEXT_BYTES - 1);
    free(data);
    record_clear(&back);
}

static void a_status_has_its_word_and_one_line(void **state)
{
    (void)state;
    struct record r;
    record_init(&r);
    for (int i = 0; i < N_STATUSES; i++) {
        record_set_status(&r, (enum status)i, "line %d\nand\ttab", i);
        assert_int_equal(record_status(&r), i);
        assert_null(strpbrk(r.message, "\n\t"));
    }
    record_set_status(&r, STATUS_OOM_DEVICE, "%0500d", 1); /* the call, file and line of a library, and its words */
    assert_int_equal(strlen(r.message), 500);
    record_set_status(&r, STATUS_OOM_DEVICE, "%0600d", 1); /* longer than its place */
    assert_string_equal(r.status, "oom_device");
    assert_int_equal(strlen(r.message), LONG_BYTES - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_have_names_of_their_own),
        cmocka_unit_test(fields_cover_a_record_without_gap),
        cmocka_unit_test(numbers_of_a_new_record_are_not_known),
        cmocka_unit_test(a_record_comes_back_from_its_bytes),
        cmocka_unit_test(rows_can_be_added_to_a_decoded_record),
        cmocka_unit_test(bytes_of_another_length_are_no_record),
        cmocka_unit_test(bytes_of_other_columns_are_no_record),
        cmocka_unit_test(counts_that_overflow_are_no_record),
        cmocka_unit_test(texts_become_utf8),
        cmocka_unit_test(a_decoded_text_is_terminated_utf8),
        cmocka_unit_test(a_status_has_its_word_and_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
