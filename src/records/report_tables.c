/* report_tables.c - the comparison for people, as aligned text or markdown. */
#include "../base/text.h"
#include "buffer.h"
#include "iso_time.h"
#include "report_tables.h"
#include "table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    TRAINER, CLIPPING, BATCH, SEQ, PROFILED, CLEANED, PEAK, STEP_MS, TOKENS, TIME_RATIO, MEMORY_RATIO, VERDICT, STATUS,
    ALSO, N_COLUMNS
};
enum { TERMINAL_COLUMNS = 100 };
enum { LINE_CELL_BYTES = 128 };  /* there may be very many lines */

static const struct { const char *top, *bottom, *markdown; bool number; } heading[N_COLUMNS] = {
    [TRAINER] = {"", "trainer", "trainer", false},
    [CLIPPING] = {"", "clipping", "clipping", false},
    [BATCH] = {"", "batch", "batch", true},
    [SEQ] = {"", "seq", "sequence", true},
    [PROFILED] = {"after", "profiling", "MiB after profiling", true},
    [CLEANED] = {"after", "cleanup", "MiB after cleanup", true},
    [PEAK] = {"peak", "MiB", "peak MiB", true},
    [STEP_MS] = {"step", "ms", "step ms", true},
    [TOKENS] = {"", "tokens/s", "tokens/s", true},
    [TIME_RATIO] = {"time", "ratio", "time ratio", true},
    [MEMORY_RATIO] = {"peak", "ratio", "peak ratio", true},
    [VERDICT] = {"", "verdict", "verdict", false},
    [STATUS] = {"", "status", "status", false},
    [ALSO] = {"", "also", "also", false},
};

static const char LEGEND[] =
    "MiB: device memory by the ledger, after the measured steps, after the trainer is freed, at its peak.\n"
    "batch 4 (1): 4 samples a step, 1 in memory at once.  step ms: median of the measured steps.\n"
    "tokens/s: valid input tokens of a step over that median.  -: not measured.\n"
    "~: its threads ran less than 80 % of it: a shared machine, or a run too small for its threads.\n"
    "ratio: step ms and peak MiB over those of standard in the same configuration (split alike, else unsplit).\n";
static const char ALSO_LEGEND[] =
    "also: what else differs.  epsilon: an upper bound at --delta for --privacy-steps, or the steps of the run.\n";

struct line {
    const struct record *r;
    size_t model, order;         /* of first appearance */
    char cell[N_COLUMNS][LINE_CELL_BYTES];
};

/* ---- which runs belong together ------------------------------------------------------------------------------ */

static bool listed(const char *name, const char *const *list)
{
    while (*list && strcmp(name, *list))
        list++;
    return *list;
}

static bool same_value(const struct field *f, const struct record *a, const struct record *b)
{
    const char *x = (const char *)a + f->offset, *y = (const char *)b + f->offset;
    return f->kind == FIELD_TEXT ? !strcmp(x, y) : !memcmp(x, y, sizeof(uint64_t));
}

/* Equal in all fields of the configuration but the listed ones. */
static bool same_but(const struct record *a, const struct record *b, const char *const *list)
{
    for (int i = 0; i < N_CONFIG_FIELDS; i++)
        if (!listed(record_field[i].name, list) && !same_value(&record_field[i], a, b))
            return false;
    return true;
}

static bool same_model(const struct record *a, const struct record *b)
{
    const struct config *x = &a->config, *y = &b->config;
    return !strcmp(x->model, y->model) && x->layers == y->layers && x->dim == y->dim && x->heads == y->heads &&
           x->vocab == y->vocab && x->max_seq == y->max_seq;
}

static bool is_timed(const struct record *r)
{
    return record_status(r) == STATUS_OK && r->step_time_p50 > 0;
}

/* The run of standard that r is compared with: nothing that standard does not do may tell them apart. */
static const struct record *find_standard(const struct sweep_state *s, const struct record *r)
{
    static const char *const ignored[] = {"trainer", "clipping", "physical_batch_size", "max_grad_norm",
                                          "clip_quantile", "clip_learning_rate", "clip_count_noise",
                                          "noise_multiplier", "noise_placement", "noise_generator",
                                          "memory_budget", "memory_limit", NULL};
    const struct record *unsplit = NULL;
    for (size_t i = 0; i < s->n_records; i++) {
        const struct record *c = &s->record[i];
        if (strcmp(c->config.trainer, "standard") || !is_timed(c) || !same_but(c, r, ignored))
            continue;
        if (c->config.physical_batch_size == r->config.physical_batch_size)
            return c;
        if (c->config.physical_batch_size == 0 || c->config.physical_batch_size == c->config.batch_size)
            unsplit = c;
    }
    return unsplit;
}

/* Does the field tell runs of one trainer apart, and has no column of its own? */
static bool *find_varying(const struct sweep_state *s)
{
    static const char *const shown[] = {"trainer", "clipping", "model", "layers", "dim", "heads", "vocab", "max_seq",
                                        "batch_size", "physical_batch_size", "max_batch_size", "seq_len",
                                        NULL};
    bool *varies = memory_get(N_CONFIG_FIELDS * sizeof *varies);
    for (size_t i = 0, first; i < s->n_records; i++) {
        for (first = 0; strcmp(s->record[first].config.trainer, s->record[i].config.trainer);)
            first++;
        for (int k = 0; k < N_CONFIG_FIELDS; k++)
            varies[k] |= !listed(record_field[k].name, shown) &&
                         !same_value(&record_field[k], &s->record[first], &s->record[i]);
    }
    return varies;
}

/* ---- cells --------------------------------------------------------------------------------------------------- */

static void set_text(char cell[LINE_CELL_BYTES], const char *text)
{
    snprintf(cell, LINE_CELL_BYTES, "%s", text[0] ? text : "-");
}

static void set_number(char cell[LINE_CELL_BYTES], double value)
{
    if (!isfinite(value) || value <= 0)
        set_text(cell, "-");
    else
        snprintf(cell, LINE_CELL_BYTES, "%.*f", value < 10 ? 2 : value < 1000 ? 1 : 0, value);
}

static void set_mib(char cell[LINE_CELL_BYTES], uint64_t bytes)
{
    if (bytes)
        snprintf(cell, LINE_CELL_BYTES, "%.1f", (double)bytes / 0x1p20);
    else
        set_text(cell, "-");
}

/* The noise that was found for a target epsilon is an answer, so it is told of a single run as well. */
static bool is_found(const struct field *f, const struct record *r)
{
    return r->config.target_epsilon > 0 && isfinite(r->epsilon_prv_upper) && !strcmp(f->name, "noise_multiplier");
}

static void set_also(char cell[LINE_CELL_BYTES], const struct record *r, const bool *varies)
{
    cell[0] = '\0';
    for (int k = 0; k < N_CONFIG_FIELDS; k++) {
        char value[TEXT_BYTES];
        if (!varies[k] && !is_found(&record_field[k], r))
            continue;
        field_text(&record_field[k], r, value, sizeof value);
        text_append(cell, LINE_CELL_BYTES, "%s%s=%s", cell[0] ? " " : "", record_field[k].name, value);
    }
    if (isfinite(r->epsilon_prv_upper))
        text_append(cell, LINE_CELL_BYTES, "%sepsilon=%.10g", cell[0] ? " " : "", /* no smaller number may be stated */
                    ceil(r->epsilon_prv_upper * 1e3) / 1e3);
}

static double peak_ratio(const struct record *r, const struct record *standard)
{
    return (double)r->peak_ledger / (double)standard->peak_ledger;
}

static void set_cells(struct line *l, const struct sweep_state *all, const bool *varies)
{
    const struct record *r = l->r, *standard = find_standard(all, r);
    const struct config *c = &r->config;
    const bool timed = is_timed(r);
    set_text(l->cell[TRAINER], c->trainer);
    set_text(l->cell[CLIPPING], c->clipping);
    snprintf(l->cell[BATCH], LINE_CELL_BYTES, "%llu", (unsigned long long)c->batch_size);
    if (c->physical_batch_size && c->physical_batch_size != c->batch_size)
        text_append(l->cell[BATCH], LINE_CELL_BYTES, " (%llu)", (unsigned long long)c->physical_batch_size);
    snprintf(l->cell[SEQ], LINE_CELL_BYTES, "%llu", (unsigned long long)c->seq_len);
    set_mib(l->cell[PROFILED], r->memory_after_profiling);
    set_mib(l->cell[CLEANED], r->memory_after_cleanup);
    set_mib(l->cell[PEAK], r->peak_ledger);
    set_number(l->cell[STEP_MS], timed ? r->step_time_p50 * 1e3 : NAN);
    if (timed && record_is_disturbed(r))
        text_append(l->cell[STEP_MS], LINE_CELL_BYTES, "~");
    set_number(l->cell[TOKENS], timed ? r->throughput_p50 : NAN);
    set_number(l->cell[TIME_RATIO], timed && standard ? r->step_time_p50 / standard->step_time_p50 : NAN);
    set_number(l->cell[MEMORY_RATIO], timed && standard ? peak_ratio(r, standard) : NAN);
    set_text(l->cell[VERDICT], r->verdict);
    set_text(l->cell[STATUS], r->status);
    set_also(l->cell[ALSO], r, varies);
}

static int compare(uint64_t x, uint64_t y)
{
    return (x > y) - (x < y);
}

/* What is compared with one another stands together. */
static int by_place(const void *va, const void *vb)
{
    const struct line *a = va, *b = vb;
    const struct config *x = &a->r->config, *y = &b->r->config;
    int c = compare(a->model, b->model);
    c = c ? c : compare(x->batch_size, y->batch_size);
    c = c ? c : compare(x->seq_len, y->seq_len);
    c = c ? c : strverscmp(a->cell[ALSO], b->cell[ALSO]);
    return c ? c : compare(a->order, b->order);
}

static struct line *make_lines(const struct sweep_state *s, const struct sweep_state *all)
{
    struct line *l = memory_get(s->n_records * sizeof *l);
    bool *varies = find_varying(s);
    for (size_t i = 0; i < s->n_records; i++) {
        l[i].r = &s->record[i];
        l[i].order = i;
        while (!same_model(&s->record[l[i].model], l[i].r))
            l[i].model++;
        set_cells(&l[i], all, varies);
    }
    free(varies);
    if (s->n_records)
        qsort(l, s->n_records, sizeof *l, by_place);
    return l;
}

/* ---- paper --------------------------------------------------------------------------------------------------- */

static bool any_also(const struct line *l, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (l[i].cell[ALSO][0])
            return true;
    return false;
}

struct text_layout { int width[ALSO], gap; };

static struct text_layout text_layout(const struct line *l, size_t n)
{
    struct text_layout t;
    int total = 0;
    for (int k = 0; k < ALSO; k++) {
        size_t widest = strlen(heading[k].bottom);
        for (size_t i = 0; i < n; i++)
            widest = strlen(l[i].cell[k]) > widest ? strlen(l[i].cell[k]) : widest;
        t.width[k] = (int)widest;
        total += t.width[k];
    }
    t.gap = total + 2 * (ALSO - 1) <= TERMINAL_COLUMNS ? 2 : 1;
    return t;
}

static void text_row(FILE *out, const struct text_layout *t, const char *const *cell)
{
    char row[N_COLUMNS * (LINE_CELL_BYTES + 2)] = "";
    for (int k = 0; k < ALSO; k++)
        text_append(row, sizeof row, "%*s%*s", heading[k].number ? t->width[k] : -t->width[k], cell[k], t->gap, "");
    size_t n = strlen(row);
    while (n && row[n - 1] == ' ')
        n--;
    fprintf(out, "%.*s\n", (int)n, row);
}

/* Above the rows that it is true of; as a column it would be wider than all others. */
static void also_line(FILE *out, const char *also)
{
    fprintf(out, "also %s:\n", also[0] ? also : "nothing");
}

static void text_table(FILE *out, const struct text_layout *t, bool has_also, const struct line *l, size_t n)
{
    const char *top[N_COLUMNS], *bottom[N_COLUMNS], *cell[N_COLUMNS];
    for (int k = 0; k < N_COLUMNS; k++) {
        top[k] = heading[k].top;
        bottom[k] = heading[k].bottom;
    }
    text_row(out, t, top);
    text_row(out, t, bottom);
    for (size_t i = 0; i < n; i++) {
        const struct config *now = &l[i].r->config, *before = i ? &l[i - 1].r->config : now;
        const bool begins = now->batch_size != before->batch_size || now->seq_len != before->seq_len;
        if (begins)
            fputc('\n', out);
        if (has_also && (begins || i == 0 || strcmp(l[i].cell[ALSO], l[i - 1].cell[ALSO]) != 0))
            also_line(out, l[i].cell[ALSO]);
        for (int k = 0; k < N_COLUMNS; k++)
            cell[k] = l[i].cell[k];
        text_row(out, t, cell);
    }
}

static void markdown_table(FILE *out, int columns, const struct line *l, size_t n)
{
    for (int k = 0; k < columns; k++)
        fprintf(out, "| %s ", heading[k].markdown);
    fputs("|\n", out);
    for (int k = 0; k < columns; k++)
        fputs(heading[k].number ? "|---:" : "|---", out);
    fputs("|\n", out);
    for (size_t i = 0; i < n; i++) {
        for (int k = 0; k < columns; k++)
            fprintf(out, "| %s ", l[i].cell[k]);
        fputs("|\n", out);
    }
}

static void model_line(FILE *out, const struct config *c, bool markdown)
{
    fprintf(out, "\n%smodel %s: %llu layers, D %llu, %llu heads, V %llu\n%s", markdown ? "### " : "", c->model,
            (unsigned long long)c->layers, (unsigned long long)c->dim, (unsigned long long)c->heads,
            (unsigned long long)c->vocab, markdown ? "\n" : "");
}

/* "2", or "2, 4, 8 and 3 more"; of the runs that were started. */
static void say_distinct(FILE *out, const struct sweep_state *s, const char *name)
{
    const struct field *f = record_field_find(name);
    size_t n = 0;
    for (size_t i = 0, first; i < s->n_records; i++) {
        if (!s->record[i].host[0])
            continue;
        for (first = 0; !s->record[first].host[0] || !same_value(f, &s->record[first], &s->record[i]);)
            first++;
        char value[TEXT_BYTES];
        field_text(f, &s->record[i], value, sizeof value);
        if (first == i && value[0] && ++n <= 3)
            fprintf(out, "%s%s", n > 1 ? ", " : "", value);
    }
    if (n > 3)
        fprintf(out, " and %zu more", n - 3);
}

static bool any_started(const struct sweep_state *s)
{
    for (size_t i = 0; i < s->n_records; i++)
        if (s->record[i].host[0])
            return true;
    return false;
}

static void provenance(FILE *out, const struct sweep_state *s, const char *end)
{
    char when[ISO_TIME_BYTES];
    const struct sweep_header *h = &s->header;
    iso_time(h->start_time, when);
    fprintf(out, "dpsweep %s%s%s%s, %s, %zu run%s%s%s", h->suite_version, h->git_commit[0] ? " (" : "", h->git_commit,
            h->git_commit[0] ? ")" : "", when, s->n_records, s->n_records == 1 ? "" : "s",
            s->ended ? "" : ", not complete", end);
    if (any_started(s)) {
        fputs("device ", out);
        say_distinct(out, s, "device");
        fputs(" (", out);
        say_distinct(out, s, "device_name");
        fputs("), host ", out);
        say_distinct(out, s, "host");
        fputs(", threads ", out);
        say_distinct(out, s, "threads");
        fputs(end, out);
    }
    fprintf(out, "command: %s\n", h->command_line ? h->command_line : "");
}

/* What is to be said of a run beside its numbers. */
static void messages(FILE *out, const struct line *l, size_t n, bool markdown)
{
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        const struct record *r = l[i].r;
        const bool fine = record_status(r) == STATUS_OK && !r->message[0];
        if (fine && !r->policy[0])
            continue;
        if (!any)
            fputc('\n', out);
        any = true;
        fprintf(out, "%srun %llu, %s %s, %s, batch %s, sequence %s: %s: %s\n", markdown ? "- " : "",
                (unsigned long long)r->run_id, r->config.trainer, r->config.clipping, r->config.model,
                l[i].cell[BATCH], l[i].cell[SEQ], fine ? "policy" : r->status, fine ? r->policy : r->message);
    }
}

void report_tables(FILE *out, const struct sweep_state *s, const struct sweep_state *all, bool markdown)
{
    struct line *l = make_lines(s, all);
    const size_t n = s->n_records;
    const struct text_layout layout = text_layout(l, n);
    const bool has_also = any_also(l, n);
    provenance(out, s, markdown ? "  \n" : "\n");
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && l[end].model == l[i].model;)
            end++;
        model_line(out, &l[i].r->config, markdown);
        if (markdown)
            markdown_table(out, has_also ? N_COLUMNS : ALSO, l + i, end - i);
        else
            text_table(out, &layout, has_also, l + i, end - i);
    }
    if (n)
        fprintf(out, "\n%s%s", LEGEND, has_also ? ALSO_LEGEND : "");
    messages(out, l, n, markdown);
    free(l);
}
