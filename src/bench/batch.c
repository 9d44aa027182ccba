/* batch.c - a batch on the device, and how records become one.
 *
 * Host and device hold the same block of 4-byte numbers, so that one copy moves a batch:
 *   token (B,T), target (B,T), position (T), length (B), loss_scale (B) */
#include "data.h"

#include "../base/check.h"
#include "../device/ledger.h"

#include <stdlib.h>

struct parts {
    int *token, *target, *position, *length;
    float *loss_scale;
};

struct batch_buffer {
    int capacity, T;
    size_t bytes;
    void *host, *device;
    struct parts on_host, on_device;
};

static struct parts parts_of(void *block, size_t B, size_t T)
{
    int *number = block;
    return (struct parts){
        .token = number,
        .target = number + B * T,
        .position = number + 2 * B * T,
        .length = number + 2 * B * T + T,
        .loss_scale = (float *)(number + 2 * B * T + T + B),
    };
}

struct batch_buffer *batch_buffer_create(int capacity, int T)
{
    const size_t B = (size_t)capacity, bytes = sizeof(int) * (2 * B * (size_t)T + (size_t)T + 2 * B);
    void *device = ledger_alloc(MEMORY_DATA, "batch", bytes);
    if (!device)
        return NULL;
    struct batch_buffer *buffer = malloc(sizeof *buffer);
    void *host = calloc(1, bytes);
    CHECK_SYS(buffer && host ? 0 : -1);
    *buffer = (struct batch_buffer){capacity, T, bytes, host, device, parts_of(host, B, (size_t)T),
                                    parts_of(device, B, (size_t)T)};
    for (int t = 0; t < T; t++)
        buffer->on_host.position[t] = t;
    return buffer;
}

void batch_buffer_free(struct batch_buffer *buffer)
{
    if (!buffer)
        return;
    ledger_free(buffer->device);
    free(buffer->host);
    free(buffer);
}

struct batch batch_buffer_view(const struct batch_buffer *buffer, int n)
{
    const struct parts *device = &buffer->on_device;
    return (struct batch){
        .n = n,
        .T = buffer->T,
        .token = {.id = device->token, .stride_b = buffer->T, .stride_t = 1},
        .position = {.id = device->position, .stride_b = 0, .stride_t = 1},
        .target = device->target,
        .length = device->length,
        .loss_scale = device->loss_scale,
    };
}

/* Targets, length and weight of sample b, whose tokens are in place: position t predicts token t+1. */
static void finish_sample(struct batch_buffer *buffer, int b, int length)
{
    struct parts *host = &buffer->on_host;
    const size_t row = (size_t)b * (size_t)buffer->T;
    for (int t = 0; t < buffer->T; t++)
        host->target[row + (size_t)t] = t + 1 < length ? host->token[row + (size_t)t + 1] : -1;
    host->length[b] = length;
    host->loss_scale[b] = length > 1 ? 1.0f / (float)(length - 1) : 0.0f;
}

struct part batch_share(long n, int rank, int size)
{
    return (struct part){rank * n / size, (rank + 1) * n / size};
}

static struct batch send_batch(struct batch_buffer *buffer, struct part share)
{
    device_copy_in(buffer->device, buffer->host, buffer->bytes);
    struct batch batch = batch_buffer_view(buffer, (int)(share.end - share.begin));
    batch.place = share.begin;
    return batch;
}

static int *token_row(struct batch_buffer *buffer, int b)
{
    return buffer->on_host.token + (size_t)b * (size_t)buffer->T;
}

struct batch dataset_batch(const struct dataset *dataset, struct batch_buffer *buffer, const long *record,
                           struct part share, uint64_t *valid_tokens)
{
    CHECK(share.end - share.begin <= buffer->capacity);
    uint64_t valid = 0;
    for (long place = share.begin; place < share.end; place++) {
        const int b = (int)(place - share.begin);
        const int length = dataset_record(dataset, record[place], token_row(buffer, b));
        finish_sample(buffer, b, length);
        valid += (uint64_t)length;
    }
    if (valid_tokens)
        *valid_tokens = valid;
    return send_batch(buffer, share);
}

/* 0 if there is none. */
static long first_with_target(const struct dataset *dataset, int *token)
{
    long record = 0;
    while (record < dataset_records(dataset) && dataset_record(dataset, record, token) == 1)
        record++;
    return record % dataset_records(dataset);
}

struct batch dataset_batch_to_verify(const struct dataset *dataset, struct batch_buffer *buffer, struct part places)
{
    CHECK(places.end - places.begin <= buffer->capacity);
    const long first = first_with_target(dataset, token_row(buffer, 0));
    for (long place = places.begin; place < places.end; place++) {
        const int b = (int)(place - places.begin);
        int *token = token_row(buffer, b);
        const int length = dataset_record(dataset, (first + place) % dataset_records(dataset), token);
        for (int t = (length + 1) / 2; place % 2 == 0 && t < length; t++)
            token[t] = token[t - (length + 1) / 2];
        finish_sample(buffer, b, length);
        buffer->on_host.loss_scale[b] *= 1.0f / (float)(1 << place % 3);
    }
    return send_batch(buffer, places);
}

struct batch batch_from_tokens(struct batch_buffer *buffer, const int *token, const int *length, int n)
{
    CHECK(n <= buffer->capacity);
    memcpy(buffer->on_host.token, token, (size_t)n * (size_t)buffer->T * sizeof *token);
    for (int b = 0; b < n; b++)
        finish_sample(buffer, b, length[b]);
    return send_batch(buffer, (struct part){0, n});
}
