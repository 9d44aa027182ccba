/* utf8.c - RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
#include "utf8.h"

/* Bytes of the valid sequence at s; 0 if there is none.  A terminator ends any, so nothing is read past it. */
static int sequence_bytes(const unsigned char *s)
{
    if (s[0] < 0x80)
        return 1;
    const int n = s[0] >= 0xC2 && s[0] <= 0xDF ? 2 : (s[0] & 0xF0) == 0xE0 ? 3 : s[0] >= 0xF0 && s[0] <= 0xF4 ? 4 : 0;
    for (int i = 1; i < n; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] >= 0xA0))
        return 0;
    if ((s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] >= 0x90))
        return 0;
    return n;
}

void utf8_clean(char *text)
{
    for (unsigned char *s = (unsigned char *)text; *s;) {
        const int n = sequence_bytes(s);
        if (n)
            s += n;
        else
            *s++ = '?';
    }
}
