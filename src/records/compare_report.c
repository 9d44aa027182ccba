#include "compare_report.h"

#include "report_columns.h"

#include <math.h>
#include <string.h>

static const char *const time_word[N_CHANGES] = {"-", "SAME", "FASTER", "SLOWER", "AMBIGUOUS"};
static const char *const memory_word[N_CHANGES] = {"-", "SAME", "LESS", "MORE", "-"};
static const char *const other_word[N_CHANGES] = {"-", "SAME", "BETTER", "WORSE", "-"};

enum {
    RUN_ID, TRAINER, CLIPPING, MODEL, BATCH, SEQ, TIME_RATIO, LOW, HIGH, TIME, MEMORY_RATIO, MEMORY, STATUS, ERROR,
    WHY, N_COLUMNS
};
static const struct { const char *name; bool number; } head[N_COLUMNS] = {
    {"run_id", true}, {"trainer", false}, {"clipping", false}, {"model", false}, {"batch_size", true},
    {"seq_len", true}, {"time_ratio", true}, {"low", true}, {"high", true}, {"time", false}, {"memory_ratio", true},
    {"memory", false}, {"status", false}, {"error", false}, {"why", false},
};

static void heading(const void *ctx, int column, char text[CELL_BYTES])
{
    (void)ctx;
    snprintf(text, CELL_BYTES, "%s", head[column].name);
}

static bool is_number(const void *ctx, int column)
{
    (void)ctx;
    return head[column].number;
}

static bool put_number(double value, bool exact, char text[CELL_BYTES])
{
    if (!isfinite(value))
        return false;
    if (exact)
        number_text(value, true, text);
    else
        snprintf(text, CELL_BYTES, "%.3f", value);
    return true;
}

static bool put_text(const char *word, char text[CELL_BYTES])
{
    snprintf(text, CELL_BYTES, "%s", word);
    return true;
}

static void put_status(const struct comparison *c, char text[CELL_BYTES])
{
    if (c->status_change == CHANGE_SAME)
        snprintf(text, CELL_BYTES, "%s", other_word[CHANGE_SAME]);
    else
        snprintf(text, CELL_BYTES, "%s: %s, was %s", other_word[c->status_change], c->b->status, c->a->status);
}

static bool cell(const void *ctx, size_t row, int column, bool exact, char text[CELL_BYTES])
{
    const struct comparison *c = &((const struct comparisons *)ctx)->of[row];
    const struct config *config = &c->b->config;
    switch (column) {
    case RUN_ID: return snprintf(text, CELL_BYTES, "%llu", (unsigned long long)c->b->run_id) > 0;
    case TRAINER: return put_text(config->trainer, text);
    case CLIPPING: return put_text(config->clipping, text);
    case MODEL: return put_text(config->model, text);
    case BATCH: return snprintf(text, CELL_BYTES, "%llu", (unsigned long long)config->batch_size) > 0;
    case SEQ: return snprintf(text, CELL_BYTES, "%llu", (unsigned long long)config->seq_len) > 0;
    case TIME_RATIO: return put_number(c->time.estimate, exact, text);
    case LOW: return put_number(c->time.low, exact, text);
    case HIGH: return put_number(c->time.high, exact, text);
    case TIME: return put_text(time_word[c->time_change], text);
    case MEMORY_RATIO: return put_number(c->memory_ratio, exact, text);
    case MEMORY: return put_text(memory_word[c->memory_change], text);
    case STATUS: return put_status(c, text), true;
    case ERROR: return put_text(other_word[c->error_change], text);
    default: return put_text(c->why ? c->why : "", text);
    }
}

struct table comparisons_table(const struct comparisons *c)
{
    return (struct table){c->n, N_COLUMNS, c, heading, is_number, cell};
}

/* ---- below the table ----------------------------------------------------------------------------------------- */

static void count(FILE *out, const char *what, const struct comparisons *c, size_t offset, const char *const *word)
{
    size_t n[N_CHANGES] = {0};
    for (size_t i = 0; i < c->n; i++)
        n[*(const enum change *)((const char *)&c->of[i] + offset)]++;
    fprintf(out, "%-7s", what);
    for (int k = CHANGE_SAME; k < N_CHANGES; k++)
        if (n[k])
            fprintf(out, "  %zu %s", n[k], word[k]);
    if (n[CHANGE_NONE])
        fprintf(out, "  %zu not compared", n[CHANGE_NONE]);
    fputc('\n', out);
}

/* What else may be the cause. */
static void say_differences(FILE *out, const struct sweep_header *a, const struct sweep_header *b)
{
#define SAY(name)                                                            \
    if (strcmp(a->name, b->name) != 0)                                       \
        fprintf(out, "%s differs: %s, was %s\n", #name, b->name, a->name);
    SAY(suite_version)
    SAY(git_commit)
    SAY(compiler)
    SAY(libraries)
    SAY(hostname)
    SAY(cpu)
    SAY(cpu_clocks)
    if (strcmp(a->environment ? a->environment : "", b->environment ? b->environment : "") != 0)
        fprintf(out, "environment differs\n");
}

void comparisons_summary(FILE *out, const struct sweep_state *a, const struct sweep_state *b,
                         const struct comparisons *c)
{
    fprintf(out, "\n%zu configurations are in both", c->n);
    if (c->only_in_a || c->only_in_b)
        fprintf(out, ", %zu only in the first, %zu only in the second", c->only_in_a, c->only_in_b);
    fputc('\n', out);
    count(out, "time", c, offsetof(struct comparison, time_change), time_word);
    count(out, "memory", c, offsetof(struct comparison, memory_change), memory_word);
    count(out, "status", c, offsetof(struct comparison, status_change), other_word);
    count(out, "error", c, offsetof(struct comparison, error_change), other_word);
    say_differences(out, &a->header, &b->header);
}
