/* label_config.c - the labelling configuration, read with expat as a stream. */
#include "serve/label_config.h"

#include <expat.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *label_choice_said(const label_choice *c)
{
    return c->alias ? c->alias : c->value;
}

enum { WORD_MOST = 256, WORDS_MOST = 20000, SAME_NAME = 64 };

typedef struct naming {
    const at_model *m;
    int *map;
    size_t words; // looked up so far: a list without end is not
} naming;

/* Tags of the name `word` that have no choice yet get this one; with `exact` not in other letters. */
static void name_tags(naming *n, const char *word, int choice, bool exact)
{
    size_t ids[SAME_NAME];
    if (n->words++ >= WORDS_MOST) return;
    const size_t k = at_model_find_tags(n->m, word, ids, SAME_NAME);
    for (size_t i = 0; i < k && i < SAME_NAME; i++) {
        const bool same = strcmp(at_model_tag(n->m, ids[i], "en"), word) == 0 ||
                          strcmp(at_model_tag(n->m, ids[i], "zh"), word) == 0;
        if (n->map[ids[i]] < 0 && (same || !exact)) n->map[ids[i]] = choice;
    }
}

/* Each word of "car, truck". */
static void name_listed(naming *n, const char *list, int choice)
{
    for (const char *w = list; w; w = strchr(w, ',') ? strchr(w, ',') + 1 : NULL) {
        char word[WORD_MOST];
        w += strspn(w, " \t\r\n");
        size_t k = strcspn(w, ",");
        while (k && strchr(" \t\r\n", w[k - 1]))
            k--;
        if (k == 0 || k >= sizeof word) continue;
        memcpy(word, w, k);
        word[k] = 0;
        name_tags(n, word, choice, false);
    }
}

int *label_choice_map(const label_control *c, const at_model *m)
{
    const size_t tags = at_model_tags(m);
    naming n = {.m = m, .map = malloc((tags + 1) * sizeof(int))};
    for (size_t i = 0; n.map && i < tags; i++)
        n.map[i] = -1;
    for (size_t i = 0; n.map && i < c->n_choices; i++)
        name_listed(&n, c->choices[i].predicted, (int)i);
    for (int exact = 1; exact >= 0; exact--) {
        n.words = 0;
        for (size_t i = 0; n.map && i < c->n_choices; i++)
            name_tags(&n, c->choices[i].value, (int)i, exact);
    }
    return n.map;
}

enum { XML_MOST = 262144, DEPTH = 64, PICTURES = 64, CONTROLS_MOST = 64, CHOICES_MOST = 20000 };

struct label_parts {
    struct {
        char *name, *value;
    } pictures[PICTURES];
    size_t n_pictures;
    label_control controls[CONTROLS_MOST];
    size_t n_controls;
    // while it is read
    XML_Parser parser;
    int depth, control_depth; // of the control that is open, 0: none
    long open[DEPTH + 1];     // the choice open at a depth, -1
    size_t choices;
    const char *why;
};

static const char *value_of(const XML_Char **attributes, const char *name)
{
    for (; *attributes; attributes += 2)
        if (strcmp(attributes[0], name) == 0) return attributes[1];
    return NULL;
}

static char *copy_of(const XML_Char **attributes, const char *name)
{
    const char *value = value_of(attributes, name);
    return value ? strdup(value) : NULL;
}

static void stop(struct label_parts *p, const char *why)
{
    if (!p->why) p->why = why;
    (void)XML_StopParser(p->parser, XML_FALSE);
}

static void on_doctype(void *user, const XML_Char *name, const XML_Char *system,
                       const XML_Char *public, int internal)
{
    (void)name, (void)system, (void)public, (void)internal;
    stop(user, "a DOCTYPE is not allowed");
}

static void add_control(struct label_parts *p, control_kind kind, const XML_Char **attributes)
{
    const char *each = value_of(attributes, "perRegion"), *choice = value_of(attributes, "choice"),
               *floor = value_of(attributes, "model_score_threshold");
    const double least = floor ? strtod(floor, NULL) : -1;
    p->control_depth = p->depth;
    if (p->n_controls == CONTROLS_MOST) {
        stop(p, "more than 64 controls");
        return;
    }
    label_control *c = &p->controls[p->n_controls++];
    *c = (label_control){.kind = kind,
                         .from = copy_of(attributes, "name"),
                         .to = copy_of(attributes, "toName"),
                         .many = choice && strcmp(choice, "multiple") == 0,
                         .least = least >= 0 && least <= 1 ? least : -1};
    if (each && strcmp(each, "true") == 0) { // about a region, and there are none
        free(c->to);
        c->to = NULL;
    }
}

static void add_choice(struct label_parts *p, const XML_Char **attributes)
{
    label_control *c = &p->controls[p->n_controls - 1];
    const char *value = value_of(attributes, "value");
    if (!value || p->why) return;
    const size_t n = c->n_choices;
    if (p->choices++ == CHOICES_MOST) {
        stop(p, "more than 20000 choices");
        return;
    }
    if ((n & (n - 1)) == 0) { // 0, 1, 2, 4, 8 ...
        label_choice *more = realloc(c->choices, (n ? 2 * n : 1) * sizeof *more);
        if (!more) {
            stop(p, "no memory");
            return;
        }
        c->choices = more;
    }
    c->choices[n] = (label_choice){.value = strdup(value),
                                   .alias = copy_of(attributes, "alias"),
                                   .predicted = copy_of(attributes, "predicted_values"),
                                   .parent = -1};
    if (!c->choices[n].value) {
        free(c->choices[n].alias);
        free(c->choices[n].predicted);
        stop(p, "no memory");
        return;
    }
    for (int d = p->depth - 1; d > p->control_depth && c->choices[n].parent < 0; d--)
        c->choices[n].parent = p->open[d];
    p->open[p->depth] = (long)n;
    c->n_choices++;
}

static void on_start(void *user, const XML_Char *name, const XML_Char **attributes)
{
    static const char *const kinds[CONTROLS] = {"Choices", "Taxonomy", "RectangleLabels",
                                                "TextArea"};
    struct label_parts *p = user;
    if (++p->depth > DEPTH) {
        stop(p, "more than 64 levels");
        return;
    }
    p->open[p->depth] = -1;
    if (strcmp(name, "Image") == 0 && p->n_pictures < PICTURES) {
        p->pictures[p->n_pictures].name = copy_of(attributes, "name");
        p->pictures[p->n_pictures++].value = copy_of(attributes, "value");
    }
    for (int k = 0; k < CONTROLS && !p->control_depth; k++) {
        if (strcmp(name, kinds[k]) == 0) add_control(p, (control_kind)k, attributes);
    }
    if (!p->control_depth || p->depth <= p->control_depth) return;
    const bool boxes = p->controls[p->n_controls - 1].kind == CONTROL_BOXES;
    if (strcmp(name, boxes ? "Label" : "Choice") == 0) add_choice(p, attributes);
}

static void on_end(void *user, const XML_Char *name)
{
    struct label_parts *p = user;
    (void)name;
    if (p->depth == p->control_depth) p->control_depth = 0;
    p->depth--;
}

/* The key of the data that the <Image> of this name shows, "$image" being of "image"; NULL: none. */
static const char *key_of(const struct label_parts *p, const char *to)
{
    for (size_t i = 0; to && i < p->n_pictures; i++) {
        const char *name = p->pictures[i].name, *value = p->pictures[i].value;
        if (name && value && strcmp(name, to) == 0 && value[0] == '$' && value[1]) return value + 1;
    }
    return NULL;
}

static bool choose(label_config *c)
{
    struct label_parts *p = c->parts;
    const char *to = NULL; // all are about the picture of the first
    for (size_t i = 0; i < p->n_controls; i++) {
        label_control *x = &p->controls[i];
        const char *key = x->from ? key_of(p, x->to) : NULL;
        if (!key || (to && strcmp(to, x->to) != 0) || c->control[x->kind]) continue;
        if (!to) c->key = strdup(key);
        to = x->to;
        c->control[x->kind] = x;
    }
    return !to || c->key;
}

bool label_config_read(const char *xml, size_t size, label_config *c, char *why, size_t why_size)
{
    *c = (label_config){0};
    struct label_parts *p = calloc(1, sizeof *p);
    XML_Parser parser = XML_ParserCreate("UTF-8");
    c->parts = p;
    const char *wrong = NULL;
    if (!p || !parser) {
        wrong = "no memory";
    } else if (size > XML_MOST) {
        wrong = "longer than 256 KiB";
    } else {
        p->parser = parser;
        XML_SetUserData(parser, p);
        XML_SetElementHandler(parser, on_start, on_end);
        XML_SetStartDoctypeDeclHandler(parser, on_doctype);
        if (XML_Parse(parser, xml, (int)size, 1) != XML_STATUS_OK)
            wrong = p->why ? p->why : XML_ErrorString(XML_GetErrorCode(parser));
        else if (!choose(c))
            wrong = "no memory";
    }
    if (wrong)
        (void)snprintf(why, why_size, "%s (line %lu)", wrong,
                       parser ? (unsigned long)XML_GetCurrentLineNumber(parser) : 0UL);
    XML_ParserFree(parser);
    if (wrong) label_config_free(c);
    return wrong == NULL;
}

void label_config_free(label_config *c)
{
    struct label_parts *p = c->parts;
    for (size_t i = 0; p && i < p->n_pictures; i++) {
        free(p->pictures[i].name);
        free(p->pictures[i].value);
    }
    for (size_t i = 0; p && i < p->n_controls; i++) {
        label_control *x = &p->controls[i];
        for (size_t k = 0; k < x->n_choices; k++) {
            free(x->choices[k].value);
            free(x->choices[k].alias);
            free(x->choices[k].predicted);
        }
        free(x->choices);
        free(x->from);
        free(x->to);
    }
    free(p);
    free(c->key);
    *c = (label_config){0};
}
