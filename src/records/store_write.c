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
    const struct column key = run_key(RUN_HELP);
    put_columns(h, group, &key, 1, slices, H5I_INVALID_HID);
    const hid_t scale = TRY(H5Dopen2(group, "run", H5P_DEFAULT));
    TRY(H5DSset_scale(scale, "run"));
    for (int i = 0; i < n_record_fields; i++)
        put_columns(h, group, &(struct column){record_field[i], 8, NULL}, 1, records, scale);
    put_columns(h, group, slice_column, N_SLICE_COLUMNS, slices, scale);
    TRY(H5Dclose(scale));
    TRY(H5Gclose(group));
}

/* ---- rows of runs -------------------------------------------------------------------------------------------- */

enum { BLOCK_ROWS = 8 * CHUNK_ROWS, MOST_COLUMNS = 64 };

struct series_ids { hid_t column[MOST_COLUMNS], key, bytes, group, scale, categories; };

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

static void open_series(struct h5 *h, hid_t file, const struct series *s, hsize_t n, struct series_ids *id)
{
    const struct column key = run_key(RUN_KEY_HELP);
    id->group = new_group(h, file, s->name, s->help);
    id->scale = put_dimension(h, id->group, s->dimension, n);
    if (s->bytes_offset)
        id->categories = put_categories(h, id->group);
    id->key = new_column(h, id->group, &key, n, id->scale);
    for (int i = 0; i < s->n_columns; i++)
        id->column[i] = new_column(h, id->group, &s->column[i], n, id->scale);
    if (!s->bytes_offset)
        return;
    const struct layout l = {2, {n, N_MEMORY_KINDS}, CHUNK_ROWS_2D, H5T_STD_U64LE};
    id->bytes = put_dataset(h, id->group, "bytes", l, H5I_INVALID_HID, NULL);
    put_description(h, id->bytes, &(struct field){.unit = "byte", .help = BYTES_HELP});
    TRY(H5DSattach_scale(id->bytes, id->scale, 0));
    TRY(H5DSattach_scale(id->bytes, id->categories, 1));
}

static void close_series(struct h5 *h, const struct series *s, struct series_ids *id)
{
    for (int i = 0; i < s->n_columns; i++)
        TRY(H5Dclose(id->column[i]));
    TRY(H5Dclose(id->key));
    if (s->bytes_offset) {
        TRY(H5Dclose(id->bytes));
        TRY(H5Dclose(id->categories));
    }
    TRY(H5Dclose(id->scale));
    TRY(H5Gclose(id->group));
}

static void write_bytes(struct h5 *h, hid_t dataset, struct rows lines, size_t offset, hsize_t from)
{
    const size_t row_bytes = sizeof(uint64_t[N_MEMORY_KINDS]);
    char *all = memory_get(lines.n * row_bytes);
    for (size_t i = 0; i < lines.n; i++)
        memcpy(all + i * row_bytes, member(lines, i, offset), row_bytes);
    write_rows(h, dataset, H5T_NATIVE_UINT64, from, lines.n, N_MEMORY_KINDS, all);
    free(all);
}

/* Writes the lines of a block and empties it; returns how many rows the group has then. */
static hsize_t write_block(struct h5 *h, const struct series *s, const struct series_ids *id, struct buffer *block,
                           hsize_t from)
{
    const struct column key = run_key(RUN_KEY_HELP);
    const size_t line_bytes = sizeof(uint64_t) + s->row_bytes;
    const struct rows lines = {block->data, block->bytes / line_bytes, line_bytes};
    write_column(h, id->key, &key, lines, from);
    for (int i = 0; i < s->n_columns; i++)
        write_column(h, id->column[i], &s->column[i], lines, from);
    if (s->bytes_offset)
        write_bytes(h, id->bytes, lines, sizeof(uint64_t) + s->bytes_offset, from);
    buffer_drop(block, block->bytes);
    return from + lines.n;
}

static void put_series(struct h5 *h, hid_t file, const struct series *s, const struct sweep_state *state)
{
    struct series_ids id;
    struct buffer block = {0};
    hsize_t n = 0, written = 0;
    for (size_t i = 0; i < state->n_records; i++)
        n += series_count(s, &state->record[i]);
    open_series(h, file, s, n, &id);
    for (uint64_t i = 0; i < state->n_records && !h->failed; i++) {
        const char *rows = series_rows(s, &state->record[i]);
        for (uint64_t k = 0; k < series_count(s, &state->record[i]); k++) {
            buffer_add(&block, &i, sizeof i);
            buffer_add(&block, rows + k * s->row_bytes, s->row_bytes);
            if (block.bytes == BLOCK_ROWS * (sizeof i + s->row_bytes))
                written = write_block(h, s, &id, &block, written);
        }
    }
    write_block(h, s, &id, &block, written);
    close_series(h, s, &id);
    buffer_clear(&block);
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

/* Which rows of the groups are whose: run after run. */
static struct run_slice *find_slices(const struct sweep_state *s)
{
    struct run_slice *slice = memory_get((s->n_records + 1) * sizeof *slice);
    for (size_t i = 0; i < s->n_records; i++) {
        slice[i].run = i;
        for (int k = 0; k < N_SERIES; k++) {
            slice[i].of[k].count = series_count(&series_table[k], &s->record[i]);
            slice[i + 1].of[k].start = slice[i].of[k].start + slice[i].of[k].count;
        }
    }
    return slice;
}

static void put_everything(struct h5 *h, hid_t file, const struct sweep_state *s)
{
    struct run_slice *slice = find_slices(s);
    const hid_t root = TRY(H5Gopen2(file, "/", H5P_DEFAULT));
    put_root(h, root, s);
    put_runs(h, root, s, slice);
    for (int k = 0; k < N_SERIES; k++)
        put_series(h, root, &series_table[k], s);
    put_table(h, root, s, slice);
    TRY(H5Gclose(root));
    free(slice);
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
