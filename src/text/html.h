/* html.h - &amp; and its kind become characters. */
#ifndef AT_TEXT_HTML_H
#define AT_TEXT_HTML_H

#include "base/buf.h"

/* Appends `text` (UTF-8) with its HTML characters resolved, once, by the rules of HTML5 (as Python's
 * html.unescape). `whole_only`: just those that end with ';', and names in capitals too (as ftfy). */
void at_html_unescape(const char *text, size_t len, bool whole_only, at_buf *out);

#endif
