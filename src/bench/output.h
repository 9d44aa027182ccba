/* output.h - where the records of a sweep go: into the journal as they come, from it into the HDF5 file now and then.
 * Without -o they stay in memory, for the report. */
#ifndef OUTPUT_H
#define OUTPUT_H
#include "options.h"
#include "../records/journal.h"

struct output {
    const char *h5_path;                /* borrowed; NULL: none, as is then the journal */
    const struct sweep_header *header;  /* borrowed */
    char journal_path[4096];
    struct journal *journal;
    struct sweep_state in_memory;       /* without a journal: records, ended */
    double last_publish_s, publish_took_s;
};

/* False: `error` is one line with the remedy. */
bool output_open(struct output *, const struct options *, const struct sweep_header *, char *error, size_t error_bytes);
void output_close(struct output *);

void output_started(struct output *, const char *config_sha256, uint64_t attempt, int rank);
void output_result(struct output *, const struct record *);  /* on the disk when this returns, if that can be */
void output_show_life(struct output *);                      /* journal_touch */
void output_ended(struct output *);                          /* the sweep is complete */

/* All records so far; the caller ends with sweep_state_clear.  A journal that cannot be read ends the sweep. */
void output_read(const struct output *, struct sweep_state *);
bool output_publish(struct output *);                        /* false: no new HDF5 file, a line says why */
void output_publish_if_due(struct output *);                 /* at most a fiftieth of the time goes there */
#endif
