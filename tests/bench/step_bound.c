/* step_bound.c - how near a step of each trainer comes to the time of its matrix products.
 *
 *   step_bound ROUNDS STEPS [--OPTION VALUE ...]      OPTION: of `dpsweep run`, but for the trainer and its batches
 *
 * 1. A dry step of each trainer is watched (the linker puts us before device_gemm): which shapes, how many calls.
 * 2. In each round, each trainer in turn: STEPS real steps, then every shape alone, a few times.
 * Shapes are timed in the same minutes as steps, so that a disturbed machine meets both.
 *
 * Writes JSON lines, which step_bound.py makes tables of: what is measured ("setting"), each step ("step": its time and
 * what of it passed within device_gemm), each shape ("gemm": the best of one call alone, and for each trainer its calls
 * in a step and the best time that they took within one, on a device that computes while it is called: the CPU).
 * CPU time is that of all threads. */
#include "../../src/base/check.h"
#include "../../src/base/text.h"
#include "../../src/bench/choose.h"
#include "../../src/bench/rig.h"
#include "../../src/device/ledger.h"
#include "../../src/device/timer.h"
#include "set_option.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_SUBJECTS = 16, MAX_SHAPES = 256, TRIALS = 3 };
static const double TRIAL_S = 0.004;

/* A GEMM without its operands: which optional ones it has is said apart. */
struct shape {
    struct gemm gemm;
    bool bias, add, accumulate;
    long calls[MAX_SUBJECTS];             /* in one step */
    double wall_s, cpu_s;                 /* of one call alone: the best */
    double now_s, within_s[MAX_SUBJECTS]; /* of all calls in the present step; in a step: the best */
};
struct subject {                          /* a trainer and its physical batch */
    char name[64];
    const struct trainer_ops *ops;
    struct config config;
    struct policy policy;                 /* of auto */
};

static struct subject subject[MAX_SUBJECTS];
static struct shape shape[MAX_SHAPES];
static int n_subjects, n_shapes;
static int watched = -1;                  /* the subject whose step is going on; -1: none */

/* ---- watching ---------------------------------------------------------------------------------------------------- */

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
    s.gemm.stride_a = g->batch > 1 ? g->stride_a : 0;
    s.gemm.stride_b = g->batch > 1 ? g->stride_b : 0;
    s.gemm.stride_c = g->batch > 1 ? g->stride_c : 0;
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
        s->calls[watched] += work_turns();
    else if (s)
        s->now_s += clock_wall_s() - start_s;
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

/* ---- one shape alone --------------------------------------------------------------------------------------------- */

struct operands { float *a, *b, *c, *add; };

/* Floats from the first to the last of `batch` matrices (rows, cols). */
static long extent(long rows, long cols, long ld, long batch, long stride)
{
    return (batch - 1) * stride + (rows - 1) * (ld ? ld : cols) + cols;
}

static float *operand_create(int i, long n)
{
    float *x = ledger_alloc(MEMORY_WORKSPACE, "operands of single products", (size_t)n * sizeof(float));
    if (!x)
        die(EXIT_ENVIRONMENT, "out of memory: %s", ledger_message());
    KERNEL(fill, x, 0.0f, n);
    KERNEL(noise_add, x, 0.1f, ((struct philox_stream){.seed = 1, .stream = STREAM_OF(AUDIT, i)}), 0, n);
    return x;
}

/* As large as the largest shape needs; a bias is read from b. */
static struct operands operands_create(void)
{
    long a = 1, b = 1, c = 1;
#define AT_LEAST(x, floats) ((x) = (floats) > (x) ? (floats) : (x))
    for (int i = 0; i < n_shapes; i++) {
        const struct gemm *g = &shape[i].gemm;
        const bool tn = g->op == GEMM_TN, nt = g->op == GEMM_NT;
        AT_LEAST(a, extent(tn ? g->k : g->m, tn ? g->m : g->k, g->lda, g->batch, g->stride_a));
        AT_LEAST(b, extent(nt ? g->n : g->k, nt ? g->k : g->n, g->ldb, g->batch, g->stride_b));
        AT_LEAST(b, g->n);
        AT_LEAST(c, extent(g->m, g->n, g->ldc, g->batch, g->stride_c));
    }
    return (struct operands){operand_create(0, a), operand_create(1, b), operand_create(2, c), operand_create(3, c)};
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
    const double wall_s = clock_wall_s(), cpu_s = clock_cpu_s();
    int n = 0;
    do {
        ledger_rewind(mark);
        __real_device_gemm(&g);
        device_sync();
        n++;
    } while (!ledger_is_rehearsing() && clock_wall_s() - wall_s < TRIAL_S);
    if (ledger_is_rehearsing())
        return;
    s->wall_s = fmin(s->wall_s, (clock_wall_s() - wall_s) / n);
    s->cpu_s = fmin(s->cpu_s, (clock_cpu_s() - cpu_s) / n);
}

/* In a program of its own, because products take their workspace from the ledger. */
static void time_shapes(struct operands x)
{
    ledger_start(PROGRAM_FIGURES);
    const size_t mark = ledger_mark();
    for (int i = 0; i < TRIALS * n_shapes; i++) {
        ledger_rewind(mark);
        time_shape(&shape[i % n_shapes], x);
    }
    ledger_finish();
}

/* ---- one trainer ------------------------------------------------------------------------------------------------- */

static void rig_open(struct rig *rig, const struct subject *s, enum ledger_mode mode)
{
    struct model_shape model;
    struct trainer_config trainer;
    config_model_shape(&s->config, &model);
    rig_trainer_config(&s->config, &trainer);
    trainer.policy = s->policy;
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

static void count_calls(int i)
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

static void time_step(struct rig *rig, const struct dataset *data, int i, uint32_t step)
{
    const struct config *c = &subject[i].config;
    watched = i;
    const double wall_s = clock_wall_s(), cpu_s = clock_cpu_s();
    const struct sampler sampler = rig_sampler(c, rig->trainer, dataset_records(data));
    long *record = calloc(c->max_batch_size, sizeof *record);
    CHECK(record);
    const struct part all = {0, sampler_draw(&sampler, step, record)};
    const struct batch batch = dataset_batch(data, rig->buffer, record, all, NULL);
    free(record);
    trainer_step(rig->trainer, &batch);
    device_sync();
    const double step_wall_s = clock_wall_s() - wall_s, step_cpu_s = clock_cpu_s() - cpu_s, gemm_s = collect_within();
    watched = -1;
    printf("{\"kind\": \"step\", \"trainer\": \"%s\", \"wall_s\": %.9f, \"cpu_s\": %.9f, \"gemm_s\": %.9f}\n",
        subject[i].name, step_wall_s, step_cpu_s, gemm_s);
}

static void measure(const struct dataset *data, int i, uint64_t steps)
{
    struct rig rig;
    rig_open(&rig, &subject[i], LEDGER_REAL);
    const struct operands x = operands_create();
    ledger_rehearse_begin();
    rehearse_step(&rig, &subject[i]);
    time_shapes(x);
    ledger_rehearse_end();
    if (!ledger_commit())
        die(EXIT_ENVIRONMENT, "out of memory: %s", ledger_message());
    model_init(rig.model, subject[i].config.seed);
    for (uint64_t step = 0; step < steps; step++)
        time_step(&rig, data, i, (uint32_t)step);
    time_shapes(x);
    operands_free(x);
    rig_free(&rig);
    ledger_close();
}

/* ---- what is written beside steps -------------------------------------------------------------------------------- */

static void write_setting(const struct config *c, uint64_t rounds, uint64_t steps)
{
    struct device_info device;
    device_describe(&device);
    printf("{\"kind\": \"setting\", \"model\": \"%s\", \"batch_size\": %llu, \"seq_len\": %llu, \"threads\": %d, "
        "\"device\": \"%s\", \"libraries\": \"%s\", \"rounds\": %llu, \"steps\": %llu}\n", c->model,
        (unsigned long long)c->batch_size, (unsigned long long)c->seq_len, device.threads, device.name,
        device.libraries, (unsigned long long)rounds, (unsigned long long)steps);
}

static void write_shape(const struct shape *s)
{
    static const char *const op[] = {[GEMM_NT] = "NT", [GEMM_NN] = "NN", [GEMM_TN] = "TN"};
    const struct gemm *g = &s->gemm;
    printf("{\"kind\": \"gemm\", \"op\": \"%s\", \"batch\": %d, \"m\": %ld, \"n\": %ld, \"k\": %ld, "
        "\"with\": \"%s%s%s\", \"wall_s\": %.9f, \"cpu_s\": %.9f", op[g->op], g->batch, g->m, g->n, g->k,
        s->bias ? "b" : "", s->accumulate ? "+" : s->add ? "a" : "", g->relu ? "r" : "", s->wall_s, s->cpu_s);
    const char *comma = "";
    printf(", \"calls\": {");
    for (int i = 0; i < n_subjects; i++, comma = ", ")
        printf("%s\"%s\": %ld", comma, subject[i].name, s->calls[i]);
    comma = "";
    printf("}, \"within_s\": {");
    for (int i = 0; i < n_subjects; i++)
        if (s->calls[i]) {
            printf("%s\"%s\": %.9f", comma, subject[i].name, s->within_s[i]);
            comma = ", ";
        }
    printf("}}\n");
}

/* ---- command line ------------------------------------------------------------------------------------------------ */

static uint64_t count_option(const char *text)
{
    uint64_t n;
    if (!text_to_u64(text, &n) || n < 1)
        die(EXIT_USAGE, "'%s' is not a number of rounds or steps", text);
    return n;
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
    struct choice choice;
    choose_policy(&s->config, 0, &choice);
    s->policy = choice.policy;
    snprintf(s->name, sizeof s->name, physical_batch_size ? "%s/%llu" : "%s", ops->name,
        (unsigned long long)physical_batch_size);
}

/* Standard, the same one sample at a time, and all private trainers but the negative controls. */
static void list_subjects(const struct config *base)
{
    add_subject(base, trainer_find("standard"), 0);
    add_subject(base, trainer_find("standard"), 1);
    for (int i = 0; trainer_at(i); i++)
        if (trainer_at(i)->is_private && !trainer_at(i)->is_control)
            add_subject(base, trainer_at(i), 0);
}

static struct dataset *open_data(const struct config *c)
{
    char error[512];
    struct dataset *data = dataset_open(c->data, c->record, (int)c->seq_len, (int)c->vocab, (int)c->batch_size, c->seed,
        error, sizeof error);
    if (!data)
        die(EXIT_USAGE, "%s", error);
    return data;
}

int main(int argc, char **argv)
{
    struct config base;
    if (argc < 3 || argc % 2 == 0)
        die(EXIT_USAGE, "usage: step_bound ROUNDS STEPS [--OPTION VALUE ...]");
    const uint64_t rounds = count_option(argv[1]), steps = count_option(argv[2]);
    config_default(&base);
    for (int i = 3; i < argc; i += 2)
        set_option(&base, argv[i], argv[i + 1]);
    device_open(0);
    precision_set(rig_precision(&base));
    list_subjects(&base);
    struct dataset *data = open_data(&subject[0].config);
    write_setting(&subject[0].config, rounds, steps);
    for (int i = 0; i < n_subjects; i++)
        count_calls(i);
    for (uint64_t round = 0; round < rounds; round++)
        for (int i = 0; i < n_subjects; i++)
            measure(data, i, steps);
    for (int i = 0; i < n_shapes; i++)
        write_shape(&shape[i]);
    dataset_close(data);
    device_close();
    return EXIT_OK;
}
