/* plan.c - every point goes through run_predict: the code of a run, with no memory behind it. */
#include "plan.h"

#include "../base/log.h"
#include "../base/text.h"
#include "options.h"
#include "run.h"

#include <cjson/cJSON.h>
#include <stdio.h>

enum { LINE_COLUMNS = 100 };

/* Bytes of each kind at the peak, in the order of the kinds. */
static void kind_bytes(const struct record *record, uint64_t bytes[N_MEMORY_KINDS])
{
#define KIND_BYTES(NAME, name, help) bytes[MEMORY_##NAME] = record->predicted_##name;
    MEMORY_KIND_LIST(KIND_BYTES)
}

static void print_heading(void)
{
    printf("%-11s %-16s %-9s %9s %5s %10s %10s %9s  %s\n", "model", "trainer", "clipping", "batch", "seq", "parameters",
           "GFLOP/step", "peak MiB", "in");
}

static void print_limit(const struct record *record)
{
    const uint64_t limit = record->config.memory_limit, peak = record->predicted_peak;
    char difference[32];
    if (!limit)
        return;
    text_from_bytes((double)(peak > limit ? peak - limit : limit - peak), difference, sizeof difference);
    printf(peak > limit ? "    does not fit: %s too much\n" : "    fits: %s to spare\n", difference);
}

/* What rounds to nothing is left out. */
static void print_kinds(const struct record *record)
{
    uint64_t bytes[N_MEMORY_KINDS];
    char text[64];
    int column = printf("    MiB:");
    bool is_first = true;
    kind_bytes(record, bytes);
    for (int k = 0; k < N_MEMORY_KINDS; k++) {
        if (bytes[k] < 0x1p20 / 200)
            continue;
        const int n = snprintf(text, sizeof text, " %s %.2f", memory_kind_name[k], 0x1p-20 * (double)bytes[k]);
        column += is_first ? 0 : printf(",");
        if (column + n >= LINE_COLUMNS)
            column = printf("\n        ") - 1;
        column += printf("%s", text);
        is_first = false;
    }
    printf("\n");
}

static void print_record(const struct record *record)
{
    const struct config *config = &record->config;
    char batch[48];
    snprintf(batch, sizeof batch, "%llu", (unsigned long long)config->batch_size);
    if (config->physical_batch_size != config->batch_size)
        text_append(batch, sizeof batch, " (%llu)", (unsigned long long)config->physical_batch_size);
    printf("%-11s %-16s %-9s %9s %5llu %10llu %10.3f %9.2f  %s\n", config->model, config->trainer, config->clipping,
           batch, (unsigned long long)config->seq_len, (unsigned long long)record->n_params, 1e-9 * record->flops,
           0x1p-20 * (double)record->predicted_peak, record->peak_phase);
    print_kinds(record);
    print_limit(record);
}

static void add_field(cJSON *object, const struct field *field, const struct record *record)
{
    char text[TEXT_BYTES];
    field_text(field, record, text, sizeof text);
    if (field->kind == FIELD_TEXT)
        cJSON_AddStringToObject(object, field->name, text);
    else
        cJSON_AddRawToObject(object, field->name, text); /* exact, also beyond 2^53 */
}

/* {config fields, "n_params", "flops", "predicted_peak", "peak_phase", "predicted": {kind: bytes}, "fits"} */
static cJSON *record_json(const struct record *record)
{
    cJSON *object = cJSON_CreateObject();
    uint64_t bytes[N_MEMORY_KINDS];
    for (int i = 0; i < n_config_fields; i++)
        add_field(object, &config_field[i], record);
    cJSON_AddNumberToObject(object, "n_params", (double)record->n_params);
    cJSON_AddNumberToObject(object, "flops", record->flops);
    cJSON_AddNumberToObject(object, "predicted_peak", (double)record->predicted_peak);
    cJSON_AddStringToObject(object, "peak_phase", record->peak_phase);
    cJSON *kinds = cJSON_AddObjectToObject(object, "predicted");
    kind_bytes(record, bytes);
    for (int k = 0; k < N_MEMORY_KINDS; k++)
        cJSON_AddNumberToObject(kinds, memory_kind_name[k], (double)bytes[k]);
    if (record->config.memory_limit)
        cJSON_AddBoolToObject(object, "fits", record->predicted_peak <= record->config.memory_limit);
    return object;
}

static void print_json(cJSON *list)
{
    cJSON *document = cJSON_CreateObject();
    cJSON_AddItemToObject(document, "points", list);
    char *text = cJSON_Print(document);
    puts(text);
    cJSON_free(text);
    cJSON_Delete(document);
}

int plan_main(int argc, char **argv)
{
    struct options options = {0};
    struct sweep_points points = {0};
    const int code = options_parse("plan", argc, argv, &options, &points);
    if (code >= 0)
        return code;
    cJSON *list = options.json ? cJSON_CreateArray() : NULL;
    if (!options.json)
        print_heading();
    for (size_t i = 0; i < points.n; i++) {
        struct record record;
        record_init(&record);
        run_predict(&points.config[i], (int)options.threads, &record);
        if (options.json)
            cJSON_AddItemToArray(list, record_json(&record));
        else
            print_record(&record);
        record_clear(&record);
    }
    if (options.json)
        print_json(list);
    sweep_points_clear(&points);
    return EXIT_OK;
}
