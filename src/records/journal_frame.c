/* journal_frame.c - frames to bytes and back. */
#include "journal_frame.h"

#include "utf8.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <zlib.h>

static const char MAGIC[4] = {'D', 'P', 'J', '1'};
enum { CRC_BYTES = 4, ALIGNMENT = 8 };

size_t frame_bytes(const struct frame_head *head)
{
    return (sizeof *head + head->payload_bytes + CRC_BYTES + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

void frame_append(struct buffer *b, enum frame_type type, uint64_t seq, const void *payload, size_t bytes)
{
    struct frame_head head = {.type = type, .payload_bytes = bytes, .seq = seq};
    memcpy(head.magic, MAGIC, sizeof MAGIC);
    char *frame = buffer_add(b, NULL, frame_bytes(&head));
    memcpy(frame, &head, sizeof head);
    if (bytes)
        memcpy(frame + sizeof head, payload, bytes);
    const uint32_t crc = (uint32_t)crc32_z(0, (const unsigned char *)frame, sizeof head + bytes);
    memcpy(frame + sizeof head + bytes, &crc, CRC_BYTES);
}

static bool frame_at(const struct journal_map *b, size_t offset, struct frame_head *head)
{
    const size_t room = b->bytes - offset;
    const char *frame = b->data + offset;
    uint32_t crc;
    if (room < sizeof *head + CRC_BYTES || memcmp(frame, MAGIC, sizeof MAGIC))
        return false;
    memcpy(head, frame, sizeof *head);
    if (head->payload_bytes > room || frame_bytes(head) > room)
        return false;
    const size_t covered = sizeof *head + head->payload_bytes;
    memcpy(&crc, frame + covered, CRC_BYTES);
    return crc == (uint32_t)crc32_z(0, (const unsigned char *)frame, covered);
}

bool journal_map(struct journal_map *map, int fd)
{
    struct stat st;
    *map = (struct journal_map){0};
    if (fstat(fd, &st) < 0)
        return false;
    if (!S_ISREG(st.st_mode))
        return errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL, false;
    if (st.st_size == 0)
        return true;
    void *data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED)
        return false;
    *map = (struct journal_map){data, (size_t)st.st_size};
    return true;
}

void journal_unmap(struct journal_map *map)
{
    if (map->bytes)
        munmap(map->data, map->bytes);
    *map = (struct journal_map){0};
}

bool frame_next(struct frame_walk *w)
{
    for (size_t at = w->end; at < w->journal->bytes; at += ALIGNMENT) {
        if (!frame_at(w->journal, at, &w->head))
            continue;
        const size_t lost = w->head.seq > w->next_seq ? w->head.seq - w->next_seq : 0;
        w->damaged_frames += lost ? lost : at > w->end;
        w->payload = w->journal->data + at + sizeof w->head;
        w->end = at + frame_bytes(&w->head);
        w->next_seq = w->head.seq + 1;
        return true;
    }
    return false;
}

bool frames_plausible(const struct journal_map *journal)
{
    struct frame_walk walk = {.journal = journal};
    const size_t n = journal->bytes < sizeof MAGIC ? journal->bytes : sizeof MAGIC;
    return n == 0 || memcmp(journal->data, MAGIC, n) == 0 || frame_next(&walk);
}

/* The header's numbers stay the first members for ever, and suite_version the first text: they make a journal of
 * another schema nameable. */
struct header_numbers {
    uint64_t schema, mpi_size, writer_pid;
    double start_time;
};

static void add_text(struct buffer *b, const char *text)
{
    buffer_add(b, text ? text : "", text ? strlen(text) + 1 : 1);
}

void header_append(struct buffer *b, uint64_t seq, const struct sweep_header *h)
{
    const struct header_numbers numbers = {h->schema, h->mpi_size, h->writer_pid, h->start_time};
    struct buffer payload = {0};
    buffer_add(&payload, &numbers, sizeof numbers);
#define ADD(name, help) add_text(&payload, h->name);
    SWEEP_TEXTS(ADD)
    SWEEP_LONG_TEXTS(ADD)
#undef ADD
    frame_append(b, FRAME_HEADER, seq, payload.data, payload.bytes);
    buffer_clear(&payload);
}

/* The next of the texts in [*at, end), made UTF-8; "" after the last. */
static char *take_text(const char **at, const char *end)
{
    const size_t n = strnlen(*at, (size_t)(end - *at));
    char *text = memory_get(n + 1);
    memcpy(text, *at, n);
    *at += *at + n < end ? n + 1 : n;
    utf8_clean(text);
    return text;
}

static void take_short_text(const char **at, const char *end, char text[TEXT_BYTES])
{
    char *taken = take_text(at, end);
    snprintf(text, TEXT_BYTES, "%s", taken);
    utf8_clean(text); /* a sequence may have been cut */
    free(taken);
}

bool header_decode(const struct frame_walk *w, const char *path, struct sweep_header *h, char *error,
                   size_t error_bytes)
{
    struct header_numbers numbers;
    const char *at = w->payload + sizeof numbers, *end = w->payload + w->head.payload_bytes;
    *h = (struct sweep_header){0};
    if (w->head.payload_bytes < sizeof numbers) {
        snprintf(error, error_bytes, "%s: its header is not one of dpsweep", path);
        return false;
    }
    memcpy(&numbers, w->payload, sizeof numbers);
    h->schema = numbers.schema;
    h->mpi_size = numbers.mpi_size;
    h->writer_pid = numbers.writer_pid;
    h->start_time = numbers.start_time;
#define TAKE(name, help) take_short_text(&at, end, h->name);
    SWEEP_TEXTS(TAKE)
#define TAKE_LONG(name, help) h->name = take_text(&at, end);
    SWEEP_LONG_TEXTS(TAKE_LONG)
    if (h->schema == record_schema())
        return true;
    snprintf(error, error_bytes, "%s was written by dpsweep %s with other columns (schema %016llx; this is dpsweep %s, "
             "schema %016llx): read or resume it with the dpsweep that wrote it", path, h->suite_version,
             (unsigned long long)h->schema, DPSWEEP_VERSION, (unsigned long long)record_schema());
    sweep_header_clear(h);
    return false;
}

void sweep_header_clear(struct sweep_header *h)
{
#define FREE(name, help) \
    free(h->name);       \
    h->name = NULL;
    SWEEP_LONG_TEXTS(FREE)
}
