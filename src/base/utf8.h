/* utf8.h - the characters of a text that may hold any bytes. UTF-8 is RFC 3629's: no long forms, no
 * surrogates, nothing above U+10FFFF. What a character means is utf8proc's to say. */
#ifndef AT_BASE_UTF8_H
#define AT_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The character at text[0, len): returns its 1..4 bytes and sets *c; 0: these bytes are none, *c is -1. */
size_t at_utf8_next(const char *text, size_t len, int32_t *c);
/* How many bytes in front are UTF-8: `len` if all are, else where the first byte is that is not. */
size_t at_utf8_valid(const char *text, size_t len);
/* Text with names of a file in it, fit for one line of a terminal: control characters and broken UTF-8
 * (also what was cut in the middle) become '?'. */
void at_utf8_printable(char *text);
/* Does a character that began before go on in this byte? */
static inline bool at_utf8_inside(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

#endif
