/* iso_time.c - ISO 8601 in UTC, whole seconds. */
#include "iso_time.h"

#include <math.h>
#include <time.h>

void iso_time(double seconds, char text[ISO_TIME_BYTES])
{
    const time_t t = isfinite(seconds) && fabs(seconds) < 1e11 ? (time_t)seconds : 0;
    struct tm utc;
    gmtime_r(&t, &utc);
    strftime(text, ISO_TIME_BYTES, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

double iso_time_read(const char *text)
{
    struct tm utc = {0};
    return strptime(text, "%Y-%m-%dT%H:%M:%SZ", &utc) ? (double)timegm(&utc) : 0;
}
