/* journal.c - appends.
 *
 * Frames stay in memory until fdatasync has put them on the disk.  A write that fails is cut back to the beginning of
 * its frame and tried again at the next call; after a failed fdatasync the kernel may have thrown the pages away, so
 * the file is cut back to what is known to be there and all frames since are written again. */
#include "journal.h"

#include "../base/log.h"
#include "disk.h"
#include "journal_writer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void append(struct journal *j, enum frame_type type, const void *payload, size_t bytes)
{
    frame_append(&j->pending, type, j->seq++, payload, bytes);
}

/* errno stays what it is. */
static bool cut_back(struct journal *j)
{
    const int why = errno;
    j->torn = ftruncate(j->fd, j->committed + (off_t)j->written) < 0;
    errno = why;
    return !j->torn;
}

static bool write_pending(struct journal *j)
{
    if (j->torn && !cut_back(j))
        return false;
    while (j->written < j->pending.bytes) {
        const char *frame = j->pending.data + j->written;
        const size_t bytes = frame_bytes((const struct frame_head *)frame);
        if (!disk_write(j->fd, frame, bytes))
            return cut_back(j), false;
        j->written += bytes;
    }
    return true;
}

bool journal_put(struct journal *j)
{
    const bool all = write_pending(j);
    const int why = errno;
    if (j->written && fdatasync(j->fd) < 0) {
        j->written = 0;
        cut_back(j);
        return false;
    }
    j->committed += (off_t)j->written;
    buffer_drop(&j->pending, j->written);
    j->written = 0;
    errno = why;
    return all;
}

/* One line when writing begins to fail, and one when it works again. */
static bool tell(struct journal *j, bool works)
{
    if (!works && !j->complained)
        log_warn("cannot write %s: %s; results stay in memory and are written as soon as that works", j->path,
                 strerror(errno));
    if (works && j->complained)
        log_info("%s is written again", j->path);
    j->complained = !works;
    return works;
}

bool journal_commit(struct journal *j)
{
    return tell(j, journal_put(j));
}

void journal_started(struct journal *j, const char *config_sha256, uint64_t attempt, uint64_t rank)
{
    struct frame_started started = {.attempt = attempt, .rank = rank};
    snprintf(started.config_sha256, sizeof started.config_sha256, "%s", config_sha256);
    append(j, FRAME_STARTED, &started, sizeof started);
    tell(j, write_pending(j));
}

void journal_result(struct journal *j, const struct record *record)
{
    size_t bytes;
    void *encoded = record_encode(record, &bytes);
    append(j, FRAME_RESULT, encoded, bytes);
    free(encoded);
    tell(j, write_pending(j));
}

void journal_touch(struct journal *j)
{
    const time_t now = time(NULL);
    if (now != j->touched)
        futimens(j->fd, NULL);
    j->touched = now;
}

void journal_ended(struct journal *j)
{
    append(j, FRAME_ENDED, NULL, 0);
    tell(j, write_pending(j));
}

void journal_free(struct journal *j)
{
    if (j->fd >= 0)
        close(j->fd);
    buffer_clear(&j->pending);
    free(j->path);
    free(j);
}

bool journal_close(struct journal *j)
{
    if (!j)
        return true;
    const bool all = journal_commit(j);
    if (!all)
        log_error("%s lacks the last results: %s", j->path, strerror(errno));
    journal_free(j);
    return all;
}
