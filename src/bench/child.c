/* child.c - the process that measures.  A rank is its parent and outlives whatever happens here. */
#include "child.h"
#include "options.h"
#include "run.h"
#include "../base/check.h"
#include "../device/profile.h"
#include "../device/pulse.h"
#include "../../mpi/group.h"
#include "../../mpi/worker.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

/* The rank may have died before the request to die with it: then somebody else is the parent by now. */
static void die_with_parent(void)
{
    const char *parent = getenv(WORKER_PARENT);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (parent && getppid() != atoi(parent))
        die(EXIT_ENVIRONMENT, "the rank that started this run is gone");
}

/* When memory ends, the kernel is to take this process and not the rank.  Everybody may raise this. */
static void be_first_to_be_killed(void)
{
    const int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (write(fd, "1000", 4) != 4)
            log_warn("cannot set oom_score_adj: %s", strerror(errno));
        close(fd);
    }
}

int worker_main(int argc, char **argv)
{
    die_with_parent();
    be_first_to_be_killed();
    struct options options;
    struct sweep_points points = {0};
    const int code = options_parse("worker", argc, argv, &options, &points);
    if (code >= 0)
        return code;
    CHECK(points.n == 1);
    char error[1024];
    CHECK(profile_choose(NULL, NULL, error, sizeof error));
    pulse_share((int)options.pulse_fd);
    if (options.member)
        group_join();

    struct record record;
    record_init(&record);
    record.config = points.config[0];
    record.threads = options.threads;
    snprintf(record.policy, sizeof record.policy, "%s", options.policy ? options.policy : "");
    run_config(&points.config[0], &record);
    if (!worker_send((int)options.result_fd, &record))
        die(EXIT_ENVIRONMENT, "cannot send the result: %s", strerror(errno));
    record_clear(&record);
    sweep_points_clear(&points);
    return EXIT_OK;
}
