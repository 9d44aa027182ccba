/* store_check.c - is a file what docs/results-format.md says?  Its groups are walked by the tables that it is written
 * from; what store_read makes of it is taken as given. */
#include "buffer.h"
#include "schema.h"
#include "store_hdf5.h"
#include "validate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct walk {
    struct h5 *h;
    struct problems *problems;
    hid_t file;
};

/* ---- attributes ---------------------------------------------------------------------------------------------- */

static bool has_attribute(struct walk *w, hid_t object, const char *name, H5T_class_t kind)
{
    struct h5 *h = w->h;
    if (H5Aexists(object, name) <= 0)
        return false;
    const hid_t a = TRY(H5Aopen(object, name, H5P_DEFAULT)), type = TRY(H5Aget_type(a));
    const bool fits = H5Tget_class(type) == kind;
    TRY(H5Tclose(type));
    TRY(H5Aclose(a));
    return fits;
}

static bool text_is(struct walk *w, hid_t object, const char *name, const char *want)
{
    struct h5 *h = w->h;
    char *text = NULL;
    if (!has_attribute(w, object, name, H5T_STRING))
        return false;
    const hid_t a = TRY(H5Aopen(object, name, H5P_DEFAULT)), found = TRY(H5Aget_type(a)), type = h5_text_type(h);
    if (H5Tis_variable_str(found) > 0)
        TRY(H5Aread(a, type, &text));
    const bool same = text && !strcmp(text, want);
    H5free_memory(text);
    TRY(H5Tclose(type));
    TRY(H5Tclose(found));
    TRY(H5Aclose(a));
    return same;
}

static void check_root(struct walk *w)
{
    struct h5 *h = w->h;
    const hid_t root = TRY(H5Gopen2(w->file, "/", H5P_DEFAULT));
#define WANT(name, kind)                              \
    if (!has_attribute(w, root, #name, kind))         \
        problem(w->problems, "the attribute %s is missing or of another type", #name);
#define WANT_TEXT(name, help) WANT(name, H5T_STRING)
#define WANT_NUMBER(name, help) WANT(name, H5T_INTEGER)
    ROOT_TEXTS(WANT_TEXT)
    SWEEP_TEXTS(WANT_TEXT)
    WANT_TEXT(command_line, "")
    WANT_TEXT(environment, "")
    ROOT_NUMBERS(WANT_NUMBER)
    if (H5Lexists(root, "config_text", H5P_DEFAULT) <= 0)
        problem(w->problems, "/config_text is missing");
    TRY(H5Gclose(root));
}

/* ---- columns ------------------------------------------------------------------------------------------------- */

static hsize_t length_of(struct walk *w, hid_t d)
{
    struct h5 *h = w->h;
    hsize_t dims[2] = {0, 0};
    const hid_t space = TRY(H5Dget_space(d));
    if (H5Sget_simple_extent_ndims(space) <= 2)
        H5Sget_simple_extent_dims(space, dims, NULL);
    TRY(H5Sclose(space));
    return dims[0];
}

static void check_column(struct walk *w, const char *group, const struct field *f, hsize_t rows)
{
    static const H5T_class_t class_of[] = {
        [FIELD_TEXT] = H5T_STRING, [FIELD_U64] = H5T_INTEGER, [FIELD_F64] = H5T_FLOAT};
    struct h5 *h = w->h;
    char path[128];
    snprintf(path, sizeof path, "%s/%s", group, f->name);
    if (H5Lexists(w->file, path, H5P_DEFAULT) <= 0) {
        problem(w->problems, "the column %s is missing", path);
        return;
    }
    const hid_t d = TRY(H5Dopen2(w->file, path, H5P_DEFAULT)), type = TRY(H5Dget_type(d));
    if (H5Tget_class(type) != class_of[f->kind])
        problem(w->problems, "the column %s is of another type", path);
    if (length_of(w, d) != rows)
        problem(w->problems, "the column %s has %llu rows where its group has %llu", path,
                (unsigned long long)length_of(w, d), (unsigned long long)rows);
    if (f->unit[0] && !text_is(w, d, "units", f->unit))
        problem(w->problems, "the units of %s are not '%s'", path, f->unit);
    TRY(H5Tclose(type));
    TRY(H5Dclose(d));
}

static void check_columns(struct walk *w, const char *group, const struct column *c, int n, hsize_t rows)
{
    for (int i = 0; i < n; i++)
        check_column(w, group, &c[i].field, rows);
}

/* ---- keys ---------------------------------------------------------------------------------------------------- */

/* Rows `wanted` (n) of the u32 column `run` of a group. */
static void check_key(struct walk *w, const char *group, const uint32_t *wanted, size_t n)
{
    struct h5 *h = w->h;
    char path[64];
    snprintf(path, sizeof path, "%s/run", group);
    const hid_t d = TRY(H5Dopen2(w->file, path, H5P_DEFAULT));
    const hsize_t rows = h->failed ? 0 : length_of(w, d);
    uint32_t *found = memory_get(rows * sizeof *found);
    if (rows)
        TRY(H5Dread(d, H5T_NATIVE_UINT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, found));
    if (rows != n)
        problem(w->problems, "%s has %llu rows, and the runs claim %zu", group, (unsigned long long)rows, n);
    for (size_t i = 0; i < n && i < rows; i++)
        if (found[i] != wanted[i]) {
            problem(w->problems, "row %zu of %s is of run row %u by its key and of %u by the slices of /runs", i, group,
                    found[i], wanted[i]);
            break;
        }
    free(found);
    TRY(H5Dclose(d));
}

static void check_series(struct walk *w, const struct series *series, const struct sweep_state *s)
{
    struct buffer keys = {0};
    char group[32];
    snprintf(group, sizeof group, "/%s", series->name);
    for (size_t i = 0; i < s->n_records; i++) {
        const uint32_t run = (uint32_t)i;
        for (uint64_t k = 0; k < series_count(series, &s->record[i]); k++)
            buffer_add(&keys, &run, sizeof run);
    }
    const size_t n = keys.bytes / sizeof(uint32_t);
    check_columns(w, group, series->column, series->n_columns, n);
    check_key(w, group, (const uint32_t *)keys.data, n);
    buffer_clear(&keys);
}

/* A column in neither form of the runs was unknown to the program that wrote the file. */
static bool was_known(struct walk *w, const char *name)
{
    struct h5 *h = w->h;
    char path[128];
    snprintf(path, sizeof path, "/runs/%s", name);
    const hid_t table = TRY(H5Dopen2(w->file, "/tables/runs", H5P_DEFAULT)), type = TRY(H5Dget_type(table));
    const bool in_table = H5Tget_class(type) == H5T_COMPOUND && H5Tget_member_index(type, name) >= 0;
    TRY(H5Tclose(type));
    TRY(H5Dclose(table));
    return in_table || H5Lexists(w->file, path, H5P_DEFAULT) > 0;
}

static void check_runs(struct walk *w, const struct sweep_state *s)
{
    uint32_t *row = memory_get(s->n_records * sizeof *row);
    for (size_t i = 0; i < s->n_records; i++)
        row[i] = (uint32_t)i;
    for (int i = 0; i < n_record_fields; i++)
        if (was_known(w, record_field[i].name))
            check_column(w, "/runs", &record_field[i], s->n_records);
    check_columns(w, "/runs", slice_column, N_SLICE_COLUMNS, s->n_records);
    check_key(w, "/runs", row, s->n_records);
    free(row);
}

/* ---- /tables/runs -------------------------------------------------------------------------------------------- */

/* One member of all rows of the table, as it lies in a record: a text or a number of 8 bytes. */
static void check_member(struct walk *w, hid_t table, const struct field *f, const struct sweep_state *s)
{
    struct h5 *h = w->h;
    const size_t bytes = f->bytes;
    const hid_t text = TRY(H5Tcopy(H5T_C_S1)), row = TRY(H5Tcreate(H5T_COMPOUND, bytes));
    TRY(H5Tset_size(text, bytes));
    TRY(H5Tset_cset(text, H5T_CSET_UTF8));
    TRY(H5Tinsert(row, f->name, 0, f->kind == FIELD_TEXT ? text : f->kind == FIELD_U64 ? H5T_NATIVE_UINT64
                                                                                       : H5T_NATIVE_DOUBLE));
    char *all = memory_get(s->n_records * bytes);
    TRY(H5Dread(table, row, H5S_ALL, H5S_ALL, H5P_DEFAULT, all));
    for (size_t i = 0; i < s->n_records && !h->failed; i++) {
        const char *have = all + i * bytes, *want = (const char *)&s->record[i] + f->offset;
        if (f->kind == FIELD_TEXT ? strcmp(have, want) : memcmp(have, want, bytes)) {
            problem(w->problems, "row %zu of /tables/runs has another %s than /runs", i, f->name);
            break;
        }
    }
    free(all);
    TRY(H5Tclose(row));
    TRY(H5Tclose(text));
}

static void check_table(struct walk *w, const struct sweep_state *s)
{
    struct h5 *h = w->h;
    const hid_t table = TRY(H5Dopen2(w->file, "/tables/runs", H5P_DEFAULT)), type = TRY(H5Dget_type(table));
    if (H5Tget_class(type) != H5T_COMPOUND || length_of(w, table) != s->n_records)
        problem(w->problems, "/tables/runs is no table of %zu rows", s->n_records);
    for (int i = 0; i < n_record_fields && H5Tget_class(type) == H5T_COMPOUND && s->n_records; i++)
        if (!was_known(w, record_field[i].name))
            continue;
        else if (H5Tget_member_index(type, record_field[i].name) < 0)
            problem(w->problems, "/tables/runs has no member %s", record_field[i].name);
        else if (length_of(w, table) == s->n_records)
            check_member(w, table, &record_field[i], s);
    TRY(H5Tclose(type));
    TRY(H5Dclose(table));
}

void validate_file(const char *h5_path, const struct sweep_state *s, struct problems *p)
{
    char why[512] = "";
    struct h5 begun = h5_begin(why, sizeof why), *h = &begun;
    const hid_t access = h5_access(h);
    struct walk w = {h, p, TRY(H5Fopen(h5_path, H5F_ACC_RDONLY, access))};
    if (!h->failed) {
        check_root(&w);
        check_runs(&w, s);
        for (int k = 0; k < N_SERIES; k++)
            check_series(&w, &series_table[k], s);
        check_table(&w, s);
    }
    TRY(H5Fclose(w.file));
    TRY(H5Pclose(access));
    if (h->failed)
        problem(p, "HDF5 cannot read it: %s", why);
}
