/* report.c - the command `dpsweep report`. */
#include "report.h"

#include "../base/log.h"
#include "report_formats.h"
#include "store.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

static const char USAGE[] = "usage: dpsweep report FILE.h5|FILE.journal [--format text|markdown|csv|json]";
static const char HELP[] =
    "\n"
    "Shows the results of a sweep: one row per configuration, with memory, time and verdict.\n"
    "A journal may be shown while its sweep is running.\n"
    "\n"
    "  --format FORMAT   text (default), markdown: tables; csv, json: every column of every run\n"
    "  --json            as --format json\n"
    "  --help            this text\n";

void report_write(FILE *out, const struct sweep_state *s, enum report_format format)
{
    if (format == REPORT_CSV)
        report_csv(out, s);
    else if (format == REPORT_JSON)
        report_json(out, s);
    else
        report_tables(out, s, format == REPORT_MARKDOWN);
}

static bool parse_format(const char *text, enum report_format *format)
{
    static const char *const name[] = {"text", "markdown", "csv", "json"};
    for (int i = 0; i < 4; i++)
        if (!strcmp(text, name[i])) {
            *format = i;
            return true;
        }
    log_error("report: --format %s: valid are text, markdown, csv, json", text);
    return false;
}

/* -1: go on; else an exit code. */
static int parse(int argc, char **argv, const char **path, enum report_format *format)
{
    static const struct option option[] = {
        {"format", required_argument, NULL, 'f'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    *format = REPORT_TEXT;
    optind = 0; /* begin anew: another command line may have been parsed before */
    opterr = 0;
    for (int c; (c = getopt_long(argc, argv, ":h", option, NULL)) != -1;) {
        if (c == 'h') {
            printf("%s\n%s", USAGE, HELP);
            return EXIT_OK;
        }
        if (c == 'j')
            *format = REPORT_JSON;
        else if (c == 'f' && !parse_format(optarg, format))
            return EXIT_USAGE;
        else if (c == ':' || c == '?') {
            log_error("report: %s: %s; %s", argv[optind - 1], c == ':' ? "needs a value" : "unknown option", USAGE);
            return EXIT_USAGE;
        }
    }
    if (argc - optind != 1) {
        log_error("report: needs one file, got %d; %s", argc - optind, USAGE);
        return EXIT_USAGE;
    }
    *path = argv[optind];
    return -1;
}

/* By the first bytes, not by name. */
static bool is_hdf5(const char *path)
{
    char first[8] = "";
    FILE *f = fopen(path, "rb");
    const bool yes = f && fread(first, 1, 8, f) == 8 && !memcmp(first, "\211HDF\r\n\032\n", 8);
    if (f)
        fclose(f);
    return yes;
}

int report_main(int argc, char **argv)
{
    const char *path;
    enum report_format format;
    struct sweep_state s;
    char error[1024];
    const int code = parse(argc, argv, &path, &format);
    if (code >= 0)
        return code;
    if (!(is_hdf5(path) ? store_read : journal_read)(path, &s, error, sizeof error)) {
        log_error("report: %s", error);
        return EXIT_USAGE;
    }
    if (s.damaged_frames)
        log_warn("%s is damaged: %zu frames are left out", path, s.damaged_frames);
    report_write(stdout, &s, format);
    sweep_state_clear(&s);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EXIT_OK;
    log_error("report: cannot write: %s", strerror(errno));
    return EXIT_ENVIRONMENT;
}
