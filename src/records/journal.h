/* journal.h - the truth about a sweep: an append-only file of checksummed frames, X.journal beside X.h5.
 *
 * A frame is committed when journal_commit has returned true.  A torn tail is cut (and kept in X.journal.torn), damage
 * in the middle is skipped and counted.  One writer at a time: a lock refuses the second. */
#ifndef JOURNAL_H
#define JOURNAL_H
#include "record.h"

#include <stdbool.h>

#define SWEEP_TEXTS(X)                                                       \
    X(suite_version, "version of dpsweep")                                   \
    X(git_commit, "commit it was built from")                                \
    X(sweep_uuid, "names this sweep, also after a resume")                   \
    X(sweep_name, "as the user calls it")                                    \
    X(hostname, "where rank 0 ran")                                          \
    X(mpi_library, "name and version")                                       \
    X(hdf5_version, "of the library that wrote the file")                    \
    X(compiler, "that built dpsweep")                                        \
    X(libraries, "versions of the libraries that compute")                   \
    X(operating_system, "kernel and distribution where rank 0 ran")          \
    X(cpu, "processor there")                                                \
    X(cpu_clocks, "its governor and frequencies, as far as Linux says")      \
    X(slurm_job, "job, array task, partition and nodes; empty without Slurm")
#define SWEEP_LONG_TEXTS(X)                                                  \
    X(command_line, "of the sweep")                                          \
    X(config_text, "the sweep as the user gave it")                          \
    X(environment, "variables that libraries listen to, one to a line")
#define SWEEP_TEXT_MEMBER(name, help) char name[TEXT_BYTES];
#define SWEEP_LONG_MEMBER(name, help) char *name;

struct sweep_header {            /* the first frame; becomes the root attributes of the HDF5 file */
    SWEEP_TEXTS(SWEEP_TEXT_MEMBER)
    uint64_t mpi_size;
    uint64_t schema, writer_pid; /* set by journal_open: record_schema(), and who writes on hostname */
    double start_time;           /* s since 1970 */
    SWEEP_LONG_TEXTS(SWEEP_LONG_MEMBER) /* owned by the caller (NULL: ""); free with sweep_header_clear after a read */
};
void sweep_header_clear(struct sweep_header *);

/* X.h5 -> X.journal; false: the name does not end in .h5 (or is nothing else). */
bool journal_path_of(const char *h5_path, char *journal_path, size_t bytes);

enum journal_mode {
    JOURNAL_NEW,                 /* neither X.journal nor X.h5 may exist */
    JOURNAL_OVERWRITE,           /* empties X.journal and removes X.h5, unless another process writes it */
    JOURNAL_RESUME,              /* goes on; begins a new one where neither exists */
};
/* NULL: `error` is one line with the remedy (exists: --resume or --overwrite; locked: by whom; no permission ...).
 * Resuming appends another header: it describes the sweep from then on, but for sweep_uuid and start_time. */
struct journal *journal_open(const char *path, enum journal_mode, const struct sweep_header *, char *error, size_t);
/* Both return at once; a full disk keeps frames in memory, warns once, and tries again at each call. */
void journal_started(struct journal *, const char *config_sha256, uint64_t attempt, uint64_t rank);
void journal_result(struct journal *, const struct record *);
bool journal_commit(struct journal *);   /* true: all that was handed in is on the disk */
void journal_touch(struct journal *);    /* at most once a second: its time says that whoever writes it is alive */
void journal_ended(struct journal *);    /* the sweep is complete */
bool journal_close(struct journal *);    /* as commit; NULL is fine */

/* What a journal holds; also of one being written.  The latest result per configuration wins.  Steps and other rows are
 * not copied: they are read from the file when they are looked at, so that 100,000 runs need little memory. */
struct sweep_state {
    struct sweep_header header;
    struct record *record;               /* in order of run_id, then first appearance */
    size_t n_records;
    struct journal_start { char config_sha256[65]; uint64_t attempt; } *unfinished; /* started, no result since */
    size_t n_unfinished;
    size_t damaged_frames, torn_bytes;   /* a tail is also torn while a frame is being written */
    bool ended;
    uint32_t crc32;                      /* of all valid frames */
    struct journal_map { char *data; size_t bytes; } map; /* the journal in memory: rows of records lie in it */
};
bool journal_read(const char *path, struct sweep_state *, char *error, size_t error_bytes);
/* All of a sweep at once, in place of what was there; never half written, refused while another process writes it. */
bool journal_write_whole(const char *path, const struct sweep_state *, char *error, size_t error_bytes);
void sweep_state_clear(struct sweep_state *);
#endif
