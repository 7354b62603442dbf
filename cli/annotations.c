/* annotations.c - names of labels, facts about pictures, and which picture a path means. */
#include "annotations.h"
#include "csv.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NEAR = 3 };

static int no_memory(const char *file)
{
    return cli_error(AT_E_OUT_OF_MEMORY, "%s: no memory for the annotations", file);
}

/* --- names ------------------------------------------------------------------------------------------------- */

const char *cli_names_of(const cli_names *names, size_t label)
{
    return names->set ? at_labels_name(names->set, label, "en")
                      : at_model_tag(names->model, label, "en");
}

int cli_names_open(cli_names *names, const at_model *model, const at_labels *set)
{
    *names = (cli_names){.model = model,
                         .set = set,
                         .n = set ? at_labels_count(set) : at_model_tags(model),
                         .first = json_object()};
    names->same = calloc(names->n, sizeof *names->same);
    if (!names->first || !names->same)
        return cli_error(AT_E_OUT_OF_MEMORY, "no memory for the names of tags");
    for (size_t i = names->n; i-- > 0;) { // from behind: the first of a name is the last to be put
        const char *name = cli_names_of(names, i);
        const json_t *next = json_object_get(names->first, name);
        names->same[i] = next ? (long)json_integer_value(next) : -1;
        (void)json_object_set_new_nocheck(names->first, name, json_integer((json_int_t)i));
    }
    return 0;
}

void cli_names_free(cli_names *names)
{
    json_decref(names->first);
    free(names->same);
}

long cli_names_find(const cli_names *names, const char *name)
{
    const json_t *found = json_object_get(names->first, name);
    if (found) return (long)json_integer_value(found);
    for (size_t i = 0; i < names->n; i++) {
        if (strcasecmp(cli_names_of(names, i), name) == 0) return (long)i;
    }
    return -1;
}

void cli_names_near(const cli_names *names, const char *name, char *out, size_t size)
{
    size_t near[NEAR], n = 0, distance[NEAR];
    if (!names->set) n = at_model_nearest_tags(names->model, name, near, NEAR);
    for (size_t i = 0; names->set && i < names->n; i++) {
        const size_t d = cli_distance(name, cli_names_of(names, i));
        if (n == NEAR && d >= distance[NEAR - 1]) continue;
        size_t k = n < NEAR ? n++ : NEAR - 1;
        for (; k && distance[k - 1] > d; k--)
            near[k] = near[k - 1], distance[k] = distance[k - 1];
        near[k] = i, distance[k] = d;
    }
    *out = 0;
    for (size_t i = 0, used = 0; i < n && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%.60s",
                                 i ? ", " : "; nearest: ", cli_names_of(names, near[i]));
}

/* --- facts ------------------------------------------------------------------------------------------------- */

long cli_annotations_picture(cli_annotations *a, const char *path)
{
    while (strncmp(path, "./", 2) == 0)
        path += 2;
    const json_t *known = json_object_get(a->by_path, path);
    if (known) return (long)json_integer_value(known);
    if (a->n_pictures == a->cap_pictures) {
        const size_t cap = a->cap_pictures ? 2 * a->cap_pictures : 256;
        char **more = realloc(a->paths, cap * sizeof *more);
        if (!more) return -1;
        a->paths = more;
        a->cap_pictures = cap;
    }
    if (!(a->paths[a->n_pictures] = strdup(path))) return -1;
    (void)json_object_set_new_nocheck(a->by_path, path, json_integer((json_int_t)a->n_pictures));
    return (long)a->n_pictures++;
}

int cli_annotations_say_label(cli_annotations *a, long picture, size_t label, bool there)
{
    if (picture >= 0 && a->n_facts == a->cap_facts) {
        const size_t cap = a->cap_facts ? 2 * a->cap_facts : 1024;
        cli_fact *more = realloc(a->facts, cap * sizeof *more);
        if (!more) return no_memory(a->file);
        a->facts = more;
        a->cap_facts = cap;
    }
    a->named[label] = true;
    if (picture >= 0)
        a->facts[a->n_facts++] = (cli_fact){(uint32_t)picture, (uint32_t)label, there};
    return 0;
}

int cli_annotations_say(cli_annotations *a, long picture, const char *name, bool there,
                        const char *where)
{
    long label = cli_names_find(a->names, name);
    if (label < 0 && a->ignore_unknown) {
        (void)json_object_set_new_nocheck(a->unknown, name, json_true());
        return 0;
    }
    if (label < 0) {
        char hint[256];
        cli_names_near(a->names, name, hint, sizeof hint);
        return cli_error(AT_E_UNKNOWN_TAG,
                         "%s: unknown tag \"%.60s\"%s; --ignore-unknown leaves such names out",
                         where, name, hint);
    }
    int code = 0;
    for (; label >= 0 && code == 0; label = a->names->same[label])
        code = cli_annotations_say_label(a, picture, (size_t)label, there);
    return code;
}

static int by_picture(const void *a, const void *b)
{
    const cli_fact *x = a, *y = b;
    if (x->picture != y->picture) return x->picture < y->picture ? -1 : 1;
    return (x->label > y->label) - (x->label < y->label);
}

static int put_in_order(cli_annotations *a)
{
    if (a->n_facts) qsort(a->facts, a->n_facts, sizeof *a->facts, by_picture);
    a->first = calloc(a->n_pictures + 1, sizeof *a->first);
    if (!a->first) return no_memory(a->file);
    for (size_t i = 0; i < a->n_facts; i++) {
        const cli_fact *f = &a->facts[i], *last = i ? f - 1 : NULL;
        a->first[f->picture + 1] = i + 1;
        if (last && by_picture(last, f) == 0 && last->there != f->there)
            return cli_usage("--annotations: %s says that %s has \"%s\", and that it has not",
                             a->file, a->paths[f->picture], cli_names_of(a->names, f->label));
    }
    for (size_t p = 0; p < a->n_pictures; p++) {
        if (a->first[p + 1] < a->first[p]) a->first[p + 1] = a->first[p]; // nothing is said of it
    }
    return 0;
}

void cli_annotations_truths(const cli_annotations *a, size_t picture, int8_t *truths)
{
    for (size_t l = 0; l < a->names->n; l++)
        truths[l] = a->named[l] && !a->explicit ? 0 : -1;
    for (size_t i = a->first[picture]; i < a->first[picture + 1]; i++)
        truths[a->facts[i].label] = a->facts[i].there;
}

/* --- reading ------------------------------------------------------------------------------------------------- */

static void tell_unknown(const cli_annotations *a)
{
    const size_t n = json_object_size(a->unknown);
    char some[256] = "";
    const char *name;
    json_t *value;
    size_t shown = 0;
    json_object_foreach(a->unknown, name, value)
    {
        const size_t used = strlen(some);
        if (shown++ == NEAR) break;
        (void)snprintf(some + used, sizeof some - used, "%s%.60s", used ? ", " : "", name);
    }
    if (n)
        cli_warn("%zu %s of %s %s left out, being no tag: %s%s", n, n == 1 ? "name" : "names",
                 a->file, n == 1 ? "was" : "were", some, n > NEAR ? ", ..." : "");
}

int cli_annotations_read(cli_annotations *a, const char *file, const cli_names *names,
                         bool ignore_unknown)
{
    *a = (cli_annotations){.names = names,
                           .file = file,
                           .ignore_unknown = ignore_unknown,
                           .by_path = json_object(),
                           .unknown = json_object(),
                           .named = calloc(names->n, sizeof(bool))};
    if (!a->by_path || !a->unknown || !a->named) return no_memory(file);
    char *text = NULL;
    int code = cli_text_read("annotations", file, &text);
    if (code == 0) {
        const size_t bom = strncmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
        const char *first = text + bom + strspn(text + bom, " \t\r\n");
        code = *first == '{' || *first == '[' ? cli_annotations_json(a, first)
                                              : cli_annotations_csv(a, text + bom);
    }
    free(text);
    if (code == 0 && a->n_pictures == 0)
        code = cli_usage("--annotations: %s names no pictures", file);
    if (code == 0) code = put_in_order(a);
    if (code == 0) tell_unknown(a);
    return code;
}

void cli_annotations_free(cli_annotations *a)
{
    for (size_t i = 0; i < a->n_pictures; i++)
        free(a->paths[i]);
    free(a->paths);
    free(a->facts);
    free(a->first);
    free(a->named);
    json_decref(a->by_path);
    json_decref(a->unknown);
}

/* --- which picture a path means ------------------------------------------------------------------------------- */

/* The longest end of a path, whole names, that is annotated. */
static long find_end(const cli_annotations *a, const char *path)
{
    for (const char *at = path;;) {
        const json_t *found = json_object_get(a->by_path, at);
        if (found) return (long)json_integer_value(found);
        const char *slash = strchr(at, '/');
        if (!slash) return -1;
        at = slash + 1;
    }
}

static long find_both(const cli_annotations *a, char *path)
{
    const long whole = find_end(a, path);
    char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');
    if (whole >= 0 || !dot) return whole;
    *dot = 0;
    const long stem = find_end(a, path);
    *dot = '.';
    return stem;
}

long cli_annotations_find(const cli_annotations *a, const char *path)
{
    char *copy = strdup(path), *whole = NULL;
    long found = copy ? find_both(a, copy) : -1;
    if (found < 0 && (whole = realpath(path, NULL))) found = find_both(a, whole);
    free(copy);
    free(whole);
    return found;
}
