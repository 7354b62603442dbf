/* label_list.c - labels as people write them down: words, lines, CSV, JSON. Text is kept in one buffer and
 * named by its place there until the end, since the buffer moves while it grows. */
#include "runtime/labels.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/number.h"
#include "base/utf8.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_LIMIT = 256 << 20, COLUMNS = 4 };
#define NONE SIZE_MAX

typedef struct entry {
    size_t name, name_zh; // places in the text, or NONE
    float threshold;
    size_t first, n; // descriptions
} entry;

struct at_label_list {
    at_buf text;         // strings, each with its NUL
    at_buf entries;      // entry
    at_buf descriptions; // size_t: places in the text
    at_label *labels;
    const char **pointers;
    size_t n;
};

static size_t put(at_label_list *l, const char *text, size_t len)
{
    const size_t at = l->text.len;
    at_buf_add(&l->text, text, len);
    at_buf_char(&l->text, 0);
    return at;
}

static entry *last(at_label_list *l)
{
    const size_t n = l->entries.len / sizeof(entry);
    return n ? (entry *)(void *)l->entries.data + n - 1 : NULL;
}

static void add(at_label_list *l, const char *name, size_t len)
{
    const entry e = {
        .name = put(l, name, len), .name_zh = NONE, .first = l->descriptions.len / sizeof(size_t)};
    at_buf_add(&l->entries, &e, sizeof e);
}

static void describe(at_label_list *l, const char *text, size_t len)
{
    const size_t at = put(l, text, len);
    at_buf_add(&l->descriptions, &at, sizeof at);
    entry *e = last(l);
    if (e) e->n++;
}

/* Text without the blanks around it. */
static const char *trimmed(const char *from, size_t *len)
{
    while (*len && strchr(" \t\r\n", *from))
        from++, --*len;
    while (*len && strchr(" \t\r\n", from[*len - 1]))
        --*len;
    return from;
}

static at_status threshold_of(const char *text, size_t len, float *out, size_t line, at_error *err)
{
    char number[32] = "", *end;
    text = trimmed(text, &len);
    *out = 0;
    if (len == 0) return AT_OK;
    memcpy(number, text, at_min_size(len, sizeof number - 1)); // a longer one is none
    const float v = at_read_float(number, &end);
    if (*end || len >= sizeof number || !(v > 0 && v <= 1))
        return at_fail(err, AT_E_INVALID_PARAMETER,
                       "line %zu: \"%.31s\" is no threshold above 0 and at most 1", line, number);
    *out = v;
    return AT_OK;
}

/* --- text ---------------------------------------------------------------------------------------- */

static at_status read_lines(at_label_list *l, const char *text, size_t size, at_error *err)
{
    at_status status = AT_OK;
    for (size_t at = 0, line = 1; at < size && status == AT_OK; line++) {
        const char *from = text + at, *end = memchr(from, '\n', size - at);
        const size_t len = end ? (size_t)(end - from) : size - at;
        at += len + 1;
        const char *cells[3] = {from};
        size_t lens[3] = {len}, n = 1;
        for (const char *tab; n < 3 && (tab = memchr(cells[n - 1], '\t', lens[n - 1])); n++) {
            cells[n] = tab + 1;
            lens[n] = lens[n - 1] - (size_t)(tab + 1 - cells[n - 1]);
            lens[n - 1] = (size_t)(tab - cells[n - 1]);
        }
        for (size_t i = 0; i < n; i++)
            cells[i] = trimmed(cells[i], &lens[i]);
        if ((n == 1 && lens[0] == 0) || (lens[0] && *cells[0] == '#')) continue;
        add(l, cells[0], lens[0]);
        entry *e = last(l);
        if (!e) break; // no memory, seen at the end
        if (n > 1 && lens[1]) e->name_zh = put(l, cells[1], lens[1]);
        if (n > 2) status = threshold_of(cells[2], lens[2], &e->threshold, line, err);
    }
    return status;
}

/* --- CSV, RFC 4180 --------------------------------------------------------------------------------- */

typedef struct csv {
    const char *at, *end;
    size_t line;
    at_buf cell;
} csv;

static void skip_blanks(csv *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t'))
        c->at++;
}

/* The next cell, without the blanks around it; *more: another follows in this row. */
static at_status next_cell(csv *c, bool *more, at_error *err)
{
    at_buf_clear(&c->cell);
    *more = false;
    skip_blanks(c);
    const bool quoted = c->at < c->end && *c->at == '"';
    if (quoted) {
        const size_t began = c->line;
        for (c->at++;; c->at++) {
            if (c->at == c->end)
                return at_fail(err, AT_E_INVALID_PARAMETER, "line %zu: a quote is not closed",
                               began);
            if (*c->at == '\n') c->line++;
            if (*c->at == '"' && ++c->at < c->end && *c->at != '"') break;
            if (c->at == c->end) break;
            at_buf_char(&c->cell, *c->at);
        }
        while (c->at < c->end && strchr(" \t\r", *c->at))
            c->at++;
        if (c->at < c->end && *c->at != ',' && *c->at != '\n')
            return at_fail(err, AT_E_INVALID_PARAMETER,
                           "line %zu: the quotes do not fit; a \" inside a quoted cell is written "
                           "twice",
                           began);
    }
    while (c->at < c->end && *c->at != ',' && *c->at != '\n')
        at_buf_char(&c->cell, *c->at++);
    while (!quoted && c->cell.len && strchr(" \t\r", c->cell.data[c->cell.len - 1]))
        c->cell.data[--c->cell.len] = 0;
    *more = c->at < c->end && *c->at == ',';
    if (c->at < c->end && *c->at++ == '\n') c->line++;
    return c->cell.status == AT_OK
               ? AT_OK
               : at_fail(err, AT_E_OUT_OF_MEMORY, "line %zu: no memory for a cell", c->line);
}

static const char *const columns[COLUMNS] = {"tag", "tag_zh", "threshold", "description"};

/* Which column each cell of the first line is; false: this is no such CSV. */
static bool header(csv *c, int which[COLUMNS], size_t *n)
{
    bool more = true, tag = false;
    at_error ignored;
    for (*n = 0; more && *n < COLUMNS; ++*n) {
        if (next_cell(c, &more, &ignored) != AT_OK) return false;
        which[*n] = -1;
        for (int k = 0; k < COLUMNS; k++) {
            if (strcmp(at_buf_text(&c->cell), columns[k]) == 0) which[*n] = k;
        }
        if (which[*n] < 0) return false;
        tag |= which[*n] == 0;
    }
    return tag && !more;
}

static at_status read_rows(at_label_list *l, csv *c, const int which[COLUMNS], size_t n,
                           at_error *err)
{
    at_status status = AT_OK;
    while (c->at < c->end && status == AT_OK) {
        size_t cells[COLUMNS] = {NONE, NONE, NONE, NONE}; // places in the text
        const size_t line = c->line;
        bool more = true;
        size_t k = 0;
        for (; more && status == AT_OK; k++) {
            status = next_cell(c, &more, err);
            if (status == AT_OK && k < n)
                cells[which[k]] = put(l, at_buf_text(&c->cell), c->cell.len);
        }
        if (status != AT_OK) break;
        if (k == 1 && c->cell.len == 0) continue; // an empty line
        if (k != n)
            return at_fail(err, AT_E_INVALID_PARAMETER,
                           "line %zu: %zu cells, the first line has %zu", line, k, n);
        if (l->text.status != AT_OK) break;
        const char *text = l->text.data, *name = text + cells[0];
        entry *e = last(l);
        if (!e || strcmp(text + e->name, name) != 0) {
            const entry fresh = {.name = cells[0],
                                 .name_zh = cells[1],
                                 .first = l->descriptions.len / sizeof(size_t)};
            at_buf_add(&l->entries, &fresh, sizeof fresh);
            e = last(l);
            if (e && cells[2] != NONE)
                status = threshold_of(text + cells[2], strlen(text + cells[2]), &e->threshold, line,
                                      err);
        }
        if (e && cells[3] != NONE && text[cells[3]]) {
            at_buf_add(&l->descriptions, &cells[3], sizeof cells[3]);
            e->n++;
        }
    }
    return status;
}

/* --- JSON ----------------------------------------------------------------------------------------- */

static at_status read_object(at_label_list *l, json_t *object, at_error *err)
{
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        add(l, name, strlen(name));
        const bool one = json_is_string(value);
        if (!one && !json_is_array(value))
            return at_fail(err, AT_E_INVALID_PARAMETER,
                           "\"%.60s\": expected a list of descriptions", name);
        for (size_t i = 0; i < (one ? 1 : json_array_size(value)); i++) {
            const json_t *d = one ? value : json_array_get(value, i);
            if (!json_is_string(d) || json_string_length(d) == 0)
                return at_fail(err, AT_E_INVALID_PARAMETER,
                               "\"%.60s\": description %zu is %s, expected a sentence", name, i + 1,
                               json_is_string(d) ? "empty" : "no text");
            describe(l, json_string_value(d), json_string_length(d));
        }
    }
    return AT_OK;
}

static at_status read_json(at_label_list *l, const char *text, size_t size, at_error *err)
{
    json_error_t why;
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &why);
    if (!root) return at_fail(err, AT_E_INVALID_PARAMETER, "line %d: %s", why.line, why.text);
    at_status status = AT_OK;
    if (json_is_object(root)) status = read_object(l, root, err);
    for (size_t i = 0; json_is_array(root) && i < json_array_size(root) && status == AT_OK; i++) {
        json_t *one = json_array_get(root, i);
        if (json_is_object(one))
            status = read_object(l, one, err);
        else if (json_is_string(one))
            add(l, json_string_value(one), json_string_length(one));
        else
            status = at_fail(err, AT_E_INVALID_PARAMETER,
                             "entry %zu is neither a name nor {\"tag\": [\"description\", ...]}",
                             i + 1);
    }
    json_decref(root);
    return status;
}

/* --- the list --------------------------------------------------------------------------------------- */

static at_label_list *new_list(void)
{
    at_label_list *l = at_new(NULL, at_label_list);
    if (!l) return NULL;
    at_buf_init(&l->text, NULL, FILE_LIMIT);
    at_buf_init(&l->entries, NULL, FILE_LIMIT);
    at_buf_init(&l->descriptions, NULL, FILE_LIMIT);
    return l;
}

/* Places become pointers. */
static at_status finish(at_label_list *l, at_error *err)
{
    const size_t n = l->entries.len / sizeof(entry), k = l->descriptions.len / sizeof(size_t);
    at_status status = l->text.status;
    if (status == AT_OK) status = l->entries.status;
    if (status == AT_OK) status = l->descriptions.status;
    l->labels = at_calloc(NULL, n + 1, sizeof *l->labels);
    l->pointers = at_calloc(NULL, k + 1, sizeof *l->pointers);
    if (status != AT_OK || !l->labels || !l->pointers)
        return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the labels");
    if (n == 0) return at_fail(err, AT_E_INVALID_PARAMETER, "there is no label in it");
    const char *text = l->text.data;
    const size_t *places = (const void *)l->descriptions.data;
    for (size_t i = 0; i < k; i++)
        l->pointers[i] = text + places[i];
    for (size_t i = 0; i < n; i++) {
        const entry *e = (const entry *)(const void *)l->entries.data + i;
        l->labels[i] = (at_label){.name = text + e->name,
                                  .name_zh = e->name_zh == NONE ? NULL : text + e->name_zh,
                                  .threshold = e->threshold,
                                  .descriptions = e->n ? l->pointers + e->first : NULL,
                                  .n_descriptions = e->n};
    }
    l->n = n;
    return AT_OK;
}

static at_status read_text(at_label_list *l, const char *text, size_t size, at_error *err)
{
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) text += 3, size -= 3;
    if (memchr(text, 0, size))
        return at_fail(err, AT_E_INVALID_PARAMETER, "there is a NUL byte in it; expected text");
    const size_t good = at_utf8_valid(text, size);
    if (good < size) {
        size_t line = 1;
        for (size_t i = 0; i < good; i++)
            line += text[i] == '\n';
        return at_fail(err, AT_E_INVALID_TEXT, "line %zu is not UTF-8", line);
    }
    size_t blank = 0;
    while (blank < size && strchr(" \t\r\n", text[blank]))
        blank++;
    if (blank < size && (text[blank] == '{' || text[blank] == '['))
        return read_json(l, text, size, err);
    csv c = {.at = text, .end = text + size, .line = 1};
    at_buf_init(&c.cell, NULL, FILE_LIMIT);
    int which[COLUMNS];
    size_t n;
    const at_status status = header(&c, which, &n) ? read_rows(l, &c, which, n, err)
                                                   : read_lines(l, text, size, err);
    at_buf_reset(&c.cell);
    return status;
}

at_status at_label_list_read(const char *path, at_label_list **out, at_error *err)
{
    if (!path || !out)
        return at_fail(err, AT_E_INVALID_PARAMETER, "at_label_list_read: no argument may be NULL");
    *out = NULL;
    char *text = NULL;
    size_t size = 0;
    at_status status = at_file_read(path, FILE_LIMIT, &text, &size, NULL, err);
    if (status != AT_OK) return status;
    at_label_list *l = new_list();
    status = l ? read_text(l, text, size, err)
               : at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the labels");
    if (status == AT_OK) status = finish(l, err);
    at_free(NULL, text);
    if (status != AT_OK) {
        at_label_list_free(l);
        if (err) at_utf8_printable(err->text); // it may show what the file says
        return at_fail_prefix(err, status, path);
    }
    *out = l;
    return AT_OK;
}

at_status at_label_list_parse(const char *words, at_label_list **out, at_error *err)
{
    if (!words || !out)
        return at_fail(err, AT_E_INVALID_PARAMETER, "at_label_list_parse: no argument may be NULL");
    *out = NULL;
    at_label_list *l = new_list();
    if (!l) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the labels");
    for (const char *at = words; *at;) {
        size_t len = strcspn(at, ","), n = len;
        const char *word = trimmed(at, &n);
        if (n) add(l, word, n);
        at += len + (at[len] == ',');
    }
    at_status status = finish(l, err);
    if (status == AT_E_INVALID_PARAMETER && l->entries.len == 0)
        status = at_fail(err, status, "\"%.40s\" names no words", words);
    if (status == AT_OK)
        *out = l;
    else
        at_label_list_free(l);
    return status;
}

at_status at_label_list_of(const at_label *labels, size_t n, at_label_list **out, at_error *err)
{
    *out = NULL;
    at_label_list *l = new_list();
    if (!l) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the labels");
    for (size_t i = 0; i < n; i++) {
        const at_label *from = &labels[i];
        add(l, from->name, strlen(from->name));
        entry *e = last(l);
        if (!e) break; // no memory, seen at the end
        if (from->name_zh) e->name_zh = put(l, from->name_zh, strlen(from->name_zh));
        e->threshold = from->threshold;
        for (size_t k = 0; k < from->n_descriptions; k++)
            describe(l, from->descriptions[k], strlen(from->descriptions[k]));
    }
    const at_status status = finish(l, err);
    if (status == AT_OK)
        *out = l;
    else
        at_label_list_free(l);
    return status;
}

size_t at_label_list_count(const at_label_list *l)
{
    return l->n;
}
const at_label *at_label_list_labels(const at_label_list *l)
{
    return l->labels;
}

void at_label_list_free(at_label_list *l)
{
    if (!l) return;
    at_buf_reset(&l->text);
    at_buf_reset(&l->entries);
    at_buf_reset(&l->descriptions);
    at_free(NULL, l->labels);
    at_free(NULL, (void *)l->pointers);
    at_free(NULL, l);
}
