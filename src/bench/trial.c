#include "trial.h"

#include "../base/check.h"
#include "../device/ledger.h"

#include <stdio.h>
#include <stdlib.h>

static void rehearse(struct trial *t)
{
    const struct batch batch = batch_buffer_view(t->rig.buffer, (int)t->config.batch_size);
    ledger_rehearse_begin();
    trainer_step(t->rig.trainer, &batch);
    trainer_reset(t->rig.trainer);
    ledger_rehearse_end();
}

static bool create(struct trial *t)
{
    struct model_shape model;
    struct trainer_config trainer;
    config_model_shape(&t->config, &model);
    rig_trainer_config(&t->config, &trainer);
    ledger_open(LEDGER_REAL, t->config.memory_limit);
    if (!rig_create_model(&t->rig, &model) ||
        !rig_create_parts(&t->rig, trainer_find(t->config.trainer), &trainer, (int)t->config.seq_len))
        return false;
    rehearse(t);
    return ledger_commit();
}

bool trial_open(struct trial *t, const struct config *c, char *why, size_t why_bytes)
{
    *t = (struct trial){.config = *c};
    t->data = dataset_open(c->data, c->record, (int)c->seq_len, (int)c->vocab, (int)c->batch_size, c->seed, why,
                           why_bytes);
    CHECK(t->data); /* random tokens */
    precision_set(rig_precision(c));
    if (create(t)) {
        model_init(t->rig.model, c->seed);
        return true;
    }
    snprintf(why, why_bytes, "%s", ledger_message());
    trial_close(t);
    return false;
}

void trial_step(struct trial *t)
{
    const struct config *c = &t->config;
    const struct sampler sampler = rig_sampler(c, t->rig.trainer, dataset_records(t->data));
    long *record = calloc(c->max_batch_size, sizeof *record);
    CHECK(record);
    struct batch batch;
    const double wall_s = clock_wall_s(), cpu_s = clock_cpu_s();
    PHASE(DATA) {
        const struct part all = {0, sampler_draw(&sampler, t->step++, record)};
        batch = dataset_batch(t->data, t->rig.buffer, record, all, NULL);
    }
    trainer_step(t->rig.trainer, &batch);
    device_sync();
    t->wall_s = clock_wall_s() - wall_s;
    t->cpu_s = clock_cpu_s() - cpu_s;
    free(record);
}

void trial_close(struct trial *t)
{
    rig_free(&t->rig);
    ledger_close();
    dataset_close(t->data);
}
