/* export.h - results in the formats of other programs. */
#ifndef EXPORT_H
#define EXPORT_H
#include "journal.h"

enum export_format { EXPORT_CHROME, EXPORT_TENSORBOARD, EXPORT_CSV, EXPORT_JSONL };
/* chrome        one file for chrome://tracing and ui.perfetto.dev: steps, phases, memory by kind
 * tensorboard   a folder for `tensorboard --logdir`: a folder for each run, scalars and hyper-parameters
 * csv, jsonl    a folder: runs, steps, memory and timeline, each a file
 * False: `error` is one line with errno's text. */
bool export_write(const char *path, const struct sweep_state *, enum export_format, char *error, size_t error_bytes);
#endif
