/* golden.h - reference files written by tests/golden/make_golden.py: named numbers in HDF5. */
#ifndef GOLDEN_H
#define GOLDEN_H
#include <stdbool.h>
#include <stddef.h>

/* Reads fail at most once: after the first failure golden_error() is its one line and every read returns false. */
struct golden_file;
struct golden_file *golden_open(const char *path);
void golden_close(struct golden_file *);
const char *golden_error(const struct golden_file *);    /* NULL: all well */

bool golden_text(struct golden_file *, const char *attribute, char *text, size_t bytes);
bool golden_number(struct golden_file *, const char *attribute, double *value);
/* A data set of exactly rows x cols numbers (a vector has rows = 1), as double. */
bool golden_array(struct golden_file *, const char *name, long rows, long cols, double *value);
#endif
