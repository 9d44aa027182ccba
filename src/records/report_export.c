/* report_export.c - every column of every run, for programs. */
#include "../base/log.h"
#include "report_formats.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_BYTES = 40 };

/* Exact; false: not known. */
static bool number_text(const struct field *f, const struct record *r, char text[NUMBER_BYTES])
{
    if (f->kind == FIELD_F64 && !isfinite(*(const double *)((const char *)r + f->offset)))
        return false;
    field_text(f, r, text, NUMBER_BYTES);
    return true;
}

static void csv_text(FILE *out, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

void report_csv(FILE *out, const struct sweep_state *s)
{
    char number[NUMBER_BYTES];
    for (int k = 0; k < n_record_fields; k++)
        fprintf(out, "%s%s", k ? "," : "", record_field[k].name);
    fputs("\r\n", out);
    for (size_t i = 0; i < s->n_records; i++) {
        for (int k = 0; k < n_record_fields; k++) {
            const struct field *f = &record_field[k];
            if (k)
                fputc(',', out);
            if (f->kind == FIELD_TEXT)
                csv_text(out, (const char *)&s->record[i] + f->offset);
            else if (number_text(f, &s->record[i], number))
                fputs(number, out);
        }
        fputs("\r\n", out);
    }
}

/* Numbers as raw text: a double of cJSON holds 53 bits only. */
void report_json(FILE *out, const struct sweep_state *s)
{
    char number[NUMBER_BYTES];
    cJSON *runs = cJSON_CreateArray();
    for (size_t i = 0; i < s->n_records; i++) {
        cJSON *run = cJSON_CreateObject();
        for (int k = 0; k < n_record_fields; k++) {
            const struct field *f = &record_field[k];
            if (f->kind == FIELD_TEXT)
                cJSON_AddStringToObject(run, f->name, (const char *)&s->record[i] + f->offset);
            else if (number_text(f, &s->record[i], number))
                cJSON_AddRawToObject(run, f->name, number);
            else
                cJSON_AddNullToObject(run, f->name);
        }
        cJSON_AddItemToArray(runs, run);
    }
    char *text = cJSON_Print(runs);
    if (!text)
        die(EXIT_ENVIRONMENT, "no memory on the host for a report of %zu runs", s->n_records);
    fprintf(out, "%s\n", text);
    free(text);
    cJSON_Delete(runs);
}
