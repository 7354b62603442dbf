/* openapi.c - /openapi.json, made of the tables of routes, parameters and problems. */
#include "serve/internal.h"

#include <stdlib.h>
#include <string.h>

extern const char record_schema[]; // docs/schema/result-1.json

static const char *method_of(const route *r)
{
    return r->method[0] == 'G' ? "get" : r->method[0] == 'D' ? "delete" : "post";
}

static json_t *choices(const char *words)
{
    json_t *list = json_array();
    for (const char *w = words; w; w = strchr(w, '|') ? strchr(w, '|') + 1 : NULL)
        (void)json_array_append_new(list, json_stringn(w, strcspn(w, "|")));
    return list;
}

static json_t *value_schema(const param *p)
{
    if (p->kind == PARAM_INTEGER)
        return json_pack("{ss sI sI}", "type", "integer", "minimum", (json_int_t)p->least,
                         "maximum", (json_int_t)p->most);
    if (p->kind == PARAM_FLAG) return json_pack("{ss}", "type", "boolean");
    if (p->kind == PARAM_CHOICE)
        return json_pack("{ss so}", "type", "string", "enum", choices(p->choices));
    return json_pack("{ss}", "type", "string");
}

static json_t *parameters(const route *r)
{
    json_t *list = json_array();
    for (int q = 0; q < PARAMS; q++) {
        if (params[q].uses & r->uses)
            (void)json_array_append_new(list,
                                        json_pack("{ss ss ss so}", "name", params[q].name, "in",
                                                  "query", "description", params[q].about, "schema",
                                                  value_schema(&params[q])));
    }
    if (strstr(r->path, "{id}"))
        (void)json_array_append_new(list, json_pack("{ss ss sb s{ss ss}}", "name", "id", "in",
                                                    "path", "required", 1, "schema", "type",
                                                    "string", "pattern", "^[" ID_LETTERS "]{13}$"));
    return list;
}

static json_t *fields_schema(const route *r, json_t *fields)
{
    for (int q = 0; q < PARAMS; q++) {
        if (!(params[q].uses & r->uses)) continue;
        json_t *schema = value_schema(&params[q]);
        (void)json_object_set_new(schema, "description", json_string(params[q].about));
        (void)json_object_set_new(fields, params[q].name, schema);
    }
    return json_pack("{ss so}", "type", "object", "properties", fields);
}

/* Fields of a form; members of JSON are the same, with pictures in base64. */
static json_t *form_schema(const route *r, bool json)
{
    json_t *fields = json_object();
    if (json) {
        json_t *image = json_pack("{ss s{s{ss ss} s{ss ss} s{ss} s{ss}}}", "type", "object",
                                  "properties", "base64", "type", "string", "contentEncoding",
                                  "base64", "url", "type", "string", "format", "uri", "path",
                                  "type", "string", "name", "type", "string");
        (void)json_object_set(fields, "image", image);
        (void)json_object_set_new(fields, "images",
                                  json_pack("{ss so}", "type", "array", "items", image));
    } else {
        (void)json_object_set_new(fields, "image",
                                  json_pack("{ss s{ss ss}}", "type", "array", "items", "type",
                                            "string", "contentMediaType",
                                            "application/octet-stream"));
    }
    return fields_schema(r, fields);
}

static json_t *body(const route *r)
{
    json_t *content = json_object();
    if (r->type) { // another program's; a form is of its parameters
        json_t *media = strcmp(r->type, "application/json") == 0
                            ? json_pack("{s{ss}}", "schema", "type", "object")
                            : json_pack("{so}", "schema", form_schema(r, false));
        if (r->example)
            (void)json_object_set_new(media, "example", json_loads(r->example, 0, NULL));
        (void)json_object_set_new(content, r->type, media);
        return json_pack("{sb so}", "required", 1, "content", content);
    }
    if (r->work && !(r->uses & (FOR_JOBS | FOR_TEXT))) { // of parameters alone
        (void)json_object_set_new(content, "application/json",
                                  json_pack("{so}", "schema", fields_schema(r, json_object())));
        return json_pack("{sb so}", "required", 1, "content", content);
    }
    (void)json_object_set_new(content, "multipart/form-data",
                              json_pack("{so}", "schema", form_schema(r, false)));
    (void)json_object_set_new(content, "application/json",
                              json_pack("{so}", "schema", form_schema(r, true)));
    if (r->uses & FOR_JOBS)
        (void)json_object_set_new(
            json_object_get(json_object_get(json_object_get(content, "application/json"), "schema"),
                            "properties"),
            "paths", json_pack("{ss s{ss}}", "type", "array", "items", "type", "string"));
    static const char *const raw[] = {"image/*", "application/octet-stream"};
    for (int i = 0; i < 2; i++)
        (void)json_object_set_new(content, raw[i], json_object());
    return json_pack("{sb so}", "required", 1, "content", content);
}

static json_t *good(const route *r)
{
    static const struct {
        const char *path, *type;
    } others[] = {{"/metrics", "text/plain"},
                  {"/ping", "text/plain"},
                  {"/v1/jobs/{id}/events", "text/event-stream"},
                  {"/v1/jobs/{id}/results", "application/x-ndjson"}};
    const char *type = "application/json";
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (strcmp(r->path, others[i].path) == 0) type = others[i].type;
    json_t *schema = json_pack("{ss}", "type",
                               strcmp(type, "application/json") == 0 ? "object" : "string");
    if (r->tasks && !r->as) {
        json_decref(schema);
        json_t *record = json_pack("{ss}", "$ref", "#/components/schemas/record");
        schema = json_pack("{s[o {ss s[s] s{s{ss sO}}}]}", "oneOf", record, "type", "object",
                           "required", "results", "properties", "results", "type", "array", "items",
                           record);
    }
    if (r->uses & FOR_HEAT) {
        json_decref(schema);
        return json_pack("{ss s{s{}} s{s{ss s{ss}}}}", "description",
                         "8-bit grey; 255 is X-Anytag-Max", "content", "image/png", "headers",
                         "X-Anytag-Max", "description", "the map's largest value, in logits",
                         "schema", "type", "number");
    }
    return json_pack("{ss s{s{so}}}", "description", "done", "content", type, "schema", schema);
}

static json_t *operation(const route *r)
{
    char id[64];
    (void)snprintf(id, sizeof id, "%s%s", method_of(r), r->path);
    for (char *c = id; *c; c++)
        if (strchr("/.-{}", *c)) *c = '_';
    json_t *o = json_pack("{ss ss so s{so s{ss}}}", "operationId", id, "summary", r->summary,
                          "parameters", parameters(r), "responses",
                          r->uses & FOR_JOBS ? "202" : "200", good(r), "default", "$ref",
                          "#/components/responses/problem");
    if (r->method[0] == 'P') (void)json_object_set_new(o, "requestBody", body(r));
    if (r->public) (void)json_object_set_new(o, "security", json_array());
    if (r->as) // errors are in the words of that program
        (void)json_object_set_new(json_object_get(o, "responses"), "default",
                                  json_pack("{ss s{s{s{ss}}}}", "description", "what went wrong",
                                            "content", "application/json", "schema", "type",
                                            "object"));
    return o;
}

/* A second row of a path and method has another type of body, and maybe more parameters. */
static void merge(json_t *first, json_t *second)
{
    json_t *const parts[2] = {json_object_get(json_object_get(first, "requestBody"), "content"),
                              json_object_get(json_object_get(second, "requestBody"), "content")};
    (void)json_object_update(parts[0], parts[1]);
    (void)json_array_extend(json_object_get(first, "parameters"),
                            json_object_get(second, "parameters"));
    char about[256];
    (void)snprintf(about, sizeof about, "%.120s; %.120s",
                   json_string_value(json_object_get(first, "summary")),
                   json_string_value(json_object_get(second, "summary")));
    (void)json_object_set_new(first, "summary", json_string(about));
    json_decref(second);
}

static json_t *codes(void)
{
    json_t *list = json_array();
    for (int what = 1; what < P_COUNT_; what++) {
        const char *code = problem_code(what);
        if (what != AT_E_INTERNAL && strcmp(code, "internal") == 0) continue; // no such number
        (void)json_array_append_new(list, json_string(code));
    }
    return list;
}

/* The schema of a record inside the document, which is whole by itself: it has no name of its own there. */
static json_t *record(void)
{
    json_t *schema = json_loads(record_schema, 0, NULL);
    (void)json_object_del(schema, "$schema");
    (void)json_object_del(schema, "$id");
    return schema;
}

char *openapi_json(const at_server *s)
{
    json_t *paths = json_object();
    for (const route *r = routes; r->method; r++) {
        if (!route_is_on(s, r)) continue;
        if (strcmp(r->path, UI_ROUTE) == 0) continue; // for people, not for programs
        json_t *item = json_object_get(paths, r->path);
        if (!item) {
            item = json_object();
            (void)json_object_set_new(paths, r->path, item);
        }
        const char *method = method_of(r);
        json_t *there = json_object_get(item, method);
        if (there)
            merge(there, operation(r));
        else
            (void)json_object_set_new(item, method, operation(r));
    }
    json_t *schema = json_pack("{ss s[sss] s{s{ss} s{ss} s{ss} s{ss} s{ss} s{ss so}}}", "type",
                               "object", "required", "type", "status", "code", "properties", "type",
                               "type", "string", "title", "type", "string", "status", "type",
                               "integer", "detail", "type", "string", "instance", "type", "string",
                               "code", "type", "string", "enum", codes());
    json_t *components = json_pack("{s{so so} s{s{ss s{s{s{ss}}}}} s{s{ss ss}}}", "schemas",
                                   "problem", schema, "record", record(), "responses", "problem",
                                   "description", "what went wrong, RFC 9457", "content",
                                   "application/problem+json", "schema", "$ref",
                                   "#/components/schemas/problem", "securitySchemes", "key", "type",
                                   "http", "scheme", "bearer");
    json_t *all = json_pack("{ss s{ss ss} so so s[{s[]}{}]}", "openapi", "3.1.0", "info", "title",
                            "anytag", "version", at_version(), "paths", paths, "components",
                            components, "security", "key");
    char *text = json_dumps(all, JSON_COMPACT);
    json_decref(all);
    return text;
}
