/* plan_json.c - predictions for programs:
 *
 *     {"points": [{config fields, "n_params", "flops", "bytes_moved", "predicted_peak", "peak_phase", "policy",
 *                  "predicted": {kind: bytes}, "phases": {phase: {"flops", "bytes", "in_use_bytes"}},
 *                  "fits": on the first target,
 *                  "targets": {target: {"usable_bytes", "fits", "spare_bytes", "step_time_s", "run_time_s",
 *                                       "phase_time_s": {phase: seconds},
 *                                       "rates": date of the profile or "default"}}}],
 *      "targets": {target: {"device", "memory_bytes", "kept_bytes", rates, "points", "too_large", "ranks",
 *                           "sweep_time_s"}}, "built_for": device, "times": "estimated...", "profile": path}
 *
 * A point of trainer auto, which chooses for a target, stands there for each target; with --budget it also has
 *
 *     "budget_bytes", "alternatives": [{"policy", "clipped_s": of a physical batch, "peak_bytes": about}]
 *
 * What is not known is null. */
#include "../device/profile.h"
#include "plan.h"

#include <cjson/cJSON.h>

static void add_field(cJSON *object, const struct field *field, const struct record *record)
{
    char text[TEXT_BYTES];
    field_text(field, record, text, sizeof text);
    if (field->kind == FIELD_TEXT)
        cJSON_AddStringToObject(object, field->name, text);
    else
        cJSON_AddRawToObject(object, field->name, text); /* exact, also beyond 2^53 */
}

static void add_phases(cJSON *object, const struct record *record)
{
    cJSON *phases = cJSON_AddObjectToObject(object, "phases");
#define PHASE_OBJECT(NAME, name, help) {                                                       \
        cJSON *phase = cJSON_AddObjectToObject(phases, #name);                                 \
        cJSON_AddNumberToObject(phase, "flops", record->flops_##name);                         \
        cJSON_AddNumberToObject(phase, "bytes", record->bytes_##name);                         \
        cJSON_AddNumberToObject(phase, "in_use_bytes", (double)record->in_use_##name);         \
    }
    PHASE_LIST(PHASE_OBJECT)
}

static void add_forecast(cJSON *object, const struct record *record, const struct forecast *f)
{
    cJSON *target = cJSON_AddObjectToObject(object, f->target->name);
    cJSON_AddNumberToObject(target, "usable_bytes", f->usable_bytes);
    cJSON_AddBoolToObject(target, "fits", f->fits);
    cJSON_AddNumberToObject(target, "spare_bytes", f->usable_bytes - (double)record->predicted_peak);
    cJSON_AddStringToObject(target, "rates", f->rates_date[0] ? f->rates_date : "default");
    cJSON_AddNumberToObject(target, "step_time_s", f->times.step_s);
    cJSON_AddNumberToObject(target, "run_time_s", f->times.run_s);
    cJSON *phases = cJSON_AddObjectToObject(target, "phase_time_s");
    for (int p = 0; p < N_PHASES; p++)
        cJSON_AddNumberToObject(phases, phase_name[p], f->times.phase_s[p]);
}

cJSON *plan_json_begin(void)
{
    cJSON *plan = cJSON_CreateObject();
    cJSON_AddArrayToObject(plan, "points");
    return plan;
}

static void add_choice(cJSON *object, const struct config *config, const struct choice *choice)
{
    char text[TEXT_BYTES];
    struct model_shape shape;
    config_model_shape(config, &shape);
    cJSON_AddNumberToObject(object, "budget_bytes", choose_budget(config));
    cJSON *alternatives = cJSON_AddArrayToObject(object, "alternatives");
    for (int i = 0; i < choice->n_alternatives; i++) {
        const struct alternative *a = &choice->alternative[i];
        cJSON *alternative = cJSON_CreateObject();
        policy_text(&a->policy, &shape, text, sizeof text);
        cJSON_AddStringToObject(alternative, "policy", text);
        cJSON_AddNumberToObject(alternative, "clipped_s", a->clipped_s);
        cJSON_AddNumberToObject(alternative, "peak_bytes", (double)a->peak_bytes);
        cJSON_AddItemToArray(alternatives, alternative);
    }
}

void plan_json_point(cJSON *plan, const struct record *record, const struct forecast *forecast, int n_targets,
    const struct choice *choice)
{
    cJSON *object = cJSON_CreateObject();
    for (int i = 0; i < n_config_fields; i++)
        add_field(object, &config_field[i], record);
    cJSON_AddNumberToObject(object, "n_params", (double)record->n_params);
    cJSON_AddNumberToObject(object, "flops", record->flops);
    cJSON_AddNumberToObject(object, "bytes_moved", record->bytes_moved);
    cJSON_AddNumberToObject(object, "predicted_peak", (double)record->predicted_peak);
    cJSON_AddStringToObject(object, "peak_phase", record->peak_phase);
    cJSON_AddStringToObject(object, "policy", record->policy);
    if (choice)
        add_choice(object, &record->config, choice);
    cJSON *kinds = cJSON_AddObjectToObject(object, "predicted");
#define KIND_NUMBER(NAME, name, help) cJSON_AddNumberToObject(kinds, #name, (double)record->predicted_##name);
    MEMORY_KIND_LIST(KIND_NUMBER)
    add_phases(object, record);
    cJSON_AddBoolToObject(object, "fits", forecast[0].fits);
    cJSON *targets = cJSON_AddObjectToObject(object, "targets");
    for (int t = 0; t < n_targets; t++)
        add_forecast(targets, record, &forecast[t]);
    cJSON_AddItemToArray(cJSON_GetObjectItem(plan, "points"), object);
}

void plan_json_total(cJSON *plan, const struct target *target, const struct plan_total *total, int n_targets)
{
    cJSON *targets = cJSON_AddObjectToObject(plan, "targets");
    for (int t = 0; t < n_targets; t++) {
        cJSON *object = cJSON_AddObjectToObject(targets, target[t].name);
        cJSON_AddStringToObject(object, "device", target[t].device);
        cJSON_AddNumberToObject(object, "memory_bytes", target[t].memory_bytes);
        cJSON_AddNumberToObject(object, "kept_bytes", target[t].kept_bytes);
        cJSON_AddNumberToObject(object, "fp32_flops_per_s", target[t].fp32_flops_per_s);
        cJSON_AddNumberToObject(object, "bytes_per_s", target[t].bytes_per_s);
        cJSON_AddNumberToObject(object, "points", (double)total[t].n);
        cJSON_AddNumberToObject(object, "too_large", (double)total[t].n_too_large);
        cJSON_AddNumberToObject(object, "ranks", total[t].ranks);
        cJSON_AddNumberToObject(object, "sweep_time_s", total[t].sweep_s);
    }
}

void plan_json_end(cJSON *plan)
{
    cJSON_AddStringToObject(plan, "built_for", DPSWEEP_DEVICE);
    cJSON_AddStringToObject(plan, "times", "estimated by rates, see docs/planning.md: nothing was run");
    cJSON_AddStringToObject(plan, "profile", profile_path());
    char *text = cJSON_Print(plan);
    puts(text);
    cJSON_free(text);
    cJSON_Delete(plan);
}
