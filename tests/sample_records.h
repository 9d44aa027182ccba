/* sample_records.h - records whose every byte is a function of a number, and the comparison of two. */
#ifndef SAMPLE_RECORDS_H
#define SAMPLE_RECORDS_H
#include "../src/records/journal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void fill_field(const struct field *f, struct record *r, unsigned n)
{
    char *at = (char *)r + f->offset;
    if (f->kind == FIELD_TEXT)
        snprintf(at, f->bytes, "%s \xc3\xa4 %u", f->name, n);
    else if (f->kind == FIELD_U64)
        *(uint64_t *)at = UINT64_MAX - n - f->offset;
    else
        *(double *)at = (n + f->offset) % 5 ? 1.0 / (n + f->offset) : NAN;
}

/* Run n with n % 4 steps, n % 3 memory rows, n % 5 changes in its timeline. */
static inline struct record sample_record(unsigned n)
{
    struct record r;
    record_init(&r);
    for (int i = 0; i < n_record_fields; i++)
        fill_field(&record_field[i], &r, n);
    memset(r.config_sha256, 0, sizeof r.config_sha256);
    snprintf(r.config_sha256, sizeof r.config_sha256, "%064x", n);
    r.run_id = n;
    r.start_time = 1.7e9 + n;
    r.end_time = 1.7e9 + n + 0.5;
    record_set_status(&r, (enum status)(n % N_STATUSES), "message %0*u", (int)(n % 4 * 150), n); /* up to 458 letters */
    for (unsigned k = 0; k < n % 4; k++)
        record_add_step(&r, &(struct step_row){.step = k, .measured = k > 0, .tokens = 64 + n, .time_s = 0.1 * k,
                                               .loss = 1.0 / (n + k + 1), .grad_norm = k ? 0.5 : NAN});
    for (unsigned k = 0; k < n % 3; k++)
        record_add_memory(&r, &(struct memory_row){k, 0.5 * k, {n, 1, 2, 3, UINT64_MAX, 5, 6, 7, k}});
    for (unsigned k = 0; k < n % 5; k++)
        record_add_timeline(&r, &(struct trace_row){0.25 * k, k ? k : N_PHASES, {n + k, UINT64_MAX, k}});
    return r;
}

/* NaN equals NaN; of texts only what stands before the terminator counts. */
static inline bool same_field(const struct field *f, const struct record *a, const struct record *b)
{
    const char *x = (const char *)a + f->offset, *y = (const char *)b + f->offset;
    if (f->kind == FIELD_TEXT)
        return !strcmp(x, y);
    return !memcmp(x, y, 8) || (f->kind == FIELD_F64 && isnan(*(const double *)x) && isnan(*(const double *)y));
}

static inline bool same_record(const struct record *a, const struct record *b)
{
    for (int i = 0; i < n_record_fields; i++)
        if (!same_field(&record_field[i], a, b)) {
            fprintf(stderr, "# %s differs\n", record_field[i].name);
            return false;
        }
    return a->n_steps == b->n_steps && a->n_memory == b->n_memory && a->n_timeline == b->n_timeline &&
           (!a->n_timeline || !memcmp(a->timeline, b->timeline, a->n_timeline * sizeof *a->timeline)) &&
           (!a->n_steps || !memcmp(a->steps, b->steps, a->n_steps * sizeof *a->steps)) &&
           (!a->n_memory || !memcmp(a->memory, b->memory, a->n_memory * sizeof *a->memory));
}

static inline bool is_sample(const struct record *r, unsigned n)
{
    struct record want = sample_record(n);
    const bool same = same_record(r, &want);
    record_clear(&want);
    return same;
}

static inline struct sweep_header sample_header(void)
{
    struct sweep_header h = {.suite_version = "0.1.0", .git_commit = "abc", .sweep_uuid = "u-u",
                             .sweep_name = "s\xc3\xa4", .hostname = "node3", .mpi_library = "none",
                             .hdf5_version = "1.10.8", .compiler = "gcc",
                             .libraries = "l", .mpi_size = 2, .start_time = 1.7e9};
    h.command_line = (char *)"dpsweep sweep --batch-size 1,2";
    h.config_text = (char *)"[sweep]\nbatch_size = 1,2\n";
    h.environment = (char *)"OMP_NUM_THREADS=2";
    return h;
}

static inline void remove_files(const char *path) /* of one sweep */
{
    static const char *const suffix[] = {".h5", ".journal", ".journal.torn"};
    char name[512];
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s%s", path, suffix[i]);
        remove(name);
    }
}

static inline char *load(const char *path, size_t *bytes) /* to be freed */
{
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END))
        abort();
    *bytes = (size_t)ftell(f);
    char *data = malloc(*bytes + 1);
    rewind(f);
    if (fread(data, 1, *bytes, f) != *bytes)
        abort();
    fclose(f);
    return data;
}

static inline void save(const char *path, const void *data, size_t bytes)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, bytes, f) != bytes || fclose(f))
        abort();
}

/* A path in this suite's folder, good for seven calls more. */
static inline const char *in_tmp(const char *name)
{
    static char path[8][512];
    static int next;
    const char *tmp = getenv("TMPDIR");
    next = (next + 1) % 8;
    snprintf(path[next], sizeof path[next], "%s/%s", tmp ? tmp : "/tmp", name);
    return path[next];
}
#endif
