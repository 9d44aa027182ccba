/* store_put.c - attributes, groups and columns.
 *
 * No object keeps its time of creation, so that equal contents give equal bytes. */
#include "store_put.h"

#include "buffer.h"

#include <hdf5_hl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- attributes ---------------------------------------------------------------------------------------------- */

static void put_attribute(struct h5 *h, hid_t object, const char *name, hid_t type, hsize_t n, const void *data)
{
    const hid_t space = n ? TRY(H5Screate_simple(1, &n, NULL)) : TRY(H5Screate(H5S_SCALAR));
    const hid_t a = TRY(H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT));
    TRY(H5Awrite(a, type, data));
    TRY(H5Aclose(a));
    TRY(H5Sclose(space));
}

void put_text(struct h5 *h, hid_t object, const char *name, const char *text)
{
    const hid_t type = h5_text_type(h);
    put_attribute(h, object, name, type, 0, &text);
    TRY(H5Tclose(type));
}

void put_number(struct h5 *h, hid_t object, const char *name, int64_t number)
{
    put_attribute(h, object, name, H5T_STD_I64LE, 0, &number);
}

/* CF: the values 0, 1, 2 ... and a word for each. */
static void put_meanings(struct h5 *h, hid_t object, const char *words)
{
    uint8_t value[256];
    hsize_t n = 1;
    for (const char *c = words; *c; c++)
        n += *c == ' ';
    for (hsize_t i = 0; i < n; i++)
        value[i] = (uint8_t)i;
    put_attribute(h, object, "flag_values", H5T_STD_U8LE, n, value);
    put_text(h, object, "flag_meanings", words);
}

void put_description(struct h5 *h, hid_t object, const struct field *f)
{
    if (f->unit[0])
        put_text(h, object, "units", f->unit);
    put_text(h, object, "long_name", f->help);
}

/* ---- datasets ------------------------------------------------------------------------------------------------ */

hid_t new_group(struct h5 *h, hid_t file, const char *name, const char *help)
{
    const hid_t how = TRY(H5Pcreate(H5P_GROUP_CREATE));
    TRY(H5Pset_obj_track_times(how, 0));
    TRY(H5Pset_link_creation_order(how, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED));
    const hid_t group = TRY(H5Gcreate2(file, name, H5P_DEFAULT, how, H5P_DEFAULT));
    TRY(H5Pclose(how));
    put_text(h, group, "long_name", help);
    return group;
}

/* Chunked, compressed and with checksums, but for what has no rows.  Variable-length texts lie in the global heap,
 * out of reach of filters. */
static hid_t storage(struct h5 *h, int rank, const hsize_t *dims, hsize_t chunk_rows, hid_t type)
{
    const hsize_t chunk[2] = {dims[0] < chunk_rows ? dims[0] : chunk_rows, rank > 1 ? dims[1] : 0};
    const hid_t how = TRY(H5Pcreate(H5P_DATASET_CREATE));
    TRY(H5Pset_obj_track_times(how, 0));
    if (dims[0] == 0)
        return how;
    TRY(H5Pset_chunk(how, rank, chunk));
    if (H5Tis_variable_str(type) > 0)
        return how;
    if (H5Zfilter_avail(H5Z_FILTER_DEFLATE) > 0) {
        TRY(H5Pset_shuffle(how));
        TRY(H5Pset_deflate(how, 1));
    }
    TRY(H5Pset_fletcher32(how));
    return how;
}

hid_t put_dataset(struct h5 *h, hid_t group, const char *name, struct layout l, hid_t memory_type, const void *data)
{
    const hid_t space = TRY(H5Screate_simple(l.rank, l.dims, NULL));
    const hid_t how = storage(h, l.rank, l.dims, l.chunk_rows, l.type);
    const hid_t d = TRY(H5Dcreate2(group, name, l.type, space, H5P_DEFAULT, how, H5P_DEFAULT));
    if (l.dims[0] && data)
        TRY(H5Dwrite(d, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data));
    TRY(H5Pclose(how));
    TRY(H5Sclose(space));
    return d;
}

/* A dataset without storage, named as netCDF-4 names a dimension without a variable. */
hid_t put_dimension(struct h5 *h, hid_t group, const char *name, hsize_t n)
{
    char label[128];
    snprintf(label, sizeof label, "This is a netCDF dimension but not a netCDF variable.%10llu", (unsigned long long)n);
    const hid_t space = TRY(H5Screate_simple(1, &n, NULL)), how = TRY(H5Pcreate(H5P_DATASET_CREATE));
    TRY(H5Pset_obj_track_times(how, 0));
    const hid_t d = TRY(H5Dcreate2(group, name, H5T_IEEE_F32BE, space, H5P_DEFAULT, how, H5P_DEFAULT));
    TRY(H5DSset_scale(d, label));
    TRY(H5Pclose(how));
    TRY(H5Sclose(space));
    return d;
}

const void *member(struct rows r, size_t row, size_t offset)
{
    return (const char *)r.base + row * r.stride + offset;
}

/* One member of all rows, side by side: numbers themselves, texts as pointers.  To be freed. */
static void *gather(struct rows r, const struct field *f)
{
    void *all = memory_get(r.n * sizeof(uint64_t));
    for (size_t i = 0; i < r.n; i++)
        if (f->kind == FIELD_TEXT)
            ((const char **)all)[i] = member(r, i, f->offset);
        else
            memcpy((uint64_t *)all + i, member(r, i, f->offset), sizeof(uint64_t));
    return all;
}

static hid_t memory_type_of(const struct field *f, hid_t text)
{
    return f->kind == FIELD_TEXT ? text : f->kind == FIELD_U64 ? H5T_NATIVE_UINT64 : H5T_NATIVE_DOUBLE;
}

static hid_t file_type_of(const struct column *c, hid_t text)
{
    if (c->field.kind == FIELD_TEXT)
        return text;
    if (c->field.kind == FIELD_F64)
        return H5T_IEEE_F64LE;
    return c->stored_bytes == 1 ? H5T_STD_U8LE : c->stored_bytes == 4 ? H5T_STD_U32LE : H5T_STD_U64LE;
}

hid_t new_column(struct h5 *h, hid_t group, const struct column *c, hsize_t n, hid_t scale)
{
    const hid_t text = h5_text_type(h);
    const struct layout l = {1, {n}, CHUNK_ROWS, file_type_of(c, text)};
    const hid_t d = put_dataset(h, group, c->field.name, l, H5I_INVALID_HID, NULL);
    put_description(h, d, &c->field);
    if (c->meanings)
        put_meanings(h, d, c->meanings);
    if (scale >= 0)
        TRY(H5DSattach_scale(d, scale, 0));
    TRY(H5Tclose(text));
    return d;
}

/* Rows [from, from + n) of a dataset with `width` columns (1-D: 0). */
void write_rows(struct h5 *h, hid_t dataset, hid_t memory_type, hsize_t from, hsize_t n, hsize_t width,
                const void *data)
{
    const hsize_t start[2] = {from, 0}, count[2] = {n, width};
    if (n == 0)
        return;
    const hid_t file = TRY(H5Dget_space(dataset)), memory = TRY(H5Screate_simple(width ? 2 : 1, count, NULL));
    TRY(H5Sselect_hyperslab(file, H5S_SELECT_SET, start, NULL, count, NULL));
    TRY(H5Dwrite(dataset, memory_type, memory, file, H5P_DEFAULT, data));
    TRY(H5Sclose(memory));
    TRY(H5Sclose(file));
}

void write_column(struct h5 *h, hid_t dataset, const struct column *c, struct rows r, hsize_t from)
{
    const hid_t text = h5_text_type(h);
    void *data = gather(r, &c->field);
    write_rows(h, dataset, memory_type_of(&c->field, text), from, r.n, 0, data);
    free(data);
    TRY(H5Tclose(text));
}

void put_columns(struct h5 *h, hid_t group, const struct column *c, int n, struct rows r, hid_t scale)
{
    for (int i = 0; i < n && !h->failed; i++) {
        const hid_t d = new_column(h, group, &c[i], r.n, scale);
        write_column(h, d, &c[i], r, 0);
        TRY(H5Dclose(d));
    }
}

struct column run_key(const char *help)
{
    return (struct column){{FIELD_U64, "run", "", help, NULL, 0, sizeof(uint64_t)}, 4, NULL};
}
