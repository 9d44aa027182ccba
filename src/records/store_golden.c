#include "golden.h"

#include "buffer.h"

#include <errno.h>
#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct golden_file {
    hid_t file;
    char path[4096];
    char error[4352];
};

static bool fail(struct golden_file *g, const char *what, const char *why)
{
    if (!g->error[0])
        snprintf(g->error, sizeof g->error, "%.4000s: %.120s: %.120s", g->path, what, why);
    return false;
}

struct golden_file *golden_open(const char *path)
{
    struct golden_file *g = memory_get(sizeof *g);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    snprintf(g->path, sizeof g->path, "%s", path);
    g->file = -1;
    if (access(path, R_OK) != 0)
        fail(g, "cannot be read", strerror(errno));
    else if ((g->file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT)) < 0)
        fail(g, "cannot be read", "not an HDF5 file, or a damaged one");
    return g;
}

void golden_close(struct golden_file *g)
{
    if (g->file >= 0)
        H5Fclose(g->file);
    free(g);
}

const char *golden_error(const struct golden_file *g)
{
    return g->error[0] ? g->error : NULL;
}

bool golden_text(struct golden_file *g, const char *attribute, char *text, size_t bytes)
{
    if (g->error[0])
        return false;
    char *value = NULL;
    const hid_t a = H5Aopen(g->file, attribute, H5P_DEFAULT), type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
    const bool read = a >= 0 && H5Aread(a, type, &value) >= 0 && value;
    if (read) {
        snprintf(text, bytes, "%s", value);
        H5free_memory(value);
    }
    H5Tclose(type);
    if (a >= 0)
        H5Aclose(a);
    return read || fail(g, attribute, "no such text attribute: not a golden file of make_golden.py");
}

bool golden_number(struct golden_file *g, const char *attribute, double *value)
{
    if (g->error[0])
        return false;
    const hid_t a = H5Aopen(g->file, attribute, H5P_DEFAULT);
    const bool read = a >= 0 && H5Aread(a, H5T_NATIVE_DOUBLE, value) >= 0;
    if (a >= 0)
        H5Aclose(a);
    return read || fail(g, attribute, "no such number attribute: not a golden file of make_golden.py");
}

/* (rows, cols), or (cols) when rows is 1 */
static bool has_shape(hid_t dataset, long rows, long cols)
{
    hsize_t dims[2] = {0, 0};
    const hid_t space = H5Dget_space(dataset);
    const int rank = H5Sget_simple_extent_ndims(space);
    if (rank == 1 || rank == 2)
        H5Sget_simple_extent_dims(space, dims, NULL);
    H5Sclose(space);
    if (rank == 1)
        return rows == 1 && dims[0] == (hsize_t)cols;
    return rank == 2 && dims[0] == (hsize_t)rows && dims[1] == (hsize_t)cols;
}

bool golden_array(struct golden_file *g, const char *name, long rows, long cols, double *value)
{
    if (g->error[0])
        return false;
    const hid_t d = H5Dopen2(g->file, name, H5P_DEFAULT);
    if (d < 0)
        return fail(g, name, "missing");
    const bool shaped = has_shape(d, rows, cols);
    const bool read = shaped && H5Dread(d, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, value) >= 0;
    H5Dclose(d);
    if (!shaped)
        return fail(g, name, "has another shape than the attributes say");
    return read || fail(g, name, "cannot be read: the file is damaged");
}
