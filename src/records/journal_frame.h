/* journal_frame.h - the bytes of a journal: frames, and what the header frame holds.
 *
 * A frame is head, payload, CRC-32 of both (zlib's), zeros up to a multiple of 8 bytes; little endian.  Every frame
 * therefore begins at a multiple of 8, which is where the next one is looked for after damage. */
#ifndef JOURNAL_FRAME_H
#define JOURNAL_FRAME_H
#include "buffer.h"
#include "journal.h"

enum frame_type { FRAME_HEADER = 1, FRAME_STARTED, FRAME_RESULT, FRAME_ENDED };

struct frame_head {
    char magic[4];               /* its last character is the version of this format */
    uint32_t type;
    uint64_t payload_bytes;
    uint64_t seq;                /* 0, 1, 2 ... : a gap tells how many frames were lost */
};
struct frame_started {           /* payload of FRAME_STARTED */
    char config_sha256[72];
    uint64_t attempt, rank;
};

void frame_append(struct buffer *, enum frame_type, uint64_t seq, const void *payload, size_t bytes);
size_t frame_bytes(const struct frame_head *);

/* A journal as it lies on the disk; of no bytes if there is nothing in it.  False: errno says why. */
bool journal_map(struct journal_map *, int fd);
void journal_unmap(struct journal_map *);

/* Walks over the valid frames of a journal in memory. */
struct frame_walk {
    const struct journal_map *journal;
    size_t end;                  /* of the last valid frame */
    uint64_t next_seq;           /* after it */
    size_t damaged_frames;       /* lost before it */
    struct frame_head head;      /* of this frame */
    const char *payload;
};
bool frame_next(struct frame_walk *); /* false: no valid frame after `end` */

/* Is this a journal at all?  True also for an empty one and for one torn within its first frame. */
bool frames_plausible(const struct journal_map *journal);

void header_append(struct buffer *, uint64_t seq, const struct sweep_header *);
/* From a FRAME_HEADER.  False: not a header, or of another schema; `error` names both versions of dpsweep. */
bool header_decode(const struct frame_walk *, const char *path, struct sweep_header *, char *error, size_t error_bytes);
#endif
