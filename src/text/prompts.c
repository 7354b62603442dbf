/* prompts.c - a template and a name make a sentence. */
#include "text/prompts.h"

#include <string.h>

/* Only ASCII is made small here: the tokenizers of the encoders make the rest so. */
static void put_name(at_buf *out, const char *name, bool cleaned)
{
    size_t len = strlen(name);
    while (cleaned && len && name[len - 1] == '.')
        len--;
    for (size_t i = 0; i < len; i++) {
        const char c = name[i];
        if (cleaned && c == '/')
            at_buf_str(out, " or ");
        else if (cleaned && c == '_')
            at_buf_char(out, ' ');
        else
            at_buf_char(out, cleaned && c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c);
    }
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

void at_prompt(at_buf *out, const char *format, const char *name, bool cleaned)
{
    const size_t start = out->len;
    static const char article[] = "{article}";
    for (const char *at = format; *at;) {
        if (begins(at, "{}")) {
            put_name(out, name, cleaned);
            at += 2;
        } else if (begins(at, article)) {
            at_buf_str(out, *name && strchr("aeiou", *name) ? "an" : "a");
            at += sizeof article - 1;
        } else {
            at_buf_char(out, *at++);
        }
    }
    if (!cleaned || out->status != AT_OK) return;
    const char *made = at_buf_text(out) + start;
    if (!begins(made, "a") && !begins(made, "the")) return;
    static const char lead[] = "This is ";
    const size_t len = out->len - start, n = sizeof lead - 1;
    at_buf_add(out, lead, n); // room for it, then moved to the front
    if (out->status != AT_OK) return;
    memmove(out->data + start + n, out->data + start, len);
    memcpy(out->data + start, lead, n);
}
