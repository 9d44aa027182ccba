/* test_report.c - what a sweep looks like to people and to programs; and that docs/results-format.md is up to date. */
#include "sample_records.h"

#include "../src/base/log.h"
#include "../src/records/format_doc.h"
#include "../src/bench/report_command.h"
#include "../src/records/report.h"
#include "../src/records/store.h"

#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

static struct record run(unsigned id, const char *trainer, uint64_t batch, double step_s)
{
    struct record r;
    record_init(&r);
    struct config *c = &r.config;
    snprintf(c->trainer, TEXT_BYTES, "%s", trainer);
    snprintf(c->clipping, TEXT_BYTES, "%s", strcmp(trainer, "standard") ? "flat" : "none");
    snprintf(c->model, TEXT_BYTES, "medium");
    c->layers = 8, c->dim = 512, c->heads = 8, c->vocab = 16000;
    c->batch_size = c->physical_batch_size = batch;
    c->seq_len = 512;
    r.run_id = id;
    snprintf(r.verdict, TEXT_BYTES, "%s", strcmp(trainer, "standard") ? "VALID" : "");
    record_set_status(&r, STATUS_OK, " ");
    r.message[0] = '\0';
    r.step_time_p50 = step_s;
    r.throughput_p50 = (double)batch * 512 / step_s;
    r.memory_after_profiling = 1691 << 20;
    r.memory_after_cleanup = 809 << 20;
    r.peak_ledger = (uint64_t)2500 << 20;
    r.threads = 2;
    snprintf(r.host, TEXT_BYTES, "node3");
    snprintf(r.device_name, TEXT_BYTES, "a processor, \"quoted\"");
    snprintf(r.config_sha256, TEXT_BYTES, "%064x", id);
    return r;
}

/* Two batches of three trainers: one run is invalid, one out of memory. */
static struct sweep_state small_sweep(struct record r[6])
{
    r[0] = run(0, "standard", 8, 4.0);
    r[1] = run(1, "standard", 4, 2.0);
    r[2] = run(2, "dpsgd", 8, 0.5);
    r[3] = run(3, "dpsgd", 4, 5.0);
    r[4] = run(4, "microbatch", 8, 4.4);
    r[5] = run(5, "microbatch", 4, 2.5);
    r[5].config.physical_batch_size = 1;
    record_set_status(&r[4], STATUS_OOM_DEVICE, "needs 3 GiB");
    record_set_status(&r[2], STATUS_INVALID, "norms are wrong");
    snprintf(r[2].verdict, TEXT_BYTES, "INVALID");
    return (struct sweep_state){.header = sample_header(), .record = r, .n_records = 6, .ended = true};
}

static char *report(const struct sweep_state *s, enum report_format format)
{
    static char *text; /* open_memstream keeps its address */
    static size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    report_write(out, s, format);
    fclose(out);
    return text;
}

/* The line that begins with `start`, after `from`; NULL: none. */
static const char *line_of(const char *from, const char *start)
{
    static char line[512];
    for (const char *at = from; at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
        if (!strncmp(at, start, strlen(start))) {
            snprintf(line, sizeof line, "%.*s", (int)strcspn(at, "\n"), at);
            return line;
        }
    return NULL;
}

static void assert_has(const char *text, const char *what)
{
    if (!text || !strstr(text, what))
        fail_msg("no '%s' in: %s", what, text ? text : "(no such line)");
}

static void the_table_compares_with_standard(void **state)
{
    (void)state;
    struct record r[6];
    const struct sweep_state s = small_sweep(r);
    char *text = report(&s, REPORT_TEXT);
    assert_has(text, "dpsweep 0.1.0 (abc), 2023-11-14T22:13:20Z, 6 runs\n");
    assert_has(text, "host node3, threads 2");
    assert_has(text, "command: dpsweep sweep --batch-size 1,2\n");
    assert_has(text, "model medium: 8 layers, D 512, 8 heads, V 16000\n");
    assert_has(line_of(text, "dpsgd"), "1691.0");
    assert_has(line_of(text, "dpsgd"), "809.0");
    assert_has(line_of(text, "dpsgd"), "2500.0");
    assert_has(line_of(text, "dpsgd"), " 5000 "); /* ms */
    assert_has(line_of(text, "dpsgd"), " 409.6 "); /* tokens/s: 2048 in 5 s */
    assert_has(line_of(text, "dpsgd"), " 2.50 "); /* batch 4 stands first */
    assert_has(line_of(text, "dpsgd"), "VALID");
    assert_has(line_of(text, "microbatch"), "4 (1)");
    assert_has(line_of(text, "microbatch"), " 1.25 "); /* standard is unsplit */
    assert_has(line_of(text, "standard"), " 1.00 ");
    for (const char *at = text; (at = strchr(at, '\n')); at++)
        assert_true(strcspn(at + 1, "\n") <= 125);
    assert_true(strlen(line_of(text, "dpsgd")) <= 100);
    free(text);
}

static void a_run_that_is_not_ok_shows_no_time_but_its_message(void **state)
{
    (void)state;
    struct record r[6];
    const struct sweep_state s = small_sweep(r);
    char *text = report(&s, REPORT_TEXT);
    const char *batch_8 = strstr(text, "\n\nstandard");
    assert_non_null(batch_8);
    char *invalid = strdup(line_of(batch_8, "dpsgd"));
    assert_has(invalid, " - ");
    assert_has(invalid, "INVALID");
    assert_null(strstr(invalid, "500 ")); /* its time */
    assert_null(strstr(invalid, "8192")); /* its rate */
    assert_has(text, "run 2, dpsgd flat, medium, batch 8, sequence 512: invalid: norms are wrong\n");
    assert_has(text, "run 4, microbatch flat, medium, batch 8, sequence 512: oom_device: needs 3 GiB\n");
    free(invalid);
    free(text);
}

/* 2 threads for 5 s: 10 s of CPU time at most, 8 s are enough. */
static void a_time_whose_threads_did_not_run_is_marked(void **state)
{
    (void)state;
    struct record r[6];
    const struct sweep_state s = small_sweep(r);
    r[3].step_cpu_time_p50 = 7.9;
    char *text = report(&s, REPORT_TEXT);
    assert_has(line_of(text, "dpsgd"), " 5000~ ");
    free(text);
    r[3].step_cpu_time_p50 = 8.1;
    text = report(&s, REPORT_TEXT);
    assert_has(line_of(text, "dpsgd"), " 5000 ");
    free(text);
}

static void another_axis_gets_a_heading_and_a_base_of_its_own(void **state)
{
    (void)state;
    struct record r[4] = {run(0, "standard", 4, 2), run(1, "standard", 4, 4), run(2, "dpsgd", 4, 4),
                          run(3, "dpsgd", 4, 4)};
    r[0].config.seed = r[2].config.seed = 1;
    r[1].config.seed = r[3].config.seed = 22;
    r[2].config.noise_multiplier = r[3].config.noise_multiplier = 0.5; /* differs between trainers only */
    const struct sweep_state s = {.header = sample_header(), .record = r, .n_records = 4};
    char *text = report(&s, REPORT_TEXT);
    const char *first = strstr(text, "\nalso seed=1:\nstandard "), *second = strstr(text, "\nalso seed=22:\nstandard ");
    assert_true(first && second && first < second);
    assert_has(line_of(first, "dpsgd"), " 2.00 ");
    assert_has(line_of(second, "dpsgd"), " 1.00 ");
    assert_null(strstr(text, "noise_multiplier="));
    assert_has(text, "not complete");
    free(text);
}

static void what_else_differs_stands_above_its_rows(void **state)
{
    (void)state;
    struct record r[4] = {run(0, "standard", 4, 2), run(1, "dpsgd", 4, 4), run(2, "standard", 4, 4),
                          run(3, "dpsgd", 4, 4)};
    r[2].config.learning_rate = r[3].config.learning_rate = 0.123456789;
    r[2].config.weight_decay = r[3].config.weight_decay = 0.5;
    const struct sweep_state s = {.header = sample_header(), .record = r, .n_records = 4};
    char *text = report(&s, REPORT_TEXT);
    assert_has(text, "\nalso learning_rate=0.001 weight_decay=0:\nstandard");
    assert_has(text, "\nalso learning_rate=0.123456789 weight_decay=0.5:\nstandard");
    for (const char *line = strtok(text, "\n"); line && strncmp(line, "MiB:", 4); line = strtok(NULL, "\n"))
        assert_true(strlen(line) <= 100);
    free(text);
}

static void tables_for_programs_have_whole_messages(void **state)
{
    (void)state;
    struct record r[1] = {run(0, "dpsgd", 4, 2)};
    const struct sweep_state s = {.header = sample_header(), .record = r, .n_records = 1};
    char digits[512];
    snprintf(digits, sizeof digits, "%0500d", 7);
    record_set_status(&r[0], STATUS_FAILED, "%s", digits);
    for (enum report_format format = REPORT_CSV; format <= REPORT_JSON; format++) {
        char *text = report(&s, format);
        assert_has(text, digits);
        free(text);
    }
}

static void epsilon_is_rounded_up_and_the_noise_for_it_is_told(void **state)
{
    (void)state;
    struct record r[1] = {run(0, "dpsgd", 4, 2)};
    const struct sweep_state s = {.header = sample_header(), .record = r, .n_records = 1};
    r[0].config.noise_multiplier = 0.75;
    r[0].epsilon_prv_upper = 2.0001;
    char *asked_noise = report(&s, REPORT_TEXT);
    assert_has(asked_noise, "also epsilon=2.001:\ndpsgd ");
    assert_null(strstr(asked_noise, "noise_multiplier="));
    free(asked_noise);
    r[0].config.target_epsilon = 2.5;
    char *asked_epsilon = report(&s, REPORT_TEXT);
    assert_has(asked_epsilon, "also noise_multiplier=0.75 epsilon=2.001:\ndpsgd ");
    free(asked_epsilon);
}

static void what_was_not_started_has_no_machine(void **state)
{
    (void)state;
    struct record r[2] = {run(0, "standard", 4, 2), run(1, "dpsgd", 4, 4)};
    const struct sweep_state s = {.header = sample_header(), .record = r, .n_records = 2};
    r[0].host[0] = r[1].host[0] = '\0';
    char *none = report(&s, REPORT_TEXT);
    assert_null(strstr(none, "host"));
    free(none);
    snprintf(r[1].host, TEXT_BYTES, "node1");
    r[1].threads = 3;
    char *one = report(&s, REPORT_TEXT);
    assert_has(one, "host node1, threads 3\n");
    free(one);
}

static void markdown_has_as_many_bars_in_each_row(void **state)
{
    (void)state;
    struct record r[6];
    const struct sweep_state s = small_sweep(r);
    char *text = report(&s, REPORT_MARKDOWN);
    int rows = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        int bars = 0;
        for (const char *c = line; *c; c++)
            bars += *c == '|';
        assert_true(bars == 0 || bars == 14);
        rows += bars == 14;
    }
    assert_int_equal(rows, 2 + 6);
    free(text);
}

static void csv_quotes_and_leaves_the_unknown_empty(void **state)
{
    (void)state;
    struct record r[6];
    const struct sweep_state s = small_sweep(r);
    char *text = report(&s, REPORT_CSV);
    assert_int_equal(strncmp(text, "trainer,", 8), 0);
    assert_has(text, ",\"a processor, \"\"quoted\"\"\",");
    int lines = 0;
    for (const char *c = text; (c = strstr(c, "\r\n")); c += 2)
        lines++;
    assert_int_equal(lines, 7);
    assert_null(strstr(text, "nan"));
    free(text);
}

static void json_is_an_array_of_runs_with_all_columns(void **state)
{
    (void)state;
    struct record r[6];
    const struct sweep_state s = small_sweep(r);
    r[0].peak_rss = UINT64_MAX;
    char *text = report(&s, REPORT_JSON);
    cJSON *runs = cJSON_Parse(text);
    assert_int_equal(cJSON_GetArraySize(runs), 6);
    const cJSON *first = cJSON_GetArrayItem(runs, 0);
    assert_int_equal(cJSON_GetArraySize(first), n_record_fields);
    assert_string_equal(cJSON_GetObjectItem(first, "trainer")->valuestring, "standard");
    assert_true(cJSON_GetObjectItem(first, "step_time_p50")->valuedouble == 4.0);
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(first, "loss_first")));
    assert_has(text, "\"peak_rss\":18446744073709551615"); /* all 64 bits */
    cJSON_Delete(runs);
    free(text);
}

static void an_empty_sweep_has_a_report(void **state)
{
    (void)state;
    const struct sweep_state s = {.header = sample_header()};
    for (int format = REPORT_TEXT; format <= REPORT_JSON; format++) {
        char *text = report(&s, (enum report_format)format);
        assert_true(text[0]);
        free(text);
    }
}

/* ---- what is asked for ------------------------------------------------------------------------------------------ */

static char *view(const struct report_view *asked, enum report_format format)
{
    static char *text; /* open_memstream keeps its address */
    static size_t bytes;
    struct record r[6];
    char error[512];
    const struct sweep_state s = small_sweep(r);
    FILE *out = open_memstream(&text, &bytes);
    if (!report_view_write(out, &s, asked, format, error, sizeof error))
        fprintf(out, "refused: %s", error);
    fclose(out);
    return text;
}

static void assert_view(struct report_view asked, enum report_format format, const char *want)
{
    char *text = view(&asked, format);
    assert_string_equal(text, want);
    free(text);
}

static void columns_and_conditions_choose(void **state)
{
    (void)state;
    const char *columns = "run_id,trainer,peak_ledger,loss_first";
    assert_view((struct report_view){.columns = columns, .where = "trainer=dpsgd|microbatch and batch_size>=8"},
                REPORT_CSV, "run_id,trainer,peak_ledger,loss_first\r\n2,dpsgd,2621440000,\r\n"
                            "4,microbatch,2621440000,\r\n");
    assert_view((struct report_view){.columns = "run_id", .where = "status!=ok"}, REPORT_CSV, "run_id\r\n2\r\n4\r\n");
    assert_view((struct report_view){.columns = "run_id", .where = "step_time_p50<2.5 and peak_ledger>=2G"},
                REPORT_CSV, "run_id\r\n1\r\n2\r\n");
    assert_view((struct report_view){.columns = "run_id", .where = "loss_first<1"}, REPORT_CSV, "run_id\r\n");
    assert_view((struct report_view){.columns = "run_id,trainer,loss_first", .where = "run_id=3"}, REPORT_TEXT,
                "run_id  trainer  loss_first\n     3  dpsgd             -\n");
    assert_view((struct report_view){.columns = "run_id,trainer", .where = "run_id = 3"}, REPORT_JSON,
                "[\n {\"run_id\":3,\"trainer\":\"dpsgd\"}\n]\n");
}

static void runs_are_sorted_by_several_columns(void **state)
{
    (void)state;
    assert_view((struct report_view){.columns = "run_id", .sort = "trainer,-batch_size"}, REPORT_CSV,
                "run_id\r\n2\r\n3\r\n4\r\n5\r\n0\r\n1\r\n");
    assert_view((struct report_view){.columns = "run_id", .sort = "-step_time_p50"}, REPORT_CSV,
                "run_id\r\n3\r\n4\r\n0\r\n5\r\n1\r\n2\r\n");
}

static void a_pivot_spreads_one_column_over_others(void **state)
{
    (void)state;
    assert_view((struct report_view){.pivot = "batch_size:trainer:step_time_p50"}, REPORT_MARKDOWN,
                "| batch_size | standard | dpsgd | microbatch |\n|---:|---:|---:|---:|\n"
                "| 8 | 4.000 | 0.50000 | 4.400 |\n| 4 | 2.000 | 5.000 | 2.500 |\n");
    assert_view((struct report_view){.pivot = "model:clipping:step_time_p50", .where = "trainer!=microbatch"},
                REPORT_CSV, "model,none,flat\r\nmedium,3,2.75\r\n");
    assert_view((struct report_view){.pivot = "trainer:batch_size:status"}, REPORT_CSV,
                "trainer,8,4\r\nstandard,ok,ok\r\ndpsgd,invalid,ok\r\nmicrobatch,oom_device,ok\r\n");
}

static void ratios_stay_when_standard_is_not_shown(void **state)
{
    (void)state;
    char *text = view(&(struct report_view){.where = "trainer=dpsgd"}, REPORT_TEXT);
    assert_has(text, ", 2 runs\n");
    assert_has(line_of(text, "dpsgd"), " 2.50 ");
    free(text);
}

static void what_is_not_understood_is_refused_with_a_remedy(void **state)
{
    (void)state;
    assert_view((struct report_view){.columns = "trianer"}, REPORT_TEXT,
                "refused: 'trianer' is not a column; did you mean trainer?");
    assert_view((struct report_view){.where = "batch_size"}, REPORT_TEXT,
                "refused: 'batch_size' is not a condition; write COLUMN=VALUE, with = != < <= > or >=");
    assert_view((struct report_view){.where = "batch_size=eight"}, REPORT_TEXT,
                "refused: batch_size=eight: 'eight' is not a number");
    assert_view((struct report_view){.where = "trainer>a"}, REPORT_TEXT,
                "refused: trainer>a: > compares a number with one number");
    assert_view((struct report_view){.pivot = "a:b"}, REPORT_TEXT, "refused: --pivot a:b: write ROWS:COLUMNS:VALUE, "
                "such as batch_size,seq_len:trainer:throughput_p50");
}

static int report_command(const char *a, const char *b, const char *c)
{
    char *argv[] = {(char *)"report", (char *)a, (char *)b, (char *)c, NULL};
    int argc = 1;
    while (argv[argc])
        argc++;
    return report_main(argc, argv);
}

static void the_command_reads_both_files_and_refuses_others(void **state)
{
    (void)state;
    struct record r[6];
    char error[512];
    const struct sweep_state s = small_sweep(r);
    const char *h5 = in_tmp("r.h5"), *journal = in_tmp("r.journal"), *text = in_tmp("r.txt");
    remove_files(in_tmp("r"));
    struct journal *j = journal_open(journal, JOURNAL_NEW, &s.header, error, sizeof error);
    journal_result(j, &r[0]);
    assert_true(journal_close(j));
    assert_true(store_publish(h5, &s, error, sizeof error));
    FILE *f = fopen(text, "w");
    fputs("neither", f);
    fclose(f);
    const int out = dup(STDOUT_FILENO);
    fflush(stdout);
    assert_non_null(freopen("/dev/null", "w", stdout));
    const int good[] = {report_command(h5, NULL, NULL), report_command(journal, "--format", "csv"),
                        report_command("--json", h5, NULL), report_command("--help", NULL, NULL)};
    const int bad[] = {report_command(text, NULL, NULL), report_command("absent.h5", NULL, NULL),
                       report_command(h5, journal, NULL), report_command(NULL, NULL, NULL),
                       report_command(h5, "--format", "xml"), report_command(h5, "--nonesuch", NULL),
                       report_command(h5, "--format", NULL), report_command("tests/golden/postln.h5", NULL, NULL)};
    fflush(stdout);
    dup2(out, STDOUT_FILENO);
    close(out);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(good[i], EXIT_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(bad[i], EXIT_USAGE);
}

static void the_page_of_the_results_format_is_up_to_date(void **state)
{
    (void)state;
    char *want, page[65536] = "";
    size_t bytes;
    FILE *out = open_memstream(&want, &bytes);
    results_format_write(out);
    fclose(out);
    FILE *f = fopen("docs/results-format.md", "r");
    assert_non_null(f);
    const size_t n = fread(page, 1, sizeof page - 1, f);
    fclose(f);
    if (n != bytes || memcmp(page, want, n))
        fail_msg("stale: build/dpsweep info --results-format > docs/results-format.md");
    free(want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_compares_with_standard),
        cmocka_unit_test(a_run_that_is_not_ok_shows_no_time_but_its_message),
        cmocka_unit_test(a_time_whose_threads_did_not_run_is_marked),
        cmocka_unit_test(another_axis_gets_a_heading_and_a_base_of_its_own),
        cmocka_unit_test(what_else_differs_stands_above_its_rows),
        cmocka_unit_test(tables_for_programs_have_whole_messages),
        cmocka_unit_test(epsilon_is_rounded_up_and_the_noise_for_it_is_told),
        cmocka_unit_test(what_was_not_started_has_no_machine),
        cmocka_unit_test(markdown_has_as_many_bars_in_each_row),
        cmocka_unit_test(csv_quotes_and_leaves_the_unknown_empty),
        cmocka_unit_test(json_is_an_array_of_runs_with_all_columns),
        cmocka_unit_test(an_empty_sweep_has_a_report),
        cmocka_unit_test(columns_and_conditions_choose),
        cmocka_unit_test(runs_are_sorted_by_several_columns),
        cmocka_unit_test(a_pivot_spreads_one_column_over_others),
        cmocka_unit_test(ratios_stay_when_standard_is_not_shown),
        cmocka_unit_test(what_is_not_understood_is_refused_with_a_remedy),
        cmocka_unit_test(the_command_reads_both_files_and_refuses_others),
        cmocka_unit_test(the_page_of_the_results_format_is_up_to_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
