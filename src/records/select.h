/* select.h - which columns, which runs, in which order: what people write after --columns, --where and --sort. */
#ifndef SELECT_H
#define SELECT_H
#include "journal.h"

/* The same records in an array of its own; free(view.record) is all that it needs. */
struct sweep_state select_view(const struct sweep_state *);

/* All of these: false: `error` is one line that names what is meant, where something alike exists. */

struct columns {
    const struct field **field;   /* owned */
    int n;
};
bool select_columns(const char *list, struct columns *, char *error, size_t error_bytes); /* "trainer,peak_ledger" */
struct columns columns_all(void);
void columns_clear(struct columns *);

/* Both of these change the array of records and its length, not the records: give them a view (select_view).
 * "trainer=ghost|dpsgd and batch_size>=8": leaves runs for which every condition holds.  = and != take several values,
 * < <= > >= take one number; sizes may be written as 512M.  A value that is not known fulfils only !=. */
bool select_runs(struct sweep_state *, const char *conditions, char *error, size_t error_bytes);

/* "-throughput_p50,trainer": by the first, descending, then by the next.  What is not known comes last. */
bool select_order(struct sweep_state *, const char *list, char *error, size_t error_bytes);
#endif
