#include "sweep_header.h"
#include "provenance.h"
#include "../base/check.h"
#include "../device/device.h"
#include "../records/store.h"
#include "../../mpi/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static char *joined(int n, char **words)
{
    size_t bytes = sizeof "dpsweep";
    for (int i = 0; i < n; i++)
        bytes += 1 + strlen(words[i]);
    char *text = malloc(bytes);
    CHECK(text);
    char *end = stpcpy(text, "dpsweep");
    for (int i = 0; i < n; i++)
        end = stpcpy(stpcpy(end, " "), words[i]);
    return text;
}

static void new_uuid(char *text, size_t bytes)
{
    FILE *random = fopen("/proc/sys/kernel/random/uuid", "re");
    if (!random || !fgets(text, (int)bytes, random))
        die(EXIT_ENVIRONMENT, "/proc/sys/kernel/random/uuid cannot be read: %s", strerror(errno));
    text[strcspn(text, "\n")] = '\0';
    fclose(random);
}

/* out/night.1.h5 -> night.1 */
static void name_of(const char *h5_path, char *name, size_t bytes)
{
    const char *slash = strrchr(h5_path, '/');
    snprintf(name, bytes, "%s", slash ? slash + 1 : h5_path);
    char *suffix = strrchr(name, '.');
    if (suffix)
        *suffix = '\0';
}

void sweep_header_begin(struct sweep_header *h, const char *h5_path, const char *sweep_text, int argc, char **argv)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    *h = (struct sweep_header){
        .start_time = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec,
        .command_line = joined(argc, argv),
        .config_text = strdup(sweep_text ? sweep_text : ""),
    };
    new_uuid(h->sweep_uuid, sizeof h->sweep_uuid);
    name_of(h5_path ? h5_path : "", h->sweep_name, sizeof h->sweep_name);
}

void sweep_header_fill(struct sweep_header *h, const char *h5_path, const char *sweep_text, int argc, char **argv)
{
    struct device_info device;
    device_describe(&device);
    sweep_header_begin(h, h5_path, sweep_text, argc, argv);
    h->mpi_size = (uint64_t)world()->size;
    snprintf(h->suite_version, sizeof h->suite_version, "%s", DPSWEEP_VERSION);
    snprintf(h->git_commit, sizeof h->git_commit, "%s", DPSWEEP_GIT_COMMIT);
    snprintf(h->compiler, sizeof h->compiler, "%s", DPSWEEP_COMPILER);
    snprintf(h->hostname, sizeof h->hostname, "%s", world()->host);
    snprintf(h->mpi_library, sizeof h->mpi_library, "%s", world()->library);
    snprintf(h->hdf5_version, sizeof h->hdf5_version, "%s", store_hdf5_version());
    snprintf(h->libraries, sizeof h->libraries, "%.*s", TEXT_BYTES - 1, device.libraries);
    provenance_operating_system(h->operating_system, sizeof h->operating_system);
    provenance_cpu(h->cpu, sizeof h->cpu);
    provenance_cpu_clocks(h->cpu_clocks, sizeof h->cpu_clocks);
    provenance_slurm_job(h->slurm_job, sizeof h->slurm_job);
    h->environment = provenance_environment();
}
