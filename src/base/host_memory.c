/* host_memory.c - /proc/self/cgroup names the groups of this process; each, and each above it, may have a limit:
 *     "0::/user/job"           version 2   /sys/fs/cgroup/user/job/memory.max                     "max" or bytes
 *     "7:memory:/user/job"     version 1   /sys/fs/cgroup/memory/user/job/memory.limit_in_bytes   bytes */
#include "host_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The number in a file; most if there is no file or no number in it. */
static uint64_t read_limit(const char *root, const char *folder, const char *group, const char *name, uint64_t most)
{
    char path[4096];
    unsigned long long limit;
    snprintf(path, sizeof path, "%s/sys/fs/cgroup%s%s/%s", root, folder, group, name);
    FILE *file = fopen(path, "re");
    const int n = file ? fscanf(file, "%llu", &limit) : 0;
    if (file)
        fclose(file);
    return n == 1 && limit < most ? limit : most;
}

/* The least limit of `group` and of all groups above it. */
static uint64_t least_limit(const char *root, const char *folder, char *group, const char *name, uint64_t most)
{
    for (char *end; (end = strrchr(group, '/')); *end = '\0')
        most = read_limit(root, folder, group, name, most);
    return read_limit(root, folder, "", name, most);
}

uint64_t host_memory_bytes(const char *root)
{
    char path[4096], line[4096];
    uint64_t bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGE_SIZE);
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        if (group == controllers + 1)
            bytes = least_limit(root, "", group + 1, "memory.max", bytes);
        else if (strncmp(controllers, ":memory:", 8) == 0)
            bytes = least_limit(root, "/memory", group + 1, "memory.limit_in_bytes", bytes);
    }
    if (file)
        fclose(file);
    return bytes;
}
