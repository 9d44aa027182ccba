/* frontier_answer.h - one answer of `plan --frontier`: frontier.c finds it, frontier_print.c prints it. */
#ifndef FRONTIER_ANSWER_H
#define FRONTIER_ANSWER_H
#include "target.h"

struct axis {                      /* what is varied */
    const char *name, *title, *end;
    bool (*set)(struct config *, uint64_t);    /* false: impossible */
    uint64_t least, (*most)(const struct config *);
    enum { COLUMN_BATCH, COLUMN_SEQ, COLUMN_MODEL } column;
    bool is_count;                 /* one more can be tried; it compares with standard's */
};

struct question {
    const struct axis *axis;
    const struct target *target;
    int threads;
};

struct answer {
    struct config config;          /* with the largest value */
    uint64_t n, of_standard;
    bool at_end;                   /* there is no more */
    enum status measured, one_more; /* N_STATUSES: not measured */
};

bool frontier_is_split(const struct config *);

void frontier_print_heading(const struct question *, bool measured);
void frontier_print_answer(const struct question *, const struct answer *, bool measured);
struct cJSON;
void frontier_add_answer(struct cJSON *list, const struct question *, const struct answer *, bool measured);
#endif
