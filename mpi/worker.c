/* worker.c - the rank's side of a child process.  What comes through its two pipes is collected; at the end the process
 * group that it leads is killed whole, and how it ended becomes its record unless it has sent one. */
#include "worker.h"
#include "spawn.h"
#include "world.h"
#include "../src/base/check.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct worker {
    struct task task;
    pid_t pid;                          /* 0: reaped */
    int result_fd, stderr_fd;           /* -1 after their end */
    double start_s, start_time;         /* monotonic; of day */
    uint64_t oom_kills_before;
    char *result;                       /* what came through the pipe so far */
    size_t result_bytes;
    char stderr_tail[4096];             /* the last of what the child wrote there */
    size_t tail_bytes;
};

/* ---- start --------------------------------------------------------------------------------------------------- */

static double time_of_day_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Processes the kernel has killed for memory since the machine started, those of cgroups included. */
static uint64_t oom_kills(void)
{
    unsigned long long kills = 0;
    char line[256];
    FILE *vmstat = fopen("/proc/vmstat", "re");
    while (vmstat && fgets(line, sizeof line, vmstat))
        if (sscanf(line, "oom_kill %llu", &kills) == 1)
            break;
    if (vmstat)
        fclose(vmstat);
    return kills;
}

struct worker *worker_spawn(const struct task *task)
{
    struct worker *w = calloc(1, sizeof *w);
    CHECK(w);
    int result[2], error[2];
    CHECK_SYS(pipe2(result, O_CLOEXEC));
    CHECK_SYS(pipe2(error, O_CLOEXEC));
    w->task = *task;
    w->start_s = clock_wall_s();
    w->start_time = time_of_day_s();
    w->oom_kills_before = oom_kills();
    w->pid = spawn_child(task, result[1], error[1]);
    close(result[1]);
    close(error[1]);
    w->result_fd = result[0];
    w->stderr_fd = error[0];
    CHECK_SYS(fcntl(w->result_fd, F_SETFL, O_NONBLOCK));
    CHECK_SYS(fcntl(w->stderr_fd, F_SETFL, O_NONBLOCK));
    return w;
}

/* ---- while it runs ------------------------------------------------------------------------------------------- */

void worker_wait(struct worker *w, int ms)
{
    struct pollfd fds[] = {{w->result_fd, POLLIN, 0}, {w->stderr_fd, POLLIN, 0}};  /* poll leaves out negative ones */
    poll(fds, 2, ms);
}

/* Hands all that is in a pipe now to `take`; at its end closes it. */
static void drain(struct worker *w, int *fd, void (*take)(struct worker *, const char *, size_t))
{
    char chunk[65536];
    while (*fd >= 0) {
        const ssize_t n = read(*fd, chunk, sizeof chunk);
        if (n > 0) {
            take(w, chunk, (size_t)n);
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            close(*fd);
            *fd = -1;
        } else if (errno == EAGAIN) {
            return;
        }
    }
}

static void take_result(struct worker *w, const char *chunk, size_t n)
{
    CHECK(w->result = realloc(w->result, w->result_bytes + n));
    memcpy(w->result + w->result_bytes, chunk, n);
    w->result_bytes += n;
}

static void take_stderr(struct worker *w, const char *chunk, size_t n)
{
    if (w->task.verbose)
        fwrite(chunk, 1, n, stderr);
    const size_t room = sizeof w->stderr_tail - 1;
    if (n > room) {
        chunk += n - room;
        n = room;
    }
    const size_t keep = w->tail_bytes + n > room ? room - n : w->tail_bytes;
    memmove(w->stderr_tail, w->stderr_tail + w->tail_bytes - keep, keep);
    memcpy(w->stderr_tail + keep, chunk, n);
    w->tail_bytes = keep + n;
    w->stderr_tail[w->tail_bytes] = '\0';
}

/* ---- end ----------------------------------------------------------------------------------------------------- */

/* The last line with something on it, without the program's name before it. */
static const char *last_words(struct worker *w)
{
    static const char prefix[] = "dpsweep: error: ";
    char *end = w->stderr_tail + w->tail_bytes;
    while (end > w->stderr_tail && (end[-1] == '\n' || end[-1] == ' '))
        *--end = '\0';
    char *line = strrchr(w->stderr_tail, '\n');
    line = line ? line + 1 : w->stderr_tail;
    return strncmp(line, prefix, strlen(prefix)) == 0 ? line + strlen(prefix) : line;
}

bool worker_send(int fd, const struct record *record)
{
    size_t bytes;
    void *data = record_encode(record, &bytes);
    const uint64_t length = bytes;
    FILE *pipe = fdopen(fd, "w");
    bool sent = pipe && fwrite(&length, sizeof length, 1, pipe) == 1 && fwrite(data, 1, bytes, pipe) == bytes;
    sent = pipe && fclose(pipe) == 0 && sent;
    free(data);
    return sent;
}

/* False: nothing, a part of a record, or the record of another configuration. */
static bool received(const struct worker *w, struct record *record)
{
    uint64_t length;
    if (w->result_bytes < sizeof length)
        return false;
    memcpy(&length, w->result, sizeof length);
    if (w->result_bytes - sizeof length != length ||
        !record_decode(record, w->result + sizeof length, w->result_bytes - sizeof length))
        return false;
    char asked[65], got[65];
    config_sha256(&w->task.config, asked);
    config_sha256(&record->config, got);
    return strcmp(asked, got) == 0;
}

static void say_signal(struct worker *w, int signal, struct record *record)
{
    const char *name = sigabbrev_np(signal);
    if (signal == SIGKILL && oom_kills() > w->oom_kills_before)
        record_set_status(record, STATUS_OOM_HOST, "killed by SIGKILL, probably out of memory");
    else
        record_set_status(record, STATUS_CRASHED, "died of SIG%s%s%s", name ? name : "RT", *last_words(w) ? ": " : "",
                          last_words(w));
}

static void say_how_it_ended(struct worker *w, int wait_status, bool late, struct record *record)
{
    if (late)
        record_set_status(record, STATUS_TIMEOUT, "not finished after %g s (--timeout)", w->task.timeout_s);
    else if (WIFSIGNALED(wait_status))
        say_signal(w, WTERMSIG(wait_status), record);
    else if (*last_words(w))
        record_set_status(record, STATUS_FAILED, "%s", last_words(w));
    else
        record_set_status(record, STATUS_FAILED, "ended with exit code %d and no result", WEXITSTATUS(wait_status));
}

/* Its process group goes first: a process id is free for others once its process is waited for. */
static int kill_and_reap(struct worker *w)
{
    int wait_status = 0;
    kill(-w->pid, SIGKILL);
    while (waitpid(w->pid, &wait_status, 0) < 0 && errno == EINTR)
        ;
    w->pid = 0;
    return wait_status;
}

bool worker_ended(struct worker *w, struct record *record)
{
    siginfo_t info = {.si_pid = 0};
    CHECK_SYS(waitid(P_PID, (id_t)w->pid, &info, WEXITED | WNOHANG | WNOWAIT));
    const bool dead = info.si_pid != 0;
    drain(w, &w->result_fd, take_result);      /* after the question: what a dead child wrote is all there */
    drain(w, &w->stderr_fd, take_stderr);
    const bool late = !dead && w->task.timeout_s > 0 && clock_wall_s() - w->start_s > w->task.timeout_s;
    if (!dead && !late)
        return false;

    const int wait_status = kill_and_reap(w);
    record_init(record);
    if (!received(w, record)) {
        record_clear(record);
        record_init(record);
        record->config = w->task.config;
        record->start_time = w->start_time;
        record->end_time = time_of_day_s();
        say_how_it_ended(w, wait_status, late, record);
    }
    record->threads = w->task.threads;
    record->rank = (uint64_t)world()->rank;
    record->world_size = (uint64_t)world()->size;
    snprintf(record->host, sizeof record->host, "%s", world()->host);
    return true;
}

void worker_free(struct worker *w)
{
    if (!w)
        return;
    if (w->pid)
        kill_and_reap(w);
    if (w->result_fd >= 0)
        close(w->result_fd);
    if (w->stderr_fd >= 0)
        close(w->stderr_fd);
    free(w->result);
    free(w);
}
