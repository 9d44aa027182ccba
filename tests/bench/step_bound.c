/* step_bound.c - how near a step of each trainer comes to the time of its matrix products.
 *
 *   step_bound [--rounds N] [--steps N] [--threads N] [--json FILE] [--OPTION VALUE ...]
 *
 * OPTION: one of `dpsweep run`, except trainer and physical-batch-size, which are gone through; the default is medium,
 * batch 4, T 512.
 *
 * 1. A dry step of each trainer is watched (the linker puts us before device_gemm): every shape and how often it occurs.
 * 2. In each round, each trainer in turn: real steps, then every shape alone, several times.
 * 3. The bound of a trainer's step is the sum over its shapes of  calls x best time.  What the same calls took within
 *    the best step is shown beside it: the rest of the step is not matrix products.
 *
 * The shapes are timed in the same minutes as the steps, so that a disturbed machine meets both.  CPU times are those
 * of all threads of this process. */
#include "../../src/base/check.h"
#include "../../src/base/text.h"
#include "../../src/bench/rig.h"
#include "../../src/bench/timed_steps.h"
#include "../../src/device/ledger.h"
#include "../../src/device/timer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_SUBJECTS = 12, MAX_SHAPES = 256, MAX_SAMPLES = 256, TRIALS = 3 };
static const double TRIAL_S = 0.004;

/* A GEMM without its operands: which optional ones it has is said apart. */
struct shape {
    struct gemm gemm;
    bool bias, add, accumulate;
    long calls[MAX_SUBJECTS];              /* in one step */
    double wall_s, cpu_s;                  /* of one call alone: the best */
    double now_s, within_s[MAX_SUBJECTS];  /* of all calls within the present step, within one step: the best */
};
struct subject {                           /* a trainer and its physical batch */
    char name[64];
    const struct trainer_ops *ops;
    struct config config;
    double wall_s[MAX_SAMPLES], cpu_s[MAX_SAMPLES]; /* of each step */
    double gemm_s;                         /* of the best step: within device_gemm */
    size_t n;
};

static struct subject subject[MAX_SUBJECTS];
static struct shape shape[MAX_SHAPES];
static int n_subjects, n_shapes;
static int watched = -1;                   /* the subject whose step is going on; -1: none */

static struct { uint64_t rounds, steps, threads; const char *json; } options = {.rounds = 3, .steps = 2};

static double least(const double *value, size_t n)
{
    double min = INFINITY;
    for (size_t i = 0; i < n; i++)
        min = fmin(min, value[i]);
    return min;
}

/* ---- what a step calls -------------------------------------------------------------------------------------------- */

static struct shape shape_of(const struct gemm *g)
{
    struct shape s;
    memset(&s, 0, sizeof s); /* shapes are compared as bytes */
    s.gemm.op = g->op;
    s.gemm.m = g->m;
    s.gemm.n = g->n;
    s.gemm.k = g->k;
    s.gemm.lda = g->lda;
    s.gemm.ldb = g->ldb;
    s.gemm.ldc = g->ldc;
    s.gemm.batch = g->batch > 1 ? g->batch : 1;
    s.gemm.stride_a = s.gemm.batch > 1 ? g->stride_a : 0;
    s.gemm.stride_b = s.gemm.batch > 1 ? g->stride_b : 0;
    s.gemm.stride_c = s.gemm.batch > 1 ? g->stride_c : 0;
    s.gemm.relu = g->relu;
    s.bias = g->bias != NULL;
    s.add = g->add != NULL;
    s.accumulate = g->add && g->add == g->c;
    s.wall_s = s.cpu_s = INFINITY;
    for (int i = 0; i < MAX_SUBJECTS; i++)
        s.within_s[i] = INFINITY;
    return s;
}

static struct shape *shape_find(const struct gemm *g)
{
    const struct shape wanted = shape_of(g);
    int i = 0;
    while (i < n_shapes && memcmp(&shape[i], &wanted, offsetof(struct shape, calls)) != 0)
        i++;
    CHECK(i < MAX_SHAPES);
    if (i == n_shapes)
        shape[n_shapes++] = wanted;
    return &shape[i];
}

/* ld --wrap=device_gemm: the program's calls of device_gemm arrive here. */
void __real_device_gemm(const struct gemm *);
void __wrap_device_gemm(const struct gemm *);
void __wrap_device_gemm(const struct gemm *g)
{
    struct shape *s = watched >= 0 ? shape_find(g) : NULL;
    const double start_s = clock_wall_s();
    __real_device_gemm(g);
    if (s && ledger_is_dry())
        s->calls[watched]++;
    else if (s)
        s->now_s += clock_wall_s() - start_s;
}

/* ---- one shape alone ----------------------------------------------------------------------------------------------- */

static double shape_flops(const struct shape *s)
{
    return 2.0 * s->gemm.batch * (double)s->gemm.m * (double)s->gemm.n * (double)s->gemm.k;
}

/* Floats from the first to the last of `batch` matrices (rows, cols). */
static long extent(long rows, long cols, long ld, long batch, long stride)
{
    return (batch - 1) * stride + (rows - 1) * (ld ? ld : cols) + cols;
}

struct operands { float *a, *b, *c, *add; };

/* As large as the largest shape needs. */
static struct operands operands_create(void)
{
    long a = 1, b = 1, c = 1;
#define AT_LEAST(x, floats) ((x) = (floats) > (x) ? (floats) : (x))
    for (int i = 0; i < n_shapes; i++) {
        const struct gemm *g = &shape[i].gemm;
        const bool tn = g->op == GEMM_TN, nt = g->op == GEMM_NT;
        AT_LEAST(a, extent(tn ? g->k : g->m, tn ? g->m : g->k, g->lda, g->batch, g->stride_a));
        AT_LEAST(b, extent(nt ? g->n : g->k, nt ? g->k : g->n, g->ldb, g->batch, g->stride_b));
        AT_LEAST(b, g->n); /* a bias is read from b as well */
        AT_LEAST(c, extent(g->m, g->n, g->ldc, g->batch, g->stride_c));
    }
    const long floats[] = {a, b, c, c};
    float *x[4];
    for (int i = 0; i < 4; i++) {
        x[i] = ledger_alloc(MEMORY_WORKSPACE, "operands of single products", (size_t)floats[i] * sizeof(float));
        if (!x[i])
            die(EXIT_ENVIRONMENT, "out of memory: %s", ledger_message());
        KERNEL(fill, x[i], 0.0f, floats[i]);
        KERNEL(noise_add, x[i], 0.1f, ((struct philox_stream){.seed = 1, .stream = STREAM_OF(AUDIT, i)}), 0, floats[i]);
    }
    return (struct operands){x[0], x[1], x[2], x[3]};
}

static void operands_free(struct operands x)
{
    ledger_free(x.add);
    ledger_free(x.c);
    ledger_free(x.b);
    ledger_free(x.a);
}

static void time_shape(struct shape *s, struct operands x)
{
    struct gemm g = s->gemm;
    g.a = x.a;
    g.b = x.b;
    g.c = x.c;
    g.bias = s->bias ? x.b : NULL;
    g.add = s->accumulate ? x.c : s->add ? x.add : NULL;
    const size_t mark = ledger_mark();
    for (int trial = 0; trial < TRIALS; trial++) {
        const double wall_s = clock_wall_s(), cpu_s = clock_cpu_s();
        int n = 0;
        do {
            ledger_rewind(mark);
            __real_device_gemm(&g);
            n++;
        } while (!ledger_is_rehearsing() && clock_wall_s() - wall_s < TRIAL_S);
        if (ledger_is_rehearsing())
            continue;
        s->wall_s = fmin(s->wall_s, (clock_wall_s() - wall_s) / n);
        s->cpu_s = fmin(s->cpu_s, (clock_cpu_s() - cpu_s) / n);
    }
}

/* In a program of its own, because products take their workspace from the ledger. */
static void time_shapes(struct operands x)
{
    ledger_start(PROGRAM_FIGURES);
    const size_t mark = ledger_mark();
    for (int i = 0; i < n_shapes; i++) {
        ledger_rewind(mark);
        time_shape(&shape[i], x);
    }
    ledger_finish();
}

/* ---- one trainer ----------------------------------------------------------------------------------------------------- */

static void rig_open(struct rig *rig, const struct subject *s, enum ledger_mode mode)
{
    struct model_shape model;
    struct trainer_config trainer;
    config_model_shape(&s->config, &model);
    rig_trainer_config(&s->config, &trainer);
    ledger_open(mode, 0);
    if (!rig_create_model(rig, &model) || !rig_create_parts(rig, s->ops, &trainer, (int)s->config.seq_len))
        die(EXIT_ENVIRONMENT, "out of memory: %s", ledger_message());
}

static void rehearse_step(struct rig *rig, const struct subject *s)
{
    const struct batch batch = batch_buffer_view(rig->buffer, (int)s->config.batch_size);
    trainer_step(rig->trainer, &batch);
    trainer_reset(rig->trainer);
}

static void count_shapes(int i)
{
    struct rig rig;
    rig_open(&rig, &subject[i], LEDGER_DRY);
    watched = i;
    ledger_rehearse_begin();
    rehearse_step(&rig, &subject[i]);
    ledger_rehearse_end();
    watched = -1;
    rig_free(&rig);
    ledger_close();
}

/* Time within device_gemm in the step that ended. */
static double collect_within(void)
{
    double sum_s = 0.0;
    for (int i = 0; i < n_shapes; i++) {
        sum_s += shape[i].now_s;
        shape[i].within_s[watched] = fmin(shape[i].within_s[watched], shape[i].now_s);
        shape[i].now_s = 0.0;
    }
    return sum_s;
}

static void time_step(struct rig *rig, const struct dataset *data, struct subject *s, uint32_t step)
{
    CHECK(s->n < MAX_SAMPLES);
    watched = (int)(s - subject);
    const double wall_s = clock_wall_s(), cpu_s = clock_cpu_s();
    const struct batch batch = dataset_batch(data, rig->buffer, s->config.seed, step, (int)s->config.batch_size, NULL);
    trainer_step(rig->trainer, &batch);
    device_sync();
    const double step_s = clock_wall_s() - wall_s, gemm_s = collect_within();
    watched = -1;
    s->cpu_s[s->n] = clock_cpu_s() - cpu_s;
    s->wall_s[s->n++] = step_s;
    if (step_s <= least(s->wall_s, s->n))
        s->gemm_s = gemm_s;
}

static void measure(const struct dataset *data, struct subject *s)
{
    struct rig rig;
    rig_open(&rig, s, LEDGER_REAL);
    const struct operands x = operands_create();
    ledger_rehearse_begin();
    rehearse_step(&rig, s);
    time_shapes(x);
    ledger_rehearse_end();
    if (!ledger_commit())
        die(EXIT_ENVIRONMENT, "out of memory: %s", ledger_message());
    model_init(rig.model, s->config.seed);
    for (uint32_t i = 0; i < options.steps; i++)
        time_step(&rig, data, s, i);
    time_shapes(x);
    operands_free(x);
    rig_free(&rig);
    ledger_close();
}

/* ---- results ----------------------------------------------------------------------------------------------------------- */

struct bound { double flops, wall_s, cpu_s; long calls; };

static struct bound bound_of(int i)
{
    struct bound sum = {0};
    for (const struct shape *s = shape; s < shape + n_shapes; s++) {
        sum.calls += s->calls[i];
        sum.flops += (double)s->calls[i] * shape_flops(s);
        sum.wall_s += (double)s->calls[i] * s->wall_s;
        sum.cpu_s += (double)s->calls[i] * s->cpu_s;
    }
    return sum;
}

/* Those that the first subject spends most time in come first, then the others'. */
static int dearest_first(const void *x, const void *y)
{
    const struct shape *a = x, *b = y;
    for (int i = 0; i < n_subjects; i++) {
        const double a_s = (double)a->calls[i] * a->wall_s, b_s = (double)b->calls[i] * b->wall_s;
        if (a_s != b_s)
            return (a_s < b_s) - (a_s > b_s);
    }
    return 0;
}

static const char *op_name(enum gemm_op op)
{
    static const char *const name[] = {[GEMM_NT] = "NT", [GEMM_NN] = "NN", [GEMM_TN] = "TN"};
    return name[op];
}

/* "b+r": bias, + the result itself or a another matrix added, relu */
static const char *epilogue_of(const struct shape *s, char text[4])
{
    snprintf(text, 4, "%s%s%s", s->bias ? "b" : "", s->accumulate ? "+" : s->add ? "a" : "", s->gemm.relu ? "r" : "");
    return text;
}

/* GFLOP/s of a shape within the steps of subject i; empty where it does not occur. */
static const char *rate_within(const struct shape *s, int i, char text[16])
{
    snprintf(text, 16, s->calls[i] ? "%.0f" : "", 1e-9 * (double)s->calls[i] * shape_flops(s) / s->within_s[i]);
    return text;
}

static void print_shapes(FILE *json)
{
    char epilogue[4], within[16];
    qsort(shape, (size_t)n_shapes, sizeof *shape, dearest_first);
    printf("\nC (m,n) = op(A) op(B): alone, and within a step of %s\n"
           "with: b bias, + added to C, a another matrix added, r relu; calls in a step of each trainer, in the order below\n\n"
           "op batch     m     n     k with  ms alone  GFLOP/s  in step  calls\n", subject[0].name);
    for (const struct shape *s = shape; s < shape + n_shapes; s++) {
        const struct gemm *g = &s->gemm;
        printf("%s %5d %5ld %5ld %5ld %-4s %9.3f %8.0f %8s ", op_name(g->op), g->batch, g->m, g->n, g->k,
            epilogue_of(s, epilogue), 1e3 * s->wall_s, 1e-9 * shape_flops(s) / s->wall_s, rate_within(s, 0, within));
        fprintf(json, "{\"kind\": \"gemm\", \"op\": \"%s\", \"batch\": %d, \"m\": %ld, \"n\": %ld, \"k\": %ld, \"with\": \"%s\", "
            "\"time_s\": %.9g, \"cpu_time_s\": %.9g, \"calls\": {", op_name(g->op), g->batch, g->m, g->n, g->k, epilogue,
            s->wall_s, s->cpu_s);
        for (int i = 0; i < n_subjects; i++) {
            printf(" %5ld", s->calls[i]);
            fprintf(json, "%s\"%s\": %ld", i ? ", " : "", subject[i].name, s->calls[i]);
        }
        printf("\n");
        fprintf(json, "}}\n");
    }
}

static void print_subject(int i, FILE *json)
{
    struct subject *s = &subject[i];
    const struct bound bound = bound_of(i);
    const double wall_s = least(s->wall_s, s->n), cpu_s = least(s->cpu_s, s->n);
    const double wall_ratio = wall_s / least(subject[0].wall_s, subject[0].n);
    const double cpu_ratio = cpu_s / least(subject[0].cpu_s, subject[0].n);
    const double wall_median_s = quantile(s->wall_s, s->n, 0.5), cpu_median_s = quantile(s->cpu_s, s->n, 0.5);
    printf("%-12s %7ld %7.0f %7.0f %7.0f %7.0f %7.0f %6.0f %% %7.0f %7.0f %7.0f %6.0f %% %8.3f %8.3f\n", s->name, bound.calls,
        1e-9 * bound.flops, 1e3 * bound.wall_s, 1e3 * s->gemm_s, 1e3 * wall_s, 1e3 * wall_median_s,
        100 * bound.wall_s / wall_s, 1e3 * bound.cpu_s, 1e3 * cpu_s, 1e3 * cpu_median_s, 100 * bound.cpu_s / cpu_s,
        wall_ratio, cpu_ratio);
    fprintf(json, "{\"kind\": \"step\", \"trainer\": \"%s\", \"physical_batch_size\": %llu, \"calls\": %ld, \"flops\": %.17g, "
        "\"bound_s\": %.9g, \"gemm_s\": %.9g, \"time_min_s\": %.9g, \"time_p50_s\": %.9g, \"cpu_bound_s\": %.9g, "
        "\"cpu_time_min_s\": %.9g, \"cpu_time_p50_s\": %.9g, \"share_of_bound\": %.4f, \"cpu_share_of_bound\": %.4f, "
        "\"time_ratio\": %.4f, \"cpu_time_ratio\": %.4f}\n", s->ops->name,
        (unsigned long long)s->config.physical_batch_size, bound.calls, bound.flops, bound.wall_s, s->gemm_s, wall_s,
        wall_median_s, bound.cpu_s, cpu_s, cpu_median_s, bound.wall_s / wall_s, bound.cpu_s / cpu_s, wall_ratio, cpu_ratio);
}

static void print_subjects(FILE *json)
{
    printf("\nSteps, in ms.  bound: the products alone; products: the same within the best step; share: bound / best step\n\n"
           "%31s  ------------ wall time -------------  -------- CPU time ---------  to %s\n"
           "%-12s %7s %7s %7s %7s %7s %7s %8s %7s %7s %7s %8s %8s %8s\n", "", subject[0].name, "trainer", "calls", "GFLOP", "bound",
        "products", "best", "median", "share", "bound", "best", "median", "share", "wall", "CPU");
    for (int i = 0; i < n_subjects; i++)
        print_subject(i, json);
}

/* ---- command line ------------------------------------------------------------------------------------------------------ */

static void set_option(struct config *config, const char *option, const char *value)
{
    const struct { const char *name; uint64_t *number; } own[] = {
        {"rounds", &options.rounds}, {"steps", &options.steps}, {"threads", &options.threads}};
    const char *name = strncmp(option, "--", 2) == 0 ? option + 2 : "";
    const struct field *field = config_field_find(name);
    char error[512];
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (strcmp(name, own[i].name) == 0) {
            if (!text_to_u64(value, own[i].number))
                die(EXIT_USAGE, "%s: '%s' is not a whole number", option, value);
            return;
        }
    if (strcmp(name, "json") == 0)
        options.json = value;
    else if (!field)
        die(EXIT_USAGE, "%s: unknown; --rounds, --steps, --threads, --json and what `dpsweep run` takes", option);
    else if (!config_set(config, field, value, error, sizeof error))
        die(EXIT_USAGE, "%s", error);
}

static void read_options(int argc, char **argv, struct config *config)
{
    config_default(config);
    set_option(config, "--model", "medium");
    set_option(config, "--batch-size", "4");
    set_option(config, "--seq-len", "512");
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc)
            die(EXIT_USAGE, "%s: needs a value", argv[i]);
        set_option(config, argv[i], argv[i + 1]);
    }
    if (options.rounds < 1 || options.steps < 1 || options.rounds * options.steps > MAX_SAMPLES)
        die(EXIT_USAGE, "--rounds %llu, --steps %llu: at least 1, and a product of at most %d",
            (unsigned long long)options.rounds, (unsigned long long)options.steps, MAX_SAMPLES);
}

static void add_subject(const struct config *base, const struct trainer_ops *ops, uint64_t physical_batch_size)
{
    struct subject *s = &subject[n_subjects++];
    char error[512];
    CHECK(n_subjects <= MAX_SUBJECTS);
    s->ops = ops;
    s->config = *base;
    snprintf(s->config.trainer, sizeof s->config.trainer, "%s", ops->name);
    s->config.physical_batch_size = physical_batch_size;
    if (!config_resolve(&s->config, error, sizeof error))
        die(EXIT_USAGE, "%s", error);
    snprintf(s->name, sizeof s->name, physical_batch_size ? "%s/%llu" : "%s", ops->name,
        (unsigned long long)physical_batch_size);
}

/* Standard, the same one sample at a time, and all others but the negative controls. */
static void list_subjects(const struct config *base)
{
    add_subject(base, trainer_find("standard"), 0);
    add_subject(base, trainer_find("standard"), 1);
    for (int i = 0; trainer_at(i); i++)
        if (trainer_at(i)->is_private && !trainer_at(i)->is_control)
            add_subject(base, trainer_at(i), 0);
}

static void describe(const struct config *c)
{
    struct device_info device;
    double load[3] = {NAN, NAN, NAN};
    device_describe(&device);
    getloadavg(load, 3);
    printf("%s, batch %llu, T %llu: %s, %s, %d threads; %llu rounds of %llu steps in one process; load average %.1f\n", c->model,
        (unsigned long long)c->batch_size, (unsigned long long)c->seq_len, device.name, device.libraries, device.threads,
        (unsigned long long)options.rounds, (unsigned long long)options.steps, load[0]);
}

int main(int argc, char **argv)
{
    struct config base;
    char error[512];
    read_options(argc, argv, &base);
    FILE *json = fopen(options.json ? options.json : "/dev/null", "w");
    if (!json)
        die(EXIT_ENVIRONMENT, "%s: %s", options.json, strerror(errno));
    device_open((int)options.threads);
    list_subjects(&base);
    describe(&subject[0].config);
    struct dataset *data = dataset_open(subject[0].config.data, subject[0].config.record, (int)base.seq_len,
        (int)subject[0].config.vocab, (int)base.batch_size, base.seed, error, sizeof error);
    if (!data)
        die(EXIT_USAGE, "%s", error);
    for (int i = 0; i < n_subjects; i++)
        count_shapes(i);
    for (uint64_t round = 0; round < options.rounds; round++)
        for (int i = 0; i < n_subjects; i++)
            measure(data, &subject[i]);
    print_shapes(json);
    print_subjects(json);
    dataset_close(data);
    device_close();
    fclose(json);
    return EXIT_OK;
}
