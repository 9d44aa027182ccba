/* accountant_command.c - comma lists of equal length are the phases of one history; a single value goes for all. */
#include "accountant_command.h"

#include "../base/log.h"
#include "../base/text.h"
#include "../privacy/accountant.h"
#include "options.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* What is asked: a history at delta, or with `target` the one of them that is not given. */
struct question {
    struct privacy_phase phase[MAX_PRIVACY_PHASES];
    int n;
    double delta, target;
    const char *wanted;         /* NULL: epsilon; else "noise_multiplier", "steps" or "delta" */
};

#define REFUSE(...) return snprintf(error, error_bytes, __VA_ARGS__), false

/* ---- the command line ----------------------------------------------------------------------------------------- */

/* A comma list of numbers, at most MAX_PRIVACY_PHASES. */
static bool read_list(const char *name, const char *list, double *value, int *n, char *error, size_t error_bytes)
{
    for (*n = 0; list; list = *list ? list + 1 : NULL) {
        char item[64];
        const size_t length = strcspn(list, ",");
        snprintf(item, sizeof item, "%.*s", (int)length, list);
        if (*n == MAX_PRIVACY_PHASES)
            REFUSE("--%s: more than %d phases", name, MAX_PRIVACY_PHASES);
        if (length >= sizeof item || !text_to_f64(item, &value[(*n)++]))
            REFUSE("--%s: '%s' is not a number", name, item);
        list += length;
    }
    return true;
}

static bool read_number(const char *name, const char *text, double *value, char *error, size_t error_bytes)
{
    if (!text_to_f64(text, value))
        REFUSE("--%s: '%s' is not a number", name, text);
    return true;
}

/* One column of the history: value i belongs to phase i. */
struct column { const char *name, *text; double value[MAX_PRIVACY_PHASES]; int n; };

static bool read_column(struct column *column, int *n_phases, char *error, size_t error_bytes)
{
    if (!column->text)
        return true;
    if (!read_list(column->name, column->text, column->value, &column->n, error, error_bytes))
        return false;
    if (column->n > 1 && *n_phases > 1 && column->n != *n_phases)
        REFUSE("--%s has %d values where another option has %d; a history of several phases takes lists of equal "
               "length, or one value for all", column->name, column->n, *n_phases);
    *n_phases = column->n > *n_phases ? column->n : *n_phases;
    return true;
}

static double column_value(const struct column *column, int phase)
{
    return column->text ? column->value[column->n > 1 ? phase : 0] : 1;
}

static bool read_history(const struct options *options, struct question *question, char *error, size_t error_bytes)
{
    struct column noise = {.name = "noise-multiplier", .text = options->noise_multiplier};
    struct column rate = {.name = "sample-rate", .text = options->sample_rate};
    struct column steps = {.name = "steps", .text = options->steps};
    question->n = 1;
    if (!read_column(&noise, &question->n, error, error_bytes) ||
        !read_column(&rate, &question->n, error, error_bytes) ||
        !read_column(&steps, &question->n, error, error_bytes))
        return false;
    for (int i = 0; i < question->n; i++) {
        const double n_steps = column_value(&steps, i);
        if (!(n_steps >= 1 && n_steps <= MAX_PRIVACY_STEPS) || n_steps != floor(n_steps))
            REFUSE("--steps: %g is not a possible whole number (1 to %d)", n_steps, MAX_PRIVACY_STEPS);
        question->phase[i] = (struct privacy_phase){column_value(&noise, i), column_value(&rate, i),
                                                    (uint64_t)n_steps};
    }
    return true;
}

/* Exactly what is needed must be given: everything, or with --target-epsilon everything but what is wanted. */
static bool check_given(const struct options *options, struct question *question, char *error, size_t error_bytes)
{
    const int missing = !options->noise_multiplier + !options->steps + !options->delta;
    if (!options->sample_rate)
        REFUSE("say how records are sampled: --sample-rate Q, the expected batch divided by the number of records");
    if (missing && !options->target_epsilon)
        REFUSE("--%s is missing; or leave out one of --noise-multiplier, --steps, --delta and give --target-epsilon "
               "to find that one",
               !options->noise_multiplier ? "noise-multiplier" : !options->steps ? "steps" : "delta");
    if (options->target_epsilon && missing != 1)
        REFUSE("--target-epsilon finds one of --noise-multiplier, --steps, --delta: leave out that one and give the "
               "others");
    if (options->target_epsilon)
        question->wanted = !options->noise_multiplier ? "noise_multiplier" : !options->steps ? "steps" : "delta";
    return true;
}

static bool read_question(const struct options *options, struct question *question, char *error, size_t error_bytes)
{
    if (!check_given(options, question, error, error_bytes) ||
        !read_history(options, question, error, error_bytes) ||
        (options->delta && !read_number("delta", options->delta, &question->delta, error, error_bytes)))
        return false;
    if (options->target_epsilon &&
        !read_number("target-epsilon", options->target_epsilon, &question->target, error, error_bytes))
        return false;
    if (question->n > 1 && question->wanted && strcmp(question->wanted, "delta") != 0)
        REFUSE("--target-epsilon finds %s of a single phase only", question->wanted);
    return true;
}

/* ---- the answer ----------------------------------------------------------------------------------------------- */

static bool answer(struct question *question, struct privacy_epsilon *epsilon, char *error, size_t error_bytes)
{
    struct privacy_phase *phase = question->phase;
    if (!question->wanted)
        return accountant_epsilon(phase, question->n, question->delta, epsilon, error, error_bytes);
    if (strcmp(question->wanted, "noise_multiplier") == 0)
        return accountant_noise_multiplier(question->target, phase->sample_rate, phase->steps, question->delta,
                                           &phase->noise_multiplier, epsilon, error, error_bytes);
    if (strcmp(question->wanted, "steps") == 0)
        return accountant_steps(question->target, phase->noise_multiplier, phase->sample_rate, question->delta,
                                &phase->steps, epsilon, error, error_bytes);
    return accountant_delta(question->target, phase, question->n, &question->delta, epsilon, error, error_bytes);
}

static double wanted_value(const struct question *question)
{
    if (strcmp(question->wanted, "noise_multiplier") == 0)
        return question->phase->noise_multiplier;
    return strcmp(question->wanted, "steps") == 0 ? (double)question->phase->steps : question->delta;
}

static void print_json(const struct question *question, const struct privacy_epsilon *epsilon)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddNumberToObject(object, "rdp", epsilon->rdp);
    cJSON_AddNumberToObject(object, "prv_lower", epsilon->prv_lower);
    cJSON_AddNumberToObject(object, "prv_upper", epsilon->prv_upper);
    cJSON_AddNumberToObject(object, "gdp", epsilon->gdp);
    cJSON_AddBoolToObject(object, "wide", epsilon->is_wide);
    if (question->wanted) {
        cJSON_AddNumberToObject(object, "target_epsilon", question->target);
        cJSON_AddStringToObject(object, "found", question->wanted);
        if (strcmp(question->wanted, "delta") != 0)
            cJSON_AddNumberToObject(object, question->wanted, wanted_value(question));
    }
    cJSON_AddNumberToObject(object, "delta", question->delta);
    cJSON *phases = cJSON_AddArrayToObject(object, "phases");
    for (int i = 0; i < question->n; i++) {
        cJSON *phase = cJSON_CreateObject();
        cJSON_AddNumberToObject(phase, "noise_multiplier", question->phase[i].noise_multiplier);
        cJSON_AddNumberToObject(phase, "sample_rate", question->phase[i].sample_rate);
        cJSON_AddNumberToObject(phase, "steps", (double)question->phase[i].steps);
        cJSON_AddItemToArray(phases, phase);
    }
    cJSON_AddStringToObject(object, "neighbours", "one record added or removed");
    cJSON_AddStringToObject(object, "sampling", "poisson");
    char *text = cJSON_Print(object);
    puts(text);
    cJSON_free(text);
    cJSON_Delete(object);
}

static void print_text(const struct question *question, const struct privacy_epsilon *epsilon)
{
    for (int i = 0; i < question->n; i++) {
        const struct privacy_phase *phase = &question->phase[i];
        printf("%llu steps, sample rate %g, noise multiplier %.6g\n", (unsigned long long)phase->steps,
               phase->sample_rate, phase->noise_multiplier);
    }
    if (question->wanted)
        printf("found: %s %.6g, for a target epsilon of %g\n", question->wanted, wanted_value(question),
               question->target);
    printf("\nepsilon at delta %g\n"
           "  rdp        %-12.6g upper bound, from Renyi divergences\n"
           "  prv_lower  %-12.6g\n"
           "  prv_upper  %-12.6g the one to state: epsilon lies between these two%s\n"
           "  gdp        %-12.6g central limit theorem: for orientation, no guarantee\n"
           "\nfor one record added or removed, batches drawn by Poisson sampling.  Shuffled or fixed-size batches are\n"
           "another mechanism: 'dpsweep accountant --help' says what holds for them.\n",
           question->delta, epsilon->rdp, epsilon->prv_lower, epsilon->prv_upper,
           epsilon->is_wide ? ", which are WIDE apart" : "", epsilon->gdp);
}

int accountant_main(int argc, char **argv)
{
    struct options options;
    struct question question = {0};
    struct privacy_epsilon epsilon;
    char error[512];
    const int code = options_parse("accountant", argc, argv, &options, NULL);
    if (code >= 0)
        return code;
    if (!read_question(&options, &question, error, sizeof error) ||
        !answer(&question, &epsilon, error, sizeof error)) {
        log_error("accountant: %s", error);
        return EXIT_USAGE;
    }
    (options.json ? print_json : print_text)(&question, &epsilon);
    return EXIT_OK;
}
