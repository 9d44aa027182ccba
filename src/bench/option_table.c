#include "option_table.h"

#include "../device/precision.h"

#include <string.h>

const struct command_row command_table[] = {
    {COMMAND_RUN, "run", "[options]", "measure one configuration", ONE_POINT, NO_FILES,
     "dpsweep run --trainer ghost --model small --batch-size 8 --seq-len 256"},
    {COMMAND_SWEEP, "sweep", "[FILE.sweep ...] [options]",
     "measure many configurations, alone or under mpirun, each in a process of its own", MANY_POINTS, SWEEP_FILES,
     "mpirun -n 2 dpsweep sweep --trainer standard,dpsgd,ghost --batch-size 2,4,8 -o results.h5"},
    {COMMAND_LAUNCH, "launch", "[FILE.sweep ...] -o FILE.h5 [options]",
     "measure many configurations, each by an mpirun or srun of its own", MANY_POINTS, SWEEP_FILES,
     "dpsweep launch my.sweep -o results.h5 --launcher 'mpirun -H node1,node2 -n {ranks}'"},
    {COMMAND_PLAN, "plan", "[FILE.sweep ...] [options]",
     "predict memory, work and time of configurations on any device, without running them", MANY_POINTS, SWEEP_FILES,
     "dpsweep plan --trainer dpsgd,ghost,auto --model gpt2 --seq-len 512 --target h100-80g"},
    {COMMAND_TUNE, "tune", "[options]", "measure how fast this device is, for estimates of time", NO_POINTS, NO_FILES,
     "dpsweep tune --threads 1"},
    {COMMAND_CHECK, "check", "--golden FILE.h5 [options]", "compare all trainers with a float64 reference", NO_POINTS,
     NO_FILES, "dpsweep check --golden tests/golden/gpt2.h5"},
    {COMMAND_REPORT, "report", "FILE.h5|FILE.journal [options]", "print the results of a sweep, also while it runs",
     NO_POINTS, ONE_FILE, "dpsweep report results.h5 --pivot batch_size,seq_len:trainer:throughput_p50"},
    {COMMAND_MERGE, "merge", "FILE.h5|FILE.journal ... -o FILE.h5 [options]",
     "put the results of several sweeps, such as the tasks of a job array, into one file", NO_POINTS, SOME_FILES,
     "dpsweep merge task-1.h5 task-2.h5 -o all.h5"},
    {COMMAND_REBUILD, "rebuild", "FILE.h5 [options]", "publish FILE.h5 again from FILE.journal", NO_POINTS, ONE_FILE,
     NULL},
    {COMMAND_VALIDATE, "validate", "FILE.h5|FILE.journal [options]", "check results against themselves: exit code 1 if "
     "something is wrong", NO_POINTS, ONE_FILE, NULL},
    {COMMAND_COMPARE, "compare", "A.h5 B.h5 [options]",
     "say what became slower, larger or worse from A to B: exit code 1 if something did", NO_POINTS, TWO_FILES, NULL},
    {COMMAND_EXPORT, "export", "FILE.h5|FILE.journal --format FORMAT -o PATH [options]",
     "write results for other programs: Chrome's and Perfetto's trace viewers, TensorBoard, CSV, JSON lines", NO_POINTS,
     ONE_FILE, "dpsweep export results.h5 --format chrome -o trace.json"},
    {COMMAND_ACCOUNTANT, "accountant", "--noise-multiplier S --sample-rate Q --steps N --delta D [options]",
     "compute the privacy of a training run, or the noise, steps or delta for a wanted epsilon", NO_POINTS, NO_FILES,
     "dpsweep accountant --target-epsilon 3 --sample-rate 0.01 --steps 1000 --delta 1e-5"},
    {COMMAND_INFO, "info", "[options]", "print version, libraries, device, trainers and models", NO_POINTS, NO_FILES,
     NULL},
    {COMMAND_WORKER, "worker", "--result-fd N --pulse-fd N [options]", "measure one configuration for a sweep",
     ONE_POINT, NO_FILES, NULL},
};
const int n_commands = sizeof command_table / sizeof command_table[0];

#define SWITCH(member) OPTION_SWITCH, offsetof(struct options, member)
#define TEXT(member) OPTION_TEXT, offsetof(struct options, member)
#define U64(member) OPTION_U64, offsetof(struct options, member)
#define SECONDS(member) OPTION_SECONDS, offsetof(struct options, member)
#define F64(member) OPTION_F64, offsetof(struct options, member)
#define LISTED(NAME, name, bits) ", " #name
#define PRECISIONS (&PRECISION_LIST(LISTED)[2])
#define PROFILE_PLACE "$DPSWEEP_PROFILE, or ~/.cache/dpsweep/profile.json"
#define SWEEP (COMMAND_SWEEP | COMMAND_LAUNCH)
#define MEASURE (COMMAND_RUN | SWEEP)

const struct option_row option_table[] = {
    {MEASURE | COMMAND_MERGE | COMMAND_PLAN, "output", 'o', "FILE.h5", NULL,
     "keep the results in this file, with FILE.journal beside it", TEXT(output)},
    {COMMAND_SWEEP, "no-output", 0, NULL, NULL, "keep no results, only print them", SWITCH(no_output)},
    {MEASURE, "resume", 0, NULL, NULL, "go on with the sweep that -o names: measure what is not in it",
     SWITCH(resume)},
    {MEASURE | COMMAND_MERGE | COMMAND_PLAN, "overwrite", 0, NULL, NULL, "replace the results that -o names",
     SWITCH(overwrite)},
    {SWEEP, "retry-failed", 0, NULL, NULL,
     "with --resume: measure again what crashed, failed, timed out or ran out of memory", SWITCH(retry_failed)},
    {SWEEP, "timeout", 0, "TIME", NULL, "end a run that takes longer; seconds, or 90s, 15m, 2h",
     SECONDS(timeout_s)},
    {SWEEP, "stall", 0, "TIME", NULL,
     "end a run that stays so long in one phase of a step; without it a warning comes after 10m", SECONDS(stall_s)},
    {SWEEP, "time-limit", 0, "TIME", NULL, "of the whole sweep: then stop, publish what there is and exit",
     SECONDS(time_limit_s)},
    {SWEEP, "retries", 0, "N", NULL, "try so often again what crashed, failed or timed out (default: 0)",
     U64(retries)},
    {SWEEP, "order", 0, "ORDER", "longest, shortest, listed",
     "what is measured first, by estimated time (default: longest)", TEXT(order)},
    {SWEEP | COMMAND_PLAN, "shard", 0, "I/N", NULL,
     "only share I of N, 1/N to N/N; what is compared with one another stays together", TEXT(shard)},
    {SWEEP, "no-skip", 0, NULL, NULL, "measure also what needs no less memory than a run that had too little",
     SWITCH(no_skip)},
    {MEASURE, "try-anyway", 0, NULL, NULL, "start also what by prediction does not fit into memory or --memory-limit",
     SWITCH(try_anyway)},
    {COMMAND_PLAN, "target", 0, "NAME,...", NULL,
     "predict for these: h100-80g, a100-40g ..., cpu:24g, local (default: local)", TEXT(target)},
    {COMMAND_PLAN, "ranks", 0, "N", NULL,
     "that share the sweep, each with a device of its own (default: what the largest run needs)", U64(ranks)},
    {COMMAND_PLAN, "phases", 0, NULL, NULL, "print the work, the memory and the time of each phase of a step",
     SWITCH(phases)},
    {COMMAND_PLAN, "budget", 0, NULL, NULL, "print what trainer auto chooses from under --memory-budget, and its price",
     SWITCH(budget)},
    {COMMAND_PLAN, "frontier", 0, NULL, NULL, "print the largest batch, sequence and model that fit instead",
     SWITCH(frontier)},
    {COMMAND_PLAN, "measure", 0, NULL, NULL,
     "with --frontier: run the largest batch and sequence and one more, which must fail", SWITCH(measure)},
    {COMMAND_TUNE, "time-limit", 0, "TIME", NULL, "of the measurements: larger shapes are left out (default: 40s)",
     SECONDS(time_limit_s)},
    {MEASURE | COMMAND_PLAN, "profile", 0, "FILE", NULL,
     "what tune measured, for estimates of time (default: " PROFILE_PLACE ")", TEXT(profile)},
    {COMMAND_TUNE, "profile", 0, "FILE", NULL,
     "add the rates to this profile (default: " PROFILE_PLACE ")", TEXT(profile)},
    {COMMAND_LAUNCH, "launcher", 0, "WORDS", NULL,
     "what comes before the program, with {ranks} in it (default: mpirun, or srun in a Slurm job)", TEXT(launcher)},
    {MEASURE | COMMAND_PLAN, "secure-noise", 0, NULL, NULL, "the same as --noise-generator chacha20",
     SWITCH(secure_noise)},
    {MEASURE, "share-gpu", 0, NULL, NULL, "more ranks than GPUs: let several measure on the same",
     SWITCH(share_gpu)},
    {COMMAND_RUN | COMMAND_SWEEP | COMMAND_WORKER, "policy", 0, "TEXT", NULL,
     "of one point of trainer auto: take this and choose nothing; as plan prints it and records have it", TEXT(policy)},
    {COMMAND_RUN | COMMAND_SWEEP, "no-isolate", 0, NULL, NULL, "measure in this process, for a debugger",
     SWITCH(no_isolate)},
    {COMMAND_TUNE, "threads", 0, "N", NULL, "CPU threads of the runs that are estimated (default: cores)",
     U64(threads)},
    {MEASURE | COMMAND_PLAN | COMMAND_CHECK | COMMAND_WORKER, "threads", 0, "N", NULL,
     "CPU threads of a run (default: cores / ranks on this machine)", U64(threads)},
    {COMMAND_CHECK, "golden", 0, "FILE.h5", NULL, "the reference, written by tests/golden/make_golden.py",
     TEXT(golden)},
    {COMMAND_TUNE, "precision", 0, "NAME", PRECISIONS, "of the products that are measured (default: fp32)",
     TEXT(precision)},
    {COMMAND_CHECK, "precision", 0, "NAME", PRECISIONS, "factors of matrix products are rounded to it (default: fp32)",
     TEXT(precision)},
    {COMMAND_REPORT | COMMAND_COMPARE, "format", 0, "FORMAT", "text, markdown, csv, json",
     "how to print (default: text)", TEXT(format)},
    {COMMAND_COMPARE, "time-threshold", 0, "X", NULL,
     "a median time must change by this share to matter (default: 0.03)", F64(time_threshold)},
    {COMMAND_COMPARE, "memory-threshold", 0, "X", NULL, "the peak must change by this share to matter (default: 0.001)",
     F64(memory_threshold)},
    {COMMAND_COMPARE, "error-factor", 0, "X", NULL,
     "a gradient error must change by this factor to matter (default: 10)", F64(error_factor)},
    {COMMAND_COMPARE, "rerun-spread", 0, "X", NULL,
     "standard deviation of the time ratio of two runs of the same program here (default: 0.01)", F64(rerun_spread)},
    {COMMAND_EXPORT, "format", 0, "FORMAT", "chrome, tensorboard, csv, jsonl", "what to write", TEXT(format)},
    {COMMAND_EXPORT, "output", 'o', "PATH", NULL, "chrome: a new file; the others: a new folder", TEXT(output)},
    {COMMAND_REPORT, "columns", 0, "NAME,...", NULL, "print these columns of each run", TEXT(columns)},
    {COMMAND_REPORT | COMMAND_EXPORT, "where", 0, "CONDITION", NULL,
     "only runs for which it holds: \"trainer=ghost|dpsgd and batch_size>=8\", with = != < <= > >=", TEXT(where)},
    {COMMAND_REPORT, "sort", 0, "NAME,...", NULL, "by these columns; -NAME: descending", TEXT(sort)},
    {COMMAND_REPORT, "pivot", 0, "ROWS:COLUMNS:VALUE", NULL,
     "a table of one column by others: batch_size,seq_len:trainer:throughput_p50", TEXT(pivot)},
    {COMMAND_ACCOUNTANT, "noise-multiplier", 0, "S,...", NULL,
     "noise standard deviation / sensitivity: 0.3 to 1000", TEXT(noise_multiplier)},
    {COMMAND_ACCOUNTANT, "sample-rate", 0, "Q,...", NULL,
     "probability of a record to be in a batch, expected batch / records: 1e-6 to 1", TEXT(sample_rate)},
    {COMMAND_ACCOUNTANT, "steps", 0, "N,...", NULL, "optimizer steps: 1 to 1000000 in all", TEXT(steps)},
    {COMMAND_ACCOUNTANT, "delta", 0, "D", NULL, "1e-12 to 0.001; far below 1 / records", TEXT(delta)},
    {COMMAND_ACCOUNTANT, "target-epsilon", 0, "E", NULL,
     "find the noise multiplier, steps or delta that is left out: 0.001 to 10000", TEXT(target_epsilon)},
    {COMMAND_INFO, "results-format", 0, NULL, NULL, "print docs/results-format.md: every column of the results",
     SWITCH(results_format)},
    {COMMAND_INFO, "options", 0, NULL, NULL, "print docs/options.md: every option of every command",
     SWITCH(options_doc)},
    {COMMAND_INFO, "gpus", 0, NULL, NULL, "print a line for each GPU that may be used", SWITCH(gpus)},
    {COMMAND_INFO, "mpi", 0, NULL, NULL,
     "under a launcher: hosts, ranks, cores and GPUs, and sums over ranks whose result is known", SWITCH(mpi)},
    {COMMAND_WORKER, "result-fd", 0, "N", NULL, "file descriptor that the record is written to", U64(result_fd)},
    {COMMAND_WORKER, "member", 0, NULL, NULL, "one of a group that its rank speaks for", SWITCH(member)},
    {COMMAND_WORKER, "pulse-fd", 0, "N", NULL, "file descriptor of the memory that says how far the run is",
     U64(pulse_fd)},
    {MEASURE | COMMAND_PLAN | COMMAND_CHECK | COMMAND_REPORT | COMMAND_COMPARE | COMMAND_ACCOUNTANT | COMMAND_INFO |
     COMMAND_TUNE, "json", 0, NULL, NULL, "print JSON", SWITCH(json)},
    {MEASURE, "verbose", 'v', NULL, NULL, "say more on stderr", SWITCH(verbose)},
};
const int n_options = sizeof option_table / sizeof option_table[0];

const struct command_row *command_find(const char *name)
{
    for (int i = 0; i < n_commands; i++)
        if (strcmp(name, command_table[i].name) == 0)
            return &command_table[i];
    return NULL;
}
