/* frontier_print.c - answers as lines of a table, and as JSON. */
#include "../base/text.h"
#include "frontier_answer.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

static const char *status_text(enum status status)
{
    return status < N_STATUSES ? status_name[status] : "-";
}

void frontier_print_answer(const struct question *q, const struct answer *a, bool measured)
{
    const struct config *c = &a->config;
    char value[3][48], ratio[16] = "-";
    snprintf(value[0], sizeof value[0], "%llu", (unsigned long long)c->batch_size);
    if (frontier_is_split(c))
        text_append(value[0], sizeof value[0], " (%llu)", (unsigned long long)c->physical_batch_size);
    snprintf(value[1], sizeof value[1], "%llu", (unsigned long long)c->seq_len);
    snprintf(value[2], sizeof value[2], "%s", c->model);
    char *found = value[q->axis->column];
    if (!a->n)
        strcpy(found, "none");
    else if (a->at_end && q->axis->is_count)
        strcat(found, "+");
    if (q->axis->is_count && a->of_standard)
        snprintf(ratio, sizeof ratio, "%.2f", (double)a->n / (double)a->of_standard);
    printf("%-11s %-16s %-9s %9s %6s", value[2], c->trainer, c->clipping, value[0], value[1]);
    if (q->axis->is_count)
        printf("  %11s", ratio);
    if (q->axis->is_count && measured)
        printf("  %-10s %s", status_text(a->measured), status_text(a->one_more));
    printf("\n");
}

void frontier_add_answer(cJSON *list, const struct question *q, const struct answer *a, bool measured)
{
    cJSON *object = cJSON_CreateObject();
    const struct config *c = &a->config;
    cJSON_AddStringToObject(object, "target", q->target->name);
    cJSON_AddStringToObject(object, "largest", q->axis->name);
    cJSON_AddStringToObject(object, "model", c->model);
    cJSON_AddStringToObject(object, "trainer", c->trainer);
    cJSON_AddStringToObject(object, "clipping", c->clipping);
    cJSON_AddNumberToObject(object, "batch_size", (double)c->batch_size);
    cJSON_AddNumberToObject(object, "physical_batch_size", (double)c->physical_batch_size);
    cJSON_AddNumberToObject(object, "seq_len", (double)c->seq_len);
    cJSON_AddBoolToObject(object, "fits", a->n > 0);
    cJSON_AddBoolToObject(object, "at_end", a->at_end);
    if (q->axis->is_count && a->of_standard)
        cJSON_AddNumberToObject(object, "share_of_standard", (double)a->n / (double)a->of_standard);
    if (q->axis->is_count && measured) {
        cJSON_AddStringToObject(object, "measured", status_text(a->measured));
        cJSON_AddStringToObject(object, "one_more", status_text(a->one_more));
    }
    cJSON_AddItemToArray(list, object);
}

void frontier_print_heading(const struct question *q, bool measured)
{
    printf("\n%s that fits on %s:\n%-11s %-16s %-9s %9s %6s", q->axis->title, q->target->name, "model", "trainer",
           "clipping", "batch", "seq");
    if (q->axis->is_count)
        printf("  %11s", "of standard");
    if (q->axis->is_count && measured)
        printf("  %-10s %s", "measured", "one more");
    printf("\n");
}
