#include "members.h"
#include "world.h"
#include "../src/base/check.h"

#include <stdio.h>
#include <stdlib.h>

/* One configuration that several ranks run. */
struct crew {
    int n, ended;
    int culprit;                   /* the first to fail by its own fault; -1: none */
    struct seat { int rank; bool ended; struct record record; } seat[];
};

static struct crew **crew_of;      /* (ranks) NULL: runs nothing */

void members_begin(const struct task *task)
{
    struct crew *crew = calloc(1, sizeof *crew + (size_t)task->n_members * sizeof *crew->seat);
    CHECK(crew && (crew_of || (crew_of = calloc((size_t)world()->size, sizeof *crew_of))));
    crew->n = task->n_members;
    crew->culprit = -1;
    for (int i = 0; i < crew->n; i++) {
        crew->seat[i].rank = task->member[i];
        crew_of[task->member[i]] = crew;
    }
}

bool members_share(int rank, int other)
{
    return crew_of && crew_of[rank] && crew_of[rank] == crew_of[other];
}

/* ---- one record of several ----------------------------------------------------------------------------------- */

static bool is_named(const char *hosts, const char *host)
{
    const size_t n = strlen(host);
    for (const char *at = hosts; (at = strstr(at, host)); at += n)
        if ((at == hosts || at[-1] == ',') && (at[n] == ',' || at[n] == '\0'))
            return true;
    return false;
}

/* "node1,node2"; what is too long is cut. */
static void name_hosts(const struct crew *crew, char *hosts, size_t bytes)
{
    hosts[0] = '\0';
    for (int i = 0; i < crew->n; i++) {
        const size_t length = strlen(hosts);
        if (!is_named(hosts, crew->seat[i].record.host))
            snprintf(hosts + length, bytes - length, "%s%s", length ? "," : "", crew->seat[i].record.host);
    }
}

static bool all_say_the_same(const struct crew *crew)
{
    for (int i = 1; i < crew->n; i++)
        if (strcmp(crew->seat[i].record.message, crew->seat[0].record.message) != 0)
            return false;
    return true;
}

static void name_rank(struct record *r)
{
    char message[sizeof r->message];
    snprintf(message, sizeof message, "rank %llu on %s: %s", (unsigned long long)r->rank, r->host, r->message);
    snprintf(r->message, sizeof r->message, "%s", message);
}

static void raise_to(uint64_t *most, uint64_t value)
{
    *most = value > *most ? value : *most;
}

static void note_worst(struct record *whole, const struct record *r)
{
    raise_to(&whole->peak_rss, r->peak_rss);
    raise_to(&whole->peak_ledger, r->peak_ledger);
#define RAISE_KIND(NAME, name, help) raise_to(&whole->peak_##name, r->peak_##name);
    MEMORY_KIND_LIST(RAISE_KIND)
#define RAISE_STAGE(NAME, name, help)                             \
    raise_to(&whole->memory_##name, r->memory_##name);            \
    raise_to(&whole->device_used_##name, r->device_used_##name);  \
    raise_to(&whole->rss_##name, r->rss_##name);
    STAGE_LIST(RAISE_STAGE)
}

/* The member whose record counts: the culprit, else the first with something to say, else member 0. */
static int spokesman(const struct crew *crew)
{
    if (crew->culprit >= 0)
        return crew->culprit;
    for (int i = 0; i < crew->n; i++)
        if (crew->seat[i].record.message[0])
            return i;
    return 0;
}

static void combine(struct crew *crew, struct record *whole)
{
    char hosts[TEXT_BYTES];
    const int speaker = spokesman(crew);
    name_hosts(crew, hosts, sizeof hosts);
    *whole = crew->seat[speaker].record;
    if (crew->n > 1 && whole->message[0] && !all_say_the_same(crew))
        name_rank(whole);
    for (int i = 0; i < crew->n; i++)
        if (i != speaker) {
            note_worst(whole, &crew->seat[i].record);
            record_clear(&crew->seat[i].record);
        }
    whole->rank = (uint64_t)crew->seat[0].rank;
    memset(whole->host, 0, sizeof whole->host);
    snprintf(whole->host, sizeof whole->host, "%s", hosts);
}

/* ---- as they end --------------------------------------------------------------------------------------------- */

static void forget(struct crew *crew)
{
    for (int i = 0; i < crew->n; i++)
        crew_of[crew->seat[i].rank] = NULL;
    free(crew);
}

bool members_add(int rank, struct record *record, bool victim, struct record *whole)
{
    struct crew *crew = crew_of[rank];
    int i = 0;
    while (crew->seat[i].rank != rank)
        i++;
    CHECK(!crew->seat[i].ended);
    crew->seat[i].record = *record;
    crew->seat[i].ended = true;
    const enum status status = record_status(record);
    if (crew->culprit < 0 && !victim && status != STATUS_OK && status != STATUS_INVALID)
        crew->culprit = i;
    if (++crew->ended < crew->n)
        return false;
    combine(crew, whole);
    forget(crew);
    return true;
}

void members_forget(void)
{
    for (int r = 0; crew_of && r < world()->size; r++) {
        struct crew *crew = crew_of[r];
        for (int i = 0; crew && i < crew->n; i++)
            if (crew->seat[i].ended)
                record_clear(&crew->seat[i].record);
        if (crew)
            forget(crew);
    }
    free(crew_of);
    crew_of = NULL;
}
