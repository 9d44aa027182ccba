/* gather.c - messages between rank 0 and the others, and the worker of this rank.  Who waits looks for both every few
 * milliseconds and sleeps in between. */
#include "gather.h"
#include "gpus.h"
#include "members.h"
#include "world.h"
#include "../src/base/check.h"

#include <stdio.h>
#include <signal.h>
#include <stdlib.h>

/* TAG_VICTIM: a record of a member that could not help it (worker_is_victim).  TAG_FAILED: a member has failed.
 * TAG_END: end your run, because another member has failed. */
enum tag { TAG_TASK, TAG_RECORD, TAG_VICTIM, TAG_FAILED, TAG_END, TAG_SIGNAL, TAG_STOP, TAG_GPUS };
enum { WAIT_MS = 5 };

static struct worker *worker;                /* of this rank; NULL: idle */
static int *gpu;                             /* (ranks) on rank 0, after gather_gpus */
static struct gpu_facts gpu_facts;
static volatile sig_atomic_t caught;

static void catch(int signal)
{
    caught = signal;
}

void gather_open(void)
{
    static const int caught_ones[] = {SIGTERM, SIGINT, SIGUSR1, SIGHUP};
    struct sigaction hangup;
    CHECK_SYS(sigaction(SIGHUP, NULL, &hangup));
    for (size_t i = 0; i < sizeof caught_ones / sizeof *caught_ones; i++)
        if (caught_ones[i] != SIGHUP || hangup.sa_handler != SIG_IGN) /* nohup: it shall go on */
            CHECK_SYS(sigaction(caught_ones[i], &(struct sigaction){.sa_handler = catch}, NULL));
    signal(SIGPIPE, SIG_IGN);                /* a reader of stderr or stdout that is gone does not end a sweep */
    worker_adopt();
    signal(SIGCHLD, SIG_DFL);                /* who started us may have ignored it; then no child could be waited for */
}

int gather_signal(void)
{
    return caught;
}

static bool failure_is_told;                 /* of this rank's worker */

static void start_own(const struct task *task)
{
    worker = worker_spawn(task);
    failure_is_told = false;
}

static bool own_record(struct record *record, bool *victim)
{
    if (!worker || !worker_ended(worker, record))
        return false;
    *victim = worker_is_victim(worker);
    worker_free(worker);
    worker = NULL;
    return true;
}

/* True once for a worker that has failed while others of its group go on. */
static bool own_failure(void)
{
    const bool news = worker && worker_failed(worker) && !failure_is_told;
    failure_is_told |= news;
    return news;
}

static void wait_a_little(void)
{
    if (worker)
        worker_wait(worker, WAIT_MS);
    else
        nap_ms(WAIT_MS);
}

/* ---- rank 0 -------------------------------------------------------------------------------------------------- */

/* Rank 0 is the last to start: to start in a group is to wait for its other members. */
void gather_start(const struct task *task)
{
    members_begin(task);
    for (int i = task->n_members - 1; i >= 0; i--) {
        struct task with_gpu = *task;
        with_gpu.gpu = gpu ? gpu[task->member[i]] : 0;
        if (task->member[i] == 0)
            start_own(&with_gpu);
        else
            world_send(task->member[i], TAG_TASK, &with_gpu, sizeof with_gpu);
    }
}

static void receive_record(int rank, int tag, size_t bytes, struct record *record)
{
    void *data = malloc(bytes);
    CHECK(data);
    world_receive(rank, tag, data, bytes);
    CHECK(record_decode(record, data, bytes));
    free(data);
}

static void end_others(int failed)
{
    if (worker && members_share(failed, 0))
        worker_stop(worker);
    for (int r = 1; r < world()->size; r++)
        if (r != failed && members_share(failed, r))
            world_send(r, TAG_END, NULL, 0);
}

static void receive_signal(int rank)
{
    int signal;
    world_receive(rank, TAG_SIGNAL, &signal, sizeof signal);
    caught = signal;
}

/* What a rank has sent.  True: the last record of its task. */
static bool receive(int rank, int tag, size_t bytes, struct record *whole)
{
    struct record record;
    switch (tag) {
    case TAG_RECORD:
    case TAG_VICTIM:
        receive_record(rank, tag, bytes, &record);
        return members_add(rank, &record, tag == TAG_VICTIM, whole);
    case TAG_FAILED:
        world_receive(rank, tag, NULL, 0);
        end_others(rank);
        return false;
    default:
        receive_signal(rank);
        return false;
    }
}

bool gather_wait(struct record *whole)
{
    int rank, tag;
    size_t bytes;
    bool victim;
    struct record record;
    if (world_poll(&rank, &tag, &bytes))
        return receive(rank, tag, bytes, whole);
    if (own_record(&record, &victim))
        return members_add(0, &record, victim, whole);
    if (own_failure())
        end_others(0);
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
    if (code == EXIT_OK) {
        snprintf(gpu_facts.name, sizeof gpu_facts.name, "%s", list[0].name[gpu[0]]);
        gpu_facts.largest_share_bytes = gpus_largest_share(list, size, gpu);
    }
    free(list);
    return code;
}

const struct gpu_facts *gather_gpu_facts(void)
{
    return gpu ? &gpu_facts : NULL;
}

void gather_stop(void)
{
    free(gpu);
    gpu = NULL;
    for (int r = 1; r < world()->size; r++)
        world_send(r, TAG_STOP, NULL, 0);
    worker_free(worker);          /* a member of a group waits for the others to end */
    worker = NULL;
    members_forget();
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

static void send_record(struct record *record, bool victim)
{
    size_t bytes;
    void *data = record_encode(record, &bytes);
    world_send(0, victim ? TAG_VICTIM : TAG_RECORD, data, bytes);
    free(data);
    record_clear(record);
}

static void start_received_task(void)
{
    struct task task;
    world_receive(0, TAG_TASK, &task, sizeof task);
    start_own(&task);
}

static void end_run(void)
{
    world_receive(0, TAG_END, NULL, 0);
    if (worker)
        worker_stop(worker);
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
        bool victim;
        pass_on_signal();
        if (own_record(&record, &victim))
            send_record(&record, victim);
        if (own_failure())
            world_send(0, TAG_FAILED, NULL, 0);
        if (!world_poll(&rank, &tag, &bytes)) {
            wait_a_little();
            continue;
        }
        if (tag == TAG_STOP)
            break;
        if (tag == TAG_GPUS)
            answer_gpus();
        else if (tag == TAG_END)
            end_run();
        else
            start_received_task();
    }
    world_receive(0, TAG_STOP, NULL, 0);
    worker_free(worker);
    worker = NULL;
}
