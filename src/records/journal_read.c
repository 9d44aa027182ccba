/* journal_read.c - replays a journal: which result of each configuration counts, what was begun and not finished. */
#include "journal_frame.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

struct event {
    char config_sha256[TEXT_BYTES];
    uint64_t order, attempt;
    const void *result;          /* an encoded record, in the map; NULL: the run was started */
    size_t result_bytes;
    uint64_t run_id;
};

static bool take_header(struct sweep_state *s, const struct frame_walk *w, const char *path, char *error, size_t n)
{
    struct sweep_header h;
    if (!header_decode(w, path, &h, error, n))
        return false;
    if (s->header.schema) { /* resumed: still the same sweep */
        memcpy(h.sweep_uuid, s->header.sweep_uuid, sizeof h.sweep_uuid);
        h.start_time = s->header.start_time;
    }
    sweep_header_clear(&s->header);
    s->header = h;
    s->ended = false;
    return true;
}

/* False: the payload is not what its type says. */
static bool take_event(struct buffer *events, const struct frame_walk *w)
{
    struct event e = {.order = w->head.seq};
    struct frame_started started;
    if (w->head.type == FRAME_STARTED && w->head.payload_bytes == sizeof started) {
        memcpy(&started, w->payload, sizeof started);
        snprintf(e.config_sha256, sizeof e.config_sha256, "%.64s", started.config_sha256);
        e.attempt = started.attempt;
    } else {
        struct record r;
        if (w->head.type != FRAME_RESULT || !record_view(&r, w->payload, w->head.payload_bytes))
            return false;
        memcpy(e.config_sha256, r.config_sha256, sizeof e.config_sha256);
        e.result = w->payload;
        e.result_bytes = w->head.payload_bytes;
        e.run_id = r.run_id;
    }
    buffer_add(events, &e, sizeof e);
    return true;
}

static bool take_frames(struct sweep_state *s, struct frame_walk *w, struct buffer *events, const char *path,
                        char *error, size_t error_bytes)
{
    size_t misread = 0;
    while (frame_next(w)) {
        const size_t bytes = frame_bytes(&w->head);
        s->crc32 = (uint32_t)crc32_z(s->crc32, (const unsigned char *)w->journal->data + w->end - bytes, bytes);
        if (w->head.type == FRAME_ENDED)
            s->ended = true;
        else if (w->head.type != FRAME_HEADER)
            misread += !take_event(events, w);
        else if (!take_header(s, w, path, error, error_bytes))
            return false;
    }
    s->damaged_frames = w->damaged_frames + misread;
    s->torn_bytes = w->journal->bytes - w->end;
    return true;
}

static int by_configuration(const void *va, const void *vb)
{
    const struct event *a = va, *b = vb;
    const int c = strcmp(a->config_sha256, b->config_sha256);
    return c ? c : (a->order > b->order) - (a->order < b->order);
}

static int by_run_id(const void *va, const void *vb)
{
    const struct event *a = va, *b = vb;
    return a->run_id != b->run_id ? (a->run_id > b->run_id) - (a->run_id < b->run_id)
                                  : (a->order > b->order) - (a->order < b->order);
}

/* The n events of one configuration in order: its last result, dated by the first, and whether it was begun since. */
static void settle(const struct event *e, size_t n, struct buffer *results, struct buffer *unfinished)
{
    struct event kept = {0};
    for (size_t i = 0; i < n; i++) {
        if (!e[i].result)
            continue;
        const uint64_t first = kept.result ? kept.order : e[i].order;
        kept = e[i];
        kept.order = first;
    }
    if (kept.result)
        buffer_add(results, &kept, sizeof kept);
    if (e[n - 1].result)
        return;
    struct journal_start start = {.attempt = e[n - 1].attempt};
    snprintf(start.config_sha256, sizeof start.config_sha256, "%.64s", e[n - 1].config_sha256);
    buffer_add(unfinished, &start, sizeof start);
}

static void settle_all(struct buffer *events, struct sweep_state *s)
{
    struct buffer results = {0}, unfinished = {0};
    struct event *e = (struct event *)events->data;
    const size_t n = events->bytes / sizeof *e;
    if (n)
        qsort(e, n, sizeof *e, by_configuration);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && !strcmp(e[i].config_sha256, e[end].config_sha256);)
            end++;
        settle(e + i, end - i, &results, &unfinished);
    }
    struct event *r = (struct event *)results.data;
    s->n_records = results.bytes / sizeof *r;
    if (s->n_records)
        qsort(r, s->n_records, sizeof *r, by_run_id);
    s->record = memory_get(s->n_records * sizeof *s->record);
    for (size_t i = 0; i < s->n_records; i++)
        record_view(&s->record[i], r[i].result, r[i].result_bytes);
    buffer_clear(&results);
    s->unfinished = (struct journal_start *)unfinished.data;
    s->n_unfinished = unfinished.bytes / sizeof *s->unfinished;
}

static bool map_file(const char *path, struct journal_map *map, char *error, size_t error_bytes)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const bool mapped = fd >= 0 && journal_map(map, fd), plausible = mapped && frames_plausible(map);
    if (!mapped)
        snprintf(error, error_bytes, "cannot read %s: %s", path, strerror(errno));
    else if (!plausible)
        snprintf(error, error_bytes, "%s is not a journal of dpsweep, nor an HDF5 file", path);
    if (fd >= 0)
        close(fd);
    return plausible;
}

bool journal_read(const char *path, struct sweep_state *s, char *error, size_t error_bytes)
{
    struct buffer events = {0};
    struct frame_walk walk = {.journal = &s->map};
    memset(s, 0, sizeof *s);
    const bool ok = map_file(path, &s->map, error, error_bytes) &&
                    take_frames(s, &walk, &events, path, error, error_bytes);
    settle_all(&events, s);
    buffer_clear(&events);
    if (!ok)
        sweep_state_clear(s);
    return ok;
}

void sweep_state_clear(struct sweep_state *s)
{
    for (size_t i = 0; i < s->n_records; i++)
        record_clear(&s->record[i]);
    free(s->record);
    free(s->unfinished);
    sweep_header_clear(&s->header);
    journal_unmap(&s->map);
    memset(s, 0, sizeof *s);
}
