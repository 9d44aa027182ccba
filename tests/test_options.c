/* Command lines and .sweep files, and the points they stand for. */
#include "../src/base/log.h"
#include "../src/base/text.h"
#include "../src/bench/options.h"
#include "../src/bench/sweep_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char error[1024];
static char sweep_path[512];

/* ---- helpers ----------------------------------------------------------------------------------------------------- */

/* A command line as one text. */
struct line {
    char text[1024], *argv[64];
    int argc;
};

static void split(struct line *line, const char *text)
{
    snprintf(line->text, sizeof line->text, "%s", text);
    line->argc = 0;
    for (char *word = strtok(line->text, " "); word; word = strtok(NULL, " "))
        line->argv[line->argc++] = word;
    line->argv[line->argc] = NULL;
}

/* Parses "sweep --seed 1 ..."; the points are the caller's. */
static int parse(const char *text, struct options *options, struct sweep_points *points)
{
    static struct line line;
    split(&line, text);
    memset(options, 0xff, sizeof *options); /* as a stack may be */
    *points = (struct sweep_points){0};
    return options_parse(line.argv[0], line.argc, line.argv, options, points);
}

static struct sweep_points points_of(const char *text)
{
    struct options options;
    struct sweep_points points;
    assert_int_equal(parse(text, &options, &points), -1);
    return points;
}

static void assert_usage_error(const char *text)
{
    struct options options;
    struct sweep_points points;
    assert_int_equal(parse(text, &options, &points), EXIT_USAGE);
}

static void write_sweep(const char *text)
{
    FILE *file = fopen(sweep_path, "wb");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* The points of a .sweep file with this text, and options after it. */
static struct sweep_points points_of_file(const char *text, const char *options)
{
    char line[1024];
    write_sweep(text);
    snprintf(line, sizeof line, "plan %s %s", sweep_path, options);
    return points_of(line);
}

static void assert_says(const char *part)
{
    if (!strstr(error, part))
        fail_msg("'%s' does not say '%s'", error, part);
    assert_null(strchr(error, '\n'));
}

/* ---- command lines ----------------------------------------------------------------------------------------------- */

static void lists_multiply_with_trainers_as_neighbours(void **state)
{
    (void)state;
    struct sweep_points points =
        points_of("plan --trainer standard,dpsgd,microbatch --batch-size 2,4 --seq-len 64,128");
    static const char *const trainer[] = {"standard", "dpsgd", "microbatch"};
    static const int batch[] = {2, 2, 4, 4}, seq[] = {64, 128, 64, 128};
    assert_int_equal(points.n, 12);
    for (int i = 0; i < 12; i++) {
        assert_string_equal(points.config[i].trainer, trainer[i % 3]);
        assert_int_equal(points.config[i].batch_size, batch[i / 3]);
        assert_int_equal(points.config[i].seq_len, seq[i / 3]);
    }
    assert_non_null(strstr(points.text, "--batch-size 2,4"));
    sweep_points_clear(&points);
}

static void repeated_points_are_kept_once(void **state)
{
    (void)state;
    struct sweep_points points = points_of("plan --batch-size 4,2,4 --physical-batch-size 0,2");
    assert_int_equal(points.n, 3); /* 4:4, 4:2, 2:2 */
    assert_int_equal(points.config[0].batch_size, 4);
    assert_int_equal(points.config[2].batch_size, 2);
    sweep_points_clear(&points);
}

/* The batch sizes and trainers' initials of a share: "2s 2d 8s". */
static const char *share(const char *list, const char *share)
{
    static char text[256];
    char line[256];
    snprintf(line, sizeof line, "plan %s --shard %s", list, share);
    struct sweep_points points = points_of(line);
    text[0] = '\0';
    for (size_t i = 0; i < points.n; i++)
        text_append(text, sizeof text, "%s%d%c", i ? " " : "", (int)points.config[i].batch_size,
                    points.config[i].trainer[0]);
    sweep_points_clear(&points);
    return text;
}

static void shares_keep_together_what_is_compared_and_give_each_of_the_large(void **state)
{
    (void)state;
    const char *list = "--trainer standard,dpsgd --batch-size 2,4,8,16,32";
    assert_string_equal(share(list, "1/2"), "2s 2d 4s 4d 32s 32d");
    assert_string_equal(share(list, "2/2"), "8s 8d 16s 16d");
    assert_string_equal(share(list, "3/3"), "4s 4d 8s 8d");
    assert_string_equal(share(list, "1/1"), "2s 2d 4s 4d 8s 8d 16s 16d 32s 32d");
    assert_string_equal(share("--trainer standard,dpsgd --seed 1,2 --batch-size 2,4", "2/2"), "2s 2d 2s 2d");
}

static void a_share_that_cannot_be_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"0/2", "3/2", "2", "/2", "1/", "a/b", "1/2/3", "-1/2", "1/3", "1/99999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char line[128];
        snprintf(line, sizeof line, "plan --batch-size 2,4 --shard %s", wrong[i]);
        assert_usage_error(line);
    }
}

static void options_of_the_command_are_filled_in(void **state)
{
    (void)state;
    struct options options;
    struct sweep_points points;
    assert_int_equal(parse("sweep -o a.h5 --overwrite --timeout 2m --threads 3 --json", &options, &points), -1);
    assert_string_equal(options.output, "a.h5");
    assert_true(options.overwrite && options.json && !options.resume);
    assert_true(options.timeout_s == 120 && options.threads == 3);
    sweep_points_clear(&points);
}

static void bad_command_lines_are_usage_errors(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "run --batch 4",               /* a beginning of an option is not the option */
        "run --nonesuch",
        "run -x",
        "run --seed",
        "run --seed=",
        "run --json=1",
        "run --seed 1 --seed 2",
        "run --batch-size 2,4",        /* run takes one point */
        "run file.sweep",
        "run --golden x.h5",           /* an option of another command */
        "sweep",
        "sweep --no-output -o a.h5",
        "plan --trainer standard,,dpsgd",
        "plan --precision fp32,fp16",
        "plan nonesuch.sweep",
        "sweep --output=",
        "sweep --no-output --timeout 3x",
        "sweep --no-output --resume",
        "sweep -o a.h5 --resume --overwrite",
        "sweep -o a.h5 --retry-failed",
        "run --data nonesuch",
        "run --data nonesuch.txt --vocab 256",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_usage_error(bad[i]);
}

static void too_many_points_are_refused(void **state)
{
    (void)state;
    char line[1024] = "plan";
    static const char *const axes[] = {"seed", "wait-steps", "warmup-steps", "active-steps", "batch-size", "seq-len"};
    for (size_t i = 0; i < sizeof axes / sizeof *axes; i++)
        text_append(line, sizeof line, " --%s 2,3,4,5,6,7,8,9,10,11", axes[i]);
    assert_usage_error(line);
}

/* ---- .sweep files ------------------------------------------------------------------------------------------------ */

static void a_file_without_sections_is_one_product(void **state)
{
    (void)state;
    struct sweep_points points =
        points_of_file("; two by two\ntrainer = standard, dpsgd ; inline\nbatch_size=2,4\r\n# end", "");
    assert_int_equal(points.n, 4);
    assert_non_null(strstr(points.text, "; two by two"));
    sweep_points_clear(&points);
}

static void sections_add_up_and_share_what_stands_before_them(void **state)
{
    (void)state;
    struct sweep_points points = points_of_file("seq-len = 32,64\nseed = 5\n"
                                                "[a]\ntrainer = standard\n"
                                                "[b]\ntrainer = dpsgd\nseq_len = 16\n", "");
    assert_int_equal(points.n, 3);
    assert_int_equal(points.config[1].seq_len, 64);
    assert_string_equal(points.config[2].trainer, "dpsgd");
    assert_int_equal(points.config[2].seq_len, 16);
    assert_int_equal(points.config[2].seed, 5);
    sweep_points_clear(&points);
}

static void options_replace_what_the_file_says(void **state)
{
    (void)state;
    struct sweep_points points = points_of_file("[a]\nseq-len = 32,64\n[b]\nmodel = small\n", "--seq-len 8 --seed 3");
    assert_int_equal(points.n, 2);
    assert_int_equal(points.config[0].seq_len, 8);
    assert_int_equal(points.config[1].seq_len, 8);
    assert_int_equal(points.config[1].seed, 3);
    sweep_points_clear(&points);
}

static void bad_files_are_refused_with_file_and_line(void **state)
{
    (void)state;
    static const struct { const char *text, *says; } bad[] = {
        {"seed = 1\nbatch-sise = 4\n", ":2: 'batch-sise' is not a key; did you mean 'batch-size'?"},
        {"\n\nseed\n", ":3: is neither"},
        {"seed = 1\n[a\nseed = 2\n", ":2: is neither"},
        {"seed = 1\nseed = 2\n", ":2: seed: given twice"},
        {"seed = 1,\n  2\n", ":2: seed: given twice"},
        {"", "has no key"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int n;
        char *text;
        write_sweep(bad[i].text);
        assert_null(sweep_file_read(sweep_path, &n, &text, error, sizeof error));
        assert_says(bad[i].says);
        assert_says(sweep_path);
    }
}

static void points_of_files_are_refused_with_file_and_line(void **state)
{
    (void)state;
    static const struct { const char *text, *says; } bad[] = {
        {"seed = 1\n[a]\nseq-len = 64\ntrainer = standard, foo\n", ":4: --trainer: 'foo'"},
        {"[a]\nmodel = tiny\n[b]\nseq-len = 512\n", ":4: --seq-len 512"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int n;
        char *text;
        struct sweep_points points = {0};
        write_sweep(bad[i].text);
        struct axes *axes = sweep_file_read(sweep_path, &n, &text, error, sizeof error);
        assert_non_null(axes);
        bool fine = true;
        for (int k = 0; k < n && fine; k++)
            fine = points_append(&points, &axes[k], error, sizeof error);
        assert_false(fine);
        assert_says(bad[i].says);
        assert_says(sweep_path);
        sweep_points_clear(&points);
        sweep_file_free(axes, n);
        free(text);
    }
}

static void a_line_of_any_length_is_read_whole_or_refused(void **state)
{
    (void)state;
    char text[4096] = "seed = 1";
    int n;
    for (int i = 2; i < 500; i++)
        text_append(text, sizeof text, ",%d", i);
    write_sweep(text);
    char *content;
    assert_null(sweep_file_read(sweep_path, &n, &content, error, sizeof error));
    assert_says("a line of more than");
}

/* ---- the original command line ----------------------------------------------------------------------------------- */

static void assert_translation(const char *original, const char *ours)
{
    struct line line;
    char joined[1024] = "";
    split(&line, original);
    int argc = line.argc;
    char **argv = line.argv;
    options_translate_original(&argc, &argv);
    for (int i = 0; i < argc; i++)
        text_append(joined, sizeof joined, "%s%s", i ? " " : "", argv[i]);
    assert_string_equal(joined, ours);
    for (int i = 0; argv != line.argv && i < argc; i++)
        free(argv[i]);
    if (argv != line.argv)
        free(argv);
}

static void the_original_command_line_is_understood(void **state)
{
    (void)state;
    assert_translation("dpsweep --mode=single --trainer DPSGDTrainer --model-size tiny --batch-size 4",
                       "dpsweep run --trainer DPSGDTrainer --model tiny --batch-size 4");
    assert_translation("dpsweep --model-size=1b --mode single", "dpsweep run --model=1b");
    assert_translation("dpsweep --mode=profile --model-size small -o a.h5",
                       "dpsweep sweep --trainer=standard,dpsgd,ghost,fastclip --batch-size=4,8 --seq-len=512,1024 "
                       "--model small -o a.h5");
    assert_translation("dpsweep --mode=test --trainer dpsgd",
                       "dpsweep sweep --wait-steps=0 --warmup-steps=0 --active-steps=1 --no-output --trainer dpsgd");
    assert_translation("dpsweep run --model tiny", "dpsweep run --model tiny");
}

static int begin(void **state)
{
    (void)state;
    const char *folder = getenv("TMPDIR");
    snprintf(sweep_path, sizeof sweep_path, "%s/options-%d.sweep", folder ? folder : "/tmp", (int)getpid());
    return 0;
}

static int end(void **state)
{
    (void)state;
    return unlink(sweep_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_multiply_with_trainers_as_neighbours),
        cmocka_unit_test(repeated_points_are_kept_once),
        cmocka_unit_test(shares_keep_together_what_is_compared_and_give_each_of_the_large),
        cmocka_unit_test(a_share_that_cannot_be_is_refused),
        cmocka_unit_test(options_of_the_command_are_filled_in),
        cmocka_unit_test(bad_command_lines_are_usage_errors),
        cmocka_unit_test(too_many_points_are_refused),
        cmocka_unit_test(a_file_without_sections_is_one_product),
        cmocka_unit_test(sections_add_up_and_share_what_stands_before_them),
        cmocka_unit_test(options_replace_what_the_file_says),
        cmocka_unit_test(bad_files_are_refused_with_file_and_line),
        cmocka_unit_test(points_of_files_are_refused_with_file_and_line),
        cmocka_unit_test(a_line_of_any_length_is_read_whole_or_refused),
        cmocka_unit_test(the_original_command_line_is_understood),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
