/* launch.c - the run is `dpsweep sweep` of one configuration under the launcher.  It writes a journal of its own, from
 * which its record is taken: what a rank that is lost had not written there did not happen. */
#include "launch.h"
#include "../base/check.h"
#include "../base/text.h"
#include "../device/timer.h"
#include "../records/journal.h"
#include "../../mpi/gather.h"
#include "../../mpi/world.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATH = 4096, GRACE_S = 15, POLL_MS = 20, WARN_AFTER_S = 600 };

/* Of one call of the launcher. */
struct launch {
    const struct options *options;
    const struct point *point;
    double deadline_s;             /* 0: none */
    char h5[PATH], journal[PATH], log[PATH];
    pid_t pid;
    int status;                    /* of waitpid */
    bool late, silent;             /* ended for that */
    struct timespec touched;       /* its journal, by rank 0, which does it every second */
    double look_s, life_s;         /* monotonic: when to look at that again; when it last changed */
    bool warned;
};

const char *launch_default(void)
{
    return getenv("SLURM_JOB_ID") ? "srun --kill-on-bad-exit=1 --mpi=pmix --ntasks={ranks}" : "mpirun -n {ranks}";
}

/* ---- files ----------------------------------------------------------------------------------------------------- */

static void folder_of(const struct options *options, char *path)
{
    const int stem = (int)strlen(options->output) - 3;     /* without ".h5" */
    snprintf(path, PATH, "%.*s.launch", stem, options->output);
}

static void name_files(struct launch *l)
{
    char folder[PATH - 64];
    folder_of(l->options, folder);
    if (mkdir(folder, 0777) < 0 && errno != EEXIST)
        die(EXIT_ENVIRONMENT, "cannot make the folder %s: %s", folder, strerror(errno));
    const unsigned long long id = l->point->run_id;
    snprintf(l->h5, PATH, "%s/%llu.h5", folder, id);
    snprintf(l->journal, PATH, "%s/%llu.journal", folder, id);
    snprintf(l->log, PATH, "%s/%llu.log", folder, id);
    unlink(l->h5);
    unlink(l->journal);
}

void launch_clean(const struct options *options)
{
    char folder[PATH];
    folder_of(options, folder);
    rmdir(folder);
}

/* ---- the command ------------------------------------------------------------------------------------------------ */

/* For the shell: the launcher with its {ranks} replaced, and the words after it as they are. */
static void command_text(const struct launch *l, char *text, size_t bytes)
{
    const char *rest = l->options->launcher, *gap;
    snprintf(text, bytes, "exec ");
    for (; (gap = strstr(rest, "{ranks}")); rest = gap + strlen("{ranks}"))
        text_append(text, bytes, "%.*s%llu", (int)(gap - rest), rest,
                    (unsigned long long)l->point->config->ranks_per_run);
    text_append(text, bytes, "%s \"$@\"", rest);
}

struct words {
    char *word[N_CONFIG_FIELDS + 32], text[N_CONFIG_FIELDS + 32][TEXT_BYTES + 64];
    int n;
};

static void add_word(struct words *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add_word(struct words *w, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    CHECK(w->n + 1 < (int)(sizeof w->word / sizeof *w->word));
    vsnprintf(w->text[w->n], sizeof w->text[w->n], format, args);
    w->word[w->n] = w->text[w->n];
    w->word[++w->n] = NULL;
    va_end(args);
}

static void add_options(struct words *w, const struct options *options)
{
    if (options->threads)
        add_word(w, "--threads=%llu", (unsigned long long)options->threads);
    if (options->timeout_s > 0)
        add_word(w, "--timeout=%g", options->timeout_s);
    if (options->stall_s > 0)
        add_word(w, "--stall=%g", options->stall_s);
    if (options->profile)
        add_word(w, "--profile=%s", options->profile);
    if (options->share_gpu)
        add_word(w, "--share-gpu");
    if (options->try_anyway)
        add_word(w, "--try-anyway");
    if (options->verbose)
        add_word(w, "--verbose");
}

/* The noise multiplier of a target is found again.  Trainer auto chooses again if it is to go by the memory of the
 * host, which only the run knows; what it has chosen within a budget that was asked for is what is measured. */
static void add_point(struct words *w, const struct point *point)
{
    const struct config *config = point->config;
    if (config_memory(config) && point->predicted.policy[0])
        add_word(w, "--policy=%s", point->predicted.policy);
    for (int f = 0; f < N_CONFIG_FIELDS; f++) {
        char value[TEXT_BYTES];
        if (config->target_epsilon > 0 && &config_field[f] == config_field_find("noise_multiplier"))
            continue;
        field_text(&config_field[f], config, value, sizeof value);
        add_word(w, "--%s=%s", option_of(&config_field[f]).text, value);
    }
}

/* In the child.  Should this process be killed, the launcher is told to end. */
static _Noreturn void become(char **argv, const char *log)
{
    const int in = open("/dev/null", O_RDONLY), out = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    setpgid(0, 0);
    for (int signal_number = 1; signal_number < NSIG; signal_number++)
        signal(signal_number, SIG_DFL);
    if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 && dup2(out, STDERR_FILENO) >= 0)
        execv("/bin/sh", argv);
    _exit(EXIT_ENVIRONMENT);
}

static void start(struct launch *l)
{
    char command[PATH], self[PATH];
    struct words *w = calloc(1, sizeof *w);
    CHECK(w);
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    CHECK_SYS(length);
    self[length] = '\0';
    command_text(l, command, sizeof command);
    char *argv[sizeof w->word / sizeof *w->word + 8] = {"sh", "-c", command, "launch", self, "sweep", "-o", l->h5};
    add_options(w, l->options);
    add_point(w, l->point);
    memcpy(argv + 8, w->word, sizeof w->word);

    CHECK_SYS(l->pid = fork());
    if (l->pid == 0)
        become(argv, l->log);
    free(w);
}

/* ---- its end ---------------------------------------------------------------------------------------------------- */

static bool has_ended(struct launch *l)
{
    return waitpid(l->pid, &l->status, WNOHANG) == l->pid;
}

static bool ends_within(struct launch *l, double seconds)
{
    const double end_s = clock_wall_s() + seconds;
    while (!has_ended(l)) {
        if (clock_wall_s() > end_s)
            return false;
        nap_ms(POLL_MS);
    }
    return true;
}

/* Launchers need seconds to end their ranks, and a second signal meanwhile crashes some of them.  The signal may also
 * have ended only a script around the launcher. */
static void end(struct launch *l, int signal)
{
    kill(l->pid, signal);
    const bool ended = ends_within(l, GRACE_S);
    kill(-l->pid, SIGKILL);
    if (!ended)
        ends_within(l, GRACE_S);
}

static bool is_to_stop(const struct launch *l)
{
    return gather_signal() || (l->deadline_s > 0 && clock_wall_s() >= l->deadline_s);
}

/* Opened each time: NFS asks the server only then. */
static void look_for_life(struct launch *l)
{
    struct stat now;
    const int fd = open(l->journal, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (fstat(fd, &now) == 0 && memcmp(&now.st_mtim, &l->touched, sizeof l->touched) != 0) {
        l->touched = now.st_mtim;
        l->life_s = clock_wall_s();
        l->warned = false;
    }
    close(fd);
}

static bool has_result(const struct launch *l)
{
    char error[1024];
    struct sweep_state state;
    if (access(l->journal, R_OK) < 0 || !journal_read(l->journal, &state, error, sizeof error))
        return false;
    const bool has = state.n_records > 0;
    sweep_state_clear(&state);
    return has;
}

/* True: nothing more is to come.  A run that hangs is found by its ranks: here the launcher hangs, or all ranks do. */
static bool is_silent(struct launch *l)
{
    const double now_s = clock_wall_s(), stall_s = l->options->stall_s;
    if (now_s < l->look_s)
        return false;
    l->look_s = now_s + 1;
    look_for_life(l);
    const double silent_s = now_s - l->life_s;
    if (!l->warned && stall_s <= 0 && silent_s > WARN_AFTER_S) {
        log_warn("run %llu: no sign of life for %.0f s; --stall ends such a launch",
                 (unsigned long long)l->point->run_id, silent_s);
        l->warned = true;
    }
    return silent_s > GRACE_S && ((stall_s > 0 && silent_s > stall_s + GRACE_S) || has_result(l));
}

/* The run ends by itself at --timeout, and when it has a result; a launcher that does not follow is ended. */
static void wait_for_end(struct launch *l)
{
    const double timeout_s = l->options->timeout_s, start_s = l->life_s = clock_wall_s();
    while (!has_ended(l)) {
        if (is_to_stop(l))
            return end(l, SIGUSR1);
        l->late = timeout_s > 0 && clock_wall_s() - start_s > timeout_s + GRACE_S;
        l->silent = is_silent(l);
        if (l->late || l->silent)
            return end(l, SIGTERM);
        nap_ms(POLL_MS);
    }
}

/* The first error that the run or the launcher wrote, which is the cause of others, or else the last line. */
static void telling_words(const char *path, char *words, size_t bytes)
{
    char line[1024];
    bool is_error = false;
    FILE *log = fopen(path, "re");
    words[0] = '\0';
    while (log && !is_error && fgets(line, sizeof line, log)) {
        is_error = strstr(line, "error: ");
        line[strcspn(line, "\n")] = '\0';
        if (line[strspn(line, " -")])
            snprintf(words, bytes, "%s", line);
    }
    if (log)
        fclose(log);
}

static void say_how(const struct launch *l, struct record *record, enum status status)
{
    char words[LONG_BYTES], how[64];
    telling_words(l->log, words, sizeof words);
    if (WIFSIGNALED(l->status))
        snprintf(how, sizeof how, "died of SIG%s", sigabbrev_np(WTERMSIG(l->status)));
    else
        snprintf(how, sizeof how, "ended with exit code %d", WEXITSTATUS(l->status));
    if (l->late)
        record_set_status(record, STATUS_TIMEOUT, "the launcher was still there %d s after --timeout", GRACE_S);
    else if (l->silent)
        record_set_status(record, STATUS_TIMEOUT, "no sign of life for %g s (--stall) and %d s%s%s",
                          l->options->stall_s, GRACE_S, words[0] ? ": " : "", words);
    else
        record_set_status(record, status, "the launcher %s%s%s", how, words[0] ? ": " : "", words);
}

/* True: the run began.  Its record, if it came to one, goes to *record. */
static bool read_result(const struct launch *l, struct record *record, bool *found)
{
    char error[1024];
    struct sweep_state state;
    *found = false;
    if (access(l->journal, R_OK) < 0 || !journal_read(l->journal, &state, error, sizeof error))
        return false;
    for (size_t i = 0; i < state.n_records && !*found; i++)
        if (strcmp(state.record[i].config_sha256, l->point->config_sha256) == 0) {
            size_t bytes;
            void *copy = record_encode(&state.record[i], &bytes);
            record_clear(record);
            CHECK(record_decode(record, copy, bytes));
            free(copy);
            *found = true;
        }
    const bool began = *found || state.n_unfinished;
    sweep_state_clear(&state);
    return began;
}

static void remove_files(const struct launch *l)
{
    unlink(l->h5);
    unlink(l->journal);
    unlink(l->log);
}

enum launched launch_point(const struct options *options, const struct point *point, double deadline_s,
                           struct record *record)
{
    struct launch *l = &(struct launch){.options = options, .point = point, .deadline_s = deadline_s};
    bool found;
    name_files(l);
    start(l);
    wait_for_end(l);
    record_init(record);
    record->config = *point->config;
    const bool began = read_result(l, record, &found);
    if (!found && is_to_stop(l))
        return LAUNCHED_STOPPED;
    if (!found)
        say_how(l, record, began ? STATUS_CRASHED : STATUS_FAILED);
    else
        remove_files(l);
    return began || l->late || l->silent ? LAUNCHED_ENDED : LAUNCHED_NOTHING;
}
