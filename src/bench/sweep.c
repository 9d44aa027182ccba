/* sweep.c - the commands: open the world, let rank 0 lead, say what came of it. */
#include "sweep.h"
#include "conduct.h"
#include "launch.h"
#include "sweep_header.h"
#include "../base/check.h"
#include "../device/device.h"
#include "../device/profile.h"
#include "../records/report.h"
#include "../trainers/trainer.h"
#include "../../mpi/gather.h"
#include "../../mpi/group.h"
#include "../../mpi/world.h"

#include <signal.h>
#include <stdlib.h>

static int worst_result(const struct sweep_state *state)
{
    for (size_t i = 0; i < state->n_records; i++)
        switch (record_status(&state->record[i])) {
        case STATUS_INVALID:
        case STATUS_CRASHED:
        case STATUS_FAILED:
        case STATUS_TIMEOUT: return EXIT_SOME_FAILED;
        default: break;
        }
    return EXIT_OK;
}

static int report(const struct output *output, const struct options *options, bool published)
{
    struct sweep_state state;
    output_read(output, &state);
    report_write(stdout, &state, options->json ? REPORT_JSON : REPORT_TEXT);
    if (published && output->h5_path && !options->json)
        printf("results: %s\n", output->h5_path);
    const int code = worst_result(&state);
    sweep_state_clear(&state);
    return code;
}

static void say_what_is_left(const struct output *output, enum exit_code code, size_t done, size_t n)
{
    char why[64] = "--time-limit reached";
    if (code == EXIT_ENVIRONMENT)
        snprintf(why, sizeof why, "the launcher fails");
    else if (gather_signal())
        snprintf(why, sizeof why, "stopped by SIG%s", sigabbrev_np(gather_signal()));
    log_warn("%s: %zu of %zu measured%s", why, done, n, output->journal ? "; --resume goes on" : "");
}

static int sweep(struct output *output, const struct options *options, const struct sweep_points *points)
{
    size_t done;
    int code = conduct_sweep(output, options, points, &done);
    const bool complete = code == EXIT_OK;
    if (complete)
        output_ended(output);
    else
        say_what_is_left(output, (enum exit_code)code, done, points->n);
    const bool published = output_publish(output);
    if (complete)
        code = report(output, options, published);
    else if (!output->journal)
        report(output, options, published); /* nothing else holds what was measured */
    return published ? code : EXIT_ENVIRONMENT;
}

static int refuse(const char *why)
{
    log_error("%s", why);
    return EXIT_USAGE;
}

static int open_and_sweep(const struct options *options, const struct sweep_points *points, int argc, char **argv)
{
    char error[1024];
    struct output output;
    struct sweep_header header;
    sweep_header_fill(&header, options->output, points->text, argc, argv);
    const bool opened = output_open(&output, options, &header, error, sizeof error);
    const int code = opened ? sweep(&output, options, points) : refuse(error);
    output_close(&output);
    sweep_header_clear(&header);
    return code;
}

/* One line said why. */
static bool groups_are_impossible(const struct sweep_points *points, const struct options *options)
{
    uint64_t most = 1;
    for (size_t i = 0; i < points->n; i++)
        most = points->config[i].ranks_per_run > most ? points->config[i].ranks_per_run : most;
    const unsigned long long needed = most;
    if (most > 1 && group_absent())
        log_error("--ranks-per-run %llu: %s", needed, group_absent());
    else if (most > 1 && options->no_isolate)
        log_error("--ranks-per-run %llu: --no-isolate is for one process; leave it out, and start %llu with mpirun "
                  "-n %llu", needed, needed, needed);
    else if (!options->launcher && most > (uint64_t)world()->size)
        log_error("--ranks-per-run %llu: there %s; start more with mpirun -n %llu", needed,
                  world()->size == 1 ? "is one rank" : "are fewer ranks", needed);
    else
        return false;
    return true;
}

/* One line said why. */
static bool policy_is_impossible(const struct sweep_points *points, const char *text)
{
    struct model_shape shape;
    struct policy policy;
    if (!text)
        return false;
    if (points->n != 1 || !trainer_find(points->config[0].trainer)->chooses) {
        log_error("--policy is for one point, of a trainer that chooses: --trainer auto");
        return true;
    }
    config_model_shape(&points->config[0], &shape);
    if (policy_read(text, &shape, &policy))
        return false;
    log_error("--policy '%s' is none of this model; plan --trainer auto prints one", text);
    return true;
}

/* The children of this rank get the same.  False: one line said why. */
static bool choose_profile(const struct options *options)
{
    char error[4096];
    const char *gpu = gather_gpu_facts() ? gather_gpu_facts()->name : NULL;
    const bool fine = profile_choose(options->profile, gpu, error, sizeof error);
    setenv("DPSWEEP_PROFILE", profile_path(), 1);
    if (!fine)
        log_error("%s", error);
    return fine;
}

static int lead(int argc, char **argv)
{
    struct options options;
    struct sweep_points points = {0};
    int code = options_parse(argv[0], argc, argv, &options, &points);
    if (code >= 0)
        return code;
    if (!options.launcher && strcmp(argv[0], "launch") == 0)
        options.launcher = launch_default();
    if (options.no_isolate && world()->size > 1)
        code = refuse("--no-isolate is for one process: start it without mpirun");
    else if (groups_are_impossible(&points, &options) || policy_is_impossible(&points, options.policy))
        code = EXIT_USAGE;
    else if (!options.no_isolate && !options.launcher && device_is_gpu())
        code = gather_gpus(options.share_gpu);
    if (code <= EXIT_OK && !choose_profile(&options))
        code = EXIT_USAGE;
    if (code <= EXIT_OK)
        code = open_and_sweep(&options, &points, argc, argv);
    sweep_points_clear(&points);
    return code;
}

int sweep_main(int argc, char **argv)
{
    int code = EXIT_OK;
    world_open(&argc, &argv);
    gather_open();
    if (world()->rank == 0) {
        code = lead(argc, argv);
        gather_stop();
    } else {
        gather_serve();
    }
    world_close();
    return code;
}

int launch_main(int argc, char **argv)
{
    if (world_rank_of_launcher() >= 0)
        return refuse("launch starts a launcher for each configuration: start it without one");
    return sweep_main(argc, argv);
}

int run_main(int argc, char **argv)
{
    return sweep_main(argc, argv);
}
