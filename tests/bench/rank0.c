/* rank0.c - what a point of a sweep costs rank 0 that leads very many ranks: the program's own conduct.c, with ranks that
 * answer at once.
 *
 *   rank0 RANKS POINTS OUTPUT.h5
 *
 * The linker puts us before world, gather_start, gather_wait and run_predict.  Everything else is real: the schedule, the
 * books, the journal with its fsync of each result. */
#include "../../mpi/gather.h"
#include "../../mpi/world.h"
#include "../../src/base/check.h"
#include "../../src/bench/conduct.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { RANKS_OF_HOST = 8, STEPS = 6 };

static struct world many;
static struct { int rank; struct config config; } *running;      /* (ranks) n_running of them */
static int n_running, most_running;

const struct world *__wrap_world(void);
void __wrap_gather_start(const struct task *);
bool __wrap_gather_wait(struct record *);
void __wrap_run_predict(const struct config *, int threads, struct record *);

const struct world *__wrap_world(void)
{
    return &many;
}

void __wrap_run_predict(const struct config *c, int threads, struct record *r)
{
    (void)threads;
    r->estimated_run_time = (double)c->seed;
    r->predicted_peak = 1 << 20;
}

void __wrap_gather_start(const struct task *task)
{
    CHECK(n_running < many.size && task->n_members == 1);
    running[n_running].rank = task->member[0];
    running[n_running++].config = task->config;
    most_running = n_running > most_running ? n_running : most_running;
}

/* Any of those that run ends. */
bool __wrap_gather_wait(struct record *r)
{
    static unsigned state = 1;
    state = state * 1664525u + 1013904223u;
    const int i = (int)((state >> 8) % (unsigned)n_running);
    record_init(r);
    r->config = running[i].config;
    r->rank = (uint64_t)running[i].rank;
    snprintf(r->status, sizeof r->status, "%s", status_name[STATUS_OK]);
    for (uint64_t s = 0; s < STEPS; s++)
        record_add_step(r, &(struct step_row){.step = s, .measured = s > 2, .tokens = 256});
    running[i] = running[--n_running];
    return true;
}

static void make_world(int n)
{
    int *host_of = calloc((size_t)n, sizeof *host_of);
    CHECK(n > 0 && host_of && (running = calloc((size_t)n, sizeof *running)));
    for (int r = 0; r < n; r++)
        host_of[r] = r / RANKS_OF_HOST * RANKS_OF_HOST;
    many = (struct world){.size = n, .cores = 1, .host_of = host_of, .host = "many"};
}

/* As a command line says it: one point for each seed. */
static void make_points(size_t n, char *path, struct options *options, struct sweep_points *points)
{
    char *seeds = malloc(8 * n + 1), *end = seeds;
    CHECK(seeds && n > 0 && n < 1000000);
    for (size_t i = 1; i <= n; i++)
        end += sprintf(end, i > 1 ? ",%zu" : "%zu", i);
    char *argv[] = {"sweep", "--overwrite", "-o", path, "--seed", seeds, NULL};
    if (options_parse("sweep", 6, argv, options, points) >= 0)
        exit(EXIT_USAGE);
    free(seeds);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        die(EXIT_USAGE, "usage: rank0 RANKS POINTS OUTPUT.h5");
    char error[1024];
    size_t done;
    struct output output;
    struct sweep_points points = {0};
    struct sweep_header header = {0};
    struct options options = {0};
    make_world(atoi(argv[1]));
    make_points(strtoul(argv[2], NULL, 10), argv[3], &options, &points);
    if (!output_open(&output, &options, &header, error, sizeof error))
        die(EXIT_ENVIRONMENT, "%s", error);
    const double wall_s = clock_wall_s(), cpu_s = clock_cpu_s();
    const enum exit_code code = conduct_sweep(&output, &options, &points, &done);
    const size_t n = points.n;
    const double point_s = (clock_wall_s() - wall_s) / (double)n, point_cpu_s = (clock_cpu_s() - cpu_s) / (double)n;
    output_close(&output);
    sweep_points_clear(&points);
    printf("%zu points of %zu, at most %d at once: %.2f ms of rank 0 a point, %.2f ms of them CPU: enough for %d ranks "
           "whose runs take %.0f s or more\n", done, n, most_running, 1e3 * point_s, 1e3 * point_cpu_s, many.size,
           ceil(point_s * many.size));
    return code;
}
