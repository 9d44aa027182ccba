/* group_mpi.c - the door of CPUs: a vector goes in pieces through the buckets that a member shares with its rank.
 * While the ranks work on one bucket the member fills or empties the other. */
#include "channel.h"
#include "group.h"
#include "group_door.h"
#include "../src/device/device.h"

const char *door_absent(void) { return NULL; }
void door_open(void) {}
void door_close(void) {}

/* A vector on its way: `pieces` pieces of `length` elements (the last may be shorter), of each of `parts` parts that
 * lie `stride` elements apart. */
struct way {
    enum collective collective;
    float *x;
    long n, stride;             /* elements of a part; between the begins of parts */
    int parts;
};

static long room(const struct way *w)      /* elements of a piece, at most */
{
    return BUCKET_BYTES / (long)sizeof(float) / w->parts;
}

static long length_of(const struct way *w, long piece)
{
    const long left = w->n - piece * room(w);
    return left < room(w) ? left : room(w);
}

static struct bucket *bucket_of(long piece)
{
    return channel_bucket((int)(piece % BUCKETS));
}

/* Part p of a piece goes to a place of its bucket, or comes from there. */
static void put(const struct way *w, long piece, int p, int place)
{
    const size_t n = (size_t)length_of(w, piece), bytes = n * sizeof *w->x;
    device_copy_out(bucket_of(piece)->given + (size_t)place * bytes, w->x + p * w->stride + piece * room(w), bytes);
}

static void take(const struct way *w, long piece, int p, int place)
{
    const size_t n = (size_t)length_of(w, piece), bytes = n * sizeof *w->x;
    device_copy_in(w->x + p * w->stride + piece * room(w), bucket_of(piece)->got + (size_t)place * bytes, bytes);
}

static void put_all(const struct way *w, long piece)
{
    for (int p = 0; p < w->parts; p++)
        if (w->collective != GATHER_FLOATS)
            put(w, piece, p, p);
        else if (p == group()->rank)
            put(w, piece, p, 0);
    channel_ask(&(struct request){.collective = (int)w->collective, .bucket = (int)(piece % BUCKETS),
        .n = (int)length_of(w, piece)});
}

static void take_all(const struct way *w, long piece)
{
    channel_await();
    for (int p = 0; p < w->parts; p++)
        if (w->collective != SCATTER_SUM_FLOATS)
            take(w, piece, p, p);
        else if (p == group()->rank)
            take(w, piece, p, 0);
}

static void through_buckets(const struct way *w)
{
    const long pieces = (w->n + room(w) - 1) / room(w);
    for (long i = 0; i < pieces + BUCKETS; i++) {
        if (i >= BUCKETS)
            take_all(w, i - BUCKETS);
        if (i < pieces)
            put_all(w, i);
    }
}

void door_sum(float *x, long n)
{
    through_buckets(&(struct way){SUM_FLOATS, x, n, 0, 1});
}

/* A process that waits for its rank computes nothing meanwhile. */
bool door_overlaps(void) { return false; }
void door_sum_part(float *x, long n) { door_sum(x, n); }
void door_sum_join(void) {}

/* The parts but for what the last one has more than the others. */
static struct way parts_of(enum collective collective, float *x, long n)
{
    const struct part first = group_part(n, 0, group()->size);
    return (struct way){collective, x, first.end, first.end, group()->size};
}

void door_reduce_scatter(float *x, long n)
{
    const struct way parts = parts_of(SCATTER_SUM_FLOATS, x, n);
    const long rest = parts.n * parts.parts;
    through_buckets(&parts);
    door_sum(x + rest, n - rest);
}

void door_all_gather(float *x, long n)
{
    const struct way parts = parts_of(GATHER_FLOATS, x, n);
    const long rest = parts.n * parts.parts;
    through_buckets(&parts);
    if (group()->rank < group()->size - 1)      /* the last member has the rest */
        KERNEL(fill, x + rest, 0.0f, n - rest);
    door_sum(x + rest, n - rest);
}
