/* iso_time.h - seconds since 1970 as "2026-11-22T10:00:00Z" and back. */
#ifndef ISO_TIME_H
#define ISO_TIME_H
enum { ISO_TIME_BYTES = 32 };
void iso_time(double seconds, char text[ISO_TIME_BYTES]); /* 1970 for what is no time */
double iso_time_read(const char *text);                   /* 0 for what is no time */
#endif
