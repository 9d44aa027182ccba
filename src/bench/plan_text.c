/* plan_text.c - predictions for people. */
#include "../base/text.h"
#include "../device/profile.h"
#include "plan.h"

#include <math.h>
#include <string.h>

enum { LINE_COLUMNS = 100 };

static double mib(uint64_t bytes)
{
    return 0x1p-20 * (double)bytes;
}

void plan_text_heading(void)
{
    printf("%-11s %-16s %-9s %9s %5s %10s %10s %9s  %s\n", "model", "trainer", "clipping", "batch", "seq", "parameters",
           "GFLOP/step", "peak MiB", "in");
}

/* What rounds to nothing is left out. */
static void print_kinds(const struct record *record)
{
    char text[64];
    int column = printf("    MiB:");
    bool is_first = true;
#define KIND_BYTES(NAME, name, help) record->predicted_##name,
    const uint64_t bytes[] = {MEMORY_KIND_LIST(KIND_BYTES)};
    for (int k = 0; k < N_MEMORY_KINDS; k++) {
        if (bytes[k] < 0x1p20 / 200)
            continue;
        const int n = snprintf(text, sizeof text, " %s %.2f", memory_kind_name[k], mib(bytes[k]));
        column += is_first ? 0 : printf(",");
        if (column + n >= LINE_COLUMNS)
            column = printf("\n        ") - 1;
        column += printf("%s", text);
        is_first = false;
    }
    printf("\n");
}

/* Of a phase in which something is computed. */
struct phase_line { enum phase phase; double flops, bytes; uint64_t in_use_bytes; };

static void print_phase(struct phase_line line, const struct forecast *forecast, int n_targets)
{
    if (!(line.bytes > 0))
        return;
    printf("    %-10s %10.3f %10.2f %10.2f", phase_name[line.phase], 1e-9 * line.flops, 1e-6 * line.bytes,
           mib(line.in_use_bytes));
    for (int t = 0; t < n_targets; t++)
        printf("  %*.3f", 3 + (int)strlen(forecast[t].target->name), 1e3 * forecast[t].times.phase_s[line.phase]);
    printf("\n");
}

static void print_phases(const struct record *r, const struct forecast *forecast, int n_targets)
{
    printf("    %-10s %10s %10s %10s", "phase", "GFLOP", "MB moved", "MiB in use");
    for (int t = 0; t < n_targets; t++)
        printf("  ms %s", forecast[t].target->name);
    printf("\n");
#define PRINT_PHASE(NAME, name, help)                                                                        \
    print_phase((struct phase_line){PHASE_##NAME, r->flops_##name, r->bytes_##name, r->in_use_##name}, forecast, \
                n_targets);
    PHASE_LIST(PRINT_PHASE)
}

static void print_forecast(const struct record *record, const struct forecast *f)
{
    char difference[32], step[32], ranks[32] = "";
    const double spare = f->usable_bytes - (double)record->predicted_peak;
    if (isnan(f->usable_bytes)) {
        printf("    %s: its memory is not known here\n", f->target->name);
        return;
    }
    text_from_bytes(fabs(spare), difference, sizeof difference);
    printf("    %s: %s: %s %s", f->target->name, f->fits ? "fits" : "does not fit", difference,
           f->fits ? "to spare" : "too much");
    if (f->fits && !isnan(f->times.step_s)) {
        if (record->config.ranks_per_run > 1)
            snprintf(ranks, sizeof ranks, " of %llu ranks", (unsigned long long)record->config.ranks_per_run);
        text_from_duration(f->times.step_s, step, sizeof step);
        printf("; a step%s takes about %s", ranks, step);
    }
    printf("\n");
}

void plan_text_point(const struct record *record, const struct forecast *forecast, int n_targets, bool phases)
{
    const struct config *config = &record->config;
    char batch[48];
    snprintf(batch, sizeof batch, "%llu", (unsigned long long)config->batch_size);
    if (config->physical_batch_size != config->batch_size)
        text_append(batch, sizeof batch, " (%llu)", (unsigned long long)config->physical_batch_size);
    printf("%-11s %-16s %-9s %9s %5llu %10llu %10.3f %9.2f  %s\n", config->model, config->trainer, config->clipping,
           batch, (unsigned long long)config->seq_len, (unsigned long long)record->n_params, 1e-9 * record->flops,
           mib(record->predicted_peak), record->peak_phase);
    print_kinds(record);
    if (record->policy[0])
        printf("    %s\n", record->policy);
    if (phases)
        print_phases(record, forecast, n_targets);
    for (int t = 0; t < n_targets; t++)
        print_forecast(record, &forecast[t]);
}

static void print_target(const struct target *t)
{
    char memory[32], kept[32];
    text_from_bytes(t->memory_bytes, memory, sizeof memory);
    text_from_bytes(t->kept_bytes, kept, sizeof kept);
    printf("%s: %s of memory, %s of it left alone", t->name, memory, kept);
    if (strcmp(t->device, "cuda") == 0 && !isnan(t->bytes_per_s))
        printf("; %.3g TFLOP/s in fp32, %.0f GB/s at most", 1e-12 * t->fp32_flops_per_s, 1e-9 * t->bytes_per_s);
    printf("\n");
}

void plan_text_build(const struct target *t)
{
    if (strcmp(t->device, DPSWEEP_DEVICE) != 0)
        printf("    The bytes are those of the %s build; for its own: make DEVICE=%s.\n", DPSWEEP_DEVICE, t->device);
}

/* "by the profile of 2026-11-22T17:27:58Z (PATH)" */
static void print_rates(const struct target *target, const struct plan_total *all)
{
    if (all->n_profiled)
        printf("    Times are estimated by the profile of %s (%s)%s\n", all->rates_date, profile_path(),
               all->n_profiled < all->n ? ", where it has the precision; the others by default rates" : "");
    else if (!isnan(target->bytes_per_s))
        printf("    Times are estimated by default rates%s\n",
               target->is_here ? "; 'dpsweep tune' measures this device, threads and precision" : "");
}

void plan_text_total(const struct target *target, const struct plan_total *total, int n_targets)
{
    char duration[32];
    printf("\n");
    for (int t = 0; t < n_targets; t++) {
        const struct plan_total *all = &total[t];
        if (isnan(target[t].memory_bytes))
            continue;
        print_target(&target[t]);
        plan_text_build(&target[t]);
        if (all->n_too_large)
            printf("    %zu of %zu do not fit\n", all->n_too_large, all->n);
        text_from_duration(all->sweep_s, duration, sizeof duration);
        if (all->n > all->n_too_large && !isnan(all->sweep_s))
            printf("    %s%zu on %d rank%s: about %s, verification and all steps\n",
                   all->n_too_large ? "the other " : "all ", all->n - all->n_too_large, all->ranks,
                   all->ranks == 1 ? "" : "s", duration);
        print_rates(&target[t], all);
    }
}
