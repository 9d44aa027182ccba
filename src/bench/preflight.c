#include "preflight.h"
#include "../base/check.h"
#include "../base/text.h"
#include "../device/device.h"
#include "../../mpi/gpus.h"
#include "../../mpi/probe.h"
#include "../../mpi/world.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

/* "0-3,8" */
static void say_cores(char *text, size_t bytes)
{
    cpu_set_t set;
    text[0] = '\0';
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return;
    for (int first = 0, last; first < CPU_SETSIZE; first = last + 1) {
        last = first;
        if (!CPU_ISSET(first, &set))
            continue;
        while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, &set))
            last++;
        text_append(text, bytes, text[0] ? ",%d" : "%d", first);
        if (last > first)
            text_append(text, bytes, "-%d", last);
    }
}

static void say_gpus(char *text, size_t bytes)
{
    struct gpu_list list;
    snprintf(text, bytes, "none");
    if (!device_is_gpu())
        return;
    gpus_ask(&list);
    snprintf(text, bytes, "%s", list.error);
    for (int i = 0; i < list.n; i++)
        text_append(text, bytes, "%s%s", i ? ", " : "", list.id[i]);
}

static void fill(struct rank_facts *facts)
{
    snprintf(facts->host, sizeof facts->host, "%s", world()->host);
    snprintf(facts->program, sizeof facts->program, "%s (%s) for %s", DPSWEEP_VERSION, DPSWEEP_GIT_COMMIT,
             DPSWEEP_DEVICE);
    snprintf(facts->library, sizeof facts->library, "%s", world_library());
    say_cores(facts->cores, sizeof facts->cores);
    say_gpus(facts->gpus, sizeof facts->gpus);
}

/* ---- the report ------------------------------------------------------------------------------------------------ */

static int count_hosts(void)
{
    int n = 0;
    for (int r = 0; r < world()->size; r++)
        n += world()->host_of[r] == r;      /* the number of a host is its lowest rank */
    return n;
}

static void add_launch(cJSON *report, const struct rank_facts *facts)
{
    cJSON *launch = cJSON_AddObjectToObject(report, "launch");
    cJSON_AddStringToObject(launch, "launcher", world()->launched ? world_launcher() : "none: one process without MPI");
    cJSON_AddNumberToObject(launch, "ranks", world()->size);
    cJSON_AddNumberToObject(launch, "hosts", count_hosts());
    cJSON_AddNumberToObject(launch, "threads_of_a_run", world()->cores);
    cJSON_AddStringToObject(launch, "program", facts[0].program);
    cJSON_AddStringToObject(launch, "MPI", facts[0].library);
}

static void add_ranks(cJSON *report, const struct rank_facts *facts)
{
    cJSON *ranks = cJSON_AddObjectToObject(report, "ranks");
    for (int r = 0; r < world()->size; r++) {
        char name[32];
        snprintf(name, sizeof name, "%d", r);
        cJSON *rank = cJSON_AddObjectToObject(ranks, name);
        cJSON_AddStringToObject(rank, "host", facts[r].host);
        cJSON_AddStringToObject(rank, "cores", facts[r].cores);
        cJSON_AddStringToObject(rank, "GPUs", facts[r].gpus);
    }
}

static void add_sums(cJSON *report, const struct probe_sum *sum)
{
    cJSON *sums = cJSON_AddObjectToObject(report, "sums");
    for (int i = 0; i < N_PROBES; i++) {
        char words[96];
        snprintf(words, sizeof words, "%s: %d ranks, %.1f ms", sum[i].right ? "right" : "WRONG", sum[i].most_ranks,
                 1e3 * sum[i].longest_s);
        cJSON_AddStringToObject(sums, probe_name[i], sum[i].most_ranks > 1 ? words : "nothing to add");
    }
}

/* Ranks of two builds would send each other records that the other cannot read. */
static bool all_alike(const struct rank_facts *facts)
{
    bool alike = true;
    for (int r = 1; r < world()->size; r++)
        if (strcmp(facts[r].program, facts[0].program) != 0 || strcmp(facts[r].library, facts[0].library) != 0) {
            log_error("rank %d on %s is dpsweep %s with %s, rank 0 is %s with %s: start the same program everywhere", r,
                      facts[r].host, facts[r].program, facts[r].library, facts[0].program, facts[0].library);
            alike = false;
        }
    return alike;
}

int preflight(cJSON **report)
{
    struct rank_facts mine = {0}, *facts = calloc((size_t)world()->size, sizeof *facts);
    struct probe_sum sum[N_PROBES];
    CHECK(facts);
    fill(&mine);
    probe_gather(&mine, facts);
    bool fine = true;
    for (int i = 0; i < N_PROBES; i++) {
        sum[i] = probe_sum((enum probe_ranks)i);
        fine = fine && sum[i].right;
    }
    *report = NULL;
    if (world()->rank == 0) {
        fine = all_alike(facts) && fine;
        *report = cJSON_CreateObject();
        add_launch(*report, facts);
        add_ranks(*report, facts);
        add_sums(*report, sum);
    }
    free(facts);
    return fine ? EXIT_OK : EXIT_ENVIRONMENT;
}
