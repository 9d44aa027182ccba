/* channel.h - between the process of a group's member and its rank, which is its parent: a socket for requests and
 * answers, a shared block of memory for the numbers.
 *
 * The child fills a bucket and asks; its rank does with the other ranks what was asked, in place, and answers with one
 * byte.  Requests are answered in their order, so that one bucket can be filled while another is worked on. */
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
    SCATTER_SUM_FLOATS,  /* n for each member: member r gets the sum of the r-th n, where its bucket begins */
    GATHER_FLOATS,       /* n of each member, the r-th n of member r's bucket: all get all */
    SHARE_BYTES,         /* all get what member 0 has */
};
struct request { int32_t collective, bucket, n; };

struct channel {         /* the shared block */
    int rank, size;      /* of the group */
    _Alignas(64) char bucket[BUCKETS][BUCKET_BYTES];
};

/* The child's side (group.c). */
void *channel_bucket(int bucket);
void channel_ask(const struct request *);  /* returns at once */
void channel_await(void);                  /* the answer to the oldest request */
#endif
