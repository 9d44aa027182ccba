/* select.c - conditions are read into a list, then asked of each run. */
#include "select.h"

#include "../base/text.h"
#include "buffer.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_BYTES = TEXT_BYTES };

static const struct field *column_named(const char *name, char *error, size_t error_bytes)
{
    const struct field *f = record_field_find(name);
    struct nearest near = {.word = name};
    for (int i = 0; i < n_record_fields && !f; i++)
        nearest_offer(&near, record_field[i].name);
    if (!f && near.best[0])
        snprintf(error, error_bytes, "'%s' is not a column; did you mean %s?", name, near.best);
    else if (!f)
        snprintf(error, error_bytes, "'%s' is not a column; 'dpsweep info --results-format' lists them", name);
    return f;
}

static void trim(char *word)
{
    size_t n = strlen(word);
    while (n && isspace((unsigned char)word[n - 1]))
        word[--n] = '\0';
    const size_t blank = strspn(word, " \t");
    memmove(word, word + blank, n - blank + 1);
}

/* Cuts the next of a list of words off; false: there is none. */
static bool next_word(const char **list, const char *separator, char word[WORD_BYTES])
{
    if (!*list)
        return false;
    const char *end = strstr(*list, separator);
    const size_t n = end ? (size_t)(end - *list) : strlen(*list);
    snprintf(word, WORD_BYTES, "%.*s", (int)n, *list);
    trim(word);
    *list = end ? end + strlen(separator) : NULL;
    return true;
}

struct sweep_state select_view(const struct sweep_state *s)
{
    struct sweep_state view = *s;
    view.record = memory_get(s->n_records * sizeof *view.record);
    if (s->n_records)
        memcpy(view.record, s->record, s->n_records * sizeof *view.record);
    return view;
}

static double number_of(const struct field *f, const struct record *r)
{
    const void *at = (const char *)r + f->offset;
    return f->kind == FIELD_U64 ? (double)*(const uint64_t *)at : *(const double *)at;
}

/* ---- columns ------------------------------------------------------------------------------------------------- */

static void add_column(struct columns *c, const struct field *f)
{
    c->field = memory_resize(c->field, (size_t)(c->n + 1) * sizeof *c->field);
    c->field[c->n++] = f;
}

bool select_columns(const char *list, struct columns *c, char *error, size_t error_bytes)
{
    char word[WORD_BYTES];
    *c = (struct columns){0};
    while (next_word(&list, ",", word)) {
        const struct field *f = column_named(word, error, error_bytes);
        if (!f)
            return columns_clear(c), false;
        add_column(c, f);
    }
    return true;
}

struct columns columns_all(void)
{
    struct columns c = {0};
    for (int i = 0; i < n_record_fields; i++)
        add_column(&c, &record_field[i]);
    return c;
}

void columns_clear(struct columns *c)
{
    free(c->field);
    *c = (struct columns){0};
}

/* ---- conditions ---------------------------------------------------------------------------------------------- */

enum comparison { NOT_EQUAL, AT_MOST, AT_LEAST, EQUAL, LESS, GREATER };
static const char *const sign[] = {"!=", "<=", ">=", "=", "<", ">"}; /* the longer ones first */

struct condition {
    const struct field *field;
    enum comparison comparison;
    char values[WORD_BYTES];     /* "a|b" */
};

static bool number_from(const struct field *f, const char *text, double *value)
{
    uint64_t bytes;
    if (text_to_f64(text, value))
        return true;
    const bool size = strcmp(f->unit, "byte") == 0 && text_to_bytes(text, &bytes);
    *value = size ? (double)bytes : NAN;
    return size;
}

static bool check_values(const struct condition *c, char *error, size_t error_bytes)
{
    char value[WORD_BYTES];
    double number;
    const char *rest = c->values;
    const bool ordered = c->comparison != EQUAL && c->comparison != NOT_EQUAL;
    if (ordered && (c->field->kind == FIELD_TEXT || strchr(c->values, '|'))) {
        snprintf(error, error_bytes, "%s%s%s: %s compares a number with one number", c->field->name,
                 sign[c->comparison], c->values, sign[c->comparison]);
        return false;
    }
    while (c->field->kind != FIELD_TEXT && next_word(&rest, "|", value))
        if (!number_from(c->field, value, &number)) {
            snprintf(error, error_bytes, "%s%s%s: '%s' is not a number", c->field->name, sign[c->comparison], c->values,
                     value);
            return false;
        }
    return true;
}

static bool read_condition(const char *text, struct condition *c, char *error, size_t error_bytes)
{
    char name[WORD_BYTES];
    const size_t n = strcspn(text, "!<>=");
    int s = 0;
    while (s <= GREATER && strncmp(text + n, sign[s], strlen(sign[s])))
        s++;
    if (s > GREATER) {
        snprintf(error, error_bytes, "'%s' is not a condition; write COLUMN=VALUE, with = != < <= > or >=", text);
        return false;
    }
    snprintf(name, sizeof name, "%.*s", (int)n, text);
    trim(name);
    c->comparison = (enum comparison)s;
    snprintf(c->values, sizeof c->values, "%s", text + n + strlen(sign[s]));
    trim(c->values);
    c->field = column_named(name, error, error_bytes);
    return c->field && check_values(c, error, error_bytes);
}

/* Is the value of the run one of the condition's? */
static bool is_one(const struct condition *c, const struct record *r)
{
    char value[WORD_BYTES];
    double number;
    for (const char *rest = c->values; next_word(&rest, "|", value);)
        if (c->field->kind == FIELD_TEXT ? !strcmp(value, (const char *)r + c->field->offset)
                                         : number_from(c->field, value, &number) && number == number_of(c->field, r))
            return true;
    return false;
}

static bool holds(const struct condition *c, const struct record *r)
{
    double number = NAN;
    if (c->comparison == EQUAL || c->comparison == NOT_EQUAL)
        return is_one(c, r) == (c->comparison == EQUAL);
    number_from(c->field, c->values, &number);
    const double have = number_of(c->field, r);
    switch (c->comparison) {
    case AT_MOST: return have <= number;
    case AT_LEAST: return have >= number;
    case LESS: return have < number;
    default: return have > number;
    }
}

bool select_runs(struct sweep_state *s, const char *conditions, char *error, size_t error_bytes)
{
    char text[WORD_BYTES];
    while (next_word(&conditions, " and ", text)) {
        struct condition c;
        size_t kept = 0;
        if (!read_condition(text, &c, error, error_bytes))
            return false;
        for (size_t i = 0; i < s->n_records; i++)
            if (holds(&c, &s->record[i]))
                s->record[kept++] = s->record[i];
        s->n_records = kept;
    }
    return true;
}

/* ---- order --------------------------------------------------------------------------------------------------- */

struct place { struct record record; size_t before; };
static struct columns order;     /* of the sort that is going on; qsort passes nothing on */
static bool descending[64];

static int by_order(const void *va, const void *vb)
{
    const struct place *a = va, *b = vb;
    for (int i = 0; i < order.n; i++) {
        const struct field *f = order.field[i];
        int c;
        if (f->kind == FIELD_TEXT) {
            c = strcmp((const char *)&a->record + f->offset, (const char *)&b->record + f->offset);
        } else {
            const double x = number_of(f, &a->record), y = number_of(f, &b->record);
            if (isnan(x) != isnan(y))
                return isnan(x) ? 1 : -1;
            c = (x > y) - (x < y);
        }
        if (c)
            return descending[i] ? -c : c;
    }
    return (a->before > b->before) - (a->before < b->before);
}

bool select_order(struct sweep_state *s, const char *list, char *error, size_t error_bytes)
{
    char word[WORD_BYTES], names[4096] = "";
    for (int i = 0; i < 64 && next_word(&list, ",", word); i++) {
        descending[i] = word[0] == '-';
        text_append(names, sizeof names, "%s%s", i ? "," : "", word + descending[i]);
    }
    if (!select_columns(names, &order, error, error_bytes))
        return false;
    struct place *p = memory_get(s->n_records * sizeof *p);
    for (size_t i = 0; i < s->n_records; i++)
        p[i] = (struct place){s->record[i], i};
    qsort(p, s->n_records, sizeof *p, by_order);
    for (size_t i = 0; i < s->n_records; i++)
        s->record[i] = p[i].record;
    free(p);
    columns_clear(&order);
    return true;
}
