/* text.h - text to numbers and back, and the pieces that error messages are made of.
 *
 * Numbers are read strictly: the whole text is one finite number in range, without blanks around it. */
#ifndef TEXT_H
#define TEXT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool text_to_u64(const char *text, uint64_t *value);     /* decimal, no sign */
bool text_to_f64(const char *text, double *value);       /* decimal; neither hexadecimal, nan nor inf */
bool text_to_bytes(const char *text, uint64_t *value);   /* "4096", "512M" or "1.5GiB"; K, M, G are powers of 1024 */
bool text_to_seconds(const char *text, double *value);   /* "90", "90s", "1.5m", "2h" */

void text_from_f64(double value, char *text, size_t bytes);     /* the shortest that reads back as the same number */
void text_from_bytes(double n_bytes, char *text, size_t bytes); /* "12.3 MiB" */
void text_from_duration(double seconds, char *text, size_t bytes); /* "12.3 ms", "1.50 s", "2.5 min", "3.1 h" */

/* Appends to text, which holds a string already; what does not fit is cut. */
void text_append(char *text, size_t bytes, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The candidate most like a word that was mistyped: offer them all; `best` stays empty when none is alike. */
struct nearest {
    const char *word;
    char best[48];
    int distance; /* of best */
};
void nearest_offer(struct nearest *, const char *candidate);

/* How many letters must be inserted, removed, replaced or swapped with their neighbour to make b from a. */
int text_distance(const char *a, const char *b);
#endif
