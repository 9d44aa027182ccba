#include "points.h"

#include "../base/check.h"
#include "../base/text.h"
#include "data.h"
#include "privacy.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The words of one axis. */
struct words {
    char *text;        /* what the words point into */
    const char **word; /* n of them */
    size_t n;
};

static void *checked(void *memory)
{
    CHECK_SYS(memory ? 0 : -1);
    return memory;
}

void axes_set(struct axes *axes, int field, const char *list, int line)
{
    free(axes->list[field]);
    axes->list[field] = checked(strdup(list));
    axes->line[field] = line;
}

void axes_clear(struct axes *axes)
{
    for (int i = 0; i < N_CONFIG_FIELDS; i++)
        free(axes->list[i]);
    free(axes->file);
    *axes = (struct axes){0};
}

/* ---- comma lists --------------------------------------------------------------------------------------------- */

static char *trim(char *text)
{
    text += strspn(text, " \t");
    for (size_t n = strlen(text); n && strchr(" \t", text[n - 1]); n--)
        text[n - 1] = '\0';
    return text;
}

static void words_split(struct words *words, const char *list)
{
    size_t n = 1;
    for (const char *c = list; (c = strchr(c, ',')); c++)
        n++;
    words->text = checked(strdup(list));
    words->word = checked(malloc(n * sizeof *words->word));
    words->n = 0;
    char *rest = words->text, *word;
    while ((word = strsep(&rest, ",")))
        words->word[words->n++] = trim(word);
}

static void words_clear(struct words *words)
{
    free(words->text);
    free(words->word);
    *words = (struct words){0};
}

/* "x.sweep:3: ", or nothing for the command line */
static void say_place(const struct axes *axes, int line, char *error, size_t bytes)
{
    error[0] = '\0';
    if (axes->file && line)
        snprintf(error, bytes, "%s:%d: ", axes->file, line);
}

/* False: a word is not a value of its field. */
static bool words_check(const struct words *words, const struct axes *axes, int field, char *error, size_t bytes)
{
    struct config scratch;
    say_place(axes, axes->line[field], error, bytes);
    size_t used = strlen(error);
    for (size_t i = 0; i < words->n; i++)
        if (!config_set(&scratch, &config_field[field], words->word[i], error + used, bytes - used))
            return false;
    return true;
}

/* ---- the cross product --------------------------------------------------------------------------------------- */

/* Field of the k-th digit of the odometer, slowest first: table order, the trainer (field 0) last. */
static int digit_field(int k)
{
    return (k + 1) % N_CONFIG_FIELDS;
}

/* Point number `index` of the product. */
static void set_point(struct config *config, const struct words *words, size_t index)
{
    char error[256];
    config_default(config);
    for (int k = N_CONFIG_FIELDS - 1; k >= 0; k--) {
        int field = digit_field(k);
        if (!words[field].n)
            continue;
        CHECK(config_set(config, &config_field[field], words[field].word[index % words[field].n], error, sizeof error));
        index /= words[field].n;
    }
}

static bool append_product(struct sweep_points *points, const struct axes *axes, const struct words *words,
                           char *error, size_t bytes)
{
    double n = 1;
    for (int i = 0; i < N_CONFIG_FIELDS; i++)
        n *= words[i].n ? (double)words[i].n : 1;
    say_place(axes, axes->first_line, error, bytes);
    size_t used = strlen(error);
    if (n + (double)points->n > POINTS_MOST)
        return text_append(error, bytes, "%.0f points: a sweep has at most %d", n, POINTS_MOST), false;

    points->config = checked(reallocarray(points->config, points->n + (size_t)n, sizeof *points->config));
    for (size_t i = 0; i < (size_t)n; i++) {
        struct config *config = &points->config[points->n];
        set_point(config, words, i);
        if (!config_resolve(config, error + used, bytes - used))
            return false;
        points->n++;
    }
    return true;
}

bool points_append(struct sweep_points *points, const struct axes *axes, char *error, size_t error_bytes)
{
    struct words words[N_CONFIG_FIELDS] = {0};
    bool possible = true;
    for (int i = 0; i < N_CONFIG_FIELDS && possible; i++)
        if (axes->list[i]) {
            words_split(&words[i], axes->list[i]);
            possible = words_check(&words[i], axes, i, error, error_bytes);
        }
    possible = possible && append_product(points, axes, words, error, error_bytes);
    for (int i = 0; i < N_CONFIG_FIELDS; i++)
        words_clear(&words[i]);
    return possible;
}

/* ---- all points ---------------------------------------------------------------------------------------------- */

static int compare_identities(const void *a, const void *b)
{
    return strcmp(a, b);
}

size_t points_remove_repeated(struct sweep_points *points)
{
    char(*identity)[65] = checked(malloc((points->n + 1) * sizeof *identity));
    void *tree = NULL;
    size_t kept = 0;
    for (size_t i = 0; i < points->n; i++) {
        config_sha256(&points->config[i], identity[i]);
        const char **found = checked(tsearch(identity[i], &tree, compare_identities));
        if (*found == identity[i]) /* the first of its kind */
            points->config[kept++] = points->config[i];
    }
    for (size_t i = 0; i < points->n; i++)
        tdelete(identity[i], &tree, compare_identities);
    free(identity);
    size_t removed = points->n - kept;
    points->n = kept;
    return removed;
}

/* What dataset_open depends on. */
static bool same_data(const struct config *a, const struct config *b)
{
    return strcmp(a->data, b->data) == 0 && strcmp(a->record, b->record) == 0 && a->seq_len == b->seq_len &&
           a->vocab == b->vocab && a->batch_size == b->batch_size;
}

static bool count_records(const struct config *config, long *records, char *error, size_t error_bytes)
{
    struct dataset *dataset = dataset_open(config->data, config->record, (int)config->seq_len, (int)config->vocab,
                                           (int)config->batch_size, config->seed, error, error_bytes);
    *records = dataset ? dataset_records(dataset) : 0;
    dataset_close(dataset);
    return *records > 0;
}

bool points_check_data(struct sweep_points *points, char *error, size_t error_bytes)
{
    points->records = checked(calloc(points->n + 1, sizeof *points->records));
    for (size_t i = 0; i < points->n; i++) {
        struct config *config = &points->config[i];
        if (i && same_data(config, config - 1)) /* neighbours differ in the trainer */
            points->records[i] = points->records[i - 1];
        else if (!count_records(config, &points->records[i], error, error_bytes))
            return false;
        if (!privacy_calibrate(config, points->records[i], error, error_bytes))
            return false;
    }
    return true;
}

void points_add_text(struct sweep_points *points, const char *text)
{
    size_t used = points->text ? strlen(points->text) : 0;
    points->text = checked(realloc(points->text, used + strlen(text) + 1));
    strcpy(points->text + used, text);
}

void sweep_points_clear(struct sweep_points *points)
{
    free(points->config);
    free(points->records);
    free(points->text);
    *points = (struct sweep_points){0};
}
