#include "text.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool text_to_u64(const char *text, uint64_t *value)
{
    if (!isdigit((unsigned char)text[0])) /* strtoull would take blanks and a minus sign */
        return false;
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno || *end)
        return false;
    *value = number;
    return true;
}

/* A decimal number at the beginning of text; *rest is what follows it. */
static bool read_number(const char *text, double *value, const char **rest)
{
    const char *digits = text + (*text == '-' || *text == '+');
    if (!isdigit((unsigned char)*digits) && *digits != '.')
        return false;
    if (digits[0] == '0' && tolower((unsigned char)digits[1]) == 'x')
        return false;
    char *end;
    *value = strtod(text, &end);
    *rest = end;
    return end != text && isfinite(*value);
}

bool text_to_f64(const char *text, double *value)
{
    const char *rest;
    double number;
    if (!read_number(text, &number, &rest) || *rest)
        return false;
    *value = number;
    return true;
}

struct suffix {
    const char *name;
    double factor;
};

/* A number that is not negative, times the factor of one of the suffixes, which end with an empty row. */
static bool read_suffixed(const char *text, const struct suffix *suffix, double *value)
{
    const char *rest;
    double number;
    if (!read_number(text, &number, &rest) || number < 0)
        return false;
    for (; suffix->name; suffix++)
        if (strcmp(rest, suffix->name) == 0) {
            *value = number * suffix->factor;
            return isfinite(*value);
        }
    return false;
}

bool text_to_bytes(const char *text, uint64_t *value)
{
    static const struct suffix suffixes[] = {
        {"K", 0x1p10}, {"KiB", 0x1p10}, {"M", 0x1p20}, {"MiB", 0x1p20}, {"G", 0x1p30}, {"GiB", 0x1p30}, {0},
    };
    double n_bytes;
    if (text_to_u64(text, value))
        return true;
    if (!read_suffixed(text, suffixes, &n_bytes) || n_bytes >= 0x1p63)
        return false;
    *value = (uint64_t)n_bytes;
    return true;
}

bool text_to_seconds(const char *text, double *value)
{
    static const struct suffix suffixes[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {0}};
    return read_suffixed(text, suffixes, value);
}

void text_from_f64(double value, char *text, size_t bytes)
{
    for (int digits = 1; digits <= 17; digits++) { /* 17 are always enough */
        snprintf(text, bytes, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            return;
    }
}

void text_from_bytes(double n_bytes, char *text, size_t bytes)
{
    static const char *const unit[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"};
    int i = 0;
    for (; fabs(n_bytes) >= 1024 && i < 5; i++)
        n_bytes /= 1024;
    snprintf(text, bytes, "%.*f %s", i ? 1 : 0, n_bytes, unit[i]);
}

void text_from_duration(double seconds, char *text, size_t bytes)
{
    static const struct { double least_s, unit_s; const char *unit; } units[] = {
        {172800, 86400, "days"}, {5400, 3600, "h"}, {90, 60, "min"}, {1, 1, "s"}, {1e-3, 1e-3, "ms"}, {0, 1e-6, "us"},
    };
    int i = 0;
    while (units[i].least_s > 0 && !(seconds >= units[i].least_s))
        i++;
    snprintf(text, bytes, "%.3g %s", seconds / units[i].unit_s, units[i].unit);
}

void text_append(char *text, size_t bytes, const char *format, ...)
{
    size_t used = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + used, bytes - used, format, args);
    va_end(args);
}

static int min3(int a, int b, int c)
{
    int least = a < b ? a : b;
    return least < c ? least : c;
}

/* Damerau-Levenshtein, three rows at a time. Long words are cut: they resemble nothing anyway. */
int text_distance(const char *a, const char *b)
{
    enum { LONGEST = 63 };
    int before[LONGEST + 1] = {0}, above[LONGEST + 1] = {0}, row[LONGEST + 1] = {0};
    int n_a = (int)strnlen(a, LONGEST), n_b = (int)strnlen(b, LONGEST);
    for (int j = 0; j <= n_b; j++)
        above[j] = j;
    for (int i = 1; i <= n_a; i++) {
        row[0] = i;
        for (int j = 1; j <= n_b; j++) {
            row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
        memcpy(before, above, sizeof before);
        memcpy(above, row, sizeof above);
    }
    return above[n_b];
}

/* Alike: the word is cut short, or a third of its letters at most are wrong. */
void nearest_offer(struct nearest *near, const char *candidate)
{
    size_t length = strlen(near->word);
    bool is_cut = length >= 3 && strncmp(near->word, candidate, length) == 0;
    int distance = is_cut ? 1 : text_distance(near->word, candidate);
    bool is_alike = is_cut || 3 * distance <= (int)length + 1;
    if (is_alike && (!near->best[0] || distance < near->distance)) {
        snprintf(near->best, sizeof near->best, "%s", candidate);
        near->distance = distance;
    }
}
