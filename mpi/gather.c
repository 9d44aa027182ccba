/* gather.c - messages between rank 0 and the others, and the worker of this rank.  Who waits looks for both every few
 * milliseconds and sleeps in between. */
#include "gather.h"
#include "world.h"
#include "../src/base/check.h"

#include <signal.h>
#include <stdlib.h>

enum tag { TAG_TASK, TAG_RECORD, TAG_SIGNAL, TAG_STOP };
enum { WAIT_MS = 5 };

static struct worker *worker;                /* of this rank; NULL: idle */
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
    if (rank == 0)
        worker = worker_spawn(task);
    else
        world_send(rank, TAG_TASK, task, sizeof *task);
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

void gather_stop(void)
{
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
        start_received_task();
    }
    world_receive(0, TAG_STOP, NULL, 0);
    worker_free(worker);
    worker = NULL;
}
