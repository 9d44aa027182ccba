/* group_of_one.c - steps that go through NCCL on one GPU: a communicator of one rank, which is all that NCCL makes of
 * one (ranks that share a GPU it refuses).
 *
 *   group_of_one [small]
 *
 * Each trainer makes the same steps twice, alone and with its vectors sent through the door of the group, for each
 * placement of the noise.  A sum over one rank is the vector itself: weights and optimizer state must be the same bits,
 * of which a hash is printed.  Ends with 1 if they are not.
 *
 * The linker puts us before the group's functions (--wrap), which do nothing in a group of one. */
#include "../../mpi/group_door.h"
#include "../../src/base/check.h"
#include "../../src/bench/rig.h"
#include "../../src/device/ledger.h"

#include <stdio.h>
#include <stdlib.h>

enum { STEPS = 3, BATCH = 4 };
static const struct model_shape
    small = {ARCH_GPT2, .vocab = 31, .dim = 12, .layers = 1, .heads = 2, .max_seq = 8},
    whole = {ARCH_GPT2, .vocab = 5003, .dim = 768, .layers = 2, .heads = 12, .max_seq = 1024};

static struct { bool open; long calls; } nccl;

static bool goes_through(void)
{
    const bool really = nccl.open && !ledger_is_dry() && !ledger_is_rehearsing();
    nccl.calls += really;
    return really;
}

#define THROUGH_THE_DOOR(name)                         \
    void __wrap_group_##name(float *x, long n);        \
    void __wrap_group_##name(float *x, long n)         \
    {                                                  \
        if (goes_through())                            \
            door_##name(x, n);                         \
    }
THROUGH_THE_DOOR(sum)
THROUGH_THE_DOOR(sum_part)
THROUGH_THE_DOOR(reduce_scatter)
THROUGH_THE_DOOR(all_gather)

struct subject {
    const struct trainer_ops *ops;
    enum noise_placement placement;
    struct model_shape shape;              /* T is its max_seq */
    const struct dataset *data;
};

bool __wrap_group_overlaps(void);
bool __wrap_group_overlaps(void)
{
    return nccl.open && !ledger_is_dry() && !ledger_is_rehearsing();
}

void __wrap_group_sum_join(void);
void __wrap_group_sum_join(void)
{
    door_sum_join();
}

/* (2,P): weights and momentum after STEPS steps */
static float *trained(const struct subject *s)
{
    const struct trainer_ops *ops = s->ops;
    struct rig rig;
    const struct trainer_config config = {.clipping = ops->is_private ? CLIPPING_FLAT : CLIPPING_NONE,
        .batch_size = BATCH, .physical_batch_size = BATCH / 2, .noise_placement = s->placement, .max_grad_norm = 0.5,
        .noise_multiplier = 1.0, .expected_batch_size = BATCH, .optimizer = {OPTIMIZER_SGD, 0.1, 0.9}, .seed = 1};
    ledger_open(LEDGER_REAL, 0);
    if (!rig_create_model(&rig, &s->shape) || !rig_create_trainer(&rig, ops, &config, s->shape.max_seq))
        die(EXIT_ENVIRONMENT, "out of memory: %s", ledger_message());
    model_init(rig.model, 1);
    for (long step = 0; step < STEPS; step++) {
        long record[BATCH];
        for (int b = 0; b < BATCH; b++)
            record[b] = BATCH * step + b;
        const struct batch x = dataset_batch(s->data, rig.buffer, record, (struct part){0, BATCH}, NULL);
        trainer_step(rig.trainer, &x);
    }
    const size_t P = (size_t)rig.model->n_params;
    float *result = malloc(2 * P * sizeof *result);
    CHECK(result);
    device_copy_out(result, rig.model->params, P * sizeof *result);
    device_copy_out(result + P, rig.trainer->optimizer.m, P * sizeof *result);
    rig_free(&rig);
    ledger_close();
    return result;
}

/* FNV-1a */
static uint64_t hash_of(const void *x, size_t bytes)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ ((const unsigned char *)x)[i]) * 0x100000001b3;
    return hash;
}

/* Whether the bits differ. */
static bool check(const struct subject *s)
{
    const size_t bytes = 2 * (size_t)model_shape_params(&s->shape) * sizeof(float);
    float *alone = trained(s);
    nccl.calls = 0;
    nccl.open = true;
    door_open();
    float *grouped = trained(s);
    door_close();
    nccl.open = false;
    const bool wrong = memcmp(alone, grouped, bytes) != 0 || nccl.calls == 0;
    printf("%-12s noise in the %-8s %016llx %ld collectives: %s\n", s->ops->name, noise_placement_name[s->placement],
        (unsigned long long)hash_of(alone, bytes), nccl.calls, wrong ? "OTHER BITS" : "same bits");
    fflush(stdout);
    free(grouped);
    free(alone);
    return wrong;
}

int main(int argc, char **argv)
{
    static const char *const trainers[] = {"standard", "ghost", "dpsgd", "bookkeeping", "microbatch"};
    const bool is_small = argc == 2 && strcmp(argv[1], "small") == 0;
    const size_t n = is_small ? 2 : sizeof trainers / sizeof *trainers;
    char error[512];
    int n_wrong = 0;
    if (argc > 2 || (argc == 2 && !is_small))
        die(EXIT_USAGE, "usage: group_of_one [small]");
    device_open(0);
    struct subject s = {.shape = is_small ? small : whole};
    struct dataset *data =
        dataset_open("random", "line", s.shape.max_seq, s.shape.vocab, BATCH, 1, error, sizeof error);
    if (!data)
        die(EXIT_USAGE, "%s", error);
    s.data = data;
    for (size_t i = 0; i < n; i++)
        for (int p = 0; p < N_NOISE_PLACEMENTS; p++) {
            s.ops = trainer_find(trainers[i]);
            s.placement = (enum noise_placement)p;
            n_wrong += check(&s);
        }
    dataset_close(data);
    device_close();
    printf("%d with other bits\n", n_wrong);
    return n_wrong > 0;
}
