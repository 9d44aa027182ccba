/* validate_command.c - looks at a file in a child: a damaged one may crash HDF5 or keep it busy for ever. */
#include "validate_command.h"
#include "options.h"
#include "../base/check.h"
#include "../base/standard_streams.h"
#include "../records/results_file.h"
#include "../records/validate.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_SECONDS = 600, MOST_LINES = 100 };

static int say(const char *path, const struct sweep_state *s, const struct problems *p)
{
    size_t steps = 0;
    for (size_t i = 0; i < s->n_records; i++)
        steps += s->record[i].n_steps;
    for (size_t i = 0; i < p->n && i < MOST_LINES; i++)
        printf("%s\n", p->line[i]);
    if (p->n > MOST_LINES)
        printf("... and %zu more\n", p->n - MOST_LINES);
    if (p->n)
        printf("%s: %zu problem%s\n", path, p->n, p->n == 1 ? "" : "s");
    else
        printf("%s: sound, %zu runs with %zu steps%s\n", path, s->n_records, steps,
               s->ended ? "" : ", of a sweep that is not complete");
    return p->n ? EXIT_SOME_FAILED : EXIT_OK;
}

static int validate(const char *path)
{
    char error[1024];
    struct sweep_state state;
    struct problems problems = {0};
    if (access(path, R_OK) != 0) {
        log_error("cannot read %s: %s", path, strerror(errno));
        return EXIT_USAGE;
    }
    if (!results_read(path, &state, error, sizeof error)) {
        problem(&problems, "%s", error);
        memset(&state, 0, sizeof state);
    } else {
        validate_state(&state, &problems);
        if (results_is_hdf5(path))
            validate_file(path, &state, &problems);
    }
    const int code = say(path, &state, &problems);
    problems_clear(&problems);
    sweep_state_clear(&state);
    return code;
}

int validate_main(int argc, char **argv)
{
    int status;
    struct options options;
    const int code = options_parse("validate", argc, argv, &options, NULL);
    if (code >= 0)
        return code;
    fflush(stdout);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(MOST_SECONDS);
        exit(streams_close(validate(options.file[0])));
    }
    CHECK(waitpid(child, &status, 0) == child);
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    printf("%s: reading it ends in SIG%s\n", options.file[0], sigabbrev_np(WTERMSIG(status)));
    return EXIT_SOME_FAILED;
}
