#include "gpus.h"
#include "spawn.h"
#include "world.h"
#include "../src/base/check.h"
#include "../src/device/timer.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_S = 120 }; /* a driver that has been idle takes its time */

/* What comes from fd until it ends; false: it did not end in time. */
static bool read_all(int fd, char *text, size_t bytes)
{
    const double start_s = clock_wall_s();
    size_t n = 0;
    for (;;) {
        const double left_s = start_s + MOST_S - clock_wall_s();
        struct pollfd readable = {fd, POLLIN, 0};
        const int ready = left_s > 0 ? poll(&readable, 1, (int)(1e3 * left_s)) : 0;
        if (ready == 0)
            return false;
        if (ready < 0 && errno == EINTR)
            continue;
        const ssize_t got = read(fd, text + n, bytes - 1 - n);
        if (got < 0 && errno == EINTR)
            continue;
        n += got > 0 ? (size_t)got : 0;
        text[n] = '\0';
        if (got <= 0 || n == bytes - 1)
            return true;
    }
}

/* A line of device_gpu: "<identity> <name>, <memory> MiB" */
static void read_line(struct gpu_list *list, const char *line, int length)
{
    char text[256];
    const int i = list->n++;
    snprintf(text, sizeof text, "%.*s", length, line);
    const size_t id = strcspn(text, " ");
    const char *name = text[id] ? text + id + 1 : text + id, *memory = strrchr(name, ',');
    snprintf(list->id[i], sizeof *list->id, "%.*s", (int)id, text);
    snprintf(list->name[i], sizeof *list->name, "%.*s", memory ? (int)(memory - name) : (int)strlen(name), name);
    list->memory_bytes[i] = memory ? strtod(memory + 1, NULL) * 0x1p20 : 0.0;
}

static void read_list(struct gpu_list *list, const char *text)
{
    for (const char *line = text; *line && list->n < GPUS_MOST; line += strcspn(line, "\n"), line += *line == '\n')
        read_line(list, line, (int)strcspn(line, "\n"));
}

/* The child's one line without the program's name before it. */
static void read_error(struct gpu_list *list, const char *text)
{
    static const char prefix[] = "dpsweep: error: ";
    if (strncmp(text, prefix, strlen(prefix)) == 0)
        text += strlen(prefix);
    snprintf(list->error, sizeof list->error, "%.*s", (int)strcspn(text, "\n"), text);
}

void gpus_ask(struct gpu_list *list)
{
    char text[8192];
    int out[2], status = 0;
    memset(list, 0, sizeof *list);
    snprintf(list->host, sizeof list->host, "%s", world()->host);
    CHECK_SYS(pipe2(out, O_CLOEXEC));
    const pid_t pid = spawn_gpu_question(out[1]);
    close(out[1]);
    const bool ended = read_all(out[0], text, sizeof text);
    close(out[0]);
    if (!ended)
        kill(-pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!ended)
        snprintf(list->error, sizeof list->error, "the GPU driver does not answer within %d s", MOST_S);
    else if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_OK)
        read_list(list, text);
    else
        read_error(list, text);
    if (!list->n && !list->error[0])
        snprintf(list->error, sizeof list->error, "the GPU driver ended the program that looked for GPUs");
}

/* How many of the first `rank` ranks are on the GPU with this id. */
static int ranks_on(const char *id, const struct gpu_list *list, int rank, const int *gpu)
{
    int n = 0;
    for (int r = 0; r < rank; r++)
        n += strcmp(list[r].id[gpu[r]], id) == 0;
    return n;
}

int gpus_share_out(const struct gpu_list *list, int size, int *gpu)
{
    int most = 0;
    for (int r = 0; r < size; r++) {
        int fewest = size;
        for (int i = 0; i < list[r].n; i++) {
            const int there = ranks_on(list[r].id[i], list, r, gpu);
            if (there < fewest) {
                fewest = there;
                gpu[r] = i;
            }
        }
        most = fewest + 1 > most ? fewest + 1 : most;
    }
    return most;
}

double gpus_largest_share(const struct gpu_list *list, int size, const int *gpu)
{
    double largest = 0.0;
    for (int r = 0; r < size; r++) {
        const double share = list[r].memory_bytes[gpu[r]] / ranks_on(list[r].id[gpu[r]], list, size, gpu);
        largest = share > largest ? share : largest;
    }
    return largest;
}
