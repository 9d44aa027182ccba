/* schema.h - what a results file holds besides the columns of record_field[]: attributes, and the columns of /steps,
 * /memory and /timeline.  store_*.c write it, format_doc.c describes it.  Free of HDF5. */
#ifndef SCHEMA_H
#define SCHEMA_H
#include "journal.h"

#define RESULTS_FORMAT "dpsweep-results"
enum { RESULTS_FORMAT_VERSION = 1 };

struct column {
    struct field field;          /* U64, F64 or TEXT in memory, at field.offset of a row */
    int stored_bytes;            /* 1, 4 or 8: width of a U64 in the file */
    const char *meanings;        /* words for 0, 1, 2 ...: CF's flag_meanings; NULL: a number */
};

/* The rows that a run has some of: one group of the file for each kind.  A line is the number of the run and a row;
 * offsets of columns are those in a line. */
struct series {
    const char *name, *help, *dimension;
    const struct column *column;        /* without run */
    int n_columns;
    size_t count_offset, rows_offset;   /* of their number and of the pointer to them, in struct record */
    size_t row_bytes;
    size_t bytes_offset;                /* in a row, of uint64_t[N_MEMORY_KINDS], a 2-D column; 0: there are none */
};
enum { SERIES_STEPS, SERIES_MEMORY, SERIES_TIMELINE, N_SERIES };
extern const struct series series_table[N_SERIES];
uint64_t series_count(const struct series *, const struct record *);
const char *series_rows(const struct series *, const struct record *);

/* Where a run's rows are in the groups. */
struct run_slice {
    uint64_t run;
    struct { uint64_t start, count; } of[N_SERIES];
};
extern const struct column slice_column[2 * N_SERIES];
enum { N_SLICE_COLUMNS = 2 * N_SERIES };

extern const char RUN_HELP[], RUN_KEY_HELP[], BYTES_HELP[], CATEGORY_HELP[];

/* Root attributes besides SWEEP_TEXTS. */
#define ROOT_TEXTS(X)                                                           \
    X(format, "always \"" RESULTS_FORMAT "\"")                                  \
    X(Conventions, "of the attributes: CF")                                     \
    X(title, "what this is")                                                    \
    X(time_coverage_start, "ISO 8601, UTC: the sweep began")                    \
    X(time_coverage_end, "ISO 8601, UTC: the last run ended")
/* command_line and environment are attributes; config_text, which may be longer than they can be, is a dataset. */
#define ROOT_NUMBERS(X)                                                         \
    X(format_version, "of this description")                                    \
    X(mpi_size, "MPI ranks of the sweep")                                       \
    X(run_count, "rows of /runs")                                               \
    X(runs_complete, "1: the sweep came to its end; 0: published on the way")   \
    X(journal_crc32, "CRC-32 (zlib) of the journal frames it was built from")
#endif
