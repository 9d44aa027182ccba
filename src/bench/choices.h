/* choices.h - the words that a text field of a configuration takes: those that exist, and those known to come. */
#ifndef CHOICES_H
#define CHOICES_H
#include <stddef.h>

struct field;

/* The i-th word that exists, as --help lists them; NULL after the last, or when the field takes any text. */
const char *choice_at(const struct field *, int i);
void choices_list(const struct field *, char *text, size_t bytes); /* "standard, dpsgd" */

/* The word as it is stored (a trainer's long name becomes its short one); NULL: not a word of this field, and `error`
 * says so in one line that names those that exist. */
const char *choice_find(const struct field *, const char *word, char *error, size_t error_bytes);

/* The i-th word that is known and does not exist yet; NULL after the last. */
const char *choice_coming_at(const struct field *, int i);
#endif
