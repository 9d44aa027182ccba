/* choose_print.c - why trainer auto takes a policy: what else there was. */
#include "choose.h"

#include "../base/text.h"
#include "../records/record.h"

#include <math.h>
#include <stdio.h>

static void print_budget(double bytes)
{
    char text[32];
    if (isfinite(bytes))
        text_from_bytes(bytes, text, sizeof text);
    printf("    memory budget: %s\n", isfinite(bytes) ? text : "none");
}

static void print_alternative(const struct choice *c, const struct alternative *a, const struct model_shape *shape,
    double budget)
{
    char text[TEXT_BYTES];
    const bool is_chosen = policy_is(&a->policy, &c->policy);
    policy_text(&a->policy, shape, text, sizeof text);
    printf("    %c%11.3f %9.2f  %s%s\n", is_chosen ? '*' : ' ', 1e3 * a->clipped_s,
           0x1p-20 * (double)a->peak_bytes, text, (double)a->peak_bytes > budget ? "  (too large)" : "");
}

static void print_price(const struct layer_price *p)
{
    printf("     %-11s %9.2f %9.2f %9.3f %11.3f\n", p->kind == KIND_Q ? "q,k,v each" : layer_kind_name[p->kind],
           0x1p-20 * p->store_bytes, 0x1p-20 * p->keep_bytes, 1e3 * p->gram_s, 1e3 * p->instantiate_s);
}

void choose_print(const struct choice *c, const struct config *config)
{
    const double budget = choose_budget(config);
    struct model_shape shape;
    config_model_shape(config, &shape);
    print_budget(budget);
    printf("     ms clipped  peak MiB  of a physical batch, about\n");
    for (int i = 0; i < c->n_alternatives; i++)
        print_alternative(c, &c->alternative[i], &shape, budget);
    printf("     layer, m=%-3d MiB store MiB if not   ms gram  instantiate  more than to store\n", c->policy.samples);
    for (int i = 0; i < PRICES; i++)
        print_price(&c->price[i]);
}
