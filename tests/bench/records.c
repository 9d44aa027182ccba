/* records.c - what results cost: records and bytes a second into the journal, a file published from it, memory.
 *
 *     records FILE.journal N STEPS LIMIT_MIB      measured steps of each run; as JSON, for records.sh */
#include "../../src/base/log.h"
#include "../../src/device/timer.h"
#include "../../src/records/store.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* As a run of a sweep fills it: 3 wait and warm-up steps, some measured ones, 5 stages, a timeline. */
static void fill(struct record *r, unsigned n, unsigned steps)
{
    enum { CHANGES = 150 };
    record_init(r);
    r->run_id = n;
    r->attempt = 1;
    r->config.seed = n;
    snprintf(r->config_sha256, sizeof r->config_sha256, "%064x", n);
    snprintf(r->status, sizeof r->status, "ok");
    snprintf(r->verdict, sizeof r->verdict, "VALID");
    snprintf(r->host, sizeof r->host, "node%u", n % 1000);
    snprintf(r->device_name, sizeof r->device_name, "a processor with a name of usual length");
    for (int i = 0; i < n_record_fields; i++)
        if (record_field[i].kind == FIELD_F64)
            *(double *)((char *)r + record_field[i].offset) = sin(n + (double)i);
    for (unsigned k = 0; k < steps + 3; k++)
        record_add_step(r, &(struct step_row){.step = k, .measured = k > 2, .step_time_s = 0.1 + 0.001 * sin(n + k),
                                              .time_s = 0.1 * k, .loss = 7 - 0.01 * sin(n * k)});
    for (unsigned k = 0; k < N_STAGES; k++)
        record_add_memory(r, &(struct memory_row){k, 0.1 * k, {n, 1000, 2000}});
    for (unsigned k = 0; k < CHANGES; k++)
        record_add_timeline(r, &(struct trace_row){1e-4 * k, k % N_PHASES, {1000000, 1000000, 256 * (k % 40)}});
}

static double file_bytes(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (double)st.st_size : 0;
}

/* Memory of its own, without the pages of the journal, which are only looked at: a limit, to be proven sufficient. */
static void limit_memory(double mib)
{
    const struct rlimit limit = {(rlim_t)(mib * 0x1p20), (rlim_t)(mib * 0x1p20)};
    if (setrlimit(RLIMIT_DATA, &limit) != 0)
        die(EXIT_ENVIRONMENT, "setrlimit: %s", strerror(errno));
}

int main(int argc, char **argv)
{
    char error[1024], h5_path[4096];
    if (argc != 5)
        die(EXIT_USAGE, "records FILE.journal N STEPS LIMIT_MIB");
    const unsigned n = (unsigned)atoi(argv[2]), steps = (unsigned)atoi(argv[3]);
    limit_memory(atof(argv[4]));
    snprintf(h5_path, sizeof h5_path, "%.*s.h5", (int)(strlen(argv[1]) - strlen(".journal")), argv[1]);
    const struct sweep_header header = {.suite_version = "bench"};
    struct journal *j = journal_open(argv[1], JOURNAL_OVERWRITE, &header, error, sizeof error);
    if (!j)
        die(EXIT_ENVIRONMENT, "%s", error);
    double start_s = clock_wall_s(), committed_s = 0;
    for (unsigned i = 0; i < n; i++) {
        struct record r;
        fill(&r, i, steps);
        journal_started(j, r.config_sha256, 1, 0);
        journal_result(j, &r);
        record_clear(&r);
        if (i % 100 == 99) {         /* as many as come while the disk writes the ones before */
            const double now_s = clock_wall_s();
            journal_commit(j);
            committed_s += clock_wall_s() - now_s;
        }
    }
    journal_ended(j);
    journal_close(j);
    const double append_s = clock_wall_s() - start_s;
    struct sweep_state state;
    start_s = clock_wall_s();
    if (!journal_read(argv[1], &state, error, sizeof error))
        die(EXIT_ENVIRONMENT, "%s", error);
    const double read_s = clock_wall_s() - start_s;
    start_s = clock_wall_s();
    if (!store_publish(h5_path, &state, error, sizeof error))
        die(EXIT_ENVIRONMENT, "%s", error);
    printf("{\"records\": %u, \"steps\": %u, \"append_s\": %.3f, \"commit_s\": %.3f, \"journal_bytes\": %.0f, "
           "\"read_s\": %.3f, \"publish_s\": %.3f, \"file_bytes\": %.0f, \"limit_mib\": %s}\n",
           n, steps + 3, append_s, committed_s, file_bytes(argv[1]), read_s, clock_wall_s() - start_s,
           file_bytes(h5_path), argv[4]);
    sweep_state_clear(&state);
    return 0;
}
