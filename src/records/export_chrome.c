/* export_chrome.c - the Trace Event Format of chrome://tracing, which ui.perfetto.dev reads too.
 *
 * A run is a process with three threads: its steps; the phases of each step, whose sums are drawn one after another
 * because their order within a step is not kept; and the traced step, with its phases as they came and went.  Memory by
 * kind is a counter.  Times are microseconds since the beginning of the sweep. */
#include "export_formats.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>

enum { STEPS = 1, PHASES, TRACED };

struct trace {
    FILE *out;
    const struct record *r;
    double start_us;             /* of the run */
    bool any;
};

static void put_text(FILE *out, const char *text)
{
    cJSON *item = cJSON_CreateString(text);
    char *quoted = cJSON_PrintUnformatted(item);
    fputs(quoted ? quoted : "\"\"", out);
    cJSON_free(quoted);
    cJSON_Delete(item);
}

/* Opens an event: its own members follow, then a brace. */
static void event(struct trace *t, const char *name, char type, int thread, double us)
{
    fprintf(t->out, "%s\n{\"ph\":\"%c\",\"pid\":%llu,\"tid\":%d,\"ts\":%.3f,\"name\":", t->any ? "," : "", type,
            (unsigned long long)t->r->run_id, thread, us);
    put_text(t->out, name);
    t->any = true;
}

static void name_it(struct trace *t, const char *what, int thread, const char *name)
{
    event(t, what, 'M', thread, 0);
    fputs(",\"args\":{\"name\":", t->out);
    put_text(t->out, name);
    fputs("}}", t->out);
}

static void number(struct trace *t, const char *before, const char *name, double value)
{
    if (isfinite(value))
        fprintf(t->out, "%s\"%s\":%.9g", before, name, value);
}

static void put_steps(struct trace *t)
{
    for (size_t i = 0; i < t->r->n_steps; i++) {
        const struct step_row *s = &t->r->steps[i];
        event(t, s->measured ? "step" : "step, warm-up", 'X', STEPS, t->start_us + 1e6 * (s->time_s - s->step_time_s));
        fprintf(t->out, ",\"dur\":%.3f,\"args\":{\"step\":%llu,\"tokens\":%llu", 1e6 * s->step_time_s,
                (unsigned long long)s->step, (unsigned long long)s->tokens);
        number(t, ",", "loss", s->loss);
        number(t, ",", "grad_norm", s->grad_norm);
        number(t, ",", "clip_fraction", s->clip_fraction);
        fputs("}}", t->out);
    }
}

static void put_phases(struct trace *t)
{
    for (size_t i = 0; i < t->r->n_steps; i++) {
        const struct step_row *s = &t->r->steps[i];
        double us = t->start_us + 1e6 * (s->time_s - s->step_time_s);
#define SECONDS_OF(NAME, name, help) s->time_##name,
        const double phase_s[N_PHASES] = {PHASE_LIST(SECONDS_OF)};
        for (int p = 0; p < N_PHASES; p++) {
            if (!(phase_s[p] > 0))
                continue;
            event(t, phase_name[p], 'X', PHASES, us);
            fprintf(t->out, ",\"dur\":%.3f}", 1e6 * phase_s[p]);
            us += 1e6 * phase_s[p];
        }
    }
}

static void put_memory_of(struct trace *t, const char *name, double us, const uint64_t bytes[N_MEMORY_KINDS])
{
    event(t, name, 'C', TRACED, us);
    for (int k = 0; k < N_MEMORY_KINDS; k++)
        fprintf(t->out, "%s\"%s\":%llu", k ? "," : ",\"args\":{", memory_kind_name[k], (unsigned long long)bytes[k]);
    fputs("}}", t->out);
}

/* The traced step is the last one that is not measured. */
static double traced_us(const struct trace *t)
{
    double begin_s = 0;
    for (size_t i = 0; i < t->r->n_steps && !t->r->steps[i].measured; i++)
        begin_s = t->r->steps[i].time_s - t->r->steps[i].step_time_s;
    return t->start_us + 1e6 * begin_s;
}

static void put_timeline(struct trace *t)
{
    const struct record *r = t->r;
    const double begin_us = traced_us(t);
    for (size_t i = 0, end; i < r->n_timeline; i = end) {
        for (end = i; end < r->n_timeline && r->timeline[end].phase == r->timeline[i].phase; end++)
            put_memory_of(t, "device memory, bytes", begin_us + 1e6 * r->timeline[end].time_s, r->timeline[end].bytes);
        const size_t last = end < r->n_timeline ? end : r->n_timeline - 1;
        if (r->timeline[i].phase >= N_PHASES || last == i)
            continue;
        event(t, phase_name[r->timeline[i].phase], 'X', TRACED, begin_us + 1e6 * r->timeline[i].time_s);
        fprintf(t->out, ",\"dur\":%.3f}", 1e6 * (r->timeline[last].time_s - r->timeline[i].time_s));
    }
}

static void put_stages(struct trace *t)
{
    for (size_t i = 0; i < t->r->n_memory; i++) {
        const struct memory_row *row = &t->r->memory[i];
        event(t, stage_name[row->stage], 'i', STEPS, t->start_us + 1e6 * row->time_s);
        fputs(",\"s\":\"p\"}", t->out);
        put_memory_of(t, "device memory, bytes", t->start_us + 1e6 * row->time_s, row->bytes);
    }
}

static void put_run(struct trace *t)
{
    char name[512];
    const struct config *c = &t->r->config;
    snprintf(name, sizeof name, "run %llu: %s %s, %s, B=%llu T=%llu: %s", (unsigned long long)t->r->run_id, c->trainer,
             c->clipping, c->model, (unsigned long long)c->batch_size, (unsigned long long)c->seq_len, t->r->status);
    name_it(t, "process_name", 0, name);
    name_it(t, "thread_name", STEPS, "steps");
    name_it(t, "thread_name", PHASES, "phases, summed over a step");
    name_it(t, "thread_name", TRACED, "one step, traced");
    put_steps(t);
    put_phases(t);
    put_timeline(t);
    put_stages(t);
}

void export_chrome(FILE *out, const struct sweep_state *s)
{
    struct trace t = {.out = out};
    fputs("{\"displayTimeUnit\":\"ms\",\"otherData\":{\"program\":", out);
    put_text(out, s->header.suite_version);
    fputs(",\"command\":", out);
    put_text(out, s->header.command_line ? s->header.command_line : "");
    fputs("},\"traceEvents\":[", out);
    for (size_t i = 0; i < s->n_records; i++) {
        t.r = &s->record[i];
        t.start_us = isfinite(t.r->start_time) ? fmax(0, 1e6 * (t.r->start_time - s->header.start_time)) : 0;
        put_run(&t);
    }
    fputs("\n]}\n", out);
}
