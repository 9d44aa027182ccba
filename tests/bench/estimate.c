/* estimate.c - how near the estimated time of a step comes to the measured one.
 *
 *   estimate PROFILE SEED N ROUNDS      PROFILE: of `dpsweep tune --profile PROFILE`, for as many threads
 *
 * N random points: trainer, preset, layers, batch and sequence, which the profile has not seen.  In each round each
 * point in turn takes a step to warm up and a timed one; its least time counts: CPU time with one thread, else wall
 * time.  Prints a line for each point and then the median and the greatest error, |estimated / measured - 1|. */
#include "../../src/base/check.h"
#include "../../src/base/quantile.h"
#include "../../src/base/text.h"
#include "../../src/bench/run.h"
#include "../../src/bench/trial.h"
#include "../../src/device/profile.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct point {
    struct config config;
    double estimated_s, measured_s;
};

/* Points whose step a usual device would do in such a time, and which need no more memory. */
static const double LEAST_S = 0.01, MOST_S = 2.0, MOST_BYTES = 4e9;

/* ---- points ---------------------------------------------------------------------------------------------------- */

/* least to most, both included; any factor is as likely as any other */
static uint64_t draw(uint64_t least, uint64_t most)
{
    const double u = (double)random() / ((double)RAND_MAX + 1.0);
    return (uint64_t)((double)least * pow((double)(most + 1) / (double)least, u));
}

static const struct trainer_ops *draw_trainer(void)
{
    int n = 0;
    while (trainer_at(n) && !trainer_at(n)->is_control)
        n++;
    return trainer_at((int)(random() % n));
}

static const struct model_size *draw_model(void)
{
    int n = 0;
    while (model_size_at(n))
        n++;
    return model_size_at((int)(random() % n));
}

static void draw_config(struct config *c)
{
    char error[512];
    const struct model_size *model = draw_model();
    config_default(c);
    snprintf(c->trainer, sizeof c->trainer, "%s", draw_trainer()->name);
    snprintf(c->model, sizeof c->model, "%s", model->name);
    c->layers = draw(1, (uint64_t)model->shape.layers);
    c->batch_size = draw(1, 64);
    c->seq_len = draw(8, (uint64_t)model->shape.max_seq);
    CHECK(config_resolve(c, error, sizeof error));
}

static double step_s(const struct rates *rates)
{
    double sum_s = 0.0;
    size_t n;
    const struct call *call = work_calls(&n);
    for (size_t i = 0; i < n; i++)
        if (call[i].phase < N_PHASES)
            sum_s += (double)call[i].count * rates_call_s(rates, &call[i]);
    return sum_s;
}

static bool accept(struct point *p, int threads)
{
    struct record record;
    struct rates usual, rates;
    record_init(&record);
    run_predict(&p->config, threads, &record);
    rates_default(&usual, threads, PRECISION_FP32);
    profile_rates(threads, PRECISION_FP32, &rates);
    p->estimated_s = step_s(&rates);
    p->measured_s = INFINITY;
    const double usual_s = step_s(&usual);
    const bool fits = (double)record.predicted_peak < MOST_BYTES && usual_s >= LEAST_S && usual_s <= MOST_S;
    record_clear(&record);
    return fits;
}

/* ---- measuring ------------------------------------------------------------------------------------------------- */

static void measure(struct point *p, int threads)
{
    char why[512];
    struct trial trial;
    if (!trial_open(&trial, &p->config, why, sizeof why))
        die(EXIT_ENVIRONMENT, "%s", why);
    trial_step(&trial);
    trial_step(&trial);
    p->measured_s = fmin(p->measured_s, threads == 1 ? trial.cpu_s : trial.wall_s);
    trial_close(&trial);
}

static void print(const struct point *point, int n)
{
    double *error = calloc((size_t)n, sizeof *error);
    CHECK(error);
    printf("%-12s %-12s %6s %6s %6s %12s %12s %8s\n", "trainer", "model", "layers", "batch", "seq", "estimated ms",
           "measured ms", "error %");
    for (int i = 0; i < n; i++) {
        const struct point *p = &point[i];
        const double relative = p->estimated_s / p->measured_s - 1;
        printf("%-12s %-12s %6d %6d %6d %12.2f %12.2f %+8.1f\n", p->config.trainer, p->config.model,
               (int)p->config.layers, (int)p->config.batch_size, (int)p->config.seq_len, 1e3 * p->estimated_s,
               1e3 * p->measured_s, 100 * relative);
        error[i] = fabs(relative);
    }
    const double median = quantile(error, (size_t)n, 0.5); /* sorts */
    printf("error: median %.1f %%, maximum %.1f %%\n", 100 * median, 100 * error[n - 1]);
    free(error);
}

static int number(const char *text)
{
    uint64_t n;
    if (!text_to_u64(text, &n) || n < 1 || n > 10000)
        die(EXIT_USAGE, "'%s' is not a number from 1 to 10000", text);
    return (int)n;
}

int main(int argc, char **argv)
{
    char error[4096];
    struct device_info info;
    if (argc != 5)
        die(EXIT_USAGE, "usage: estimate PROFILE SEED N ROUNDS");
    const int n = number(argv[3]), rounds = number(argv[4]);
    device_open(0);
    device_describe(&info);
    if (!profile_choose(argv[1], NULL, error, sizeof error))
        die(EXIT_USAGE, "%s", error);
    srandom((unsigned)number(argv[2]));
    struct point *point = calloc((size_t)n, sizeof *point);
    CHECK(point);
    for (int i = 0; i < n;) {
        draw_config(&point[i].config);
        i += accept(&point[i], info.threads);
    }
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < n; i++)
            measure(&point[i], info.threads);
    print(point, n);
    free(point);
    device_close();
    return EXIT_OK;
}
