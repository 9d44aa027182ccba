/* journal_open.c - who may write a journal, and where it goes on: lock, recovery, first frame. */
#include "../base/log.h"
#include "disk.h"
#include "journal_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { LOCK_TRIES = 50 };          /* in a second */
static const char JOURNAL_SUFFIX[] = ".journal", H5_SUFFIX[] = ".h5";

static bool change_suffix(const char *path, const char *from, const char *to, char *out, size_t bytes)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    const size_t n = strlen(name), m = strlen(from);
    if (n <= m || strcmp(name + n - m, from))
        return false;
    return (size_t)snprintf(out, bytes, "%.*s%s", (int)(strlen(path) - m), path, to) < bytes;
}

bool journal_path_of(const char *h5_path, char *journal_path, size_t bytes)
{
    return change_suffix(h5_path, H5_SUFFIX, JOURNAL_SUFFIX, journal_path, bytes);
}

/* X.h5 and X.journal belong together: what is there must fit to what was asked. */
static bool check_pair(const char *path, enum journal_mode mode, char *error, size_t error_bytes)
{
    char h5_path[4096];
    const bool named = change_suffix(path, JOURNAL_SUFFIX, H5_SUFFIX, h5_path, sizeof h5_path);
    const bool published = named && access(h5_path, F_OK) == 0;
    const bool written = access(path, F_OK) == 0;
    if (mode == JOURNAL_NEW && written)
        snprintf(error, error_bytes, "%s exists: --resume goes on with it, --overwrite begins anew", path);
    else if (mode != JOURNAL_OVERWRITE && published && !written)
        snprintf(error, error_bytes, "%s exists without its journal %s, which alone can be added to: put the journal "
                 "beside it, take another -o, or replace it with --overwrite", h5_path, path);
    else
        return true;
    return false;
}

/* "by process 12 on node3", as the last header says. */
static void name_holder(const char *path, char *text, size_t bytes)
{
    struct sweep_state s;
    char ignored[512];
    snprintf(text, bytes, "by another dpsweep");
    if (!journal_read(path, &s, ignored, sizeof ignored))
        return;
    if (s.header.schema)
        snprintf(text, bytes, "by dpsweep, process %llu on %s", (unsigned long long)s.header.writer_pid,
                 s.header.hostname);
    sweep_state_clear(&s);
}

/* False and errno.  A child that a killed writer was just starting holds the lock until it has begun its program: a
 * moment, on a busy machine a longer one. */
static bool take_lock(int fd)
{
    int tries = 0;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK || ++tries > LOCK_TRIES)
            return false;
        usleep(1000000 / LOCK_TRIES);
    }
    return true;
}

bool journal_lock(struct journal *j, char *error, size_t error_bytes)
{
    char holder[TEXT_BYTES + 64];
    if (take_lock(j->fd))
        return true;
    if (errno == EWOULDBLOCK) {
        name_holder(j->path, holder, sizeof holder);
        snprintf(error, error_bytes, "%s is being written %s: wait for it, or take another -o", j->path, holder);
        return false;
    }
    log_warn("%s: this file system has no locks (%s): make sure that no other dpsweep writes it", j->path,
             strerror(errno));
    return true;
}

static bool fail(const struct journal *j, const char *what, char *error, size_t error_bytes)
{
    snprintf(error, error_bytes, "cannot %s %s: %s", what, j->path, strerror(errno));
    return false;
}

/* What follows the last valid frame is kept beside the journal and cut: frames appended to it could not be found. */
static bool cut_tail(struct journal *j, const struct journal_map *content, size_t end, char *error, size_t error_bytes)
{
    char path[4096];
    const size_t bytes = content->bytes - end;
    snprintf(path, sizeof path, "%s.torn", j->path);
    const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    const bool saved = fd >= 0 && disk_write(fd, content->data + end, bytes) && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    if (!saved)
        return fail(j, "save the torn tail of", error, error_bytes);
    if (ftruncate(j->fd, (off_t)end) < 0)
        return fail(j, "cut the torn tail of", error, error_bytes);
    log_warn("%s ended in %zu bytes of a frame that was being written: cut, and kept in %s", j->path, bytes, path);
    return true;
}

/* Rows of two builds in one file deserve a word. */
static void compare_builds(const char *path, const struct sweep_header *old, const struct sweep_header *now)
{
    if (strcmp(old->suite_version, now->suite_version) || strcmp(old->git_commit, now->git_commit))
        log_warn("%s was begun by dpsweep %s (%s), goes on with %s (%s): its rows are of both", path,
                 old->suite_version, old->git_commit, now->suite_version, now->git_commit);
}

static bool walk_to_end(const struct journal *j, struct frame_walk *w, const struct sweep_header *now, char *error,
                        size_t error_bytes)
{
    struct sweep_header old = {0};
    bool known = false;
    while (frame_next(w)) {
        if (w->head.type != FRAME_HEADER)
            continue;
        sweep_header_clear(&old);
        if (!header_decode(w, j->path, &old, error, error_bytes))
            return false;
        known = true;
    }
    if (known)
        compare_builds(j->path, &old, now);
    sweep_header_clear(&old);
    return true;
}

/* Makes the file end with its last valid frame, and the journal go on after it. */
static bool recover(struct journal *j, const struct sweep_header *header, char *error, size_t error_bytes)
{
    struct journal_map content;
    struct frame_walk w = {.journal = &content};
    bool ok = journal_map(&content, j->fd) || fail(j, "read", error, error_bytes);
    if (ok && !frames_plausible(&content)) {
        snprintf(error, error_bytes, "%s is not a journal of dpsweep: take another -o", j->path);
        ok = false;
    }
    ok = ok && walk_to_end(j, &w, header, error, error_bytes) &&
         (w.end == content.bytes || cut_tail(j, &content, w.end, error, error_bytes));
    if (ok && w.damaged_frames)
        log_warn("%s is damaged: %zu frames are lost, their runs will be done again", j->path, w.damaged_frames);
    j->committed = (off_t)w.end;
    j->seq = w.next_seq;
    journal_unmap(&content);
    return ok;
}

/* A new file in its place: who reads the old one goes on reading it. */
static bool empty(struct journal *j, char *error, size_t error_bytes)
{
    char h5_path[4096];
    const int old = j->fd;
    if (unlink(j->path) < 0)
        return fail(j, "replace", error, error_bytes);
    j->fd = open(j->path, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
    close(old);
    if (j->fd < 0 || !journal_lock(j, error, error_bytes))
        return j->fd >= 0 ? false : fail(j, "replace", error, error_bytes);
    if (change_suffix(j->path, JOURNAL_SUFFIX, H5_SUFFIX, h5_path, sizeof h5_path) && unlink(h5_path) < 0 &&
        errno != ENOENT) {
        snprintf(error, error_bytes, "cannot remove %s: %s", h5_path, strerror(errno));
        return false;
    }
    return true;
}

static bool begin(struct journal *j, const struct sweep_header *header, char *error, size_t error_bytes)
{
    struct sweep_header h = *header;
    h.schema = record_schema();
    h.writer_pid = (uint64_t)getpid();
    header_append(&j->pending, j->seq++, &h);
    return (journal_put(j) && disk_sync_directory(j->path)) || fail(j, "write", error, error_bytes);
}

struct journal *journal_open(const char *path, enum journal_mode mode, const struct sweep_header *header, char *error,
                             size_t error_bytes)
{
    if (!check_pair(path, mode, error, error_bytes))
        return NULL;
    struct journal *j = memory_get(sizeof *j);
    j->path = strcpy(memory_get(strlen(path) + 1), path);
    j->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | (mode == JOURNAL_NEW ? O_EXCL : 0), 0644);
    const bool ours = (j->fd >= 0 || fail(j, "open", error, error_bytes)) && journal_lock(j, error, error_bytes);
    const bool ready = ours && (mode != JOURNAL_OVERWRITE || empty(j, error, error_bytes)) &&
                       (mode != JOURNAL_RESUME || recover(j, header, error, error_bytes)) &&
                       begin(j, header, error, error_bytes);
    if (ready)
        return j;
    if (ours && mode == JOURNAL_NEW)
        unlink(path); /* so that the next try is not told that it exists */
    journal_free(j);
    return NULL;
}
