/* problem.c - errors as RFC 9457 documents. The codes are errors.def of the library and problems.def. */
#include "serve/internal.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const struct row {
    const char *code;
    int http;
} rows[P_COUNT_] = {
#define E(name, number, code, exit_code, http) [number] = {code, http},
#include <anytag/errors.def>
#undef E
#define P(name, code, http) [P_##name] = {code, http},
#include "serve/problems.def"
#undef P
};

static const struct row *row_of(int what)
{
    const bool known = what > 0 && what < P_COUNT_ && rows[what].code && rows[what].http;
    return &rows[known ? what : AT_E_INTERNAL];
}

const char *problem_code(int what)
{
    return row_of(what)->code;
}

int problem_http(int what)
{
    return row_of(what)->http;
}

bool fail(problem *p, int what, const char *format, ...)
{
    if (p->what) return false;
    p->what = what;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(p->detail, sizeof p->detail, format, args);
    va_end(args);
    return false;
}

bool fail_error(problem *p, const at_error *err)
{
    return fail(p, err->status, "%s", err->text);
}

/* A JSON string of text that may hold half a letter, cut by vsnprintf. */
static json_t *text_of(const char *text)
{
    for (size_t n = strlen(text); n > 0; n--) {
        json_t *s = json_stringn(text, n);
        if (s) return s;
    }
    return json_string("");
}

json_t *problem_detail(const problem *p)
{
    // what went wrong inside is the log's to tell
    return row_of(p->what)->http == 500 ? json_string("the server's log has the reason")
                                        : text_of(p->detail);
}

char *problem_json(const problem *p, const char *request_id)
{
    const struct row *row = row_of(p->what);
    char type[96], title[64], instance[96];
    (void)snprintf(type, sizeof type, "urn:anytag:problem:%s", row->code);
    (void)snprintf(instance, sizeof instance, "urn:anytag:request:%s", request_id);
    (void)snprintf(title, sizeof title, "%s", row->code);
    title[0] = (char)toupper((unsigned char)title[0]);
    for (char *c = title; *c; c++)
        if (*c == '-') *c = ' ';
    static const char *const short_names[] = {"JSON", "URL"};
    for (size_t i = 0; i < sizeof short_names / sizeof *short_names; i++) {
        char *at = strcasestr(title, short_names[i]);
        if (at) memcpy(at, short_names[i], strlen(short_names[i]));
    }
    json_t *o = json_pack("{ss ss si so ss ss}", "type", type, "title", title, "status", row->http,
                          "detail", problem_detail(p), "instance", instance, "code", row->code);
    if (p->extra) (void)json_object_update_missing(o, p->extra);
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    return text;
}

void problem_point_to(problem *p, const char *pointer)
{
    const int http = row_of(p->what)->http;
    if (!p->what || http == 429 || http >= 500 || json_object_get(p->extra, "pointer")) return;
    if (!p->extra) p->extra = json_object();
    (void)json_object_set_new(p->extra, "pointer", text_of(pointer));
}

void problem_point(problem *p, const char *name)
{
    char pointer[160] = "/";
    size_t n = 1;
    for (const char *c = name; *c && n < sizeof pointer - 2; c++) { // RFC 6901
        const bool escape = *c == '~' || *c == '/';
        if (escape) pointer[n++] = '~';
        pointer[n++] = *c == '~' ? '0' : escape ? '1' : *c;
    }
    pointer[n] = 0;
    problem_point_to(p, pointer);
}

void problem_clear(problem *p)
{
    json_decref(p->extra);
    *p = (problem){0};
}
