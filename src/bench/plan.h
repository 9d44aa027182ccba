/* plan.h - the command `dpsweep plan`: what configurations will need, without running them. */
#ifndef PLAN_H
#define PLAN_H
#include "choose.h"
#include "forecast.h"

#include <stdio.h>

int plan_main(int argc, char **argv);

/* What is said of all points together, for each target. */
struct plan_total {
    size_t n, n_too_large;         /* points; those that do not fit */
    int ranks;
    double sweep_s;                /* of those that fit */
    size_t n_profiled;             /* points whose times are by a profile */
    char rates_date[32];           /* of the last of them */
};

/* ---- how it is printed: plan_text.c, plan_json.c ------------------------------------------------------------- */
void plan_text_heading(void);
void plan_text_point(const struct record *, const struct forecast *, int n_targets, bool phases);
void plan_text_build(const struct target *);   /* a line, if bytes are not those of the target's own build */
void plan_text_total(const struct target *, const struct plan_total *, int n_targets);

struct cJSON;
struct cJSON *plan_json_begin(void);
void plan_json_point(struct cJSON *plan, const struct record *, const struct forecast *, int n_targets,
    const struct choice *); /* NULL: there was none, or it is not asked for */
void plan_json_total(struct cJSON *plan, const struct target *, const struct plan_total *, int n_targets);
void plan_json_end(struct cJSON *plan);    /* prints and frees it */
#endif
