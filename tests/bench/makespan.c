/* makespan.c - how long a sweep takes by the order of mpi/schedule.h, against what no order can beat.
 *
 *   makespan DURATIONS RANKS POINTS
 *
 * DURATIONS holds runs that were recorded: lines "trainer batch_size seq_len FLOPs seconds".  They are repeated with other
 * seeds, and with times that vary by a tenth, until there are POINTS.  The schedule sees the FLOPs only, as if they were
 * estimated times.  The bound is the longest run, or the sum of all over the ranks, whichever is more. */
#include "../../mpi/schedule.h"
#include "../../src/base/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_RECORDED = 1000 };
static struct recorded { char trainer[32]; unsigned long long batch_size, seq_len; double flops, seconds; }
    recorded[MOST_RECORDED];

static int read_recorded(const char *path)
{
    int n = 0;
    char line[256];
    FILE *file = fopen(path, "re");
    if (!file)
        die(EXIT_USAGE, "cannot open %s: %s", path, strerror(errno));
    while (fgets(line, sizeof line, file)) {
        struct recorded *r = &recorded[n];
        if (line[0] == '#')
            continue;
        CHECK(n < MOST_RECORDED);
        if (sscanf(line, "%31s %llu %llu %lf %lf", r->trainer, &r->batch_size, &r->seq_len, &r->flops, &r->seconds) != 5)
            die(EXIT_USAGE, "%s: '%s' is not a run", path, line);
        n++;
    }
    fclose(file);
    CHECK(n > 0);
    return n;
}

/* ---- the sweep -------------------------------------------------------------------------------------------------- */

static struct config *config;
static struct point *point;
static double *seconds;                       /* (points) by run_id */

/* Standard normal, the sum of twelve uniform numbers: good enough for a spread, and the same everywhere. */
static double spread(unsigned *state)
{
    double sum = -6;
    for (int i = 0; i < 12; i++) {
        *state = *state * 1664525u + 1013904223u;
        sum += (*state >> 8) / 16777216.0;
    }
    return sum;
}

static void make_points(int n_recorded, size_t n)
{
    unsigned state = 1;
    CHECK((config = calloc(n, sizeof *config)) && (point = calloc(n, sizeof *point)));
    CHECK(seconds = calloc(n, sizeof *seconds));
    for (size_t i = 0; i < n; i++) {
        const struct recorded *r = &recorded[i % (size_t)n_recorded];
        config_default(&config[i]);
        snprintf(config[i].trainer, sizeof config[i].trainer, "%s", r->trainer);
        config[i].batch_size = r->batch_size;
        config[i].seq_len = r->seq_len;
        config[i].seed = i / (size_t)n_recorded + 1;
        seconds[i] = r->seconds * exp(0.1 * spread(&state));
        point[i] = (struct point){.config = &config[i], .run_id = i, .predicted.run_s = r->flops};
    }
}

/* ---- the ranks --------------------------------------------------------------------------------------------------- */

/* Times at which ranks become free, the soonest first: a heap. */
static double *free_at;
static size_t n_ranks;

static void soonest_is_busy_until(double time)
{
    size_t i = 0, child;
    for (; (child = 2 * i + 1) < n_ranks; i = child) {
        child += child + 1 < n_ranks && free_at[child + 1] < free_at[child];
        if (time <= free_at[child])
            break;
        free_at[i] = free_at[child];
    }
    free_at[i] = time;
}

static double makespan(size_t n, enum order order)
{
    double end = 0;
    CHECK(free_at = calloc(n_ranks, sizeof *free_at));
    for (size_t i = 0; i < n; i++)
        point[i].state = POINT_WAITING;
    schedule_order(point, n, order);
    struct schedule schedule = {point, n, 0};
    for (struct point *p; (p = schedule_next(&schedule));) {
        const double until = free_at[0] + seconds[p->run_id];
        p->state = POINT_DONE;
        soonest_is_busy_until(until);
        end = until > end ? until : end;
    }
    free(free_at);
    return end;
}

static double bound(size_t n, const char **of)
{
    double sum = 0, longest = 0;
    for (size_t i = 0; i < n; i++) {
        sum += seconds[i];
        longest = seconds[i] > longest ? seconds[i] : longest;
    }
    const bool by_longest = longest > sum / (double)n_ranks;
    *of = by_longest ? "the longest run" : "the work over the ranks";
    return by_longest ? longest : sum / (double)n_ranks;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        die(EXIT_USAGE, "usage: makespan DURATIONS RANKS POINTS");
    const size_t n = strtoul(argv[3], NULL, 10);
    n_ranks = strtoul(argv[2], NULL, 10);
    CHECK(n > 0 && n_ranks > 0);
    make_points(read_recorded(argv[1]), n);
    const double listed_s = makespan(n, ORDER_LISTED);        /* before the others change the list */
    const double longest_s = makespan(n, ORDER_LONGEST), shortest_s = makespan(n, ORDER_SHORTEST);
    const char *what;
    const double least_s = bound(n, &what);
    printf("%zu points on %zu ranks: at least %.1f s (%s); longest first %.1f s (+%.1f %%), listed %.1f s (+%.1f %%), "
           "shortest first %.1f s (+%.1f %%)\n", n, n_ranks, least_s, what, longest_s, 100 * (longest_s / least_s - 1),
           listed_s, 100 * (listed_s / least_s - 1), shortest_s, 100 * (shortest_s / least_s - 1));
    free(config);
    free(point);
    free(seconds);
    return EXIT_OK;
}
