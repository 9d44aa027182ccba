/* grandchild.c - a library to preload: each `dpsweep worker` leaves a process behind that sleeps in a session of its own,
 * as a daemon or a helper of a library may.  GRANDCHILD_SLEEP says for how long, and so tells it from others. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void become_a_daemon(const char *seconds)
{
    setsid();
    if (fork() == 0) {
        for (int fd = 3; fd < 1024; fd++)
            close(fd);
        execlp("sleep", "sleep", seconds, (char *)NULL);
    }
    _exit(0);
}

__attribute__((constructor)) static void leave_one_behind(int argc, char **argv)
{
    const char *seconds = getenv("GRANDCHILD_SLEEP");
    if (!seconds || argc < 2 || strcmp(argv[1], "worker") != 0)
        return;
    const pid_t child = fork();
    if (child == 0)
        become_a_daemon(seconds);
    waitpid(child, NULL, 0);
}
