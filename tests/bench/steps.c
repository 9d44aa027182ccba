/* steps.c - the CPU time of steps of several trainers that take turns, without verification and records.
 *
 *   steps ROUNDS TRAINER[/PHYSICAL][@BUDGET],... [--OPTION VALUE ...]     OPTION: of `dpsweep run`, what is trained
 *
 * In each round each trainer makes a step that is not counted and one that is.  Writes a JSON line for each trainer: the
 * least CPU and wall time, the peak of the ledger, the policy of auto.  A trainer that is half as slow again as the
 * quickest is left out of later rounds. */
#include "../../src/base/check.h"
#include "../../src/base/text.h"
#include "../../src/bench/choose.h"
#include "../../src/bench/rig.h"
#include "../../src/device/ledger.h"
#include "../../src/device/profile.h"
#include "../../src/device/timer.h"
#include "set_option.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SUBJECTS_MOST = 16 };
#define HOPELESS 1.5

struct subject {
    char name[64];
    struct config config;
    struct policy policy;
    double cpu_s, wall_s;
    size_t peak_bytes;
};
static struct subject subject[SUBJECTS_MOST];
static int n_subjects;

static void step(struct subject *s, struct rig *rig, const struct dataset *data, uint32_t number)
{
    const struct sampler sampler = rig_sampler(&s->config, rig->trainer, dataset_records(data));
    long *record = calloc(s->config.max_batch_size, sizeof *record);
    CHECK(record);
    const struct part all = {0, sampler_draw(&sampler, number, record)};
    const struct batch batch = dataset_batch(data, rig->buffer, record, all, NULL);
    const double wall_s = clock_wall_s(), cpu_s = clock_cpu_s();
    trainer_step(rig->trainer, &batch);
    device_sync();
    if (number) {
        s->wall_s = fmin(s->wall_s, clock_wall_s() - wall_s);
        s->cpu_s = fmin(s->cpu_s, clock_cpu_s() - cpu_s);
    }
    free(record);
}

static void measure(struct subject *s, const struct dataset *data)
{
    struct rig rig;
    struct model_shape model;
    struct trainer_config trainer;
    config_model_shape(&s->config, &model);
    rig_trainer_config(&s->config, &trainer);
    trainer.policy = s->policy;
    ledger_open(LEDGER_REAL, 0);
    if (!rig_create_model(&rig, &model) ||
        !rig_create_trainer(&rig, trainer_find(s->config.trainer), &trainer, (int)s->config.seq_len))
        die(EXIT_ENVIRONMENT, "out of memory: %s", ledger_message());
    model_init(rig.model, s->config.seed);
    step(s, &rig, data, 0);
    step(s, &rig, data, 1);
    s->peak_bytes = ledger_reserved_peak();
    rig_free(&rig);
    ledger_close();
}

/* What follows the letter in a name, if it is there, is cut off and set. */
static void set_after(char letter, const char *option, char *name, struct config *config)
{
    char *at = strchr(name, letter);
    if (at) {
        *at = '\0';
        set_option(config, option, at + 1);
    }
}

static void add_subject(const struct config *base, const char *name)
{
    struct subject *s = &subject[n_subjects++];
    struct choice choice;
    char error[512], trainer[64];
    CHECK(n_subjects <= SUBJECTS_MOST);
    snprintf(s->name, sizeof s->name, "%s", name);
    snprintf(trainer, sizeof trainer, "%s", name);
    s->config = *base;
    set_after('@', "--memory-budget", trainer, &s->config);
    set_after('/', "--physical-batch-size", trainer, &s->config);
    set_option(&s->config, "--trainer", trainer);
    if (!config_resolve(&s->config, error, sizeof error))
        die(EXIT_USAGE, "%s", error);
    choose_policy(&s->config, 0, &choice);
    s->policy = choice.policy;
    s->cpu_s = s->wall_s = INFINITY;
}

static void take_turns(uint64_t rounds, const struct dataset *data)
{
    double quickest_s = INFINITY;
    for (uint64_t round = 0; round < rounds; round++) {
        for (int i = 0; i < n_subjects; i++)
            if (round == 0 || subject[i].cpu_s < HOPELESS * quickest_s)
                measure(&subject[i], data);
        for (int i = 0; i < n_subjects; i++)
            quickest_s = fmin(quickest_s, subject[i].cpu_s);
    }
}

static void print(const struct subject *s)
{
    struct model_shape shape;
    char policy[TEXT_BYTES] = "";
    config_model_shape(&s->config, &shape);
    if (s->policy.samples)
        policy_text(&s->policy, &shape, policy, sizeof policy);
    printf("{\"trainer\": \"%s\", \"cpu_s\": %.6f, \"wall_s\": %.6f, \"peak_bytes\": %zu, \"policy\": \"%s\"}\n", s->name,
        s->cpu_s, s->wall_s, s->peak_bytes, policy);
}

int main(int argc, char **argv)
{
    struct config base;
    uint64_t rounds;
    char error[512];
    if (argc < 3 || argc % 2 == 0 || !text_to_u64(argv[1], &rounds))
        die(EXIT_USAGE, "usage: steps ROUNDS TRAINER,... [--OPTION VALUE ...]");
    config_default(&base);
    for (int i = 3; i < argc; i += 2)
        set_option(&base, argv[i], argv[i + 1]);
    device_open(0);
    if (!profile_choose(NULL, NULL, error, sizeof error))
        die(EXIT_USAGE, "%s", error);
    for (char *rest = argv[2], *name; (name = strsep(&rest, ","));)
        add_subject(&base, name);
    precision_set(rig_precision(&base));
    const struct config *c = &subject[0].config;
    struct dataset *data = dataset_open(c->data, c->record, (int)c->seq_len, (int)c->vocab, (int)c->batch_size, c->seed,
        error, sizeof error);
    if (!data)
        die(EXIT_USAGE, "%s", error);
    take_turns(rounds, data);
    for (int i = 0; i < n_subjects; i++)
        print(&subject[i]);
    dataset_close(data);
    device_close();
    return EXIT_OK;
}
