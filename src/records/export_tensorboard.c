/* export_tensorboard.c - a folder for each run, with one event file: what changes from step to step, what the run came
 * to, the memory curve of a step, and the configuration as hyper-parameters. */
#include "../base/text.h"
#include "export_formats.h"
#include "schema.h"
#include "tfevents.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static void write_steps(FILE *out, const struct record *r)
{
    const struct series *steps = &series_table[SERIES_STEPS];
    for (size_t i = 0; i < r->n_steps; i++) {
        const struct step_row *row = &r->steps[i];
        for (int c = 0; c < steps->n_columns; c++) {
            char tag[64];
            const struct field *f = &steps->column[c].field;
            if (f->kind != FIELD_F64)
                continue;
            snprintf(tag, sizeof tag, "step/%s", f->name);
            tfevents_scalar(out, r->start_time + row->time_s, row->step, tag,
                            *(const double *)((const char *)row + f->offset - sizeof(uint64_t)));
        }
    }
}

/* What the run came to, shown as metrics beside its hyper-parameters. */
static void write_results(FILE *out, const struct record *r)
{
    for (int i = N_CONFIG_FIELDS; i < n_record_fields; i++) {
        const struct field *f = &record_field[i];
        char tag[96];
        const void *at = (const char *)r + f->offset;
        const bool memory = f->kind == FIELD_U64 && !strcmp(f->unit, "byte");
        snprintf(tag, sizeof tag, "%s/%s", memory ? "memory" : "run", f->name);
        if (memory)
            tfevents_scalar(out, r->end_time, 0, tag, (double)*(const uint64_t *)at);
        else if (f->kind == FIELD_F64 && f != record_field_find("start_time") && f != record_field_find("end_time"))
            tfevents_scalar(out, r->end_time, 0, tag, *(const double *)at);
    }
}

static void write_timeline(FILE *out, const struct record *r)
{
    for (size_t i = 0; i < r->n_timeline; i++)
        for (int k = 0; k < N_MEMORY_KINDS; k++) {
            char tag[96];
            snprintf(tag, sizeof tag, "timeline/%s", memory_kind_name[k]);
            tfevents_scalar(out, r->start_time + r->timeline[i].time_s, i, tag, (double)r->timeline[i].bytes[k]);
        }
}

static void name_run(const struct record *r, char *name, size_t bytes)
{
    snprintf(name, bytes, "%04llu-%s-%s-B%llu-T%llu", (unsigned long long)r->run_id, r->config.trainer, r->config.model,
             (unsigned long long)r->config.batch_size, (unsigned long long)r->config.seq_len);
}

static bool write_run(const char *directory, const struct record *r)
{
    char folder[4096], name[TEXT_BYTES * 3], file[64];
    name_run(r, name, sizeof name);
    if ((size_t)snprintf(folder, sizeof folder, "%s/%s", directory, name) >= sizeof folder)
        return errno = ENAMETOOLONG, false;
    if (mkdir(folder, 0755) != 0 && errno != EEXIST)
        return false;
    snprintf(file, sizeof file, "events.out.tfevents.%.0f.dpsweep", r->start_time);
    FILE *out = export_create(folder, file);
    if (!out)
        return false;
    tfevents_begin(out, r->start_time);
    tfevents_hparams(out, r);
    write_steps(out, r);
    write_timeline(out, r);
    write_results(out, r);
    tfevents_ended(out, r);
    return export_close(out);
}

bool export_tensorboard(const char *directory, const struct sweep_state *s)
{
    for (size_t i = 0; i < s->n_records; i++)
        if (!write_run(directory, &s->record[i]))
            return false;
    return true;
}
