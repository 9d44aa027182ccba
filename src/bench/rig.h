/* rig.h - model, trainer and batch buffer, rehearsed and in memory: what run, plan and check set up alike. */
#ifndef RIG_H
#define RIG_H
#include "../privacy/sampler.h"
#include "../trainers/trainer.h"
#include "config.h"
#include "data.h"
#include "reference.h"

struct rig {
    struct model *model;
    struct trainer *trainer;
    struct batch_buffer *buffer;
};

enum precision rig_precision(const struct config *);
void rig_trainer_config(const struct config *, struct trainer_config *);
struct sampler rig_sampler(const struct config *, const struct trainer *, long n_records);

/* Creates the model.  False: out of memory, see ledger_message(). */
bool rig_create_model(struct rig *, const struct model_shape *);
/* Creates trainer and buffer, for which the caller rehearses its own programs.  False: out of memory. */
bool rig_create_parts(struct rig *, const struct trainer_ops *, const struct trainer_config *, int T);
/* The same, then rehearses a step and its verification, and gets the arena.  False: out of memory. */
bool rig_create_trainer(struct rig *, const struct trainer_ops *, const struct trainer_config *, int T);
/* The two batches that are verified: as many samples as a step's, and where steps vary in size so many that physical
 * batches of every size of trainer_physical_size occur in one of the two, if the largest batch has room for them. */
struct sample_source rig_samples_to_verify(const struct trainer_config *, samples_of *, void *ctx);
/* The same two with no memory behind them, whatever they need, for runs of so many threads.  Opens the ledger. */
void rig_begin_dry(struct rig *, const struct config *, int threads, const struct policy *);
void rig_create_dry(struct rig *, const struct config *, int threads, const struct policy *);
/* The calls of a verification, in a rehearsal or on a dry ledger. */
void rig_rehearse_verification(struct rig *);
void rig_free_trainer(struct rig *);    /* the model stays */
void rig_free(struct rig *);            /* live bytes are 0 after it */
#endif
