/* worker.c - the rank's side of a child process.  What comes through its two pipes is collected; at the end the process
 * group that it leads is killed whole, and how it ended becomes its record unless it has sent one.  The worker of a
 * member of a group goes on from there until the other members have ended as well. */
#include "worker.h"
#include "relay.h"
#include "spawn.h"
#include "world.h"
#include "../src/base/check.h"
#include "../src/base/text.h"
#include "../src/device/device.h"
#include "../src/device/pulse.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct worker {
    struct task task;
    pid_t pid;                          /* 0: reaped */
    int result_fd, stderr_fd;           /* -1 after their end */
    double start_s, start_time;         /* monotonic; of day */
    struct pulse *pulse;                /* where the child says it is */
    uint64_t beats;                     /* of the pulse, when it last went on */
    double beat_s;
    bool warned;                        /* since then */
    uint64_t oom_kills_before;
    char *result;                       /* what came through the pipe so far */
    size_t result_bytes;
    char stderr_tail[4096];             /* the last of what the child wrote there */
    size_t tail_bytes;
    struct relay *relay;                /* of a member of a group; else NULL */
    bool stopped, was_waiting;          /* its child: because another member failed; for another member */
    struct record record;               /* after its child has ended */
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
    int result[2], error[2], pulse_fd;
    CHECK_SYS(pipe2(result, O_CLOEXEC));
    CHECK_SYS(pipe2(error, O_CLOEXEC));
    w->task = *task;
    w->relay = task->n_members > 1 ? relay_open(task->member, task->n_members) : NULL;
    w->start_s = w->beat_s = clock_wall_s();
    w->start_time = time_of_day_s();
    w->oom_kills_before = oom_kills();
    w->pulse = pulse_create(&pulse_fd);
    w->pid = spawn_child(task, result[1], pulse_fd, error[1], w->relay);
    if (w->relay)
        relay_started(w->relay);
    close(pulse_fd);
    close(result[1]);
    close(error[1]);
    w->result_fd = result[0];
    w->stderr_fd = error[0];
    CHECK_SYS(fcntl(w->result_fd, F_SETFL, O_NONBLOCK));
    CHECK_SYS(fcntl(w->stderr_fd, F_SETFL, O_NONBLOCK));
    return w;
}

/* ---- while it runs ------------------------------------------------------------------------------------------- */

/* Until the child says something on its pipes or asks its relay, or ms have passed. */
static void wait_for_child(struct worker *w, int ms)
{
    struct pollfd fds[] = {{w->result_fd, POLLIN, 0}, {w->stderr_fd, POLLIN, 0},
        {w->relay ? relay_socket(w->relay) : -1, POLLIN, 0}};     /* poll leaves out negative ones */
    poll(fds, 3, ms);
}

void worker_wait(struct worker *w, int ms)
{
    const double until_s = clock_wall_s() + 1e-3 * ms;
    if (!w->relay || !relay_look(w->relay))
        wait_for_child(w, ms);
    while (w->relay && relay_look(w->relay) && clock_wall_s() < until_s)
        ;
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

/* ---- the watch ----------------------------------------------------------------------------------------------- */

enum { WARN_AFTER_S = 600 };

static void say_stalled(struct worker *w, double since_s)
{
    char where[128];
    pulse_words(w->pulse, where, sizeof where);
    log_warn("%s B=%llu T=%llu %s: no progress for %.0f s, %s", w->task.config.trainer,
             (unsigned long long)w->task.config.batch_size, (unsigned long long)w->task.config.seq_len,
             w->task.config.model, since_s, where);
    w->warned = true;
}

/* What keeps the child is in other members: its relay knows, or on a GPU, where the child does collectives itself, its
 * phase.  When one member hangs, the others wait for it, and it is to be found before they are: they have more time. */
static bool waits_for_others(const struct worker *w)
{
    return w->relay && (relay_child_waits(w->relay) || (device_is_gpu() && w->pulse->phase == PHASE_AGGREGATE));
}

/* True: it stays in one phase longer than allowed.  Half that time, or WARN_AFTER_S, is worth a line. */
static bool stalls(struct worker *w)
{
    const double now_s = clock_wall_s(), stall_s = w->task.stall_s;
    if (w->pulse->beats != w->beats) {
        w->beats = w->pulse->beats;
        w->beat_s = now_s;
        w->warned = false;
    }
    const double since_s = now_s - w->beat_s;
    if (!w->warned && since_s > (stall_s > 0 ? stall_s / 2 : WARN_AFTER_S))
        say_stalled(w, since_s);
    return stall_s > 0 && since_s > stall_s * (waits_for_others(w) ? 2 : 1);
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

/* The ledger of a run is ready for the end of memory, libraries are not. */
static void say_limit(struct record *record)
{
    struct rlimit limit;
    char bytes[32];
    CHECK_SYS(getrlimit(RLIMIT_AS, &limit));
    if (limit.rlim_cur == RLIM_INFINITY)
        return;
    text_from_bytes((double)limit.rlim_cur, bytes, sizeof bytes);
    text_append(record->message, sizeof record->message, "; ulimit -v is %s: libraries may crash where that ends",
                bytes);
}

static void say_signal(struct worker *w, int signal, const char *where, struct record *record)
{
    const char *name = sigabbrev_np(signal);
    if (signal == SIGKILL && oom_kills() > w->oom_kills_before)
        record_set_status(record, STATUS_OOM_HOST, "killed by SIGKILL %s, probably out of memory", where);
    else
        record_set_status(record, STATUS_CRASHED, "died of SIG%s %s%s%s", name ? name : "RT", where,
                          *last_words(w) ? ": " : "", last_words(w));
    if (signal != SIGKILL)
        say_limit(record);
}

enum too_long { NOT_TOO_LONG, PAST_TIMEOUT, STALLED };

static void say_how_it_ended(struct worker *w, int wait_status, enum too_long why, struct record *record)
{
    char where[128];
    pulse_words(w->pulse, where, sizeof where);
    if (w->stopped)
        record_set_status(record, STATUS_FAILED, "stopped, because another rank of its group failed");
    else if (why == PAST_TIMEOUT)
        record_set_status(record, STATUS_TIMEOUT, "not finished after %g s (--timeout), %s", w->task.timeout_s, where);
    else if (why == STALLED)
        record_set_status(record, STATUS_TIMEOUT, "no progress for %g s (--stall), %s", w->task.stall_s, where);
    else if (WIFSIGNALED(wait_status))
        say_signal(w, WTERMSIG(wait_status), where, record);
    else if (*last_words(w))
        record_set_status(record, STATUS_FAILED, "%s", last_words(w));
    else
        record_set_status(record, STATUS_FAILED, "ended %s with exit code %d and no result", where,
                          WEXITSTATUS(wait_status));
}

static void reap(pid_t pid, int *wait_status)
{
    while (waitpid(pid, wait_status, 0) < 0 && errno == EINTR)
        ;
}

/* What the child has started and left behind in a process group of its own is our child now (worker_adopt). */
static void kill_orphans(void)
{
    for (;;) {
        int pid = 0;
        FILE *children = fopen("/proc/thread-self/children", "re");
        const bool any = children && fscanf(children, "%d", &pid) == 1;
        if (children)
            fclose(children);
        if (!any)
            return;
        kill(pid, SIGKILL);
        reap(pid, NULL);
    }
}

void worker_adopt(void)
{
    CHECK_SYS(prctl(PR_SET_CHILD_SUBREAPER, 1));
}

/* Its process group goes first: a process id is free for others once its process is waited for. */
static int kill_and_reap(struct worker *w)
{
    int wait_status = 0;
    kill(-w->pid, SIGKILL);
    reap(w->pid, &wait_status);
    kill_orphans();
    w->pid = 0;
    return wait_status;
}

static enum too_long takes_too_long(struct worker *w)
{
    enum { GRACE_S = 1 };
    const double most_s = w->task.timeout_s + (waits_for_others(w) ? GRACE_S : 0);
    if (w->task.timeout_s > 0 && clock_wall_s() - w->start_s > most_s)
        return PAST_TIMEOUT;
    return stalls(w) ? STALLED : NOT_TOO_LONG;
}

static void write_record(struct worker *w, int wait_status, enum too_long too_long)
{
    struct record *record = &w->record;
    record_init(record);
    if (received(w, record)) {
        w->stopped = w->was_waiting = false;   /* it was ready all the same */
    } else {
        record_clear(record);
        record_init(record);
        record->config = w->task.config;
        record->start_time = w->start_time;
        record->end_time = time_of_day_s();
        say_how_it_ended(w, wait_status, too_long, record);
    }
    record->threads = w->task.threads;
    record->rank = (uint64_t)world()->rank;
    record->world_size = (uint64_t)world()->size;
    snprintf(record->host, sizeof record->host, "%s", world()->host);
}

/* True: there is no child any more, and w->record says how it ended. */
static bool child_has_ended(struct worker *w)
{
    if (!w->pid)
        return true;
    siginfo_t info = {.si_pid = 0};
    CHECK_SYS(waitid(P_PID, (id_t)w->pid, &info, WEXITED | WNOHANG | WNOWAIT));
    const bool dead = info.si_pid != 0;
    drain(w, &w->result_fd, take_result);      /* after the question: what a dead child wrote is all there */
    drain(w, &w->stderr_fd, take_stderr);
    if (!dead && w->relay && relay_is_over(w->relay))
        worker_stop(w);                        /* nobody answers it any more */
    const enum too_long too_long = dead ? NOT_TOO_LONG : takes_too_long(w);
    if (!dead && !too_long)
        return false;
    w->was_waiting = too_long && waits_for_others(w);
    write_record(w, kill_and_reap(w), too_long);
    return true;
}

bool worker_ended(struct worker *w, struct record *record)
{
    if (!child_has_ended(w))
        return false;
    if (w->relay) {
        relay_leave(w->relay);
        if (!relay_is_over(w->relay))
            return false;
    }
    *record = w->record;
    memset(&w->record, 0, sizeof w->record);   /* its rows are the caller's now */
    return true;
}

bool worker_failed(const struct worker *w)
{
    const enum status status = record_status(&w->record);
    return w->relay && !w->pid && status != STATUS_OK && status != STATUS_INVALID; /* which all find together */
}

void worker_stop(struct worker *w)
{
    if (!w->pid)
        return;
    w->stopped = true;
    kill(-w->pid, SIGKILL);
}

bool worker_is_victim(const struct worker *w)
{
    return w->stopped || w->was_waiting;
}

void worker_free(struct worker *w)
{
    if (!w)
        return;
    if (w->pid)
        kill_and_reap(w);
    relay_close(w->relay);
    record_clear(&w->record);
    if (w->result_fd >= 0)
        close(w->result_fd);
    if (w->stderr_fd >= 0)
        close(w->stderr_fd);
    pulse_free(w->pulse);
    free(w->result);
    free(w);
}
