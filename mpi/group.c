/* group.c - a member's side: what is small goes to its rank in a bucket, vectors through the door of the device. */
#include "group.h"
#include "channel.h"
#include "group_door.h"
#include "../src/base/check.h"
#include "../src/device/ledger.h"

#include <math.h>
#include <sys/mman.h>
#include <sys/socket.h>

static struct group the_group = {.size = 1};
static struct channel *channel;
static uint64_t bytes_sent;
static long handed_over;             /* elements of parts that are not joined yet */

const struct group *group(void)
{
    return &the_group;
}

const char *group_absent(void)
{
    return door_absent();
}

static bool is_silent(void)
{
    return the_group.size == 1 || ledger_is_dry() || ledger_is_rehearsing();
}

void group_join(void)
{
    channel = mmap(NULL, sizeof *channel, PROT_READ | PROT_WRITE, MAP_SHARED, CHANNEL_MEMORY_FD, 0);
    if (channel == MAP_FAILED)
        die(EXIT_ENVIRONMENT, "cannot share memory with the rank that started this run: %s", strerror(errno));
    the_group = (struct group){channel->rank, channel->size};
}

void group_open(void)
{
    if (!is_silent())
        door_open();
}

void group_close(void)
{
    if (!is_silent())
        door_close();
}

struct part group_part(long n, int rank, int size)
{
    const long each = n / size / 4 * 4;
    return (struct part){rank * each, rank == size - 1 ? n : (rank + 1) * each};
}

/* ---- requests ------------------------------------------------------------------------------------------------ */

struct bucket *channel_bucket(int bucket)
{
    return &channel->bucket[bucket];
}

static void rank_is_gone(void)
{
    die(EXIT_ENVIRONMENT, "the rank of this member of a group does not answer");
}

void channel_ask(const struct request *request)
{
    ssize_t sent;
    while ((sent = send(CHANNEL_SOCKET_FD, request, sizeof *request, MSG_NOSIGNAL)) < 0 && errno == EINTR)
        ;
    if (sent != sizeof *request)
        rank_is_gone();
}

void channel_await(void)
{
    char answer;
    ssize_t got;
    while ((got = recv(CHANNEL_SOCKET_FD, &answer, sizeof answer, 0)) < 0 && errno == EINTR)
        ;
    if (got != sizeof answer)
        rank_is_gone();
}

/* ---- numbers of the host ------------------------------------------------------------------------------------- */

static void combine(enum collective collective, void *x, int n, size_t element_bytes)
{
    const size_t bytes = (size_t)n * element_bytes;
    CHECK(bytes <= BUCKET_BYTES);
    memcpy(channel_bucket(0)->given, x, bytes);
    channel_ask(&(struct request){.collective = collective, .n = n});
    channel_await();
    memcpy(x, channel_bucket(0)->got, bytes);
}

void group_sum_host(double *x, int n)
{
    if (!is_silent())
        combine(SUM_DOUBLES, x, n, sizeof *x);
}

/* NaN travels as infinity with a mark: what MPI_MAX makes of NaN is not said. */
void group_max_host(double *x, int n)
{
    double most[2 * GROUP_MOST_NUMBERS];
    CHECK(n <= GROUP_MOST_NUMBERS);
    if (is_silent())
        return;
    for (int i = 0; i < n; i++) {
        most[i] = isnan(x[i]) ? INFINITY : x[i];
        most[n + i] = isnan(x[i]);
    }
    combine(MAX_DOUBLES, most, 2 * n, sizeof *most);
    for (int i = 0; i < n; i++)
        x[i] = most[n + i] > 0.0 ? NAN : most[i];
}

void group_share(void *x, size_t bytes)
{
    if (!is_silent())
        combine(SHARE_BYTES, x, (int)bytes, 1);
}

/* ---- vectors of the device ----------------------------------------------------------------------------------- */

/* All parts but the own one of a vector of n. */
static uint64_t part_bytes(long n)
{
    return (uint64_t)n * sizeof(float) * (uint64_t)(the_group.size - 1) / (uint64_t)the_group.size;
}

void group_sum(float *x, long n)
{
    if (is_silent())
        return;
    door_sum(x, n);
    bytes_sent += 2 * part_bytes(n);
}

bool group_overlaps(void)
{
    return !is_silent() && door_overlaps();
}

void group_sum_part(float *x, long n)
{
    door_sum_part(x, n);
    handed_over += n;
}

void group_sum_join(void)
{
    door_sum_join();
    bytes_sent += 2 * part_bytes(handed_over);
    handed_over = 0;
}

void group_reduce_scatter(float *x, long n)
{
    if (is_silent())
        return;
    door_reduce_scatter(x, n);
    bytes_sent += part_bytes(n);
}

void group_all_gather(float *x, long n)
{
    if (is_silent())
        return;
    door_all_gather(x, n);
    bytes_sent += part_bytes(n);
}

uint64_t group_bytes(void)
{
    return bytes_sent;
}
