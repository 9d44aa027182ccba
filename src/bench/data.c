/* data.c - where records come from: random numbers, a text, or a token shard.
 *
 * A file is mapped, not read: the ranks of a machine share its pages.  Opening costs one pass over the file (records of
 * a text are found, tokens of a shard are checked) and 16 bytes for each record of a text. */
#include "data.h"

#include "../base/check.h"
#include "../base/text.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_RANDOM (1L << 31) /* records */

struct extent {              /* of a record of a text */
    const char *first;
    int length;
};

struct dataset {
    enum { DATA_RANDOM, DATA_TEXT, DATA_TOKENS } kind;
    int T, V;
    uint64_t seed;
    long n;                  /* records */
    char *bytes;             /* the mapped file; NULL: random */
    size_t n_bytes;
    struct extent *extent;   /* (n) of a text */
    const uint16_t *token;   /* (n T) of a shard */
};

enum { SHARD_MAGIC = 20240520, SHARD_VERSION = 1, SHARD_HEADER_BYTES = 256 * sizeof(int32_t) };

#define REFUSE(...) return snprintf(error, error_bytes, __VA_ARGS__), false

/* NULL, or why the file cannot be used. Private and writable: CR LF becomes LF in our copy of the pages it is on. */
static const char *map_file(struct dataset *d, int fd)
{
    struct stat info;
    if (fd < 0 || fstat(fd, &info) < 0)
        return strerror(errno);
    if (!S_ISREG(info.st_mode))
        return "is not an ordinary file";
    if (info.st_size == 0)
        return "is empty";
    void *bytes = mmap(NULL, (size_t)info.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return strerror(errno);
    d->bytes = bytes;
    d->n_bytes = (size_t)info.st_size;
    return NULL;
}

static bool open_file(struct dataset *d, const char *path, char *error, size_t error_bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a named pipe without a writer does not block */
    const char *why = map_file(d, fd);
    if (fd >= 0)
        close(fd);
    if (why)
        REFUSE("--data %s: %s", path, why);
    return true;
}

/* ---- text ---------------------------------------------------------------------------------------------------- */

/* CR LF becomes LF; returns the end. */
static char *drop_carriage_returns(char *text, char *end)
{
    char *from = memchr(text, '\r', (size_t)(end - text)), *to = from;
    if (!from)
        return end; /* no page is written to */
    for (; from < end; from++)
        if (*from != '\r' || from + 1 == end || from[1] != '\n')
            *to++ = *from;
    return to;
}

static bool is_blank(const char *line, const char *end)
{
    while (line < end && (*line == ' ' || *line == '\t'))
        line++;
    return line == end;
}

static void add_extent(struct dataset *d, const char *first, const char *end)
{
    if ((d->n & (d->n - 1)) == 0) { /* full at every power of two */
        d->extent = reallocarray(d->extent, d->n ? 2 * (size_t)d->n : 1, sizeof *d->extent);
        CHECK_SYS(d->extent ? 0 : -1);
    }
    long length = end - first;
    d->extent[d->n++] = (struct extent){first, length < d->T ? (int)length : d->T};
}

/* A paragraph goes from its first line to the end of its last one; a line is a paragraph that ends at once. */
static void find_records(struct dataset *d, bool by_paragraph)
{
    const char *text_end = drop_carriage_returns(d->bytes, d->bytes + d->n_bytes);
    const char *first = NULL, *last_end = NULL, *end;
    for (const char *line = d->bytes; line < text_end; line = end + 1) {
        end = memchr(line, '\n', (size_t)(text_end - line));
        end = end ? end : text_end;
        bool blank = is_blank(line, end);
        if (first && (blank || !by_paragraph)) {
            add_extent(d, first, last_end);
            first = NULL;
        }
        if (!blank) {
            first = first ? first : line;
            last_end = end;
        }
    }
    if (first)
        add_extent(d, first, last_end);
}

static bool open_text(struct dataset *d, const char *path, const char *record, char *error, size_t error_bytes)
{
    d->kind = DATA_TEXT;
    if (d->V < 256)
        REFUSE("--data %s: the tokens of a text are bytes, --vocab %d is too small; choose --vocab 256 or more", path,
               d->V);
    if (!open_file(d, path, error, error_bytes))
        return false;
    find_records(d, strcmp(record, "paragraph") == 0);
    if (d->n == 0)
        REFUSE("--data %s: all its lines are blank", path);
    return true;
}

/* ---- token shard --------------------------------------------------------------------------------------------- */

static bool check_tokens(const struct dataset *d, const char *path, size_t n_tokens, char *error, size_t error_bytes)
{
    size_t first_bad = n_tokens;
    int largest = 0;
    for (size_t i = n_tokens; i-- > 0;) {
        if (d->token[i] >= d->V)
            first_bad = i;
        largest = d->token[i] > largest ? d->token[i] : largest;
    }
    if (first_bad < n_tokens)
        REFUSE("--data %s: token %zu is %d, the model knows 0 to %d; choose --vocab %d or more", path, first_bad,
               d->token[first_bad], d->V - 1, largest + 1);
    return true;
}

static bool open_shard(struct dataset *d, const char *path, char *error, size_t error_bytes)
{
    d->kind = DATA_TOKENS;
    if (!open_file(d, path, error, error_bytes))
        return false;
    const int32_t *header = (const int32_t *)d->bytes; /* llm.c: magic, version, tokens */
    if (d->n_bytes < SHARD_HEADER_BYTES)
        REFUSE("--data %s: %zu bytes are less than the header of a token shard, %zu", path, d->n_bytes,
               (size_t)SHARD_HEADER_BYTES);
    if (header[0] != SHARD_MAGIC || header[1] != SHARD_VERSION)
        REFUSE("--data %s: begins with %d, %d; a token shard begins with %d, version %d", path, header[0], header[1],
               SHARD_MAGIC, SHARD_VERSION);
    const long n_tokens = header[2];
    if (n_tokens < 0 || d->n_bytes != SHARD_HEADER_BYTES + sizeof(uint16_t) * (size_t)n_tokens)
        REFUSE("--data %s: %zu bytes; with the %ld tokens its header names it would have %ld", path, d->n_bytes,
               n_tokens, (long)SHARD_HEADER_BYTES + 2 * n_tokens);
    d->token = (const uint16_t *)(d->bytes + SHARD_HEADER_BYTES);
    d->n = n_tokens / d->T;
    if (d->n == 0)
        REFUSE("--data %s: %ld tokens do not make one record of --seq-len %d", path, n_tokens, d->T);
    return check_tokens(d, path, (size_t)n_tokens, error, error_bytes);
}

/* ---- any data set -------------------------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *ending)
{
    size_t n = strlen(text), n_ending = strlen(ending);
    return n > n_ending && strcmp(text + n - n_ending, ending) == 0;
}

static bool open_random(struct dataset *d, const char *data, char *error, size_t error_bytes)
{
    static const char numbered[] = "random:";
    const bool has_number = strncmp(data, numbered, strlen(numbered)) == 0;
    uint64_t n = MOST_RANDOM;
    if (!has_number && strcmp(data, "random") != 0)
        REFUSE("--data %s: is neither random, random:RECORDS, a text FILE.txt nor a token shard FILE.bin",
               data);
    if (has_number && (!text_to_u64(data + strlen(numbered), &n) || n < 1 || n > MOST_RANDOM))
        REFUSE("--data %s: not random:RECORDS with 1 to %lu records", data, MOST_RANDOM);
    d->kind = DATA_RANDOM;
    d->n = (long)n;
    return true;
}

static bool open_any(struct dataset *d, const char *data, const char *record, char *error, size_t error_bytes)
{
    if (ends_with(data, ".txt"))
        return open_text(d, data, record, error, error_bytes);
    if (ends_with(data, ".bin"))
        return open_shard(d, data, error, error_bytes);
    return open_random(d, data, error, error_bytes);
}

struct dataset *dataset_open(const char *data, const char *record, int T, int V, int batch_size, uint64_t seed,
                             char *error, size_t error_bytes)
{
    struct dataset *d = calloc(1, sizeof *d);
    CHECK_SYS(d ? 0 : -1);
    *d = (struct dataset){.T = T, .V = V, .seed = seed};
    bool fine = open_any(d, data, record, error, error_bytes);
    if (fine && d->n < batch_size) {
        snprintf(error, error_bytes, "--data %s: has %ld records, fewer than --batch-size %d", data, d->n, batch_size);
        fine = false;
    }
    if (fine)
        return d;
    dataset_close(d);
    return NULL;
}

void dataset_close(struct dataset *d)
{
    if (!d)
        return;
    free(d->extent);
    if (d->bytes)
        munmap(d->bytes, d->n_bytes);
    free(d);
}

long dataset_records(const struct dataset *d)
{
    return d->n;
}

/* Token t of record i is made of word t of the record's own stream. */
static void random_record(const struct dataset *d, long i, int *token)
{
    const struct philox_stream stream = {.seed = d->seed, .stream = STREAM_DATA, .step = (uint32_t)i};
    uint32_t word[4];
    for (int t = 0; t < d->T; t++) {
        if (t % 4 == 0)
            k_philox(stream, (uint32_t)t / 4, word);
        token[t] = (int)((uint64_t)word[t % 4] * (uint64_t)d->V >> 32);
    }
}

int dataset_record(const struct dataset *d, long i, int *token)
{
    CHECK(0 <= i && i < d->n);
    int length = d->T;
    switch (d->kind) {
    case DATA_RANDOM:
        random_record(d, i, token);
        break;
    case DATA_TEXT:
        length = d->extent[i].length;
        for (int t = 0; t < length; t++)
            token[t] = (unsigned char)d->extent[i].first[t];
        break;
    case DATA_TOKENS:
        for (int t = 0; t < length; t++)
            token[t] = d->token[i * d->T + t];
        break;
    }
    memset(token + length, 0, (size_t)(d->T - length) * sizeof *token);
    return length;
}
