/* routes.c - the table of routes; dispatch, /openapi.json and the tests read it. */
#include "serve/internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void get_health(request *r)
{
    if (atomic_load(&r->s->ready)) {
        answer_json(r, json_pack("{ss ss ss}", "status", "ok", "model_class", "anytag", "version",
                                 at_version()));
        return;
    }
    answer_json(r, json_pack("{s{si ss ss}}", "error", "code", 503, "message", "Loading model",
                             "type", "unavailable_error"));
    r->status = 503;
    r->retry_after = 1;
}

static json_t *model_json(const at_model *m, const char *task)
{
    return json_pack("{ss ss ss sI ss ss sb ss sI sI}", "task", task, "name", at_model_name(m),
                     "vocabulary", at_model_vocabulary(m), "tags", (json_int_t)at_model_tags(m),
                     "sha256", at_model_sha256(m), "precision", at_model_precision(m), "loaded", 1,
                     "licence", at_model_licence(m), "parameters",
                     (json_int_t)at_model_parameters(m), "bytes", (json_int_t)at_model_bytes(m));
}

static void get_models(request *r)
{
    json_t *list = json_array();
    if (r->s->tag) (void)json_array_append_new(list, model_json(r->s->tag, "tag"));
    if (r->s->caption) (void)json_array_append_new(list, model_json(r->s->caption, "caption"));
    if (r->s->encoder)
        (void)json_array_append_new(list, json_pack("{ss ss sb}", "task", "encode", "name",
                                                    at_encoder_name(r->s->encoder), "loaded", 1));
    const uint64_t pixels = r->s->o.image.max_pixels;
    answer_json(r, json_pack("{so s{sI sI si}}", "models", list, "limits", "body_bytes",
                             (json_int_t)r->s->o.max_body, "pixels",
                             (json_int_t)(pixels ? pixels : 120000000), "pictures", 64));
}

static bool has_part(const at_model *m, size_t id, const char *q, const char *lang)
{
    const bool en = !lang || strstr(lang, "en"), zh = !lang || strstr(lang, "zh");
    return !q || (en && strcasestr(at_model_tag(m, id, "en"), q)) ||
           (zh && strstr(at_model_tag(m, id, "zh"), q));
}

static void get_tags(request *r)
{
    const at_model *m = r->s->tag;
    if (!m) {
        (void)fail(&r->problem, P_MODEL_NOT_AVAILABLE, "no model of this server can tag");
        return;
    }
    // the list never changes while the server runs: the model is its version
    (void)snprintf(r->etag, sizeof r->etag, "\"%.32s\"", at_model_sha256(m));
    const char *known = MHD_lookup_connection_value(r->c, MHD_HEADER_KIND, "If-None-Match");
    if (known && strstr(known, r->etag)) {
        answer(r, 304, NULL, NULL, 0);
        return;
    }
    const long offset = param_number(r, Q_OFFSET, 0), limit = param_number(r, Q_LIMIT, 100000);
    json_t *list = json_array();
    long seen = 0;
    for (size_t id = 0; id < at_model_tags(m); id++) {
        if (at_model_tag_deleted(m, id) || !has_part(m, id, r->values[Q_Q], r->values[Q_LANG]))
            continue;
        if (seen >= offset && seen - offset < limit)
            (void)json_array_append_new(
                list, json_pack("{sI ss ss sf}", "id", (json_int_t)id, "name",
                                at_model_tag(m, id, "en"), "name_zh", at_model_tag(m, id, "zh"),
                                "threshold", (double)at_model_threshold(m, id)));
        seen++;
    }
    answer_json(r, json_pack("{ss sI so}", "vocabulary", at_model_vocabulary(m), "total",
                             (json_int_t)seen, "tags", list));
}

static void get_openapi(request *r)
{
    char *text = openapi_json(r->s);
    if (text)
        answer(r, 200, "application/json", text, strlen(text));
    else
        (void)fail(&r->problem, AT_E_OUT_OF_MEMORY, "no memory");
}

static void get_ping(request *r)
{
    answer(r, 200, "text/plain", strdup("pong"), 4);
}

#define JSON "application/json"
#define FORM "multipart/form-data"
// one grey pixel, so that the examples of the document can be sent as they are
#define DOT \
    "\"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNoAAAAggCB2kUIOwAAAABJRU5ErkJggg==\""
#define VIEW \
    "\"<View><Image name='i' value='$u'/><Choices name='c' toName='i'><Choice value='dog'/></Choices></View>\""
#define PROJECT "\"project\":\"1.1700000000\""
// clang-format off
#define LABEL_STUDIO(below)                                                                                            \
    {"POST", below "/setup", "Label Studio: the version of the model", false, 0, 0, NULL, NULL,                        \
     &label_studio_setup, JSON, "{" PROJECT ",\"schema\":" VIEW "}"},                                                  \
    {"POST", below "/predict", "Label Studio: predictions for tasks", false, 0, TASK_TAG | TASK_CAPTION, NULL, NULL,   \
     &label_studio_predict, JSON, "{\"tasks\":[{\"id\":1,\"data\":{\"u\":" DOT "}}]," PROJECT ",\"label_config\":" VIEW "}"}, \
    {"POST", below "/webhook", "Label Studio: an event, which changes nothing here", false, 0, 0, NULL, NULL,          \
     &label_studio_webhook, JSON, "{\"action\":\"ANNOTATION_CREATED\",\"project\":{\"id\":1}}"}
#define PHOTOPRISM(what, about, uses, as, body)                                                                        \
    {"POST", "/api/v1/vision/" what, about, false, uses, uses, NULL, NULL, as, JSON, body}

const route routes[] = {
    {"GET",  "/health",       "whether requests are answered; needs no key", true, 0, 0, get_health, NULL, NULL, NULL, NULL},
    {"GET",  "/v1/models",    "the models that are loaded", false, 0, 0, get_models, NULL, NULL, NULL, NULL},
    {"GET",  "/v1/tags",      "the tags that can be found, with their thresholds", false, FOR_VOCABULARY, 0, get_tags, NULL, NULL, NULL, NULL},
    {"POST", "/v1/tag",       "tags of pictures", false, TASK_TAG, TASK_TAG, NULL, NULL, NULL, NULL, NULL},
    {"POST", "/v1/caption",   "sentences about pictures", false, TASK_CAPTION, TASK_CAPTION, NULL, NULL, NULL, NULL, NULL},
    {"POST", "/v1/analyze",   "both, or what tasks says; a picture is decoded once", false,
     TASK_TAG | TASK_CAPTION | FOR_BODY, TASK_TAG | TASK_CAPTION, NULL, NULL, NULL, NULL, NULL},
    {"POST", "/v1/heatmap",   "where in a picture a tag was seen, as a grey PNG", false, FOR_HEAT, TASK_TAG, NULL, NULL, NULL, NULL, NULL},
    {"POST", "/v1/jobs",      "many pictures, worked on behind the answer", false,
     TASK_TAG | TASK_CAPTION | FOR_BODY | FOR_JOBS, 0, NULL, jobs_post, NULL, NULL, NULL},
    {"GET",  "/v1/jobs/{id}", "how far a job is", false, FOR_JOB, 0, jobs_get, NULL, NULL, NULL, NULL},
    {"DELETE", "/v1/jobs/{id}", "end a job, what is done of it stays; one that has ended is forgotten", false, FOR_JOB, 0, jobs_delete, NULL, NULL, NULL, NULL},
    {"GET",  "/v1/jobs/{id}/events", "a job's records and progress as they come, server-sent events", false,
     FOR_JOB, 0, jobs_events, NULL, NULL, NULL, NULL},
    {"GET",  "/v1/jobs/{id}/results", "a job's records so far", false, FOR_JOB | FOR_RESULTS, 0, jobs_results, NULL, NULL, NULL, NULL},
    {"POST", "/v1/embed",     "a text, or pictures, as vectors", false, FOR_TEXT, 0, NULL, embed, NULL, NULL, NULL},
    {"GET",  "/metrics",      "figures for Prometheus", false, 0, 0, metrics_text, NULL, NULL, NULL, NULL},
    {"GET",  "/openapi.json", "this table as OpenAPI 3.1", false, 0, 0, get_openapi, NULL, NULL, NULL, NULL},
    PHOTOPRISM("labels",   "PhotoPrism: labels of a picture", TASK_TAG, &photoprism_labels, "{\"id\":\"1\",\"images\":[" DOT "]}"),
    PHOTOPRISM("caption",  "PhotoPrism: a sentence about a picture", TASK_CAPTION, &photoprism_caption, "{\"id\":\"1\",\"images\":[" DOT "]}"),
    PHOTOPRISM("describe", "PhotoPrism's older service: the same", TASK_CAPTION, &photoprism_describe, "{\"id\":\"1\",\"url\":" DOT "}"),
    LABEL_STUDIO(""),
    {"GET",  "/label-studio/health", "Label Studio: whether requests are answered", true, 0, 0, label_studio_health, NULL, &label_studio_setup, NULL, NULL},
    LABEL_STUDIO("/label-studio"),
    {"GET",  "/ping",         "Immich: whether this is there", true, 0, 0, get_ping, NULL, &immich_predict, NULL, NULL},
    {"POST", "/predict",      "Immich: vectors of CLIP, if its weights are here", false, FOR_IMMICH, 0, NULL, NULL, &immich_predict, FORM, NULL},
    {"GET",  UI_ROUTE,        "the web page: /, /ui/..., /favicon.ico", true, 0, 0, ui_get, NULL, NULL, NULL, NULL},
    {0},
};
// clang-format on

bool route_is_on(const at_server *s, const route *r)
{
    return !r->as || s->o.compat & r->as->compat;
}

enum { ID = 13 };

/* Is it the path, or one with an id where the row has {id}? */
static bool path_is(const char *row, const char *path)
{
    const char *hole = strstr(row, "{id}");
    const size_t n = hole ? (size_t)(hole - row) : 0;
    if (!hole) return strcmp(row, path) == 0;
    return strncmp(row, path, n) == 0 && strspn(path + n, ID_LETTERS) == ID &&
           strcmp(hole + 4, path + n + ID) == 0;
}

const route *route_find(const at_server *s, const char *path, const char *method, const char *type,
                        char *allow, size_t size)
{
    const bool head = strcmp(method, "HEAD") == 0;
    const route *found = NULL;
    allow[0] = 0;
    for (const route *r = routes; r->method; r++) {
        if (!path_is(r->path, path) || !route_is_on(s, r)) continue;
        const char *methods = strcmp(r->method, "GET") == 0 ? "GET, HEAD" : r->method;
        if (!strstr(allow, methods))
            (void)snprintf(allow + strlen(allow), size - strlen(allow), "%s%s",
                           allow[0] ? ", " : "", methods);
        if (strcmp(r->method, head ? "GET" : method) != 0) continue;
        // of two rows of a path the one that reads this type, else the first, which says what it reads
        const bool reads = !r->type || (type && body_is(type, r->type));
        if (!found || reads) found = r;
        if (reads) break;
    }
    if (found)
        allow[0] = 0;
    else if (allow[0])
        (void)snprintf(allow + strlen(allow), size - strlen(allow), ", OPTIONS");
    return found;
}
