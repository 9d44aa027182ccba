/* utf8.h - results are text for every reader, so their bytes must be UTF-8. */
#ifndef UTF8_H
#define UTF8_H
void utf8_clean(char *text); /* each byte that is not part of a valid sequence becomes '?' */
#endif
