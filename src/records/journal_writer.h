/* journal_writer.h - what journal_open.c and journal.c share. */
#ifndef JOURNAL_WRITER_H
#define JOURNAL_WRITER_H
#include "journal_frame.h"

#include <sys/types.h>
#include <time.h>

struct journal {
    int fd;                      /* holds the lock */
    char *path;
    uint64_t seq;                /* of the next frame */
    off_t committed;             /* length of the file that is known to be on the disk */
    struct buffer pending;       /* the frames after it */
    size_t written;              /* bytes of pending that the kernel has taken */
    bool torn;                   /* part of a frame follows them in the file, and could not be cut */
    bool complained;
    time_t touched;
};

bool journal_put(struct journal *); /* as journal_commit, without a word: errno says why */
/* False: another process writes it.  A file system without locks gets a warning. */
bool journal_lock(struct journal *, char *error, size_t error_bytes);
void journal_free(struct journal *);
#endif
