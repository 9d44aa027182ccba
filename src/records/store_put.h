/* store_put.h - the pieces that store_write.c and store_table.c build a file of. */
#ifndef STORE_PUT_H
#define STORE_PUT_H
#include "schema.h"
#include "store_hdf5.h"

enum { CHUNK_ROWS = 8192, CHUNK_ROWS_2D = 2048, CHUNK_ROWS_TABLE = 256 };

struct rows {                    /* n rows in memory, `stride` bytes apart */
    const void *base;
    size_t n, stride;
};
const void *member(struct rows, size_t row, size_t offset);

void put_text(struct h5 *, hid_t object, const char *name, const char *text); /* attributes */
void put_number(struct h5 *, hid_t object, const char *name, int64_t number);
void put_description(struct h5 *, hid_t object, const struct field *);        /* units and long_name */

struct layout {
    int rank;
    hsize_t dims[2], chunk_rows;
    hid_t type;                  /* in the file */
};
/* All of these give an id to be closed. */
hid_t new_group(struct h5 *, hid_t file, const char *name, const char *help);
/* data == NULL: written later */
hid_t put_dataset(struct h5 *, hid_t group, const char *name, struct layout, hid_t memory_type, const void *data);
hid_t put_dimension(struct h5 *, hid_t group, const char *name, hsize_t n);   /* a length without values */

/* A 1-D dataset of n rows on the dimension scale of the group (negative: none).  Some of its rows, from row `from`. */
hid_t new_column(struct h5 *, hid_t group, const struct column *, hsize_t n, hid_t scale);
void write_column(struct h5 *, hid_t dataset, const struct column *, struct rows, hsize_t from);
void put_columns(struct h5 *, hid_t group, const struct column *, int n, struct rows all, hid_t scale);
struct column run_key(const char *help);     /* the first member of a row */
void write_rows(struct h5 *, hid_t dataset, hid_t memory_type, hsize_t from, hsize_t n, hsize_t width, const void *);

void put_table(struct h5 *, hid_t file, const struct sweep_state *, const struct run_slice *); /* /tables/runs */
#endif
