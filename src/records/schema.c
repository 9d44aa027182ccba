/* schema.c - the tables of schema.h. */
#include "schema.h"

#include <string.h>

#define COUNT_OF(array) (sizeof array / sizeof *array)
#define COLUMN(row, kind, member, column_name, unit, help, stored_bytes, meanings) \
    {{FIELD_##kind, column_name, unit, help, NULL, offsetof(struct row, member), sizeof((struct row *)NULL)->member}, \
     stored_bytes, meanings}

#define SLICE(i, name)                                                                             \
    COLUMN(run_slice, U64, of[i].start, name "_start", "1", "first row of this run in /" name, 8, NULL), \
    COLUMN(run_slice, U64, of[i].count, name "_count", "1", "rows of this run in /" name, 8, NULL)
const struct column slice_column[] = {
    SLICE(SERIES_STEPS, "steps"),
    SLICE(SERIES_MEMORY, "memory"),
    SLICE(SERIES_TIMELINE, "timeline"),
};

struct step_line { uint64_t run; struct step_row row; };
struct memory_line { uint64_t run; struct memory_row row; };
struct timeline_line { uint64_t run; struct trace_row row; };

#define STEP(kind, member, name, unit, help) COLUMN(step_line, kind, row.member, name, unit, help, 8, NULL)
#define PHASE_STEP(NAME, phase, help) STEP(F64, time_##phase, "time_" #phase, "s", "of the step: " help),
static const struct column step_column[] = {
    COLUMN(step_line, U64, row.step, "step", "1", "number of the step in its run, from 0", 4, NULL),
    COLUMN(step_line, U64, row.measured, "measured", "", "whether it counts in the statistics of its run", 1,
           "warmup measured"),
    STEP(F64, time_s, "time", "s", "end of the step since the start of the run"),
    STEP(F64, step_time_s, "step_time", "s", "duration"),
    STEP(F64, cpu_time_s, "cpu_time", "s", "CPU time of all threads"),
    STEP(F64, loss, "loss", "1", "mean over the samples of the step"),
    STEP(F64, grad_norm, "grad_norm", "1", "norm of a sample's gradient before clipping, mean over the finite ones"),
    STEP(F64, clip_fraction, "clip_fraction", "1", "share of coefficients below 1"),
    STEP(F64, max_grad_norm, "max_grad_norm", "1", "clipping threshold R of the step; per layer: of all tensors"),
    STEP(U64, tokens, "tokens", "1", "valid input tokens"),
    STEP(U64, batch_size, "batch_size", "1", "samples"),
    STEP(U64, dropped, "dropped", "1", "records drawn beyond max_batch_size and not used"),
    STEP(U64, left_out, "left_out", "1", "samples whose gradient was not finite: left out of the sum"),
    STEP(F64, flops, "flops", "1", "of its matrix products"),
    PHASE_LIST(PHASE_STEP)
};

#define WORD(NAME, name, help) " " #name
static const struct column memory_column[] = {
    COLUMN(memory_line, U64, row.stage, "stage", "", "when the ledger was read", 1, &(STAGE_LIST(WORD))[1]),
    COLUMN(memory_line, F64, row.time_s, "time", "s", "since the start of the run", 8, NULL),
};

static const struct column timeline_column[] = {
    COLUMN(timeline_line, F64, row.time_s, "time", "s", "since the beginning of the step", 8, NULL),
    COLUMN(timeline_line, U64, row.phase, "phase", "", "of the step", 1, &(PHASE_LIST(WORD) " outside")[1]),
};

#define SERIES(member, row_type, dimension_name, columns, help_text, bytes_at)                              \
    {.name = #member, .help = help_text, .dimension = dimension_name, .column = columns,                     \
     .n_columns = COUNT_OF(columns), .count_offset = offsetof(struct record, n_##member),                    \
     .rows_offset = offsetof(struct record, member), .row_bytes = sizeof(struct row_type), .bytes_offset = bytes_at}
const struct series series_table[N_SERIES] = {
    [SERIES_STEPS] = SERIES(steps, step_row, "obs", step_column, "one row per optimizer step, run after run", 0),
    [SERIES_MEMORY] = SERIES(memory, memory_row, "sample", memory_column,
                             "the ledger of device memory at each stage, run after run",
                             offsetof(struct memory_row, bytes)),
    [SERIES_TIMELINE] = SERIES(timeline, trace_row, "change", timeline_column,
                               "the ledger at each change in one step, run after run",
                               offsetof(struct trace_row, bytes)),
};

uint64_t series_count(const struct series *s, const struct record *r)
{
    return *(const uint64_t *)((const char *)r + s->count_offset);
}

const char *series_rows(const struct series *s, const struct record *r)
{
    const char *rows;
    memcpy(&rows, (const char *)r + s->rows_offset, sizeof rows);
    return rows;
}

const char RUN_HELP[] = "row number 0, 1, 2 ...: the key of /steps/run, /memory/run and /timeline/run";
const char RUN_KEY_HELP[] = "row in /runs";
const char BYTES_HELP[] = "device bytes in use, a column for each category";
const char CATEGORY_HELP[] = "what device memory is used for: names the columns of bytes";
