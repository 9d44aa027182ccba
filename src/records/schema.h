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

/* A run's rows in the other groups; also the key that they carry. */
struct run_slice {
    uint64_t run, steps_start, steps_count, memory_start, memory_count, timeline_start, timeline_count;
};
struct step_line { uint64_t run; struct step_row row; };
struct memory_line { uint64_t run; struct memory_row row; }; /* row.bytes: the 2-D column /memory/bytes */

struct timeline_line { uint64_t run; struct trace_row row; };

extern const struct column slice_column[], step_column[], memory_column[], timeline_column[]; /* without run */
extern const int n_slice_columns, n_step_columns, n_memory_columns, n_timeline_columns;
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
