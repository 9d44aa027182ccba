/* pulse.c - one page of shared memory; a beat is four stores, so it costs a step nothing. */
#include "pulse.h"
#include "timer.h"
#include "../base/check.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static struct pulse unheard, *mine = &unheard;

static struct pulse *map(int fd)
{
    void *page = mmap(NULL, sizeof(struct pulse), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED)
        die(EXIT_ENVIRONMENT, "cannot map shared memory: %s", strerror(errno));
    return page;
}

struct pulse *pulse_create(int *fd)
{
    CHECK_SYS(*fd = memfd_create("dpsweep pulse", MFD_CLOEXEC));
    CHECK_SYS(ftruncate(*fd, sizeof(struct pulse)));
    struct pulse *p = map(*fd);
    p->phase = N_PHASES;
    return p;
}

void pulse_free(struct pulse *p)
{
    if (p)
        munmap(p, sizeof *p);
}

void pulse_words(const struct pulse *p, char *text, size_t bytes)
{
#define PART_WORDS(NAME, words) words,
    static const char *const part_words[N_PARTS] = {PART_LIST(PART_WORDS)};
    const uint32_t part = p->part, phase = p->phase;      /* of a process that may have written anything */
    char number[32] = "";
    if (part == PART_STEPS)
        snprintf(number, sizeof number, " %llu", (unsigned long long)p->step);
    snprintf(text, bytes, "in %s%s%s%s", phase < N_PHASES ? phase_name[phase] : "", phase < N_PHASES ? " of " : "",
             part < N_PARTS ? part_words[part] : "?", number);
}

void pulse_share(int fd)
{
    mine = map(fd);
    close(fd);
}

void pulse_part(enum run_part part)
{
    mine->part = part;
    mine->beats++;
}

void pulse_step(uint64_t step)
{
    mine->step = step;
    mine->beats++;
}

void pulse_phase(uint32_t phase)
{
    mine->phase = phase;
    mine->beats++;
}
