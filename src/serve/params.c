/* params.c - one table of parameters: the query, a form's fields and JSON members are read by it, and
 * /openapi.json and the checks of values are made of it. */
#include "serve/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// clang-format off
const param params[PARAMS] = {
    [Q_THRESHOLD] = {"threshold", PARAM_TEXT, TASK_TAG | TASK_CAPTION, 0, 0, NULL, "auto",
        "auto: each tag's own; 0.7 for all; auto+0.05 shifts"},
    [Q_TOP] = {"top", PARAM_INTEGER, TASK_TAG, 0, 100000, NULL, "5", "at most so many tags; 0: no limit"},
    [Q_LANG] = {"lang", PARAM_CHOICE, TASK_TAG | TASK_CAPTION | FOR_VOCABULARY, 0, 0, "en|zh|en,zh", "en",
        "of the program's text formats and of q; a record always has both names"},
    [Q_ONLY] = {"only", PARAM_LIST, TASK_TAG, 0, 0, NULL, "dog,cat", "report these tags alone"},
    [Q_EXCLUDE] = {"exclude", PARAM_LIST, TASK_TAG, 0, 0, NULL, "person", "never report these tags"},
    [Q_CUSTOM] = {"custom", PARAM_LIST, TASK_TAG, 0, 0, NULL, "red bicycle,birthday party",
        "words of your own as tags; needs a text encoder"},
    [Q_ONLY_CUSTOM] = {"only_custom", PARAM_FLAG, TASK_TAG, 0, 0, NULL, "0", "the words of custom alone"},
    [Q_SCORES] = {"scores", PARAM_FLAG, TASK_TAG, 0, 0, NULL, "0", "also every score, base64 float32"},
    [Q_BOXES] = {"boxes", PARAM_FLAG, TASK_TAG, 0, 0, NULL, "0",
        "also objects: boxes from heat maps, a hint and no detector's"},
    [Q_CROP] = {"crop", PARAM_TEXT, TASK_TAG | TASK_CAPTION | FOR_HEAT, 0, 0, NULL, "0,0,64,64",
        "x0,y0,x1,y1: this part, in pixels of the upright picture"},
    [Q_TASKS] = {"tasks", PARAM_LIST, FOR_BODY, 0, 0, "tag|caption", "tag,caption", "what to do"},
    [Q_BEAMS] = {"beams", PARAM_INTEGER, TASK_CAPTION, 1, 64, NULL, "3", "width of the search; 1: greedy"},
    [Q_NUM] = {"num", PARAM_INTEGER, TASK_CAPTION, 1, 64, NULL, "1", "captions of a picture"},
    [Q_MIN_LENGTH] = {"min_length", PARAM_INTEGER, TASK_CAPTION, 1, 512, NULL, "10", "least tokens"},
    [Q_MAX_LENGTH] = {"max_length", PARAM_INTEGER, TASK_CAPTION, 1, 512, NULL, "50", "most tokens"},
    [Q_GUIDE] = {"guide", PARAM_LIST, TASK_CAPTION, 0, 0, NULL, "dog,street", "write about these tags"},
    [Q_GUIDE_FROM] = {"guide_from", PARAM_CHOICE, TASK_CAPTION, 0, 0, "auto|none", "auto",
        "none: write without tags"},
    [Q_REQUIRE] = {"require", PARAM_LIST, TASK_CAPTION, 0, 0, NULL, "dog", "words the caption must have"},
    [Q_FORBID] = {"forbid", PARAM_LIST, TASK_CAPTION, 0, 0, NULL, "cat", "words it must not have"},
    [Q_Q] = {"q", PARAM_TEXT, FOR_VOCABULARY, 0, 0, NULL, "dog", "tags whose name has this part"},
    [Q_LIMIT] = {"limit", PARAM_INTEGER, FOR_VOCABULARY, 1, 100000, NULL, "100", "at most so many"},
    [Q_OFFSET] = {"offset", PARAM_INTEGER, FOR_VOCABULARY, 0, 100000000, NULL, "0", "leave out the first"},
    [Q_TEXT] = {"text", PARAM_TEXT, FOR_TEXT | FOR_IMMICH, 0, 0, NULL, "a red bicycle", "a text"},
    [Q_FORMAT] = {"format", PARAM_CHOICE, FOR_RESULTS, 0, 0, "jsonl|json|csv", "jsonl", "of the results"},
    [Q_EXCEL] = {"excel", PARAM_FLAG, FOR_RESULTS, 0, 0, NULL, "0",
        "csv: ' before texts that begin with = + - @, a tab or CR, which a spreadsheet would compute"},
    [Q_TOKEN] = {"token", PARAM_TEXT, FOR_JOB, 0, 0, NULL, "0a1b", "of a job's links: opens that job without a key"},
    [Q_ENTRIES] = {"entries", PARAM_TEXT, FOR_IMMICH, 0, 0, NULL, "{}", "tasks, types and models, as JSON"},
    [Q_TAG] = {"tag", PARAM_TEXT, FOR_HEAT, 0, 0, NULL, "dog", "which tag, in English or Chinese"},
    [Q_SIZE] = {"size", PARAM_CHOICE, FOR_HEAT, 0, 0, "picture|model", "picture", "model: a pixel for each cell of the map"},
};
// clang-format on

enum { VALUE_MOST = 65536, CUSTOM_MOST = 256, SAME_NAME = 64 };

static bool bad(request *r, const char *name, const char *allowed, const char *format,
                const char *value)
{
    if (r->problem.what) return false;
    r->problem.extra = json_pack("{ss*}", "allowed", allowed);
    char detail[512];
    (void)snprintf(detail, sizeof detail, "%.60s: ", name);
    const size_t n = strlen(detail);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" // the callers' own, each with one %.Ns
    (void)snprintf(detail + n, sizeof detail - n, format, value);
#pragma GCC diagnostic pop
    (void)fail(&r->problem, AT_E_INVALID_PARAMETER, "%s", detail);
    problem_point(&r->problem, name);
    return false;
}

static bool known_names(request *r, const char *name)
{
    char known[512] = "";
    for (int q = 0; q < PARAMS; q++) {
        if (params[q].uses & r->route->uses)
            (void)snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s",
                           known[0] ? " " : "", params[q].name);
    }
    return bad(r, name, known, "is no parameter of this route; known are: %s", known);
}

static bool number_ok(request *r, const param *p, const char *value)
{
    char *end, range[64], detail[160];
    errno = 0;
    const long v = strtol(value, &end, 10);
    (void)snprintf(range, sizeof range, "%ld..%ld", p->least, p->most);
    if (!errno && end != value && !*end && v >= p->least && v <= p->most) return true;
    (void)snprintf(detail, sizeof detail, "\"%.40s\" is not a whole number in %s", value, range);
    return bad(r, p->name, range, "%s", detail);
}

/* Is the word one of "a|b|c"? */
static bool among(const char *choices, const char *word, size_t n)
{
    for (const char *c = choices; c; c = strchr(c, '|') ? strchr(c, '|') + 1 : NULL) {
        if (strcspn(c, "|") == n && strncmp(c, word, n) == 0) return true;
    }
    return false;
}

static bool value_ok(request *r, const param *p, const char *value)
{
    if (p->kind == PARAM_INTEGER) return number_ok(r, p, value);
    if (p->kind == PARAM_FLAG)
        return among("0|1|true|false|on|off", value, strlen(value)) ||
               bad(r, p->name, "0|1|true|false", "\"%.40s\" is not 0 or 1", value);
    if (p->kind == PARAM_CHOICE)
        return among(p->choices, value, strlen(value)) ||
               bad(r, p->name, p->choices, "\"%.40s\" is not known", value);
    for (const char *w = value; p->choices && w; w = strchr(w, ',') ? strchr(w, ',') + 1 : NULL) {
        if (!among(p->choices, w, strcspn(w, ",")))
            return bad(r, p->name, p->choices, "\"%.40s\" is not known", w);
    }
    return true;
}

bool param_set(request *r, const char *name, const char *value, size_t size)
{
    int q = 0;
    while (q < PARAMS && !(strcmp(params[q].name, name) == 0 && params[q].uses & r->route->uses))
        q++;
    json_t *utf8 = json_string(name); // NULL: not UTF-8
    json_decref(utf8);
    if (!utf8) return fail(&r->problem, AT_E_INVALID_TEXT, "the name of a parameter is not UTF-8");
    if (q == PARAMS) return known_names(r, name);
    if (size > VALUE_MOST) return bad(r, name, NULL, "longer than %s bytes", "65536");
    if (r->values[q]) return bad(r, name, NULL, "given %s", "twice");
    utf8 = json_stringn(value, size);
    json_decref(utf8);
    if (!utf8 || memchr(value, 0, size)) {
        (void)fail(&r->problem, AT_E_INVALID_TEXT, "%s: not UTF-8 text", name);
        problem_point(&r->problem, name);
        return false;
    }
    char *copy = strndup(value, size);
    if (!copy) return fail(&r->problem, AT_E_OUT_OF_MEMORY, "no memory for %s", name);
    r->values[q] = copy;
    return value_ok(r, &params[q], copy);
}

long param_number(const request *r, int q, long otherwise)
{
    return r->values[q] ? strtol(r->values[q], NULL, 10) : otherwise;
}

bool param_flag(const request *r, int q)
{
    const char *v = r->values[q];
    return v && (strcmp(v, "1") == 0 || strcmp(v, "true") == 0 || strcmp(v, "on") == 0);
}

static bool read_threshold(request *r, at_tag_options *t)
{
    const char *s = r->values[Q_THRESHOLD];
    if (!s || strcmp(s, "auto") == 0) return true;
    const bool shift = strncmp(s, "auto", 4) == 0;
    const char *digits = shift ? s + 4 : s;
    char *end;
    t->threshold_mode = shift ? AT_THRESHOLD_SHIFT : AT_THRESHOLD_ONE;
    t->threshold = strtof(digits, &end);
    const bool plain = digits[strspn(digits, "0123456789.+-eE")] == 0; // no nan, no 0x1p3
    const float least = shift ? -1 : 0;
    if (plain && end != digits && !*end && t->threshold >= least && t->threshold <= 1 &&
        (!shift || *digits == '+' || *digits == '-'))
        return true;
    return bad(r, "threshold", "auto, 0..1, auto+0.05", "\"%.40s\" is none of these", s);
}

bool unknown_tag(request *r, const char *option, const char *name)
{
    size_t near[3];
    json_t *names = json_array();
    const size_t k = at_model_nearest_tags(r->s->tag, name, near, 3);
    for (size_t i = 0; i < k; i++)
        (void)json_array_append_new(names, json_string(at_model_tag(r->s->tag, near[i], "en")));
    r->problem.extra = json_pack("{ss so}", "pointer", option, "nearest", names);
    return fail(&r->problem, AT_E_UNKNOWN_TAG, "unknown tag \"%.60s\" in %s", name, option + 1);
}

/* Calls back for each word of "a, b" without blanks around it. */
static bool each_word(request *r, char *text, bool (*word)(request *r, char *w, void *user),
                      void *user)
{
    char *save = NULL;
    for (char *w = text ? strtok_r(text, ",", &save) : NULL; w; w = strtok_r(NULL, ",", &save)) {
        w += strspn(w, " \t\r\n");
        for (char *end = w + strlen(w); end > w && strchr(" \t\r\n", end[-1]);)
            *--end = 0;
        if (*w && !word(r, w, user)) return false;
    }
    return true;
}

typedef struct marks {
    bool *in;
    size_t *n; // words
    const char *option;
} marks;

static bool mark(request *r, char *w, void *user)
{
    const marks *m = user;
    ++*m->n;
    size_t found[SAME_NAME];
    const size_t k = at_model_find_tags(r->s->tag, w, found, SAME_NAME);
    for (size_t i = 0; i < k && i < SAME_NAME; i++)
        m->in[found[i]] = true;
    return k > 0 || unknown_tag(r, m->option, w);
}

/* Tags that are not wanted get a threshold that no score passes: pictures of any wishes can be computed
 * together, by one session. */
static bool read_lists(request *r, wants *w)
{
    if (!r->values[Q_ONLY] && !r->values[Q_EXCLUDE]) return true;
    const size_t n = at_model_tags(r->s->tag);
    bool *only = calloc(n + 1, sizeof *only), *gone = calloc(n + 1, sizeof *gone);
    char *a = strdup(r->values[Q_ONLY] ? r->values[Q_ONLY] : ""),
         *b = strdup(r->values[Q_EXCLUDE] ? r->values[Q_EXCLUDE] : "");
    w->thresholds = malloc((n + 1) * sizeof *w->thresholds);
    bool ok = only && gone && a && b && w->thresholds;
    if (!ok) (void)fail(&r->problem, AT_E_OUT_OF_MEMORY, "no memory for the list of tags");
    size_t n_only = 0, n_gone = 0;
    ok = ok && each_word(r, a, mark, &(marks){only, &n_only, "/only"}) &&
         each_word(r, b, mark, &(marks){gone, &n_gone, "/exclude"});
    if (ok && r->values[Q_ONLY] && !n_only)
        ok = bad(r, "only", NULL, "there are no tags in %s; leave it out for all of them", "it");
    for (size_t i = 0; ok && i < n; i++) {
        const bool wanted = (!r->values[Q_ONLY] || only[i]) && !gone[i];
        const float own = w->tag.threshold_mode == AT_THRESHOLD_ONE
                              ? w->tag.threshold
                              : at_model_threshold(r->s->tag, i);
        w->thresholds[i] = wanted ? own : 3; // a shift takes 1 away at most
    }
    if (w->tag.threshold_mode == AT_THRESHOLD_ONE) w->tag.threshold_mode = AT_THRESHOLD_OWN;
    w->tag.thresholds = w->thresholds;
    free(only);
    free(gone);
    free(a);
    free(b);
    return ok;
}

static bool read_crop(request *r, int crop[4])
{
    const char *s = r->values[Q_CROP];
    char *end;
    for (int i = 0; s && i < 4; i++, s = end + 1) {
        const long v = strtol(s, &end, 10);
        if (end == s || v < 0 || v > 1000000 || *end != (i < 3 ? ',' : 0))
            return bad(r, "crop", "x0,y0,x1,y1", "\"%.40s\" is not that", r->values[Q_CROP]);
        crop[i] = (int)v;
    }
    if (s && (crop[0] >= crop[2] || crop[1] >= crop[3]))
        return bad(r, "crop", "x0 < x1, y0 < y1", "\"%.40s\" is empty", r->values[Q_CROP]);
    return true;
}

typedef struct words {
    const char **list;
    size_t *n;
    const char *name;
} words;

static bool add_word(request *r, char *w, void *user)
{
    const words *list = user;
    if (*list->n == WORDS) return bad(r, list->name, NULL, "more than %s words", "16");
    list->list[(*list->n)++] = w;
    return true;
}

static bool read_caption(request *r, wants *w)
{
    at_caption_options *c = &w->caption;
    *c = (at_caption_options){.struct_size = sizeof *c,
                              .beams = (int)param_number(r, Q_BEAMS, 0),
                              .num = (int)param_number(r, Q_NUM, 0),
                              .min_length = (int)param_number(r, Q_MIN_LENGTH, 0),
                              .max_length = (int)param_number(r, Q_MAX_LENGTH, 0),
                              .guide = r->values[Q_GUIDE],
                              .require = w->require,
                              .forbid = w->forbid};
    w->guides = (at_tag_options){.struct_size = sizeof w->guides};
    if (!r->own_guides) {
        w->guides.threshold_mode = w->tag.threshold_mode;
        w->guides.threshold = w->tag.threshold;
    }
    c->tags = &w->guides;
    c->no_guide = r->values[Q_GUIDE_FROM] && strcmp(r->values[Q_GUIDE_FROM], "none") == 0;
    w->require_text = r->values[Q_REQUIRE] ? strdup(r->values[Q_REQUIRE]) : NULL;
    w->forbid_text = r->values[Q_FORBID] ? strdup(r->values[Q_FORBID]) : NULL;
    if (!each_word(r, w->require_text, add_word, &(words){w->require, &c->n_require, "require"}) ||
        !each_word(r, w->forbid_text, add_word, &(words){w->forbid, &c->n_forbid, "forbid"}))
        return false;
    at_error err = {0};
    if (at_caption_options_check(r->s->caption, c, &err) == AT_OK) return true;
    (void)fail_error(&r->problem, &err);
    for (int q = 0; q < PARAMS; q++) { // "min_length: 40 is outside 1..5"
        const size_t n = strlen(params[q].name);
        if (strncmp(err.text, params[q].name, n) == 0 && err.text[n] == ':')
            problem_point(&r->problem, params[q].name);
    }
    return false;
}

static bool count_word(request *r, char *w, void *user)
{
    size_t *n = user;
    (void)w;
    return ++*n <= CUSTOM_MOST || bad(r, "custom", NULL, "more than %s words", "256");
}

static bool read_custom(request *r, wants *w)
{
    w->only_custom = param_flag(r, Q_ONLY_CUSTOM);
    if (!r->values[Q_CUSTOM])
        return !w->only_custom || bad(r, "only_custom", NULL, "there are no words in %s", "custom");
    size_t n = 0;
    char *copy = strdup(r->values[Q_CUSTOM]);
    const bool counted = each_word(r, copy, count_word, &n);
    free(copy);
    if (!counted) return false;
    const bool one = r->values[Q_ONLY] || r->values[Q_EXCLUDE]; // then there is no mode for all
    const float t = one && w->tag.threshold_mode == AT_THRESHOLD_OWN && r->values[Q_THRESHOLD] &&
                            r->values[Q_THRESHOLD][0] != 'a'
                        ? (w->tag.threshold > 0 ? w->tag.threshold : 1e-6F)
                        : 0;
    if (!n) return bad(r, "custom", NULL, "there are no words in %s; leave it out", "it");
    const bool made = words_set(r, r->values[Q_CUSTOM], t, &w->labels);
    if (!made) problem_point(&r->problem, "custom");
    return made;
}

/* Everything that changes a result, in the order of the table. */
static bool read_key(request *r, wants *w)
{
    size_t size = 0;
    FILE *f = open_memstream(&w->key, &size);
    if (!f) return fail(&r->problem, AT_E_OUT_OF_MEMORY, "no memory");
    fprintf(f, "%u%s", w->tasks, r->own_guides ? "g" : "");
    for (int q = 0; q < PARAMS; q++) {
        if (r->values[q] && q != Q_LANG && q != Q_TASKS && q != Q_SCORES)
            fprintf(f, "\n%d=%s", q, r->values[q]);
    }
    return fclose(f) == 0 || fail(&r->problem, AT_E_OUT_OF_MEMORY, "no memory");
}

bool wants_read(request *r)
{
    wants *w = &r->want;
    w->tasks = r->route->uses & FOR_TEXT ? TASK_EMBED : r->route->tasks;
    if (r->values[Q_TASKS])
        w->tasks = (strstr(r->values[Q_TASKS], "tag") ? TASK_TAG : 0U) |
                   (strstr(r->values[Q_TASKS], "caption") ? TASK_CAPTION : 0U);
    else if (r->route->uses & FOR_BODY)
        w->tasks = (r->s->tag ? TASK_TAG : 0U) | (r->s->caption ? TASK_CAPTION : 0U);
    if (((w->tasks & TASK_TAG) && !r->s->tag) || ((w->tasks & TASK_CAPTION) && !r->s->caption))
        return fail(&r->problem, P_MODEL_NOT_AVAILABLE, "no model of this server can %s",
                    w->tasks & TASK_CAPTION && !r->s->caption ? "write captions" : "tag");
    w->tag = (at_tag_options){.struct_size = sizeof w->tag, .top = (int)param_number(r, Q_TOP, 0)};
    w->scores = param_flag(r, Q_SCORES);
    w->boxes = param_flag(r, Q_BOXES);
    if (w->boxes) w->tag.heat = AT_HEAT_FOUND;
    bool ok = read_threshold(r, &w->tag) && read_crop(r, w->crop);
    if (ok && w->tasks & TASK_CAPTION) ok = read_caption(r, w);
    if (ok && w->tasks & TASK_TAG) ok = read_lists(r, w) && read_custom(r, w);
    if (ok && r->route->uses & FOR_HEAT) ok = heatmap_read(r, w);
    if (ok && r->route->as && r->route->as->want) ok = r->route->as->want(r, w);
    return ok && read_key(r, w);
}

void wants_free(wants *w)
{
    free(w->thresholds);
    free(w->require_text);
    free(w->forbid_text);
    free(w->key);
    at_labels_free(w->labels);
}
