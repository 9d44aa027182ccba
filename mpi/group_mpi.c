/* group_mpi.c - the door of CPUs: a vector goes in pieces through the buckets that a member shares with its rank.
 * While the ranks work on one bucket the member fills or empties the other. */
#include "channel.h"
#include "group.h"
#include "group_door.h"
#include "../src/device/device.h"

enum { PIECE = BUCKET_BYTES / sizeof(float) };

const char *door_absent(void) { return NULL; }
void door_open(void) {}
void door_close(void) {}

/* What a member does with its own buckets: puts its numbers in, takes the result out. */
struct way { enum collective collective; int root; bool puts, takes; };

static long piece_length(long n, long i)
{
    return n - i * PIECE < PIECE ? n - i * PIECE : PIECE;
}

static void put(float *x, long n, long i, struct way way)
{
    const int bucket = (int)(i % BUCKETS), length = (int)piece_length(n, i);
    if (way.puts)
        device_copy_out(channel_bucket(bucket), x + i * PIECE, (size_t)length * sizeof *x);
    channel_ask(&(struct request){.collective = (int)way.collective, .bucket = bucket, .root = way.root,
        .n = way.collective == SHARE_BYTES ? length * (int)sizeof *x : length});
}

static void take(float *x, long n, long i, struct way way)
{
    channel_await();
    if (way.takes)
        device_copy_in(x + i * PIECE, channel_bucket((int)(i % BUCKETS)), (size_t)piece_length(n, i) * sizeof *x);
}

static void through_buckets(float *x, long n, struct way way)
{
    const long pieces = (n + PIECE - 1) / PIECE;
    for (long i = 0; i < pieces + BUCKETS; i++) {
        if (i >= BUCKETS)
            take(x, n, i - BUCKETS, way);
        if (i < pieces)
            put(x, n, i, way);
    }
}

void door_sum(float *x, long n)
{
    through_buckets(x, n, (struct way){.collective = SUM_FLOATS, .puts = true, .takes = true});
}

void door_reduce_scatter(float *x, long n)
{
    for (int r = 0; r < group()->size; r++) {
        const struct part part = group_part(n, r, group()->size);
        through_buckets(x + part.begin, part.end - part.begin,
            (struct way){SUM_FLOATS_AT_ROOT, r, .puts = true, .takes = r == group()->rank});
    }
}

void door_all_gather(float *x, long n)
{
    for (int r = 0; r < group()->size; r++) {
        const struct part part = group_part(n, r, group()->size);
        const bool own = r == group()->rank;
        through_buckets(x + part.begin, part.end - part.begin,
            (struct way){SHARE_BYTES, r, .puts = own, .takes = !own});
    }
}
