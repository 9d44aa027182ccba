#include "provenance.h"

#include "../base/check.h"
#include "../base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* What follows `name` and `separator` in the first line of a file that begins so; "" where there is none. */
static void find_value(const char *path, const char *name, char separator, char *value, size_t bytes)
{
    char line[512];
    FILE *file = fopen(path, "re");
    value[0] = '\0';
    while (file && !value[0] && fgets(line, sizeof line, file)) {
        char *at = strchr(line, separator);
        if (!at || strncmp(line, name, strlen(name)) != 0)
            continue;
        at += 1 + strspn(at + 1, " \"");
        snprintf(value, bytes, "%.*s", (int)strcspn(at, "\"\n"), at);
    }
    if (file)
        fclose(file);
}

void provenance_operating_system(char *text, size_t bytes)
{
    char distribution[128];
    struct utsname system;
    CHECK(uname(&system) == 0);
    find_value("/etc/os-release", "PRETTY_NAME", '=', distribution, sizeof distribution);
    snprintf(text, bytes, "%s %s%s%s", system.sysname, system.release, distribution[0] ? ", " : "", distribution);
}

void provenance_cpu(char *text, size_t bytes)
{
    char model[96];
    find_value("/proc/cpuinfo", "model name", ':', model, sizeof model);
    snprintf(text, bytes, "%s%s%ld cores", model, model[0] ? ", " : "", sysconf(_SC_NPROCESSORS_ONLN));
}

/* The one word of a file of the first core; "" where there is none. */
static void clock_word(const char *name, char word[32])
{
    char path[128];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cpufreq/%s", name);
    FILE *file = fopen(path, "re");
    if (!file || fscanf(file, "%31s", word) != 1)
        word[0] = '\0';
    if (file)
        fclose(file);
}

void provenance_cpu_clocks(char *text, size_t bytes)
{
    char governor[32], least[32], most[32];
    clock_word("scaling_governor", governor);
    clock_word("scaling_min_freq", least);
    clock_word("scaling_max_freq", most);
    if (governor[0])
        snprintf(text, bytes, "governor %s, %.0f to %.0f MHz", governor, 1e-3 * atof(least), 1e-3 * atof(most));
    else {
        char now[32];
        find_value("/proc/cpuinfo", "cpu MHz", ':', now, sizeof now);
        snprintf(text, bytes, "%s%s", now, now[0] ? " MHz" : "");
    }
}

void provenance_slurm_job(char *text, size_t bytes)
{
    static const struct { const char *variable, *format; } part[] = {
        {"SLURM_JOB_ID", "job %s"},
        {"SLURM_ARRAY_JOB_ID", ", of array %s"},
        {"SLURM_ARRAY_TASK_ID", ", array task %s"},
        {"SLURM_JOB_PARTITION", ", partition %s"},
        {"SLURM_JOB_NUM_NODES", ", %s nodes"},
        {"SLURM_RESTART_COUNT", ", restarted %s times"},
    };
    text[0] = '\0';
    for (size_t i = 0; i < sizeof part / sizeof *part && getenv("SLURM_JOB_ID"); i++)
        if (getenv(part[i].variable))
            text_append(text, bytes, part[i].format, getenv(part[i].variable));
}

static bool matters(const char *variable)
{
    static const char *const prefix[] = {
        "OMP_", "GOMP_", "KMP_", "DNNL_", "ONEDNN_", "OPENBLAS_", "MKL_", "MALLOC_", "GLIBC_TUNABLES=", "LD_PRELOAD=",
        "LD_LIBRARY_PATH=", "CUDA_", "CUBLAS_", "NVIDIA_", "NCCL_", "UCX_", "HDF5_", "DPSWEEP_",
    };
    for (size_t i = 0; i < sizeof prefix / sizeof *prefix; i++)
        if (strncmp(variable, prefix[i], strlen(prefix[i])) == 0)
            return true;
    return false;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char *provenance_environment(void)
{
    size_t n = 0, bytes = 1;
    for (char **v = environ; *v; v++) {
        n += matters(*v);
        bytes += matters(*v) ? strlen(*v) + 1 : 0;
    }
    char **found = calloc(n + 1, sizeof *found), *text = calloc(1, bytes);
    CHECK(found && text);
    n = 0;
    for (char **v = environ; *v; v++)
        if (matters(*v))
            found[n++] = *v;
    qsort(found, n, sizeof *found, by_text);
    char *end = text;
    for (size_t i = 0; i < n; i++)
        end = stpcpy(stpcpy(end, found[i]), i + 1 < n ? "\n" : "");
    free(found);
    return text;
}
