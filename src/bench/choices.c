/* Where the words come from: trainers, clippings, models and optimizers from the tables of their modules, the rest
 * from here. */
#include "choices.h"

#include "../base/text.h"
#include "../device/precision.h"
#include "../privacy/sampler.h"
#include "../trainers/trainer.h"
#include "config.h"

#include <stdio.h>
#include <string.h>

/* Everything a later version will understand.  What is asked for by such a name is refused by that name; when it
 * exists, its row here goes. */
static const struct {
    const char *field, *name;
} coming[] = {
    {"precision", "fp16"},
};
enum { N_COMING = sizeof coming / sizeof coming[0] };

/* Fields whose words no other module knows. */
static const struct {
    const char *field, *words[3];
} fixed[] = {
    {"device", {DPSWEEP_DEVICE}},
    {"record", {"line", "paragraph"}},
};
enum { N_FIXED = sizeof fixed / sizeof fixed[0] };

/* Negative controls stand at the end of the table and are not listed. */
static const char *trainer_word(int i)
{
    const struct trainer_ops *trainer = trainer_at(i);
    return trainer && !trainer->is_control ? trainer->name : NULL;
}

static const char *model_word(int i)
{
    const struct model_size *size = model_size_at(i);
    return size ? size->name : NULL;
}

const char *choice_at(const struct field *field, int i)
{
    if (strcmp(field->name, "trainer") == 0)
        return trainer_word(i);
    if (strcmp(field->name, "model") == 0)
        return model_word(i);
    if (strcmp(field->name, "clipping") == 0)
        return i < N_CLIPPINGS ? clipping_name[i] : NULL;
    if (strcmp(field->name, "noise_generator") == 0)
        return i < N_NOISE_GENERATORS ? noise_generator_name[i] : NULL;
    if (strcmp(field->name, "sampling") == 0)
        return i < N_SAMPLINGS ? sampling_name[i] : NULL;
    if (strcmp(field->name, "norm_mode") == 0)
        return i < N_NORM_MODES ? norm_mode_name[i] : NULL;
    if (strcmp(field->name, "noise_placement") == 0)
        return i < N_NOISE_PLACEMENTS ? noise_placement_name[i] : NULL;
    if (strcmp(field->name, "accumulate") == 0)
        return i < N_ACCUMULATIONS ? accumulation_name[i] : NULL;
    if (strcmp(field->name, "optimizer") == 0)
        return i < N_OPTIMIZERS ? optimizer_name[i] : NULL;
    if (strcmp(field->name, "recompute") == 0)
        return i < N_RECOMPUTES ? recompute_name[i] : NULL;
    if (strcmp(field->name, "precision") == 0)
        return i < N_PRECISIONS ? precision_name[i] : NULL;
    for (int k = 0; k < N_FIXED; k++)
        if (strcmp(field->name, fixed[k].field) == 0)
            return fixed[k].words[i];
    return NULL;
}

const char *choice_coming_at(const struct field *field, int i)
{
    for (int k = 0; k < N_COMING; k++)
        if (strcmp(field->name, coming[k].field) == 0 && i-- == 0)
            return coming[k].name;
    return NULL;
}

static bool is_coming(const struct field *field, const char *word)
{
    for (int k = 0; k < N_COMING; k++)
        if (strcmp(field->name, coming[k].field) == 0 && strcmp(word, coming[k].name) == 0)
            return true;
    return false;
}

/* "standard, dpsgd, microbatch" */
static void append_words(char *text, size_t bytes, const struct field *field,
                         const char *(*at)(const struct field *, int))
{
    const char *word;
    for (int i = 0; (word = at(field, i)); i++)
        text_append(text, bytes, "%s%s", i ? ", " : "", word);
}

void choices_list(const struct field *field, char *text, size_t bytes)
{
    text[0] = '\0';
    append_words(text, bytes, field, choice_at);
}

static void refuse(const struct field *field, const char *word, char *error, size_t bytes)
{
    snprintf(error, bytes, "--%s: '%s' ", option_of(field).text, word);
    if (is_coming(field, word)) {
        text_append(error, bytes, "does not exist yet; there is: ");
        append_words(error, bytes, field, choice_at);
        return;
    }
    text_append(error, bytes, "is not one of ");
    append_words(error, bytes, field, choice_at);
    if (choice_coming_at(field, 0)) {
        text_append(error, bytes, " (exists later: ");
        append_words(error, bytes, field, choice_coming_at);
        text_append(error, bytes, ")");
    }
    if (strcmp(field->name, "device") == 0)
        text_append(error, bytes, ": the device is chosen with make DEVICE=...");
}

const char *choice_find(const struct field *field, const char *word, char *error, size_t error_bytes)
{
    if (strcmp(field->name, "trainer") == 0) {
        const struct trainer_ops *trainer = trainer_find(word); /* by long names too, and controls */
        if (trainer)
            return trainer->name;
    }
    const char *name;
    for (int i = 0; (name = choice_at(field, i)); i++)
        if (strcmp(word, name) == 0)
            return name;
    refuse(field, word, error, error_bytes);
    return NULL;
}
