/* body.c - bodies: a form with pictures and fields, one raw picture, or JSON with base64. Bytes are kept once
 * and counted before memory is taken for them. */
#include "serve/internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PARTS_MOST = 64, TASKS_MOST = 1024, JOB_MOST = 10000, NAME_MOST = 255, FORM_BUFFER = 32768 };

static bool no_memory(request *r)
{
    return fail(&r->problem, AT_E_OUT_OF_MEMORY, "no memory for the body");
}

/* Room for `size` more bytes behind `n`. */
static bool grow(request *r, uint8_t **bytes, size_t *cap, size_t n, size_t size)
{
    if (n + size <= *cap) return true;
    size_t want = *cap ? *cap * 2 : 65536;
    if (want < n + size) want = n + size;
    if (want > r->s->o.max_body) want = n + size;
    if (!hold(r, want - *cap)) return false;
    uint8_t *more = realloc(*bytes, want);
    if (!more) return no_memory(r);
    *bytes = more;
    *cap = want;
    return true;
}

static size_t parts_most(const request *r)
{
    return r->route->uses & FOR_JOBS ? JOB_MOST : r->window ? TASKS_MOST : PARTS_MOST;
}

picture *body_picture(request *r, const char *name)
{
    const size_t most = parts_most(r);
    if (r->n_pictures == most) {
        (void)fail(&r->problem, AT_E_INVALID_PARAMETER, "more than %zu pictures", most);
        return NULL;
    }
    if (!r->pictures) r->pictures = calloc(most, sizeof(picture *));
    picture *p = r->pictures ? calloc(1, sizeof *p) : NULL;
    // a name is told back, never opened: its folders are nobody's business
    const char *slash = name ? strrchr(name, '/') : NULL, *back = name ? strrchr(name, '\\') : NULL;
    const char *base = slash > back ? slash + 1 : back ? back + 1 : name;
    if (p) p->name = strndup(base && *base ? base : "image", NAME_MOST);
    if (!p || !p->name) {
        free(p);
        (void)no_memory(r);
        return NULL;
    }
    p->r = r;
    p->index = r->n_pictures;
    r->pictures[r->n_pictures++] = p;
    return p;
}

static bool add_bytes(request *r, picture *p, const void *data, size_t size)
{
    if (size == 0) return true;
    if (!grow(r, &p->bytes, &p->cap, p->size, size)) return false;
    memcpy(p->bytes + p->size, data, size);
    p->size += size;
    return true;
}

/* --- a form ---------------------------------------------------------------------------------------------- */

static bool field_bytes(request *r, const char *name, const char *data, uint64_t off, size_t size)
{
    int q = 0;
    while (q < PARAMS && strcmp(params[q].name, name) != 0)
        q++;
    if (off == 0 || q == PARAMS || !r->values[q]) return param_set(r, name, data, size);
    // a value that came in two pieces: checked again as a whole
    char *old = r->values[q];
    const size_t n = strlen(old);
    char *all = malloc(n + size + 1);
    if (!all) return no_memory(r);
    memcpy(all, old, n);
    memcpy(all + n, data, size);
    r->values[q] = NULL;
    free(old);
    const bool ok = param_set(r, name, all, n + size);
    free(all);
    return ok;
}

static enum MHD_Result on_part(void *user, enum MHD_ValueKind kind, const char *key,
                               const char *file, const char *type, const char *encoding,
                               const char *data, uint64_t off, size_t size)
{
    request *r = user;
    (void)kind, (void)type, (void)encoding;
    if (r->problem.what) return MHD_NO;
    if (off == 0 && ++r->parts > parts_most(r))
        return fail(&r->problem, P_INVALID_MULTIPART, "more than %zu parts", parts_most(r));
    if (!key) return fail(&r->problem, P_INVALID_MULTIPART, "a part has no name");
    if (strcmp(key, "image") != 0) return field_bytes(r, key, data, off, size) ? MHD_YES : MHD_NO;
    picture *p = off == 0        ? body_picture(r, file)
                 : r->n_pictures ? r->pictures[r->n_pictures - 1]
                                 : NULL;
    return p && add_bytes(r, p, data, size) ? MHD_YES : MHD_NO;
}

/* --- JSON ------------------------------------------------------------------------------------------------ */

static int base64_digit(int c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

bool base64_read(const char *text, size_t n, uint8_t *out, size_t *size, size_t *bad)
{
    uint32_t bits = 0;
    size_t digits = 0, i = 0, k = 0;
    for (; i < n && text[i] != '='; i++) {
        const int d = base64_digit((unsigned char)text[i]);
        if (d < 0 && text[i] && strchr(" \t\r\n", text[i])) continue;
        *bad = i;
        if (d < 0) return false;
        bits = bits << 6 | (uint32_t)d;
        if (++digits % 4 == 0) {
            out[k++] = (uint8_t)(bits >> 16);
            out[k++] = (uint8_t)(bits >> 8);
            out[k++] = (uint8_t)bits;
        }
    }
    *bad = i;
    for (; i < n; i++)
        if (!text[i] || !strchr("= \t\r\n", text[i])) return false; // it goes on behind its end
    if (digits % 4 == 1) return false;                              // it is cut off
    if (digits % 4 == 2) out[k++] = (uint8_t)(bits >> 4);
    if (digits % 4 == 3) {
        out[k++] = (uint8_t)(bits >> 10);
        out[k++] = (uint8_t)(bits >> 2);
    }
    *size = k;
    return true;
}

bool body_base64(request *r, picture *p, const char *text, size_t n)
{
    size_t bad;
    if (!grow(r, &p->bytes, &p->cap, 0, n / 4 * 3 + 3)) return false;
    return base64_read(text, n, p->bytes, &p->size, &bad) ||
           fail(&r->problem, P_INVALID_JSON, "image: base64 is wrong or cut off at byte %zu", bad);
}

static bool json_source(request *r, const json_t *o, const char **by)
{
    const char *name = json_string_value(json_object_get(o, "name"));
    const json_t *data = json_object_get(o, "base64"), *url = json_object_get(o, "url");
    const char *path = json_string_value(json_object_get(o, "path"));
    *by = json_is_string(url) ? "/url" : path ? "/path" : json_is_string(data) ? "/base64" : "";
    if (json_is_string(url))
        return source_url(r, json_string_value(url), json_string_length(url), name);
    if (path) return source_path(r, path);
    if (!json_is_string(data))
        return fail(&r->problem, AT_E_INVALID_PARAMETER,
                    "image: an object with \"base64\", \"url\" or \"path\" is needed");
    picture *p = body_picture(r, name);
    return p && body_base64(r, p, json_string_value(data), json_string_length(data));
}

/* `i`: of images; -1: the one of image. */
static bool json_picture(request *r, const json_t *o, int i)
{
    const char *by;
    char at[32];
    const size_t before = r->n_pictures;
    const bool ok = json_source(r, o, &by);
    if (i < 0)
        (void)snprintf(at, sizeof at, "/image%s", by);
    else
        (void)snprintf(at, sizeof at, "/images/%d%s", i, by);
    if (r->n_pictures > before)
        (void)snprintf(r->pictures[before]->at, sizeof r->pictures[before]->at, "%s", at);
    if (!ok) problem_point_to(&r->problem, at);
    return ok;
}

/* A member as the text that a form's field would have. */
static bool json_param(request *r, const char *name, const json_t *v)
{
    char number[64];
    if (json_is_string(v)) return param_set(r, name, json_string_value(v), json_string_length(v));
    if (json_is_number(v)) {
        const int n = json_is_integer(v)
                          ? snprintf(number, sizeof number, "%lld",
                                     (long long)json_integer_value(v))
                          : snprintf(number, sizeof number, "%.9g", json_real_value(v));
        return param_set(r, name, number, (size_t)n);
    }
    if (json_is_boolean(v)) return param_set(r, name, json_is_true(v) ? "1" : "0", 1);
    if (!json_is_array(v))
        return fail(&r->problem, AT_E_INVALID_PARAMETER, "%.60s: neither text, number nor list",
                    name);
    char *all = NULL;
    size_t size = 0, i;
    json_t *item;
    FILE *f = open_memstream(&all, &size);
    bool ok = f != NULL;
    json_array_foreach(v, i, item)
    {
        const char *word = json_string_value(item);
        const bool crop = json_is_integer(item); // "crop": [0, 0, 64, 64]
        if (ok && crop)
            fprintf(f, "%s%lld", i ? "," : "", (long long)json_integer_value(item));
        else if (ok && word && !strchr(word, ','))
            fprintf(f, "%s%s", i ? "," : "", word);
        else
            ok = false;
    }
    if (f) (void)fclose(f);
    ok = ok ? param_set(r, name, all, size)
            : fail(&r->problem, AT_E_INVALID_PARAMETER,
                   "%.60s: a list of words without commas is needed", name);
    free(all);
    return ok;
}

/* \u0000 stands in the JSON, in which member? A text ends where it has one, so none is taken. */
static void told_nul(request *r, int line)
{
    json_t *o = json_loadb((const char *)r->json, r->json_size, JSON_ALLOW_NUL, NULL), *v;
    const char *name;
    (void)fail(&r->problem, AT_E_INVALID_TEXT, "\\u0000 in a text (line %d); no text may have it",
               line);
    json_object_foreach(o, name, v)
    {
        char *text = json_dumps(v, JSON_ENCODE_ANY);
        json_t *again = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
        if (text && !again) problem_point(&r->problem, name);
        json_decref(again);
        free(text);
    }
    json_decref(o);
}

json_t *body_json(request *r)
{
    json_error_t why;
    if (!r->json_size) {
        (void)fail(&r->problem, P_INVALID_JSON, "the body is empty");
        return NULL;
    }
    json_t *o = json_loadb((const char *)r->json, r->json_size, JSON_REJECT_DUPLICATES, &why);
    if (!o && json_error_code(&why) == json_error_null_character) told_nul(r, why.line);
    free(r->json);
    r->json = NULL;
    if (json_is_object(o)) return o;
    (void)fail(&r->problem, P_INVALID_JSON, "%s (line %d)", o ? "not an object" : why.text,
               o ? 1 : why.line);
    json_decref(o);
    return NULL;
}

/* A job's picture is named by its whole path. */
static bool json_path(request *r, const json_t *v, int i)
{
    char at[32];
    (void)snprintf(at, sizeof at, "/paths/%d", i);
    if (!json_is_string(v))
        (void)fail(&r->problem, AT_E_INVALID_PARAMETER, "paths: a list of texts is needed");
    if (!json_is_string(v) || !source_path(r, json_string_value(v))) {
        problem_point_to(&r->problem, at);
        return false;
    }
    picture *p = r->pictures[r->n_pictures - 1];
    free(p->name);
    p->name = strdup(p->path);
    return p->name || no_memory(r);
}

static bool json_body(request *r)
{
    json_t *o = body_json(r), *v;
    bool ok = o != NULL;
    const char *name;
    json_object_foreach(o, name, v)
    {
        size_t i;
        json_t *item;
        if (!ok) break;
        if (strcmp(name, "image") == 0) {
            ok = json_picture(r, v, -1);
        } else if (strcmp(name, "images") == 0) {
            ok = json_is_array(v) ||
                 fail(&r->problem, AT_E_INVALID_PARAMETER, "images: a list is needed");
            json_array_foreach(v, i, item) ok = ok && json_picture(r, item, (int)i);
        } else if (r->route->uses & FOR_JOBS && strcmp(name, "paths") == 0) {
            ok = json_is_array(v) ||
                 fail(&r->problem, AT_E_INVALID_PARAMETER, "paths: a list is needed");
            json_array_foreach(v, i, item) ok = ok && json_path(r, item, (int)i);
        } else {
            ok = json_param(r, name, v);
        }
        if (!ok) problem_point(&r->problem, name);
    }
    json_decref(o);
    return ok;
}

/* --- from outside ---------------------------------------------------------------------------------------- */

bool body_is(const char *header, const char *type)
{
    const size_t n = strcspn(header, "; \t");
    return n == strlen(type) && strncasecmp(header, type, n) == 0;
}

bool body_begin(request *r)
{
    const char *type = MHD_lookup_connection_value(r->c, MHD_HEADER_KIND, "Content-Type");
    if (r->route->type && (!type || !body_is(type, r->route->type)))
        return fail(&r->problem, P_UNSUPPORTED_MEDIA_TYPE, "Content-Type is %.60s; send %s",
                    type ? type : "not given", r->route->type);
    if (type && body_is(type, "multipart/form-data")) {
        r->body = BODY_FORM;
        r->post = MHD_create_post_processor(r->c, FORM_BUFFER, on_part, r);
        return r->post || fail(&r->problem, P_INVALID_MULTIPART, "Content-Type has no boundary");
    }
    if (type && body_is(type, "application/json")) {
        r->body = BODY_JSON;
        return true;
    }
    if (type &&
        (strncasecmp(type, "image/", 6) == 0 || body_is(type, "application/octet-stream"))) {
        r->body = BODY_RAW;
        return body_picture(r, NULL) != NULL;
    }
    const char *text = r->route->uses & FOR_TEXT ? "application/json with a text, or a picture as "
                                                 : "";
    return fail(
        &r->problem, P_UNSUPPORTED_MEDIA_TYPE,
        "Content-Type is %.60s; send %smultipart/form-data with parts named image, image/jpeg "
        "(or png, webp), application/octet-stream, or application/json",
        type ? type : "not given", text);
}

void body_feed(request *r, const char *data, size_t size)
{
    r->in += size;
    if (r->in > r->s->o.max_body) {
        if (!r->problem.what)
            r->problem.extra = json_pack("{sI}", "limit_bytes", (json_int_t)r->s->o.max_body);
        (void)fail(&r->problem, AT_E_BODY_TOO_LARGE, "more than %llu bytes",
                   (unsigned long long)r->s->o.max_body);
    }
    if (r->problem.what) return; // the rest is read and forgotten, so that the answer is heard
    if (r->body == BODY_RAW) {
        (void)add_bytes(r, r->pictures[0], data, size);
    } else if (r->body == BODY_JSON && grow(r, &r->json, &r->json_cap, r->json_size, size)) {
        memcpy(r->json + r->json_size, data, size);
        r->json_size += size;
    } else if (r->body == BODY_FORM && MHD_post_process(r->post, data, size) != MHD_YES) {
        (void)fail(&r->problem, P_INVALID_MULTIPART, "the form cannot be read");
    }
}

static bool form_end(request *r)
{
    const bool whole = MHD_destroy_post_processor(r->post) == MHD_YES;
    r->post = NULL;
    return whole ||
           fail(&r->problem, P_INVALID_MULTIPART, "the form ends before its last boundary");
}

bool body_end(request *r)
{
    if (r->body == BODY_FORM && !form_end(r)) return false;
    if (r->route->as) return r->route->as->read(r);
    if (r->body == BODY_JSON && !json_body(r)) return false;
    if (r->route->work) return true; // which looks for itself
    for (size_t i = 0; i < r->n_pictures; i++) {
        const picture *p = r->pictures[i];
        if (p->size > 0 || p->url || p->path || r->n_pictures > 1) continue;
        (void)fail(&r->problem, AT_E_NO_INPUT, "the picture has no bytes");
        if (p->at[0]) problem_point_to(&r->problem, p->at);
        return false;
    }
    return r->n_pictures > 0 ||
           fail(&r->problem, AT_E_NO_INPUT, "no picture; send one as a part named image");
}

void body_free(request *r)
{
    if (r->post) (void)MHD_destroy_post_processor(r->post);
    free(r->json);
    for (size_t i = 0; i < r->n_pictures; i++) {
        picture *p = r->pictures[i];
        free(p->name);
        free(p->bytes);
        free(p->url);
        free(p->path);
        atomic_fetch_sub(&r->s->held, p->held);
        at_pixels_free(p->tag_pixels);
        at_pixels_free(p->caption_pixels);
        result_free(p->result);
        free(p);
    }
    free(r->pictures);
    for (int q = 0; q < PARAMS; q++)
        free(r->values[q]);
    wants_free(&r->want);
    if (r->told) r->told_free(r->told);
}
