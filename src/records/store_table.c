/* store_table.c - /tables/runs: the rows of /runs as one compound table, for pandas.read_hdf and spreadsheets. */
#include "store_put.h"

#include "buffer.h"

#include <stdlib.h>
#include <string.h>

/* A column of the table: the bytes of each row that come from one member.  PyTables and pandas take only scalars and
 * texts of fixed length: as short as 16, 64, 128 or 512 bytes hold the longest. */
struct table_member {
    const struct field *field;
    struct rows from;
    size_t bytes, at;            /* size and offset in a row of the table */
};

static size_t text_bytes(struct rows r, const struct field *f)
{
    size_t longest = 0;
    for (size_t i = 0; i < r.n; i++) {
        const size_t n = strlen(member(r, i, f->offset));
        longest = n > longest ? n : longest;
    }
    return longest < 16 ? 16 : longest < 64 ? 64 : longest < TEXT_BYTES ? TEXT_BYTES : LONG_BYTES;
}

static size_t add_member(struct table_member *m, const struct field *f, struct rows from, size_t at)
{
    *m = (struct table_member){f, from, f->kind == FIELD_TEXT ? text_bytes(from, f) : sizeof(uint64_t), at};
    return at + m->bytes;
}

static void insert_member(struct h5 *h, hid_t table, const struct table_member *m)
{
    const hid_t type = TRY(H5Tcopy(m->field->kind == FIELD_TEXT  ? H5T_C_S1
                                   : m->field->kind == FIELD_U64 ? H5T_STD_U64LE
                                                                 : H5T_IEEE_F64LE));
    if (m->field->kind == FIELD_TEXT) {
        TRY(H5Tset_size(type, m->bytes));
        TRY(H5Tset_cset(type, H5T_CSET_UTF8));
    }
    TRY(H5Tinsert(table, m->field->name, m->at, type));
    TRY(H5Tclose(type));
}

/* status once more as an enum: libnetcdf hides tables with one, and would read the texts of others wrongly. */
static void insert_status_code(struct h5 *h, hid_t table, size_t at)
{
    const hid_t type = TRY(H5Tenum_create(H5T_STD_U8LE));
    for (uint8_t i = 0; i <= N_STATUSES; i++)
        TRY(H5Tenum_insert(type, i < N_STATUSES ? status_name[i] : "none", &i));
    TRY(H5Tinsert(table, "status_code", at, type));
    TRY(H5Tclose(type));
}

/* Rows [from, from + count) of the table, to be freed. */
static char *table_rows(const struct sweep_state *s, const struct table_member *m, int n, size_t row_bytes, size_t from,
                        size_t count)
{
    char *all = memory_get(count * row_bytes);
    for (size_t i = from; i < from + count; i++) {
        char *row = all + (i - from) * row_bytes;
        for (int k = 0; k < n; k++) {
            const void *value = member(m[k].from, i, m[k].field->offset);
            memcpy(row + m[k].at, value, m[k].field->kind == FIELD_TEXT ? strlen(value) : m[k].bytes);
        }
        row[row_bytes - 1] = (char)record_status(&s->record[i]);
    }
    return all;
}

void put_table(struct h5 *h, hid_t file, const struct sweep_state *s, const struct run_slice *slice)
{
    const struct rows records = {s->record, s->n_records, sizeof *s->record};
    const struct rows slices = {slice, s->n_records, sizeof *slice};
    struct table_member *m = memory_get((size_t)(n_record_fields + N_SLICE_COLUMNS) * sizeof *m);
    size_t row_bytes = 0;
    int n = 0;
    for (; n < n_record_fields; n++)
        row_bytes = add_member(&m[n], &record_field[n], records, row_bytes);
    for (int i = 0; i < N_SLICE_COLUMNS; i++, n++)
        row_bytes = add_member(&m[n], &slice_column[i].field, slices, row_bytes);
    row_bytes++; /* status_code */

    const hid_t type = TRY(H5Tcreate(H5T_COMPOUND, row_bytes));
    for (int i = 0; i < n; i++)
        insert_member(h, type, &m[i]);
    insert_status_code(h, type, row_bytes - 1);
    const hid_t group = new_group(h, file, "tables", "the columns of /runs as rows");
    const struct layout l = {1, {s->n_records}, CHUNK_ROWS_TABLE, type};
    const hid_t table = put_dataset(h, group, "runs", l, type, NULL);
    for (size_t from = 0; from < s->n_records && !h->failed; from += CHUNK_ROWS_TABLE) {
        const size_t left = s->n_records - from, count = left < CHUNK_ROWS_TABLE ? left : CHUNK_ROWS_TABLE;
        char *data = table_rows(s, m, n, row_bytes, from, count);
        write_rows(h, table, type, from, count, 0, data);
        free(data);
    }
    TRY(H5Dclose(table));
    TRY(H5Gclose(group));
    TRY(H5Tclose(type));
    free(m);
}
