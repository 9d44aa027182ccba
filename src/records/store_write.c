/* store_write.c - builds the file in memory: /runs, /steps, /memory and /timeline as columns on dimension scales
 * (netCDF-4's manner), and /tables/runs.
 *
 * The low bound of the format is the earliest one: HDF5 1.10 leaves a wrong superblock checksum in the image of any
 * other (HDFGroup/hdf5#1915). */
#include "store_write.h"

#include "buffer.h"
#include "iso_time.h"
#include "store_put.h"

#include <hdf5_hl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- groups -------------------------------------------------------------------------------------------------- */

static void put_runs(struct h5 *h, hid_t file, const struct sweep_state *s, const struct run_slice *slice)
{
    const struct rows slices = {slice, s->n_records, sizeof *slice};
    const struct rows records = {s->record, s->n_records, sizeof *s->record};
    const hid_t group = new_group(h, file, "runs", "one row per run");
    put_run_key(h, group, RUN_HELP, slices, H5I_INVALID_HID);
    const hid_t scale = TRY(H5Dopen2(group, "run", H5P_DEFAULT));
    TRY(H5DSset_scale(scale, "run"));
    for (int i = 0; i < n_record_fields; i++)
        put_columns(h, group, &(struct column){record_field[i], 8, NULL}, 1, records, scale);
    put_columns(h, group, slice_column, n_slice_columns, slices, scale);
    TRY(H5Dclose(scale));
    TRY(H5Gclose(group));
}

static void put_steps(struct h5 *h, hid_t file, struct rows lines)
{
    const hid_t group = new_group(h, file, "steps", "one row per optimizer step, run after run");
    const hid_t scale = put_dimension(h, group, "obs", lines.n);
    put_run_key(h, group, RUN_KEY_HELP, lines, scale);
    put_columns(h, group, step_column, n_step_columns, lines, scale);
    TRY(H5Dclose(scale));
    TRY(H5Gclose(group));
}

static hid_t put_categories(struct h5 *h, hid_t group)
{
    const hid_t text = h5_text_type(h);
    const hid_t d = put_dataset(h, group, "category", (struct layout){1, {N_MEMORY_KINDS}, CHUNK_ROWS, text}, text,
                                memory_kind_name);
    put_text(h, d, "long_name", CATEGORY_HELP);
    TRY(H5DSset_scale(d, "category"));
    TRY(H5Tclose(text));
    return d;
}

static void put_bytes(struct h5 *h, hid_t group, struct rows lines, size_t offset, hid_t scale, hid_t categories)
{
    const size_t row_bytes = sizeof(uint64_t[N_MEMORY_KINDS]);
    char *all = memory_get(lines.n * row_bytes);
    for (size_t i = 0; i < lines.n; i++)
        memcpy(all + i * row_bytes, member(lines, i, offset), row_bytes);
    const struct layout l = {2, {lines.n, N_MEMORY_KINDS}, CHUNK_ROWS_2D, H5T_STD_U64LE};
    const hid_t d = put_dataset(h, group, "bytes", l, H5T_NATIVE_UINT64, all);
    put_description(h, d, &(struct field){.unit = "byte", .help = BYTES_HELP});
    TRY(H5DSattach_scale(d, scale, 0));
    TRY(H5DSattach_scale(d, categories, 1));
    TRY(H5Dclose(d));
    free(all);
}

/* Rows with bytes of each kind: the file has them as one 2-D column. */
struct ledger_group {
    const char *name, *help, *dimension;
    const struct column *column;
    int n_columns;
    size_t offset;               /* of the bytes in a line */
};

static void put_ledger_group(struct h5 *h, hid_t file, const struct ledger_group *g, struct rows lines)
{
    const hid_t group = new_group(h, file, g->name, g->help);
    const hid_t scale = put_dimension(h, group, g->dimension, lines.n);
    const hid_t categories = put_categories(h, group);
    put_run_key(h, group, RUN_KEY_HELP, lines, scale);
    put_columns(h, group, g->column, g->n_columns, lines, scale);
    put_bytes(h, group, lines, g->offset, scale, categories);
    TRY(H5Dclose(categories));
    TRY(H5Dclose(scale));
    TRY(H5Gclose(group));
}

static void put_memory(struct h5 *h, hid_t file, struct rows lines)
{
    const struct ledger_group memory = {"memory", "the ledger of device memory at each stage, run after run", "sample",
                                        memory_column, n_memory_columns, offsetof(struct memory_line, row.bytes)};
    put_ledger_group(h, file, &memory, lines);
}

static void put_timeline(struct h5 *h, hid_t file, struct rows lines)
{
    const struct ledger_group timeline = {"timeline", "the ledger at each change in one step, run after run", "change",
                                          timeline_column, n_timeline_columns,
                                          offsetof(struct timeline_line, row.bytes)};
    put_ledger_group(h, file, &timeline, lines);
}

/* ---- the file ------------------------------------------------------------------------------------------------ */

static double last_end(const struct sweep_state *s)
{
    double last = s->header.start_time;
    for (size_t i = 0; i < s->n_records; i++)
        last = fmax(last, s->record[i].end_time);
    return last;
}

static void put_config_text(struct h5 *h, hid_t root, const char *text)
{
    const hid_t type = h5_text_type(h), scalar = TRY(H5Screate(H5S_SCALAR)), how = TRY(H5Pcreate(H5P_DATASET_CREATE));
    TRY(H5Pset_obj_track_times(how, 0));
    const hid_t d = TRY(H5Dcreate2(root, "config_text", type, scalar, H5P_DEFAULT, how, H5P_DEFAULT));
    TRY(H5Dwrite(d, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, &text));
    put_text(h, d, "long_name", "the sweep as the user gave it");
    TRY(H5Dclose(d));
    TRY(H5Pclose(how));
    TRY(H5Sclose(scalar));
    TRY(H5Tclose(type));
}

static void put_root(struct h5 *h, hid_t root, const struct sweep_state *s)
{
    const struct sweep_header *header = &s->header;
    const char *format = RESULTS_FORMAT, *Conventions = "CF-1.8", *title = "sweep of DP training benchmarks by dpsweep";
    char time_coverage_start[ISO_TIME_BYTES], time_coverage_end[ISO_TIME_BYTES];
    iso_time(header->start_time, time_coverage_start);
    iso_time(last_end(s), time_coverage_end);
    const int64_t format_version = RESULTS_FORMAT_VERSION, mpi_size = (int64_t)header->mpi_size;
    const int64_t run_count = (int64_t)s->n_records, runs_complete = s->ended, journal_crc32 = s->crc32;
#define PUT_TEXT(name, help) put_text(h, root, #name, name);
#define PUT_SWEEP_TEXT(name, help) put_text(h, root, #name, header->name);
#define PUT_NUMBER(name, help) put_number(h, root, #name, name);
    ROOT_TEXTS(PUT_TEXT)
    SWEEP_TEXTS(PUT_SWEEP_TEXT)
    put_text(h, root, "command_line", header->command_line ? header->command_line : "");
    put_text(h, root, "environment", header->environment ? header->environment : "");
    ROOT_NUMBERS(PUT_NUMBER)
    put_config_text(h, root, header->config_text ? header->config_text : "");
}

static struct rows rows_of(const struct buffer *lines, size_t line_bytes)
{
    return (struct rows){lines->data, lines->bytes / line_bytes, line_bytes};
}

static void put_everything(struct h5 *h, hid_t file, const struct sweep_state *s)
{
    struct buffer slices = {0}, steps = {0}, memory = {0}, timeline = {0};
    struct run_slice slice = {0};
    for (size_t i = 0; i < s->n_records; i++) {
        const struct record *r = &s->record[i];
        slice = (struct run_slice){i, slice.steps_start + slice.steps_count, r->n_steps,
                                   slice.memory_start + slice.memory_count, r->n_memory,
                                   slice.timeline_start + slice.timeline_count, r->n_timeline};
        buffer_add(&slices, &slice, sizeof slice);
        for (uint64_t k = 0; k < r->n_steps; k++)
            buffer_add(&steps, &(struct step_line){i, r->steps[k]}, sizeof(struct step_line));
        for (uint64_t k = 0; k < r->n_memory; k++)
            buffer_add(&memory, &(struct memory_line){i, r->memory[k]}, sizeof(struct memory_line));
        for (uint64_t k = 0; k < r->n_timeline; k++)
            buffer_add(&timeline, &(struct timeline_line){i, r->timeline[k]}, sizeof(struct timeline_line));
    }
    const struct run_slice *all = (const struct run_slice *)slices.data;
    const hid_t root = TRY(H5Gopen2(file, "/", H5P_DEFAULT));
    put_root(h, root, s);
    put_runs(h, root, s, all);
    put_steps(h, root, rows_of(&steps, sizeof(struct step_line)));
    put_memory(h, root, rows_of(&memory, sizeof(struct memory_line)));
    put_timeline(h, root, rows_of(&timeline, sizeof(struct timeline_line)));
    put_table(h, root, s, all);
    TRY(H5Gclose(root));
    buffer_clear(&slices);
    buffer_clear(&steps);
    buffer_clear(&memory);
    buffer_clear(&timeline);
}

static hid_t new_file(struct h5 *h)
{
    const hid_t access = h5_access(h), how = TRY(H5Pcreate(H5P_FILE_CREATE));
    TRY(H5Pset_libver_bounds(access, H5F_LIBVER_EARLIEST, H5F_LIBVER_V18));
    TRY(H5Pset_fapl_core(access, 4 << 20, 0)); /* no file behind it: a full disk cannot harm HDF5's state */
    TRY(H5Pset_obj_track_times(how, 0));
    TRY(H5Pset_link_creation_order(how, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED));
    TRY(H5Pset_istore_k(how, 4)); /* small nodes for the index of chunks: most columns have one chunk */
    const hid_t file = TRY(H5Fcreate("results in memory", H5F_ACC_EXCL, how, access));
    TRY(H5Pclose(how));
    TRY(H5Pclose(access));
    return file;
}

void *store_image(const struct sweep_state *s, size_t *bytes, char *error, size_t error_bytes)
{
    struct h5 begun = h5_begin(error, error_bytes), *h = &begun;
    void *image = NULL;
    const hid_t file = new_file(h);
    if (!h->failed)
        put_everything(h, file, s);
    TRY(H5Fflush(file, H5F_SCOPE_LOCAL));
    const ssize_t n = TRY(H5Fget_file_image(file, NULL, 0));
    if (!h->failed) {
        image = memory_get((size_t)n);
        TRY(H5Fget_file_image(file, image, (size_t)n));
        *bytes = (size_t)n;
    }
    TRY(H5Fclose(file));
    if (!h->failed)
        return image;
    free(image);
    return NULL;
}
