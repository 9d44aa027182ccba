/* gather.c - messages between rank 0 and the others, and the worker of this rank.  Who waits looks for both every few
 * milliseconds and sleeps in between. */
#include "gather.h"
#include "gpus.h"
#include "world.h"
#include "../src/base/check.h"

#include <signal.h>
#include <stdlib.h>

enum tag { TAG_TASK, TAG_RECORD, TAG_SIGNAL, TAG_STOP, TAG_GPUS };
enum { WAIT_MS = 5 };

static struct worker *worker;                /* of this rank; NULL: idle */
static int *gpu;                             /* (ranks) on rank 0, after gather_gpus */
static volatile sig_atomic_t caught;

static void catch(int signal)
{
    caught = signal;
}

void gather_open(void)
{
    static const int caught_ones[] = {SIGTERM, SIGINT, SIGUSR1};
    for (size_t i = 0; i < sizeof caught_ones / sizeof *caught_ones; i++)
        CHECK_SYS(sigaction(caught_ones[i], &(struct sigaction){.sa_handler = catch}, NULL));
    worker_adopt();
    signal(SIGCHLD, SIG_DFL);                /* who started us may have ignored it; then no child could be waited for */
}

int gather_signal(void)
{
    return caught;
}

static bool own_record(struct record *record)
{
    if (!worker || !worker_ended(worker, record))
        return false;
    worker_free(worker);
    worker = NULL;
    return true;
}

static void wait_a_little(void)
{
    if (worker)
        worker_wait(worker, WAIT_MS);
    else
        nap_ms(WAIT_MS);
}

/* ---- rank 0 -------------------------------------------------------------------------------------------------- */

void gather_start(int rank, const struct task *task)
{
    struct task with_gpu = *task;
    with_gpu.gpu = gpu ? gpu[rank] : 0;
    if (rank == 0)
        worker = worker_spawn(&with_gpu);
    else
        world_send(rank, TAG_TASK, &with_gpu, sizeof with_gpu);
}

static void receive_record(int rank, size_t bytes, struct record *record)
{
    void *data = malloc(bytes);
    CHECK(data);
    world_receive(rank, TAG_RECORD, data, bytes);
    CHECK(record_decode(record, data, bytes));
    free(data);
}

static void receive_signal(int rank)
{
    int signal;
    world_receive(rank, TAG_SIGNAL, &signal, sizeof signal);
    caught = signal;
}

bool gather_wait(int *rank, struct record *record)
{
    int tag;
    size_t bytes;
    if (world_poll(rank, &tag, &bytes)) {
        if (tag == TAG_RECORD)
            receive_record(*rank, bytes, record);
        else
            receive_signal(*rank);
        return tag == TAG_RECORD;
    }
    *rank = 0;
    if (own_record(record))
        return true;
    wait_a_little();
    return false;
}

/* What every rank sees; all look at the same time. */
static void ask_ranks(struct gpu_list *list)
{
    int rank, tag, answers = 1;
    size_t bytes;
    for (int r = 1; r < world()->size; r++)
        world_send(r, TAG_GPUS, NULL, 0);
    gpus_ask(&list[0]);
    while (answers < world()->size) {
        if (!world_poll(&rank, &tag, &bytes)) {
            nap_ms(WAIT_MS);
        } else if (tag == TAG_GPUS) {
            world_receive(rank, TAG_GPUS, &list[rank], sizeof *list);
            answers++;
        } else {
            receive_signal(rank);
        }
    }
}

enum exit_code gather_gpus(bool share)
{
    const int size = world()->size;
    struct gpu_list *list = calloc((size_t)size, sizeof *list);
    CHECK(list && (gpu = calloc((size_t)size, sizeof *gpu)));
    ask_ranks(list);
    enum exit_code code = EXIT_OK;
    for (int r = 0; r < size && code == EXIT_OK; r++)
        if (!list[r].n) {
            log_error("rank %d on %s: %s", r, list[r].host, list[r].error);
            code = EXIT_ENVIRONMENT;
        }
    const int most = code == EXIT_OK ? gpus_share_out(list, size, gpu) : 0;
    if (most > 1 && !share) {
        log_error("%d ranks would share a GPU, and disturb one another: start a rank for each GPU, or say --share-gpu",
                  most);
        code = EXIT_USAGE;
    }
    free(list);
    return code;
}

void gather_stop(void)
{
    free(gpu);
    gpu = NULL;
    worker_free(worker);
    worker = NULL;
    for (int r = 1; r < world()->size; r++)
        world_send(r, TAG_STOP, NULL, 0);
}

/* ---- the other ranks ----------------------------------------------------------------------------------------- */

/* A launcher's signal may reach some ranks only: rank 0 hears of it from whoever got it. */
static void pass_on_signal(void)
{
    static bool passed_on;
    const int signal = caught;
    if (signal && !passed_on)
        world_send(0, TAG_SIGNAL, &signal, sizeof signal);
    passed_on = signal;
}

static void send_record(struct record *record)
{
    size_t bytes;
    void *data = record_encode(record, &bytes);
    world_send(0, TAG_RECORD, data, bytes);
    free(data);
    record_clear(record);
}

static void start_received_task(void)
{
    struct task task;
    world_receive(0, TAG_TASK, &task, sizeof task);
    worker = worker_spawn(&task);
}

static void answer_gpus(void)
{
    struct gpu_list list;
    world_receive(0, TAG_GPUS, NULL, 0);
    gpus_ask(&list);
    world_send(0, TAG_GPUS, &list, sizeof list);
}

void gather_serve(void)
{
    for (;;) {
        int rank, tag;
        size_t bytes;
        struct record record;
        pass_on_signal();
        if (own_record(&record))
            send_record(&record);
        if (!world_poll(&rank, &tag, &bytes)) {
            wait_a_little();
            continue;
        }
        if (tag == TAG_STOP)
            break;
        if (tag == TAG_GPUS)
            answer_gpus();
        else
            start_received_task();
    }
    world_receive(0, TAG_STOP, NULL, 0);
    worker_free(worker);
    worker = NULL;
}
