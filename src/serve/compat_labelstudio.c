/* compat_labelstudio.c - the ML backend that Label Studio connects to: predictions for the first Choices,
 * Taxonomy, RectangleLabels and TextArea of a project that are about a picture. Only labels of the project are said, since
 * its validator refuses others. Nothing is trained and nothing of a project is kept. */
#include "serve/internal.h"
#include "serve/label_config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { WINDOW = 16, VERSION = 136, CONFIG_WHY = 200, LABELS = 200 };

typedef struct project {
    label_config config;
    int *map[CONTROLS]; // the choice that each tag stands for
} project;

static void version_of(const at_server *s, char text[VERSION])
{
    const at_model *m = s->tag ? s->tag : s->caption;
    (void)snprintf(text, VERSION, "anytag-");
    if (m) model_version(m, text + strlen(text), VERSION - strlen(text));
}

static void warn(const request *r, const char *text)
{
    char line[700];
    (void)snprintf(line, sizeof line, "%s: Label Studio: %s", r->id, text);
    if (r->s->o.log) r->s->o.log(r->s->o.user, AT_LOG_WARNING, line);
}

static json_t *refuse(request *r, int http)
{
    return json_pack("{si so s{} s{ss}}", "status", http, "detail", problem_detail(&r->problem),
                     "request", "result", "traceback", "");
}

/* --- where a task's picture is --------------------------------------------------------------------------- */

/* "folder/a%20b.jpg&...": a file below the media root. */
static bool read_local(request *r, const char *query)
{
    char *path = strndup(query, strcspn(query, "&#"));
    if (!path) return fail(&r->problem, AT_E_OUT_OF_MEMORY, "no memory");
    source_unescape(path);
    const bool ok = source_path(r, path);
    free(path);
    return ok;
}

static bool read_source(request *r, const json_t *value)
{
    const char *url = json_string_value(value), *base = r->s->o.label_studio_url;
    if (!url) return fail(&r->problem, AT_E_NO_INPUT, "the task's data names no picture");
    const size_t n = json_string_length(value);
    const char *local = "/data/local-files/?d=";
    if (r->s->media >= 0 && strncmp(url, local, strlen(local)) == 0)
        return read_local(r, url + strlen(local));
    if (url[0] == '/' && !base)
        return fail(
            &r->problem, P_URL_NOT_ALLOWED,
            "%.200s is on Label Studio's host; set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY%s",
            url, strncmp(url, "/data/local", 11) == 0 ? ", or --media-root" : "");
    if (url[0] == '/') {
        size_t k = strlen(base);
        while (k && base[k - 1] == '/')
            k--;
        char *whole = malloc(k + n + 1);
        if (!whole) return fail(&r->problem, AT_E_OUT_OF_MEMORY, "no memory");
        memcpy(whole, base, k);
        memcpy(whole + k, url, n + 1);
        const bool ok = source_url(r, whole, k + n, NULL);
        free(whole);
        return ok;
    }
    const size_t scheme = strcspn(url, ":");
    if (strncmp(url + scheme, "://", 3) == 0 && strncasecmp(url, "http", 4) != 0)
        return fail(&r->problem, P_URL_NOT_ALLOWED,
                    "%.20s... is storage that is not read here; let Label Studio make pre-signed "
                    "URLs, and name their host with --allow-urls",
                    url);
    return source_url(r, url, n, NULL);
}

/* A task without a picture is one that failed; the others are still answered. */
static bool read_task(request *r, const json_t *value)
{
    const size_t n = r->n_pictures;
    if (read_source(r, value)) return true;
    const int what = r->problem.what;
    if (what == AT_E_OUT_OF_MEMORY || what == P_QUEUE_FULL) return false;
    problem why = r->problem;
    r->problem = (problem){0};
    picture *p = r->n_pictures > n ? r->pictures[n] : body_picture(r, NULL);
    if (p) {
        p->what = what;
        p->error.status = AT_E_NO_INPUT;
        (void)snprintf(p->error.text, sizeof p->error.text, "%.*s", (int)sizeof p->error.text - 1,
                       why.detail);
    }
    problem_clear(&why);
    return p != NULL;
}

/* --- predictions ----------------------------------------------------------------------------------------- */

static json_t *path_of(const label_control *c, long i)
{
    json_t *path = json_array();
    for (; i >= 0; i = c->choices[i].parent)
        (void)json_array_insert_new(path, 0, json_string(label_choice_said(&c->choices[i])));
    return path;
}

/* The tag that speaks for each choice of a control: its index in `t`, the best that reaches its floor, -1: none;
 * [n_choices], freed by the caller. */
static long *best_tags(const at_model *m, const label_control *c, const int *map, const at_tags *t)
{
    long *best = malloc((c->n_choices + 1) * sizeof *best);
    for (size_t i = 0; best && i < c->n_choices; i++)
        best[i] = -1;
    for (size_t k = 0; best && k < at_tags_count(t); k++) {
        const size_t id = at_tags_id(t, k);
        const int i = map[id];
        const double least = c->least >= 0 ? c->least : (double)at_model_threshold(m, id);
        const float score = at_tags_score(t, k);
        if (i < 0 || (double)score < least || score <= 0) continue;
        if (best[i] < 0 || score > at_tags_score(t, (size_t)best[i])) best[i] = (long)k;
    }
    return best;
}

/* The labels of a control, the best first, and the best's score. */
static json_t *labels_of(const label_control *c, long *tags, const at_tags *t, double *best)
{
    json_t *list = json_array();
    for (size_t n = 0; n < LABELS; n++) {
        long at = -1;
        for (size_t i = 0; i < c->n_choices; i++) {
            if (tags[i] >= 0 &&
                (at < 0 || at_tags_score(t, (size_t)tags[i]) > at_tags_score(t, (size_t)tags[at])))
                at = (long)i;
        }
        if (at < 0) break;
        if (n == 0) *best = (double)at_tags_score(t, (size_t)tags[at]);
        tags[at] = -1;
        (void)json_array_append_new(list, c->kind == CONTROL_TAXONOMY
                                              ? path_of(c, at)
                                              : json_string(label_choice_said(&c->choices[at])));
        if (c->kind == CONTROL_CHOICES && !c->many) break;
    }
    return list;
}

static json_t *region(const label_control *c, const char *type, const char *member, json_t *value)
{
    return json_pack("{ss ss ss ss s{so}}", "id", type, "from_name", c->from, "to_name", c->to,
                     "type", type, "value", member, value);
}

static void add_labels(const label_control *c, long *tags, const at_tags *t, json_t *regions,
                       double *score)
{
    static const char *const types[] = {"choices", "taxonomy"};
    double best = 0;
    json_t *labels = labels_of(c, tags, t, &best);
    if (json_array_size(labels) == 0) {
        json_decref(labels);
        return;
    }
    json_t *one = region(c, types[c->kind], types[c->kind], labels);
    (void)json_object_set_new(one, "score", json_real(best));
    (void)json_array_append_new(regions, one);
    if (best > *score) *score = best;
}

/* Boxes from heat maps (heat.h), in percent of the picture. */
static void add_boxes(const request *r, const result *x, const label_control *c, const int *map,
                      const long *tags, json_t *regions, double *score)
{
    const int width = at_image_width(x->image), height = at_image_height(x->image);
    size_t n = 0;
    at_record_box *boxes = heatmap_boxes(r, x, &n);
    for (size_t k = 0; boxes && k < n; k++) {
        const at_record_box *b = &boxes[k];
        const int i = map[at_tags_id(x->tags, b->tag)];
        if (i < 0 || tags[i] != (long)b->tag) continue;
        const double own = (double)at_tags_score(x->tags, b->tag);
        char id[24];
        (void)snprintf(id, sizeof id, "box%zu", k);
        (void)json_array_append_new(
            regions,
            json_pack("{ss ss ss ss si si si sf s{sf sf sf sf si s[s]}}", "id", id, "from_name",
                      c->from, "to_name", c->to, "type", "rectanglelabels", "original_width", width,
                      "original_height", height, "image_rotation", 0, "score", own, "value", "x",
                      100.0 * b->box[0] / width, "y", 100.0 * b->box[1] / height, "width",
                      100.0 * (b->box[2] - b->box[0]) / width, "height",
                      100.0 * (b->box[3] - b->box[1]) / height, "rotation", 0, "rectanglelabels",
                      label_choice_said(&c->choices[i])));
        if (own > *score) *score = own;
    }
    free(boxes);
}

static void add_control(const request *r, int kind, const result *x, json_t *regions, double *score)
{
    const project *j = r->told;
    const label_control *c = j->config.control[kind];
    const int *map = j->map[kind];
    long *tags = map ? best_tags(r->s->tag, c, map, x->tags) : NULL;
    if (tags && kind == CONTROL_BOXES)
        add_boxes(r, x, c, map, tags, regions, score);
    else if (tags)
        add_labels(c, tags, x->tags, regions, score);
    free(tags);
}

static json_t *prediction(const request *r, const picture *p, const char *version)
{
    const project *j = r->told;
    const label_control *text = j->config.control[CONTROL_TEXT];
    json_t *regions = json_array();
    double score = 0;
    const bool ok = p && p->error.status == AT_OK && p->result;
    const at_captions *texts = ok ? p->result->captions : NULL;
    for (int k = CONTROL_CHOICES; ok && p->result->tags && k <= CONTROL_BOXES; k++)
        add_control(r, k, p->result, regions, &score);
    if (texts && text && at_captions_count(texts))
        (void)json_array_append_new(regions, region(text, "textarea", "text",
                                                    json_pack("[s]", at_captions_text(texts, 0))));
    json_t *o = json_pack("{ss sf so}", "model_version", version, "score", score, "result",
                          regions);
    if (p && p->error.status != AT_OK) // an empty prediction, for a list must stay whole
        (void)json_object_set_new(o, "error", json_string(p->error.text));
    return o;
}

static void write_predictions(request *r)
{
    char version[VERSION];
    version_of(r->s, version);
    json_t *results = json_array();
    size_t failed = 0;
    const picture *first = NULL;
    for (size_t i = 0; i < r->n_pictures; i++) {
        const picture *p = r->pictures[i];
        (void)json_array_append_new(results, prediction(r, p, version));
        if (p->error.status == AT_OK) continue;
        failed++;
        if (!first) first = p;
    }
    if (first) {
        char line[600];
        (void)snprintf(line, sizeof line, "%zu of %zu tasks have no prediction: %.400s", failed,
                       r->n_pictures, first->error.text);
        warn(r, line);
    }
    answer_json(r, json_pack("{so}", "results", results));
}

static void free_project(void *told)
{
    project *j = told;
    label_config_free(&j->config);
    for (int k = 0; k < CONTROLS; k++)
        free(j->map[k]);
    free(j);
}

/* A floor of the project's own takes the place of the tags' thresholds. */
static bool set_floor(request *r, const label_control *c, double *floor)
{
    char text[32];
    if (c->least < 0 || c->least >= *floor) return true;
    *floor = c->least;
    (void)snprintf(text, sizeof text, "%.6f", c->least);
    free(r->values[Q_THRESHOLD]);
    r->values[Q_THRESHOLD] = strdup(text);
    return r->values[Q_THRESHOLD] || fail(&r->problem, AT_E_OUT_OF_MEMORY, "no memory");
}

/* What can be done for this project, as the parameters that say so; false: nothing, or r->problem. */
static bool choose_tasks(request *r)
{
    project *j = r->told;
    bool tag = false;
    const bool text = j->config.control[CONTROL_TEXT] && r->s->caption;
    double floor = 1;
    for (int k = CONTROL_CHOICES; k <= CONTROL_BOXES; k++) {
        const label_control *c = j->config.control[k];
        if (!c || c->n_choices == 0 || !r->s->tag) continue;
        j->map[k] = label_choice_map(c, r->s->tag);
        if (!j->map[k]) return fail(&r->problem, AT_E_OUT_OF_MEMORY, "no memory");
        if (!set_floor(r, c, &floor)) return false;
        tag = true;
    }
    if (!tag && !text) {
        warn(
            r,
            "the project has no Choices, Taxonomy or RectangleLabels with labels, and no "
            "TextArea, about a picture that a model of this server can fill in; its predictions are empty");
        return false;
    }
    r->values[Q_TASKS] = strdup(tag && text ? "tag,caption" : tag ? "tag" : "caption");
    return r->values[Q_TASKS] || fail(&r->problem, AT_E_OUT_OF_MEMORY, "no memory");
}

static bool is_named(const project *j, size_t id)
{
    bool named = false;
    for (int k = CONTROL_CHOICES; k <= CONTROL_BOXES; k++)
        named = named || (j->map[k] && j->map[k][id] >= 0);
    return named;
}

/* A map costs more than a tag: with boxes, only tags that the project names are found. They are told as the
 * value of a parameter that the route has not, so that projects keep apart in the cache. */
static bool want_boxes(request *r, wants *w)
{
    const project *j = r->told;
    if (!(w->tasks & TASK_TAG) || !j || !j->map[CONTROL_BOXES]) return true;
    const size_t n = at_model_tags(r->s->tag);
    size_t size = 0;
    FILE *f = open_memstream(&r->values[Q_BOXES], &size);
    w->thresholds = malloc((n + 1) * sizeof *w->thresholds);
    for (size_t i = 0; f && w->thresholds && i < n; i++) {
        const bool named = is_named(j, i);
        const float own = w->tag.threshold_mode == AT_THRESHOLD_ONE
                              ? w->tag.threshold
                              : at_model_threshold(r->s->tag, i);
        w->thresholds[i] = named ? own : 2; // no score reaches it
        if (named) fprintf(f, "%zu,", i);
    }
    const bool ok = f && fclose(f) == 0 && w->thresholds;
    w->tag.threshold_mode = AT_THRESHOLD_OWN;
    w->tag.thresholds = w->thresholds;
    w->tag.heat = AT_HEAT_FOUND;
    return ok || fail(&r->problem, AT_E_OUT_OF_MEMORY, "no memory");
}

static bool answer_empty(request *r, size_t n)
{
    char version[VERSION];
    version_of(r->s, version);
    json_t *results = json_array();
    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(results, prediction(r, NULL, version));
    answer_json(r, json_pack("{so}", "results", results));
    return true;
}

static bool read_config(request *r, const json_t *xml)
{
    char why[CONFIG_WHY];
    project *j = calloc(1, sizeof *j);
    r->told = j;
    r->told_free = free_project;
    if (!j) return fail(&r->problem, AT_E_OUT_OF_MEMORY, "no memory");
    if (!json_is_string(xml))
        return fail(&r->problem, AT_E_INVALID_PARAMETER, "label_config is missing");
    return label_config_read(json_string_value(xml), json_string_length(xml), &j->config, why,
                             sizeof why) ||
           fail(&r->problem, AT_E_INVALID_PARAMETER, "label_config: %s", why);
}

static bool read_tasks(request *r, const json_t *o)
{
    const json_t *tasks = json_object_get(o, "tasks");
    json_t *task;
    size_t i;
    if (!json_is_array(tasks))
        return fail(&r->problem, AT_E_INVALID_PARAMETER, "tasks: a list is needed");
    if (!read_config(r, json_object_get(o, "label_config"))) return false;
    const project *j = r->told;
    if (json_array_size(tasks) == 0 || !choose_tasks(r))
        return !r->problem.what && answer_empty(r, json_array_size(tasks));
    r->window = WINDOW;
    r->own_guides = true;
    json_array_foreach(tasks, i, task)
    {
        if (!read_task(r, json_object_get(json_object_get(task, "data"), j->config.key)))
            return false;
    }
    return true;
}

static bool read_predict(request *r)
{
    json_t *o = body_json(r);
    const bool ok = o && read_tasks(r, o);
    json_decref(o);
    return ok;
}

/* --- the others ------------------------------------------------------------------------------------------ */

static bool read_setup(request *r)
{
    char version[VERSION];
    json_t *o = body_json(r);
    if (!o) return false;
    json_decref(o);
    version_of(r->s, version);
    answer_json(r, json_pack("{ss}", "model_version", version));
    return true;
}

static bool read_webhook(request *r)
{
    static const char *const known[] = {"ANNOTATION_CREATED", "ANNOTATION_UPDATED",
                                        "ANNOTATION_DELETED", "START_TRAINING"};
    json_t *o = body_json(r);
    if (!o) return false;
    const char *action = json_string_value(json_object_get(o, "action"));
    bool is_known = false;
    for (size_t i = 0; action && i < sizeof known / sizeof known[0]; i++)
        is_known = is_known || strcmp(action, known[i]) == 0;
    answer_json(r, is_known ? json_pack("{s{} ss}", "result", "status", "ok")
                            : json_pack("{ss}", "status", "Unknown event"));
    if (is_known) r->status = 201;
    json_decref(o);
    return true;
}

void label_studio_health(request *r)
{
    answer_json(r, json_pack("{ss ss}", "status", "UP", "model_class", "anytag"));
}

const foreign label_studio_setup = {AT_COMPAT_LABEL_STUDIO, true, read_setup, NULL, refuse, NULL},
              label_studio_predict = {AT_COMPAT_LABEL_STUDIO, true,   read_predict,
                                      write_predictions,      refuse, want_boxes},
              label_studio_webhook = {
                  AT_COMPAT_LABEL_STUDIO, true, read_webhook, NULL, refuse, NULL};
