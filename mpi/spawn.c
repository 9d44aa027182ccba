/* spawn.c - posix_spawn and not fork: its cost does not grow with the memory of the rank, and no code of ours runs in a
 * copy of a process that has MPI open. */
#include "spawn.h"
#include "channel.h"
#include "../src/base/check.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const not_for_children[] = {
    "OMPI_", "PMIX_", "PMI_", "PRTE_", "ORTE_", "OPAL_", "HYDRA_", "MPIEXEC_", "SLURM_",    /* would make it a rank */
    "OMP_NUM_THREADS=", "OMP_WAIT_POLICY=", "OMP_PROC_BIND=", "OMP_PLACES=", "GOMP_CPU_AFFINITY=", "DPSWEEP_GPU=",
};

static bool is_for_children(const char *variable)
{
    for (size_t i = 0; i < sizeof not_for_children / sizeof *not_for_children; i++)
        if (strncmp(variable, not_for_children[i], strlen(not_for_children[i])) == 0)
            return false;
    return true;
}

static char *format_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
static char *format_text(const char *format, ...)
{
    char *text;
    va_list args;
    va_start(args, format);
    CHECK_SYS(vasprintf(&text, format, args));
    va_end(args);
    return text;
}

/* Both lists own their strings and end with NULL. */
static void free_list(char **list)
{
    for (char **s = list; *s; s++)
        free(*s);
    free(list);
}

static char **child_environment(uint64_t threads, int gpu)
{
    size_t n = 0, kept = 0;
    while (environ[n])
        n++;
    char **list = calloc(n + 6, sizeof *list);
    CHECK(list);
    for (size_t i = 0; i < n; i++)
        if (is_for_children(environ[i]))
            list[kept++] = format_text("%s", environ[i]);
    list[kept++] = format_text("OMP_NUM_THREADS=%llu", (unsigned long long)threads);
    list[kept++] = format_text("OMP_WAIT_POLICY=passive");     /* idle threads leave the cores to the neighbours */
    list[kept++] = format_text("OMP_PROC_BIND=false");
    list[kept++] = format_text("DPSWEEP_GPU=%d", gpu);
    list[kept] = format_text(WORKER_PARENT "=%d", getpid());
    return list;
}

static char *field_option(const struct field *field, const struct config *config)
{
    char value[TEXT_BYTES];
    field_text(field, config, value, sizeof value);
    return format_text("--%s=%s", option_of(field).text, value);
}

static char **child_arguments(const struct task *task)
{
    char **list = calloc((size_t)n_config_fields + 8, sizeof *list);
    CHECK(list);
    size_t n = 0;
    list[n++] = format_text("dpsweep");
    list[n++] = format_text("worker");
    list[n++] = format_text("--result-fd=%d", WORKER_RESULT_FD);
    list[n++] = format_text("--pulse-fd=%d", WORKER_PULSE_FD);
    list[n++] = format_text("--threads=%llu", (unsigned long long)task->threads);
    if (task->n_members > 1)
        list[n++] = format_text("--member");
    if (task->policy[0])
        list[n++] = format_text("--policy=%s", task->policy);
    for (int f = 0; f < n_config_fields; f++)
        list[n++] = field_option(&config_field[f], &task->config);
    return list;
}

/* Starts this program; takes the lists and the files. */
static pid_t start(char **argv, char **environment, posix_spawn_file_actions_t *files)
{

    /* Launchers signal every process of a job; what becomes of the child is for the rank to decide. */
    sigset_t all, blocked;
    sigfillset(&all);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGINT);
    sigaddset(&blocked, SIGUSR1);
    sigaddset(&blocked, SIGHUP);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setsigmask(&attributes, &blocked);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);

    pid_t pid;
    const int error = posix_spawn(&pid, "/proc/self/exe", files, &attributes, argv, environment);
    if (error)
        die(EXIT_ENVIRONMENT, "cannot start a child process: %s", strerror(error));
    free_list(argv);
    free_list(environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(files);
    return pid;
}

/* Nobody waits for our stdout because of a child: it gets another, or none. */
static void begin_files(posix_spawn_file_actions_t *files, int stdout_fd, int stderr_fd)
{
    posix_spawn_file_actions_init(files);
    posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (stdout_fd < 0)
        posix_spawn_file_actions_addopen(files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    else
        posix_spawn_file_actions_adddup2(files, stdout_fd, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(files, stderr_fd, STDERR_FILENO);
}

/* The child's files from WORKER_RESULT_FD on, as copies that none of them can overwrite before it is copied. */
struct given { int n, fd[CHANNEL_MEMORY_FD - WORKER_RESULT_FD + 1]; };

static void give(struct given *given, int fd)
{
    CHECK_SYS(given->fd[given->n++] = fcntl(fd, F_DUPFD_CLOEXEC, CHANNEL_MEMORY_FD + 1));
}

pid_t spawn_child(const struct task *task, int result_fd, int pulse_fd, int stderr_fd, const struct relay *relay)
{
    struct given given = {0};
    int socket, memory;
    give(&given, result_fd);
    give(&given, pulse_fd);
    if (relay) {
        relay_files(relay, &socket, &memory);
        give(&given, socket);
        give(&given, memory);
    }
    posix_spawn_file_actions_t files;
    begin_files(&files, -1, stderr_fd);
    for (int i = 0; i < given.n; i++)
        posix_spawn_file_actions_adddup2(&files, given.fd[i], WORKER_RESULT_FD + i);
    posix_spawn_file_actions_addclosefrom_np(&files, WORKER_RESULT_FD + given.n);      /* MPI's, the journal's */
    const pid_t pid = start(child_arguments(task), child_environment(task->threads, task->gpu), &files);
    while (given.n)
        close(given.fd[--given.n]);
    return pid;
}

pid_t spawn_gpu_question(int fd)
{
    posix_spawn_file_actions_t files;
    char **argv = calloc(4, sizeof *argv);
    CHECK(argv);
    argv[0] = format_text("dpsweep");
    argv[1] = format_text("info");
    argv[2] = format_text("--gpus");
    begin_files(&files, fd, fd);
    posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
    return start(argv, child_environment(1, 0), &files);
}
