/* output.c - the HDF5 file is always made from the journal as it is on the disk, so that both say the same. */
#include "output.h"
#include "../base/check.h"
#include "../device/timer.h"
#include "../records/store.h"

#include <stdio.h>
#include <stdlib.h>

enum { ERROR_BYTES = 1024, PUBLISH_EVERY_S = 60, PUBLISH_SHARE = 50 };

bool output_open(struct output *o, const struct options *options, const struct sweep_header *header, char *error,
                 size_t error_bytes)
{
    *o = (struct output){.h5_path = options->output, .header = header, .last_publish_s = clock_wall_s()};
    if (!o->h5_path)
        return true;
    if (!journal_path_of(o->h5_path, o->journal_path, sizeof o->journal_path)) {
        snprintf(error, error_bytes, "--output %s: the name must end in .h5", o->h5_path);
        return false;
    }
    const enum journal_mode mode = options->resume      ? JOURNAL_RESUME
                                   : options->overwrite ? JOURNAL_OVERWRITE
                                                        : JOURNAL_NEW;
    o->journal = journal_open(o->journal_path, mode, header, error, error_bytes);
    return o->journal != NULL;
}

void output_close(struct output *o)
{
    journal_close(o->journal);
    sweep_state_clear(&o->in_memory);
}

void output_started(struct output *o, const char *config_sha256, uint64_t attempt, int rank)
{
    if (o->journal)
        journal_started(o->journal, config_sha256, attempt, (uint64_t)rank);
}

static void add_copy(struct sweep_state *state, const struct record *record)
{
    size_t bytes;
    void *encoded = record_encode(record, &bytes);
    CHECK(state->record = realloc(state->record, (state->n_records + 1) * sizeof *record));
    CHECK(record_decode(&state->record[state->n_records++], encoded, bytes));
    free(encoded);
}

void output_result(struct output *o, const struct record *record)
{
    if (!o->journal) {
        add_copy(&o->in_memory, record);
        return;
    }
    journal_result(o->journal, record);
    journal_commit(o->journal);
}

void output_show_life(struct output *o)
{
    if (o->journal)
        journal_touch(o->journal);
}

void output_ended(struct output *o)
{
    o->in_memory.ended = true;
    if (o->journal)
        journal_ended(o->journal);
}

static void read_memory(const struct output *o, struct sweep_state *state)
{
    *state = (struct sweep_state){.header = *o->header, .ended = o->in_memory.ended};
#define COPY(name, help) state->header.name = strdup(o->header->name);
    SWEEP_LONG_TEXTS(COPY)
    for (size_t i = 0; i < o->in_memory.n_records; i++)
        add_copy(state, &o->in_memory.record[i]);
}

void output_read(const struct output *o, struct sweep_state *state)
{
    char error[ERROR_BYTES];
    if (!o->journal)
        read_memory(o, state);
    else if (!journal_read(o->journal_path, state, error, sizeof error))
        die(EXIT_ENVIRONMENT, "%s", error);
}

bool output_publish(struct output *o)
{
    char error[ERROR_BYTES];
    struct sweep_state state;
    if (!o->journal)
        return true;
    const double start_s = clock_wall_s();
    output_read(o, &state);
    const bool published = store_publish(o->h5_path, &state, error, sizeof error);
    if (!published)
        log_error("%s", error);
    sweep_state_clear(&state);
    o->last_publish_s = clock_wall_s();
    o->publish_took_s = o->last_publish_s - start_s;
    return published;
}

void output_publish_if_due(struct output *o)
{
    const double since_s = clock_wall_s() - o->last_publish_s;
    if (since_s > PUBLISH_EVERY_S && since_s > PUBLISH_SHARE * o->publish_took_s)
        output_publish(o);
}
