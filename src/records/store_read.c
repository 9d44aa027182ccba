/* store_read.c - a published file back into a sweep_state.  Nothing in the file is trusted: lengths, types, slices and
 * words are checked before they are used. */
#include "buffer.h"
#include "iso_time.h"
#include "schema.h"
#include "store.h"
#include "store_hdf5.h"
#include "utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool exists(hid_t group, const char *name)
{
    return H5Lexists(group, name, H5P_DEFAULT) > 0;
}

/* ---- attributes ---------------------------------------------------------------------------------------------- */

/* A text, malloc'ed; NULL: there is none of that name. */
static char *read_text_attribute(struct h5 *h, hid_t object, const char *name)
{
    char *library = NULL, *text = NULL;
    if (h->failed || H5Aexists(object, name) <= 0)
        return NULL;
    const hid_t a = TRY(H5Aopen(object, name, H5P_DEFAULT)), type = TRY(H5Aget_type(a)), want = h5_text_type(h);
    if (H5Tis_variable_str(type) > 0)
        TRY(H5Aread(a, want, &library));
    if (library)
        text = strcpy(memory_get(strlen(library) + 1), library);
    H5free_memory(library);
    TRY(H5Tclose(want));
    TRY(H5Tclose(type));
    TRY(H5Aclose(a));
    return text;
}

static void read_short_text(struct h5 *h, hid_t object, const char *name, char out[TEXT_BYTES])
{
    char *text = read_text_attribute(h, object, name);
    snprintf(out, TEXT_BYTES, "%s", text ? text : "");
    utf8_clean(out);
    free(text);
}

static int64_t read_number_attribute(struct h5 *h, hid_t object, const char *name)
{
    int64_t number = 0;
    if (h->failed || H5Aexists(object, name) <= 0)
        return 0;
    const hid_t a = TRY(H5Aopen(object, name, H5P_DEFAULT)), space = TRY(H5Aget_space(a));
    if (H5Sget_simple_extent_npoints(space) == 1)
        TRY(H5Aread(a, H5T_NATIVE_INT64, &number));
    TRY(H5Sclose(space));
    TRY(H5Aclose(a));
    return number;
}

/* ---- columns ------------------------------------------------------------------------------------------------- */

enum { MOST_ROWS = 1 << 28, MOST_CATEGORIES = 256 }; /* more is damage, and products stay far from 2^64 */

/* Opens `name`; its rows (and columns, for rank 2) must be dims[], where a 0 takes what the file says. */
static hid_t open_column(struct h5 *h, hid_t group, const char *name, H5T_class_t kind, int rank, hsize_t *dims)
{
    hsize_t found[2] = {0, 0};
    const hid_t d = TRY(H5Dopen2(group, name, H5P_DEFAULT)), type = TRY(H5Dget_type(d)), space = TRY(H5Dget_space(d));
    if (!h->failed && (H5Tget_class(type) != kind || (kind == H5T_STRING && H5Tis_variable_str(type) <= 0)))
        h5_fail(h, "column %s is of another type", name);
    if (!h->failed && H5Sget_simple_extent_ndims(space) == rank)
        H5Sget_simple_extent_dims(space, found, NULL);
    else
        h5_fail(h, "column %s is of another shape", name);
    for (int i = 0; i < rank && !h->failed; i++)
        if (found[i] > MOST_ROWS || (dims[i] && dims[i] != found[i]))
            h5_fail(h, "column %s has %llu entries, which does not fit to the others", name,
                    (unsigned long long)found[i]);
        else
            dims[i] = found[i];
    TRY(H5Sclose(space));
    TRY(H5Tclose(type));
    return d;
}

static void scatter_texts(struct h5 *h, hid_t d, char *base, size_t bytes, size_t n, size_t stride)
{
    const hid_t type = h5_text_type(h), space = TRY(H5Dget_space(d));
    char **text = memory_get(n * sizeof *text);
    TRY(H5Dread(d, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text));
    for (size_t i = 0; i < n && !h->failed; i++) {
        char *out = base + i * stride;
        snprintf(out, bytes, "%s", text[i] ? text[i] : "");
        utf8_clean(out);
    }
    if (!h->failed)
        TRY(H5Dvlen_reclaim(type, space, H5P_DEFAULT, text));
    TRY(H5Sclose(space));
    TRY(H5Tclose(type));
    free(text);
}

/* Fills one member of n rows from a column, if the file has it. */
static void read_column(struct h5 *h, hid_t group, const struct field *f, void *rows, size_t n, size_t stride)
{
    static const H5T_class_t class_of[] = {
        [FIELD_TEXT] = H5T_STRING, [FIELD_U64] = H5T_INTEGER, [FIELD_F64] = H5T_FLOAT};
    hsize_t length = n;
    if (h->failed || n == 0 || !exists(group, f->name))
        return;
    const hid_t d = open_column(h, group, f->name, class_of[f->kind], 1, &length);
    char *base = (char *)rows + f->offset;
    if (!h->failed && f->kind == FIELD_TEXT) {
        scatter_texts(h, d, base, f->bytes, n, stride);
    } else if (!h->failed) {
        uint64_t *number = memory_get(n * sizeof *number);
        const hid_t type = f->kind == FIELD_U64 ? H5T_NATIVE_UINT64 : H5T_NATIVE_DOUBLE;
        TRY(H5Dread(d, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, number));
        for (size_t i = 0; i < n && !h->failed; i++)
            memcpy(base + i * stride, &number[i], sizeof *number);
        free(number);
    }
    TRY(H5Dclose(d));
}

static void read_columns(struct h5 *h, hid_t group, const struct column *c, int n_columns, void *rows, size_t n,
                         size_t stride)
{
    for (int i = 0; i < n_columns; i++)
        read_column(h, group, &c[i].field, rows, n, stride);
}

/* ---- groups -------------------------------------------------------------------------------------------------- */

static void check_format(struct h5 *h, hid_t root)
{
    char *format = read_text_attribute(h, root, "format");
    const int64_t version = read_number_attribute(h, root, "format_version");
    if (!format || strcmp(format, RESULTS_FORMAT))
        h5_fail(h, "an HDF5 file, but not results of dpsweep (attribute format is not " RESULTS_FORMAT ")");
    else if (version != RESULTS_FORMAT_VERSION)
        h5_fail(h, "its format version is %lld, this dpsweep reads version %d: use the dpsweep that wrote it",
                (long long)version, RESULTS_FORMAT_VERSION);
    free(format);
}

static char *read_config_text(struct h5 *h, hid_t root)
{
    char *library = NULL;
    if (h->failed || !exists(root, "config_text"))
        return memory_get(1);
    const hid_t type = h5_text_type(h), d = TRY(H5Dopen2(root, "config_text", H5P_DEFAULT));
    const hid_t found = TRY(H5Dget_type(d)), space = TRY(H5Dget_space(d));
    if (H5Sget_simple_extent_npoints(space) == 1 && H5Tis_variable_str(found) > 0)
        TRY(H5Dread(d, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, &library));
    char *text = strcpy(memory_get(library ? strlen(library) + 1 : 1), library ? library : "");
    H5free_memory(library);
    TRY(H5Sclose(space));
    TRY(H5Tclose(type));
    TRY(H5Tclose(found));
    TRY(H5Dclose(d));
    return text;
}

static void read_root(struct h5 *h, hid_t root, struct sweep_state *s)
{
    char start[TEXT_BYTES];
#define READ_TEXT(name, help) read_short_text(h, root, #name, s->header.name);
    SWEEP_TEXTS(READ_TEXT)
    read_short_text(h, root, "time_coverage_start", start);
    s->header.start_time = iso_time_read(start);
    s->header.schema = record_schema();
    s->header.mpi_size = (uint64_t)read_number_attribute(h, root, "mpi_size");
    s->header.command_line = read_text_attribute(h, root, "command_line");
    s->header.environment = read_text_attribute(h, root, "environment");
    s->header.config_text = read_config_text(h, root);
    s->ended = read_number_attribute(h, root, "runs_complete") == 1;
    s->crc32 = (uint32_t)read_number_attribute(h, root, "journal_crc32");
}

/* The lines of the groups in memory, and which of them belong to which run. */
struct tables {
    struct run_slice *slice;
    char *line[N_SERIES];
    hsize_t n[N_SERIES];
};

static size_t line_bytes(const struct series *series)
{
    return sizeof(uint64_t) + series->row_bytes;
}

static void read_runs(struct h5 *h, hid_t root, struct sweep_state *s, struct tables *t)
{
    hsize_t n = 0;
    const hid_t group = TRY(H5Gopen2(root, "runs", H5P_DEFAULT));
    TRY(H5Dclose(open_column(h, group, "run", H5T_INTEGER, 1, &n)));
    if (!h->failed && (int64_t)n != read_number_attribute(h, root, "run_count"))
        h5_fail(h, "/runs has not as many rows as the attribute run_count says");
    n = h->failed ? 0 : n;
    s->record = memory_get(n * sizeof *s->record);
    s->n_records = n;
    t->slice = memory_get(n * sizeof *t->slice);
    for (size_t i = 0; i < n; i++)
        record_init(&s->record[i]);
    for (int i = 0; i < n_record_fields; i++)
        read_column(h, group, &record_field[i], s->record, n, sizeof *s->record);
    read_columns(h, group, slice_column, N_SLICE_COLUMNS, t->slice, n, sizeof *t->slice);
    TRY(H5Gclose(group));
}

/* Columns of `bytes` find their kind by name; kinds that this program does not know are left out.
 * base: bytes[N_MEMORY_KINDS] of the first of n lines, `stride` bytes apart. */
static void read_bytes(struct h5 *h, hid_t group, void *base, size_t n, size_t stride)
{
    hsize_t n_categories = 0;
    TRY(H5Dclose(open_column(h, group, "category", H5T_STRING, 1, &n_categories)));
    if (n_categories > MOST_CATEGORIES)
        h5_fail(h, "category has %llu entries", (unsigned long long)n_categories);
    hsize_t dims[2] = {n, n_categories};
    const hid_t d = open_column(h, group, "bytes", H5T_INTEGER, 2, dims);
    if (!h->failed && n && n_categories) {
        char (*category)[TEXT_BYTES] = memory_get(n_categories * sizeof *category);
        uint64_t *bytes = memory_get(n * n_categories * sizeof *bytes);
        const struct field f = {.kind = FIELD_TEXT, .name = "category", .bytes = TEXT_BYTES};
        read_column(h, group, &f, category, n_categories, sizeof *category);
        TRY(H5Dread(d, H5T_NATIVE_UINT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes));
        for (size_t c = 0; c < n_categories; c++)
            for (int k = 0; k < N_MEMORY_KINDS; k++)
                for (size_t i = 0; i < n && !strcmp(category[c], memory_kind_name[k]); i++)
                    memcpy((char *)base + i * stride + (size_t)k * sizeof *bytes, &bytes[i * n_categories + c],
                           sizeof *bytes);
        free(bytes);
        free(category);
    }
    TRY(H5Dclose(d));
}

static uint64_t n_words(const char *words)
{
    uint64_t n = 1;
    for (; *words; words++)
        n += *words == ' ';
    return n;
}

/* Words are looked up by these numbers. */
static void check_words(struct h5 *h, const struct series *series, const struct tables *t, int k)
{
    for (int c = 0; c < series->n_columns; c++) {
        const struct column *column = &series->column[c];
        const uint64_t most = column->meanings ? n_words(column->meanings) : 0;
        for (size_t i = 0; i < t->n[k] && most && !h->failed; i++) {
            uint64_t value;
            memcpy(&value, t->line[k] + i * line_bytes(series) + column->field.offset, sizeof value);
            if (value >= most)
                h5_fail(h, "/%s/%s holds %llu, which means nothing", series->name, column->field.name,
                        (unsigned long long)value);
        }
    }
}

static void read_series(struct h5 *h, hid_t root, struct tables *t, int k)
{
    const struct series *series = &series_table[k];
    const size_t stride = line_bytes(series);
    const hid_t group = TRY(H5Gopen2(root, series->name, H5P_DEFAULT));
    TRY(H5Dclose(open_column(h, group, "run", H5T_INTEGER, 1, &t->n[k])));
    t->n[k] = h->failed ? 0 : t->n[k];
    t->line[k] = memory_get(t->n[k] * stride);
    read_columns(h, group, series->column, series->n_columns, t->line[k], t->n[k], stride);
    if (!h->failed && series->bytes_offset)
        read_bytes(h, group, t->line[k] + sizeof(uint64_t) + series->bytes_offset, t->n[k], stride);
    check_words(h, series, t, k);
    TRY(H5Gclose(group));
}

static bool within(uint64_t start, uint64_t count, uint64_t n)
{
    return start <= n && count <= n - start;
}

static void hand_out(struct h5 *h, struct sweep_state *s, const struct tables *t, int k)
{
    const struct series *series = &series_table[k];
    for (size_t i = 0; i < s->n_records && !h->failed; i++) {
        const uint64_t start = t->slice[i].of[k].start, count = t->slice[i].of[k].count;
        if (!within(start, count, t->n[k])) {
            h5_fail(h, "run %zu claims rows that /%s does not have", i, series->name);
            return;
        }
        char *rows = memory_get(count * series->row_bytes), *record = (char *)&s->record[i];
        for (uint64_t n = 0; n < count; n++)
            memcpy(rows + n * series->row_bytes, t->line[k] + (start + n) * line_bytes(series) + sizeof(uint64_t),
                   series->row_bytes);
        memcpy(record + series->count_offset, &count, sizeof count);
        memcpy(record + series->rows_offset, &rows, sizeof rows);
    }
}

static void read_everything(struct h5 *h, hid_t root, struct sweep_state *s)
{
    struct tables t = {0};
    check_format(h, root);
    if (!h->failed)
        read_root(h, root, s);
    if (!h->failed)
        read_runs(h, root, s, &t);
    for (int k = 0; k < N_SERIES && !h->failed; k++) {
        read_series(h, root, &t, k);
        if (!h->failed)
            hand_out(h, s, &t, k);
        free(t.line[k]);
    }
    free(t.slice);
}

bool store_read(const char *h5_path, struct sweep_state *s, char *error, size_t error_bytes)
{
    char why[512] = "";
    struct h5 begun = h5_begin(why, sizeof why), *h = &begun;
    memset(s, 0, sizeof *s);
    const hid_t access = h5_access(h);
    const hid_t file = TRY(H5Fopen(h5_path, H5F_ACC_RDONLY, access));
    const hid_t root = TRY(H5Gopen2(file, "/", H5P_DEFAULT));
    if (!h->failed)
        read_everything(h, root, s);
    TRY(H5Gclose(root));
    TRY(H5Fclose(file));
    TRY(H5Pclose(access));
    if (!h->failed)
        return true;
    snprintf(error, error_bytes, "cannot read %s: %s", h5_path, why);
    sweep_state_clear(s);
    return false;
}

bool store_glance(const char *h5_path, size_t *rows, uint32_t *journal_crc32, char *error, size_t error_bytes)
{
    char key[1 + N_SERIES][64] = {"runs/run"};
    char why[512] = "";
    struct h5 begun = h5_begin(why, sizeof why), *h = &begun;
    const hid_t access = h5_access(h);
    const hid_t file = TRY(H5Fopen(h5_path, H5F_ACC_RDONLY, access));
    const hid_t root = TRY(H5Gopen2(file, "/", H5P_DEFAULT));
    if (!h->failed)
        check_format(h, root);
    *journal_crc32 = (uint32_t)read_number_attribute(h, root, "journal_crc32");
    *rows = 0;
    for (int k = 0; k < N_SERIES; k++)
        snprintf(key[1 + k], sizeof key[0], "%s/run", series_table[k].name);
    for (int i = 0; i < 1 + N_SERIES && !h->failed; i++) {
        hsize_t n = 0;
        TRY(H5Dclose(open_column(h, root, key[i], H5T_INTEGER, 1, &n)));
        *rows += n;
    }
    TRY(H5Gclose(root));
    TRY(H5Fclose(file));
    TRY(H5Pclose(access));
    if (h->failed)
        snprintf(error, error_bytes, "cannot read %s: %s", h5_path, why);
    return !h->failed;
}
