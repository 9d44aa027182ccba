/* options.h - command lines.
 *
 * A command takes the options that option_table.c gives it and, if it measures or predicts, every field of a
 * configuration.  getopt_long parses; help and errors come from the tables. */
#ifndef OPTIONS_H
#define OPTIONS_H
#include "points.h"
#include "../records/report.h"

/* Everything a command line can say besides configurations. */
struct options {
    const char *output;              /* -o FILE.h5; NULL: results are only printed */
    bool no_output;                  /* sweep: asked for that */
    bool secure_noise;               /* the same as --noise-generator chacha20 */
    bool resume, overwrite, retry_failed, json, verbose, no_isolate, no_skip, share_gpu;
    const char *shard;               /* "2/8": only this share of the points; NULL: all */
    const char *launcher;            /* launch: shell words before the program; NULL: launch_default */
    const char *order;               /* a word of order_name; NULL: the first */
    double timeout_s, stall_s, time_limit_s; /* 0: none */
    uint64_t retries;                /* of a run that crashed, failed or timed out */
    uint64_t threads;                /* 0: cores / ranks on the host */
    bool try_anyway;                 /* also what does not fit by prediction */
    const char *target;              /* plan: a comma list; NULL: this machine */
    uint64_t ranks;                  /* plan: that share the sweep; 0: one */
    bool phases, budget, frontier, measure;  /* plan */
    const char *profile;             /* tune, and what estimates times; NULL: the default one */
    const char *golden, *precision;  /* check; tune: precision */
    const char *format;              /* report, export */
    double time_threshold, memory_threshold, error_factor, rerun_spread; /* compare; 0: as compare.h says */
    const char *columns, *where, *sort, *pivot; /* report */
    const char *noise_multiplier, *sample_rate, *steps, *delta, *target_epsilon; /* accountant */
    bool results_format, options_doc, gpus, mpi; /* info */
    uint64_t result_fd, pulse_fd;    /* worker: where the record goes, and where it is meanwhile */
    bool member;                     /* worker: of a group */
    const char *policy;              /* of a trainer that chooses; NULL: that it is to choose, or worker: it has none */
    const char **file;               /* what is not an option; borrowed from argv */
    int n_files;
};

/* Parses argv of `command` (argv[0] is the command): what is not given is 0.  With points == NULL the command takes no
 * configuration.  Returns -1 to go on, or an exit code: 0 after --help, EXIT_USAGE after one line that names the valid
 * values. */
int options_parse(const char *command, int argc, char **argv, struct options *, struct sweep_points *);

/* --format or --json, for commands that print tables; text if neither is given. */
enum report_format options_report_format(const struct options *);

/* --mode=single|profile|test --trainer NAME --model-size SIZE of the original script, rewritten as a command of ours;
 * anything else is left unchanged.  The rewritten list lives as long as the program.  Not NULL: why it cannot be. */
const char *options_translate_original(int *argc, char ***argv);
#endif
