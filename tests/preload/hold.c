/* hold.c - a library to preload: a `dpsweep worker` waits before it begins, as long as the folder $HOLD has a file
 * named like one of its arguments, --seed=2 say.  Should its rank die meanwhile, it goes on, and finds that out by itself
 * (src/bench/child.c). */
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_held(const char *folder, int argc, char **argv)
{
    char path[PATH_MAX];
    for (int i = 2; i < argc; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, argv[i]);
        if (access(path, F_OK) == 0)
            return true;
    }
    return false;
}

__attribute__((constructor)) static void hold(int argc, char **argv)
{
    const char *folder = getenv("HOLD");
    const pid_t parent = getppid();
    if (!folder || argc < 2 || strcmp(argv[1], "worker") != 0)
        return;
    while (is_held(folder, argc, argv) && getppid() == parent)
        usleep(20000);
}
