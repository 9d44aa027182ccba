/* Data sets and batches, on the strict device. */
#include "../src/bench/data.h"
#include "../src/device/ledger.h"
#include "../src/privacy/sampler.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { T = 8, V = 300, MOST = 64 };
static char error[1024], txt[512], bin[512];

/* ---- helpers ----------------------------------------------------------------------------------------------------- */

static void write_file(const char *path, const void *bytes, size_t n)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    fclose(file);
}

static struct dataset *open_data(const char *data, const char *record, int batch_size)
{
    struct dataset *dataset = dataset_open(data, record, T, V, batch_size, 1, error, sizeof error);
    if (!dataset)
        fail_msg("%s", error);
    return dataset;
}

static struct dataset *open_text(const char *text, size_t n, const char *record)
{
    write_file(txt, text, n);
    return open_data(txt, record, 1);
}

/* The text's records, each as a string: "\0" ends it, so that texts with NUL are compared otherwise. */
static void assert_records(const char *text, const char *record, const char *const *wanted, int n)
{
    struct dataset *dataset = open_text(text, strlen(text), record);
    assert_int_equal(dataset_records(dataset), n);
    for (int i = 0; i < n; i++) {
        int token[T];
        const int length = dataset_record(dataset, i, token);
        assert_int_equal(length, strlen(wanted[i]));
        for (int t = 0; t < T; t++)
            assert_int_equal(token[t], t < length ? (unsigned char)wanted[i][t] : 0);
    }
    dataset_close(dataset);
}

static void assert_refused(const char *data, const char *says)
{
    assert_null(dataset_open(data, "line", T, V, 1, 1, error, sizeof error));
    if (!strstr(error, says) || strchr(error, '\n'))
        fail_msg("'%s' does not say '%s' in one line", error, says);
}

static void write_shard(int magic, int version, int claimed_tokens, int tokens, int odd_bytes)
{
    char bytes[1024 + 2 * MOST + 1] = {0};
    const int32_t header[3] = {magic, version, claimed_tokens};
    memcpy(bytes, header, sizeof header);
    for (int i = 0; i < tokens; i++) {
        const uint16_t token = (uint16_t)(i * 7 % V);
        memcpy(bytes + 1024 + 2 * i, &token, 2);
    }
    write_file(bin, bytes, (size_t)(1024 + 2 * tokens + odd_bytes));
}

/* ---- texts ------------------------------------------------------------------------------------------------------- */

static void a_line_is_a_record(void **state)
{
    (void)state;
    static const char *const wanted[] = {"one", "two  ", "\xc3\xa4\xc3\xb6", "end"};
    assert_records("one\n\n \t \ntwo  \n\xc3\xa4\xc3\xb6\nend", "line", wanted, 4);
    assert_records("\n\none\ntwo  \n\xc3\xa4\xc3\xb6\nend\n\n\n", "line", wanted, 4);
    assert_records("one\r\n\r\ntwo  \r\n\xc3\xa4\xc3\xb6\r\nend\r\n", "line", wanted, 4);
}

static void a_paragraph_is_a_record(void **state)
{
    (void)state;
    static const char *const wanted[] = {"a\nb", "c", "d\ne\nf"};
    assert_records("a\nb\n\nc\n \n\nd\ne\nf", "paragraph", wanted, 3);
    assert_records("\na\nb\n\nc\n\nd\ne\nf\n", "paragraph", wanted, 3);
    assert_records("a\r\nb\r\n\r\nc\r\n\r\nd\r\ne\r\nf\r\n", "paragraph", wanted, 3);
}

static void long_records_are_cut_and_any_byte_is_a_token(void **state)
{
    (void)state;
    static const char text[] = "0123456789\n\0\r\xff\n";
    struct dataset *dataset = open_text(text, sizeof text - 1, "line");
    int token[T];
    assert_int_equal(dataset_records(dataset), 2);
    assert_int_equal(dataset_record(dataset, 0, token), T);
    assert_int_equal(token[T - 1], '7');
    assert_int_equal(dataset_record(dataset, 1, token), 3);
    assert_int_equal(token[0], 0);
    assert_int_equal(token[1], '\r');
    assert_int_equal(token[2], 255);
    dataset_close(dataset);
}

static void opening_does_not_change_the_file(void **state)
{
    (void)state;
    static const char text[] = "a\r\nb\r\n";
    char after[sizeof text] = "";
    dataset_close(open_text(text, sizeof text - 1, "line"));
    FILE *file = fopen(txt, "rb");
    assert_int_equal(fread(after, 1, sizeof after, file), sizeof text - 1);
    fclose(file);
    assert_memory_equal(text, after, sizeof text - 1);
}

static void useless_files_are_refused(void **state)
{
    (void)state;
    write_file(txt, "", 0);
    assert_refused(txt, "is empty");
    write_file(txt, "\n \n\r\n", 5);
    assert_refused(txt, "blank");
    write_file(txt, "a\nb\n", 4);
    assert_null(dataset_open(txt, "line", T, V, 3, 1, error, sizeof error));
    assert_non_null(strstr(error, "has 2 records, fewer than --batch-size 3"));
    assert_null(dataset_open(txt, "line", T, 255, 1, 1, error, sizeof error));
    assert_non_null(strstr(error, "--vocab 256 or more"));
    assert_refused("nonesuch.txt", "No such file");
    assert_refused("nonesuch", "random, random:RECORDS, a text FILE.txt nor a token shard FILE.bin");
    assert_refused(".txt", "neither random");
    assert_refused("random:0", "1 to 2147483648 records");
    assert_refused("random:2147483649", "1 to 2147483648 records");
    assert_refused("random:", "1 to 2147483648 records");
}

/* ---- shards ------------------------------------------------------------------------------------------------------ */

static void a_shard_is_cut_into_records(void **state)
{
    (void)state;
    write_shard(20240520, 1, 2 * T + 3, 2 * T + 3, 0);
    struct dataset *dataset = open_data(bin, "line", 2);
    int token[T];
    assert_int_equal(dataset_records(dataset), 2);
    assert_int_equal(dataset_record(dataset, 1, token), T);
    for (int t = 0; t < T; t++)
        assert_int_equal(token[t], (T + t) * 7 % V);
    dataset_close(dataset);
}

static void damaged_shards_are_refused(void **state)
{
    (void)state;
    write_shard(20240521, 1, 16, 16, 0);
    assert_refused(bin, "begins with 20240521, 1; a token shard begins with 20240520, version 1");
    write_shard(20240520, 2, 16, 16, 0);
    assert_refused(bin, "begins with 20240520, 2");
    write_shard(20240520, 1, 17, 16, 0);
    assert_refused(bin, "1056 bytes; with the 17 tokens its header names it would have 1058");
    write_shard(20240520, 1, 16, 16, 1);
    assert_refused(bin, "1057 bytes");
    write_shard(20240520, 1, -1, 16, 0);
    assert_refused(bin, "-1 tokens");
    write_shard(20240520, 1, T - 1, T - 1, 0);
    assert_refused(bin, "do not make one record of --seq-len 8");
    write_file(bin, "short", 5);
    assert_refused(bin, "5 bytes are less than the header");
}

static void tokens_beyond_the_vocabulary_are_refused(void **state)
{
    (void)state;
    write_shard(20240520, 1, 16, 16, 0); /* 0, 7, ..., 105 */
    assert_null(dataset_open(bin, "line", T, 50, 1, 1, error, sizeof error));
    assert_non_null(strstr(error, "token 8 is 56, the model knows 0 to 49; choose --vocab 106 or more"));
}

/* ---- random ------------------------------------------------------------------------------------------------------ */

static void random_tokens_are_uniform_and_follow_the_seed(void **state)
{
    (void)state;
    enum { RECORDS = 4000, WORDS = 10 };
    struct dataset *dataset = dataset_open("random", "", T, WORDS, 1, 5, error, sizeof error);
    struct dataset *other = dataset_open("random", "", T, WORDS, 1, 6, error, sizeof error);
    int count[WORDS] = {0}, token[T], other_token[T], equal = 0;
    for (int i = 0; i < RECORDS; i++) {
        assert_int_equal(dataset_record(dataset, i, token), T);
        dataset_record(other, i, other_token);
        for (int t = 0; t < T; t++) {
            assert_in_range(token[t], 0, WORDS - 1);
            count[token[t]]++;
            equal += token[t] == other_token[t];
        }
    }
    const double n = RECORDS * T, expected = n / WORDS;
    double chi2 = 0;
    for (int v = 0; v < WORDS; v++)
        chi2 += (count[v] - expected) * (count[v] - expected) / expected;
    assert_true(chi2 < 33.7);                                        /* 9 degrees of freedom: one in 10^4 */
    assert_true(fabs(equal - expected) < 4 * sqrt(expected * 0.9));  /* seeds agree by chance only */
    dataset_close(other);
    dataset_close(dataset);
}

/* ---- shuffle ----------------------------------------------------------------------------------------------------- */

static void a_shuffle_shows_each_record_once(void **state)
{
    (void)state;
    for (long n = 1; n <= 70; n++)
        for (uint32_t epoch = 0; epoch < 3; epoch++) {
            char seen[70] = {0};
            for (long i = 0; i < n; i++) {
                const long record = sampler_shuffle(1, epoch, i, n);
                assert_in_range(record, 0, n - 1);
                assert_false(seen[record]++);
            }
        }
}

static void shuffles_are_fair_in_pairs(void **state)
{
    (void)state;
    enum { N = 5, EPOCHS = 20000 };
    int count[N][N] = {{0}};
    for (uint32_t epoch = 0; epoch < EPOCHS; epoch++)
        count[sampler_shuffle(3, epoch, 0, N)][sampler_shuffle(3, epoch, 1, N)]++;
    const double expected = (double)EPOCHS / (N * (N - 1));
    double chi2 = 0;
    for (int a = 0; a < N; a++)
        for (int b = 0; b < N; b++)
            if (a != b)
                chi2 += (count[a][b] - expected) * (count[a][b] - expected) / expected;
    assert_true(chi2 < 50.8); /* 19 degrees of freedom: one in 10^4 */
}

/* ---- batches ----------------------------------------------------------------------------------------------------- */

static struct part all_of(int n)
{
    return (struct part){0, n};
}

static struct batch shuffled_share(const struct dataset *dataset, struct batch_buffer *buffer, uint64_t seed,
                                   uint32_t step, int n, struct part share, uint64_t *valid)
{
    const struct sampler sampler = {SAMPLING_SHUFFLE, seed, dataset_records(dataset), n, n, NULL};
    long record[MOST];
    assert_int_equal(sampler_draw(&sampler, step, record), n);
    struct batch batch = dataset_batch(dataset, buffer, record, share, valid);
    assert_true(batch.first == 0 && batch.place == share.begin && batch.n == share.end - share.begin);
    return batch;
}

static struct batch shuffled_batch(const struct dataset *dataset, struct batch_buffer *buffer, uint64_t seed,
                                   uint32_t step, int n, uint64_t *valid)
{
    return shuffled_share(dataset, buffer, seed, step, n, all_of(n), valid);
}

/* What the device holds of a batch. */
struct seen {
    int token[MOST * T], target[MOST * T], length[MOST], position[T];
    float loss_scale[MOST];
};

static void look(const struct batch *batch, struct seen *seen)
{
    const size_t n = (size_t)batch->n;
    assert_int_equal(batch->token.stride_b, T);
    assert_int_equal(batch->token.stride_t, 1);
    assert_int_equal(batch->position.stride_b, 0);
    assert_int_equal(batch->position.stride_t, 1);
    device_copy_out(seen->token, batch->token.id, n * T * sizeof(int));
    device_copy_out(seen->target, batch->target, n * T * sizeof(int));
    device_copy_out(seen->length, batch->length, n * sizeof(int));
    device_copy_out(seen->loss_scale, batch->loss_scale, n * sizeof(float));
    device_copy_out(seen->position, batch->position.id, T * sizeof(int));
}

static void a_batch_predicts_the_next_token_of_each_record(void **state)
{
    (void)state;
    static const int token[3 * T] = {5, 6, 7, 0, 0, 0, 0, 0, /**/ 9, 0, 0, 0, 0, 0, 0, 0, /**/ 1, 2, 3, 4, 5, 6, 7, 8};
    static const int length[3] = {3, 1, T};
    static const int target[3 * T] = {6, 7, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
                                      -1, -1, -1, -1, 2, 3, 4, 5, 6, 7, 8, -1};
    struct batch_buffer *buffer = batch_buffer_create(4, T);
    struct batch batch = batch_from_tokens(buffer, token, length, 3);
    struct seen seen;
    look(&batch, &seen);
    assert_int_equal(batch.n, 3);
    assert_int_equal(batch.T, T);
    assert_memory_equal(seen.token, token, sizeof token);
    assert_memory_equal(seen.target, target, sizeof target);
    assert_memory_equal(seen.length, length, sizeof length);
    assert_true(seen.loss_scale[0] == 0.5f && seen.loss_scale[1] == 0 && seen.loss_scale[2] == 1.0f / 7);
    for (int t = 0; t < T; t++)
        assert_int_equal(seen.position[t], t);
    batch_buffer_free(buffer);
    assert_int_equal(ledger_live(MEMORY_DATA), 0);
}

static void an_epoch_shows_each_record_once_whatever_the_batch_size(void **state)
{
    (void)state;
    char text[256] = "";
    enum { N = 26 };
    for (int i = 0; i < N; i++)
        sprintf(text + 2 * i, "%c\n", 'a' + i);
    struct dataset *dataset = open_text(text, 2 * N, "line");
    struct batch_buffer *buffer = batch_buffer_create(N, T);
    char order[2][3 * N];
    static const int size[2] = {2, 13};
    for (int k = 0; k < 2; k++)
        for (int step = 0; step < 3 * N / size[k]; step++) {
            struct seen seen;
            uint64_t valid = 0;
            struct batch batch = shuffled_batch(dataset, buffer, 4, (uint32_t)step, size[k], &valid);
            assert_int_equal(valid, size[k]);
            look(&batch, &seen);
            for (int b = 0; b < size[k]; b++)
                order[k][step * size[k] + b] = (char)seen.token[b * T];
        }
    assert_memory_equal(order[0], order[1], sizeof order[0]);
    for (int epoch = 0; epoch < 3; epoch++)
        for (int i = 0; i < N; i++)
            assert_non_null(memchr(order[0] + epoch * N, 'a' + i, N));
    assert_memory_not_equal(order[0], order[0] + N, N);
    batch_buffer_free(buffer);
    dataset_close(dataset);
}

static void the_rest_of_an_epoch_is_not_mixed_into_the_next(void **state)
{
    (void)state;
    struct dataset *dataset = open_text("a\nb\nc\nd\ne\n", 10, "line");
    struct batch_buffer *buffer = batch_buffer_create(4, T);
    for (uint32_t step = 0; step < 40; step++) {
        struct seen seen;
        struct batch batch = shuffled_batch(dataset, buffer, 1, step, 2, NULL);
        look(&batch, &seen);
        assert_int_not_equal(seen.token[0], seen.token[T]);
    }
    struct batch empty = dataset_batch(dataset, buffer, NULL, all_of(0), NULL);
    assert_int_equal(empty.n, 0);
    batch_buffer_free(buffer);
    dataset_close(dataset);
}

/* Copies the samples of a share to their places. */
static void add_share(struct seen *whole, const struct batch *batch)
{
    struct seen seen;
    look(batch, &seen);
    memcpy(whole->token + batch->place * T, seen.token, (size_t)batch->n * T * sizeof(int));
    memcpy(whole->target + batch->place * T, seen.target, (size_t)batch->n * T * sizeof(int));
    memcpy(whole->length + batch->place, seen.length, (size_t)batch->n * sizeof(int));
    memcpy(whole->loss_scale + batch->place, seen.loss_scale, (size_t)batch->n * sizeof(float));
    memcpy(whole->position, seen.position, sizeof seen.position);
}

/* Batches of n on ranks with the buffer of the largest share: they are what one rank has. */
static void assert_shares_are_a_batch(const struct dataset *dataset, int n, int ranks)
{
    struct seen whole[2], joined[2];
    uint64_t valid, valid_of_shares = 0;
    memset(whole, 0, sizeof whole);
    memset(joined, 0, sizeof joined);
    struct batch_buffer *buffer = batch_buffer_create(n, T), *small = batch_buffer_create((n + ranks - 1) / ranks, T);
    const struct batch batch = shuffled_batch(dataset, buffer, 4, 1, n, &valid);
    add_share(&whole[0], &batch);
    const struct batch repeats = dataset_batch_to_verify(dataset, buffer, all_of(n));
    add_share(&whole[1], &repeats);
    for (int r = 0; r < ranks; r++) {
        uint64_t valid_here;
        const struct part share = batch_share(n, r, ranks);
        const struct batch a = shuffled_share(dataset, small, 4, 1, n, share, &valid_here);
        valid_of_shares += valid_here;
        add_share(&joined[0], &a);
        const struct batch b = dataset_batch_to_verify(dataset, small, share);
        add_share(&joined[1], &b);
    }
    assert_memory_equal(whole, joined, sizeof whole);
    assert_int_equal(valid, valid_of_shares);
    batch_buffer_free(small);
    batch_buffer_free(buffer);
}

static void the_shares_of_ranks_are_one_batch(void **state)
{
    (void)state;
    char text[256] = "";
    for (int i = 0; i < 24; i++)
        sprintf(text + strlen(text), "%.*s\n", 1 + i % 5, &"abcdefgh"[i % 3]);
    struct dataset *dataset = open_text(text, strlen(text), "line");
    for (int n = 1; n <= 12; n++)
        for (int ranks = 1; ranks <= 5; ranks++) /* uneven shares, more ranks than samples */
            assert_shares_are_a_batch(dataset, n, ranks);
    dataset_close(dataset);
}

static void a_buffer_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    ledger_close();
    ledger_open(LEDGER_REAL, 1000);
    assert_null(batch_buffer_create(MOST, T));
    assert_non_null(strstr(ledger_message(), "batch"));
    ledger_close();
    ledger_open(LEDGER_REAL, 0);
}

static int begin(void **state)
{
    (void)state;
    const char *folder = getenv("TMPDIR");
    snprintf(txt, sizeof txt, "%s/data-%d.txt", folder ? folder : "/tmp", (int)getpid());
    snprintf(bin, sizeof bin, "%s/data-%d.bin", folder ? folder : "/tmp", (int)getpid());
    setenv("DPSWEEP_STRICT", "1", 1);
    device_open(1);
    ledger_open(LEDGER_REAL, 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    ledger_close();
    device_close();
    return unlink(txt) + unlink(bin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_a_record),
        cmocka_unit_test(a_paragraph_is_a_record),
        cmocka_unit_test(long_records_are_cut_and_any_byte_is_a_token),
        cmocka_unit_test(opening_does_not_change_the_file),
        cmocka_unit_test(useless_files_are_refused),
        cmocka_unit_test(a_shard_is_cut_into_records),
        cmocka_unit_test(damaged_shards_are_refused),
        cmocka_unit_test(tokens_beyond_the_vocabulary_are_refused),
        cmocka_unit_test(random_tokens_are_uniform_and_follow_the_seed),
        cmocka_unit_test(a_shuffle_shows_each_record_once),
        cmocka_unit_test(shuffles_are_fair_in_pairs),
        cmocka_unit_test(a_batch_predicts_the_next_token_of_each_record),
        cmocka_unit_test(an_epoch_shows_each_record_once_whatever_the_batch_size),
        cmocka_unit_test(the_rest_of_an_epoch_is_not_mixed_into_the_next),
        cmocka_unit_test(the_shares_of_ranks_are_one_batch),
        cmocka_unit_test(a_buffer_that_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
