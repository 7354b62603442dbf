/* compat_photoprism.c - the vision service that PhotoPrism asks for labels and captions
 * (PHOTOPRISM_VISION_URI), and the older /describe. Several pictures of a request are of one photo: their
 * labels are united, the first sentence counts. */
#include "serve/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { IDENTITY = 64 };

void model_version(const at_model *m, char *text, size_t size)
{
    (void)snprintf(text, size, "%s-%s-%.8s", at_model_architecture(m), at_model_precision(m),
                   at_model_sha256(m));
}

static bool read_picture(request *r, const json_t *url)
{
    return json_is_string(url)
               ? source_url(r, json_string_value(url), json_string_length(url), NULL)
               : fail(&r->problem, AT_E_INVALID_PARAMETER, "images: a list of URLs is needed");
}

/* {"id": ..., "images": [URL, ...]} or "url"; what other engines need beside is not for us. */
static bool read_body(request *r)
{
    json_t *o = body_json(r), *item;
    if (!o) return false;
    const json_t *images = json_object_get(o, "images"), *url = json_object_get(o, "url");
    const char *id = json_string_value(json_object_get(o, "id"));
    r->told = id ? strndup(id, IDENTITY) : NULL;
    r->told_free = free;
    bool ok = true;
    size_t i;
    json_array_foreach(images, i, item) ok = ok && read_picture(r, item);
    if (ok && json_array_size(images) == 0 && json_string_length(url)) ok = read_picture(r, url);
    if (ok && r->n_pictures == 0)
        ok = fail(&r->problem, AT_E_NO_INPUT, "neither images nor url has a picture");
    json_decref(o);
    return ok;
}

static json_t *refuse(request *r, int http)
{
    return json_pack("{ss? si so s{}}", "id", r->told ? (const char *)r->told : "", "code", http,
                     "error", problem_detail(&r->problem), "result");
}

static void put(request *r, const char *type, const at_model *m, json_t *found)
{
    char version[128];
    model_version(m, version, sizeof version);
    answer_json(r, json_pack("{ss? si s{ss ss ss} so}", "id", r->told ? (const char *)r->told : "",
                             "code", 200, "model", "type", type, "name", "anytag", "version",
                             version, "result", found));
}

static json_t *label(const at_tags *t, size_t i, const char *name)
{
    const double score = (double)at_tags_score(t, i);
    return json_pack("{ss ss si sf sf}", "name", name, "source", "image", "priority", 0,
                     "confidence", score, "topicality", score);
}

/* The label of a name, if an earlier picture had it. */
static json_t *labelled(const json_t *labels, const char *name)
{
    size_t i;
    json_t *l;
    json_array_foreach(labels, i, l)
    {
        if (strcmp(json_string_value(json_object_get(l, "name")), name) == 0) return l;
    }
    return NULL;
}

static void write_labels(request *r)
{
    json_t *labels = json_array();
    const char *lang = r->values[Q_LANG] && strcmp(r->values[Q_LANG], "zh") == 0 ? "zh" : "en";
    for (size_t k = 0; k < r->n_pictures; k++) {
        const at_tags *t = r->pictures[k]->result ? r->pictures[k]->result->tags : NULL;
        for (size_t i = 0; t && i < at_tags_count(t); i++) {
            const char *name = at_tags_name(t, i, lang);
            if (!*name) name = at_tags_name(t, i, "en");
            json_t *there = labelled(labels, name);
            const double score = (double)at_tags_score(t, i);
            if (!there) {
                (void)json_array_append_new(labels, label(t, i, name));
            } else if (json_real_value(json_object_get(there, "confidence")) < score) {
                (void)json_object_set_new(there, "confidence", json_real(score));
                (void)json_object_set_new(there, "topicality", json_real(score));
            }
        }
    }
    put(r, "labels", r->s->tag, json_pack("{so}", "labels", labels));
}

/* The first sentence there is and how sure it is: the mean of its tokens' probabilities, as a product's. */
static const char *sentence(const request *r, double *confidence)
{
    for (size_t k = 0; k < r->n_pictures; k++) {
        const result *x = r->pictures[k]->result;
        if (!x || !x->captions || !at_captions_count(x->captions)) continue;
        size_t n = 0;
        (void)at_captions_ids(x->captions, 0, &n);
        *confidence = exp((double)at_captions_log_prob(x->captions, 0) / (double)(n ? n : 1));
        return at_captions_text(x->captions, 0);
    }
    return NULL;
}

static void write_caption(request *r)
{
    double sure = 0;
    const char *text = sentence(r, &sure);
    put(r, "caption", r->s->caption,
        text ? json_pack("{s{ss ss sf}}", "caption", "text", text, "source", "image", "confidence",
                         sure)
             : json_object());
}

static void write_description(request *r)
{
    char version[128];
    double sure = 0;
    const char *text = sentence(r, &sure);
    model_version(r->s->caption, version, sizeof version);
    answer_json(r, json_pack("{ss? s{ss ss} s{ss}}", "id", r->told ? (const char *)r->told : "",
                             "model", "name", "anytag", "version", version, "result", "caption",
                             text ? text : ""));
}

const foreign photoprism_labels = {AT_COMPAT_PHOTOPRISM, false,  read_body,
                                   write_labels,         refuse, NULL},
              photoprism_caption = {AT_COMPAT_PHOTOPRISM, false,  read_body,
                                    write_caption,        refuse, NULL},
              photoprism_describe = {AT_COMPAT_PHOTOPRISM, false,  read_body,
                                     write_description,    refuse, NULL};
