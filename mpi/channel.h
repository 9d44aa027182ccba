/* channel.h - between the process of a group's member and its rank, which is its parent: a socket for requests and
 * answers, a shared block of memory for the numbers.
 *
 * The child fills a bucket and asks; its rank does with the other ranks what was asked, leaves the result beside it
 * and answers with one byte.  Requests are answered in their order, so that one bucket can be filled while the ranks
 * work on another.  What is given and what is got are apart, because MPI libraries have been wrong about collectives in
 * place (Open MPI's issue 9385). */
#ifndef CHANNEL_H
#define CHANNEL_H
#include <stddef.h>
#include <stdint.h>

enum { CHANNEL_SOCKET_FD = 5, CHANNEL_MEMORY_FD };     /* of the child, after those of worker.h */
enum { BUCKETS = 2, BUCKET_BYTES = 4 << 20 };

enum collective {
    SUM_FLOATS,          /* n elements: all get the sum */
    SUM_DOUBLES,
    MAX_DOUBLES,         /* all get the greatest */
    SCATTER_SUM_FLOATS,  /* n for each member: member r gets the sum of the r-th n */
    GATHER_FLOATS,       /* n of each member: all get all, in the order of the members */
    SHARE_BYTES,         /* all get what member 0 has */
};
struct request { int32_t collective, bucket, n; };

struct channel {         /* the shared block */
    int rank, size;      /* of the group */
    struct bucket { _Alignas(64) char given[BUCKET_BYTES], got[BUCKET_BYTES]; } bucket[BUCKETS];
};

/* The child's side (group.c). */
struct bucket *channel_bucket(int bucket);
void channel_ask(const struct request *);  /* returns at once */
void channel_await(void);                  /* the answer to the oldest request */
#endif
