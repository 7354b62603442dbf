/* wordnet.c - see wordnet.h. The formats are those of wndb(5WN) and morphy(7WN). */
#include "text/wordnet.h"

#include "base/file.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const part_names[AT_WN_PARTS] = {"noun", "verb", "adj", "adv"};
static const char part_letters[] = "nvar";

/* --- text of a mapped file ---------------------------------------------------------------------------- */

static at_wn_text next_field(at_wn_text *rest)
{
    while (rest->len && *rest->at == ' ')
        rest->at++, rest->len--;
    at_wn_text field = {rest->at, 0};
    while (rest->len && *rest->at != ' ')
        rest->at++, rest->len--, field.len++;
    return field;
}

/* A number of exactly `digits` digits, or with 0 of 1 to 8. */
static bool number(at_wn_text field, unsigned digits, unsigned base, size_t *out)
{
    size_t v = 0;
    if (digits ? field.len != digits : field.len < 1 || field.len > 8) return false;
    for (size_t i = 0; i < field.len; i++) {
        const char c = field.at[i];
        const unsigned d = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                           : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                                                  : base;
        if (d >= base) return false;
        v = v * base + d;
    }
    *out = v;
    return true;
}

static at_synset synset_of(int part, size_t offset)
{
    return (at_synset)(part + 1) << 40 | offset;
}

static int part_of_letter(char c)
{
    const char *at = c == 's' ? part_letters + AT_WN_ADJECTIVE : c ? strchr(part_letters, c) : NULL;
    return at ? (int)(at - part_letters) : -1;
}

static at_status damaged(at_error *err, int part, const char *file, size_t at)
{
    return at_fail(err, AT_E_MODEL_DAMAGED,
                   "WordNet is damaged: %s.%s, byte %zu; install wordnet-base again", file,
                   part_names[part], at);
}

/* --- open ------------------------------------------------------------------------------------------------ */

static at_status open_file(at_map *map, const char *dir, const char *before, int part,
                           const char *after, bool needed, at_error *err)
{
    char name[32], path[4096];
    (void)snprintf(name, sizeof name, "%s%s%s", before, part_names[part], after);
    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path)
        return at_fail(err, AT_E_INVALID_PARAMETER, "the folder of WordNet has too long a name");
    if (!needed && access(path, F_OK) != 0) return AT_OK; // words of that kind are unknown
    const at_status status = at_map_open(map, path, err);
    if (status == AT_E_NOT_FOUND)
        return at_fail(
            err, AT_E_MODEL_NOT_FOUND,
            "there is no WordNet in %s (no %s); install the Debian package wordnet-base, "
            "or name its folder with --wordnet DIR",
            dir, name);
    return status;
}

static at_status read_choices(at_wordnet *w, const char *path, at_error *err)
{
    enum { LIMIT = 16 << 20 };
    char **lines;
    size_t n;
    at_status status = at_file_lines(path, LIMIT, &lines, &n, NULL, err);
    if (status != AT_OK) return status;
    for (size_t i = 0; i < n && status == AT_OK; i++) {
        char *word = lines[i], *tab = strchr(word, '\t');
        if (!*word || *word == '#') continue;
        if (!tab || tab == word || !tab[1] || tab - word >= AT_WN_WORD) {
            status = at_fail(err, AT_E_INVALID_PARAMETER,
                             "%s:%zu: expected WORD TAB SENSE, as in \"crane\tcrane#5\"", path,
                             i + 1);
            break;
        }
        at_wn_choice c = {.word = w->text.len};
        at_buf_add(&w->text, word, (size_t)(tab - word));
        at_buf_char(&w->text, 0);
        c.sense = w->text.len;
        at_buf_add(&w->text, tab + 1, strlen(tab + 1) + 1);
        at_buf_add(&w->choices, &c, sizeof c);
    }
    if (status == AT_OK && (w->text.status != AT_OK || w->choices.status != AT_OK))
        status = at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the senses of %s", path);
    at_free(NULL, lines);
    return status;
}

at_status at_wordnet_open(const at_wordnet_options *options, at_wordnet **out, at_error *err)
{
    if (!out) return at_fail(err, AT_E_INVALID_PARAMETER, "at_wordnet_open: wordnet is NULL");
    *out = NULL;
    at_wordnet_options o;
    at_status status = AT_OPTIONS(at_wordnet_options, &o, options, err);
    if (status != AT_OK) return status;
    at_wordnet *w = at_new(NULL, at_wordnet);
    if (!w) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for WordNet");
    at_buf_init(&w->text, NULL, (size_t)1 << 30);
    at_buf_init(&w->choices, NULL, (size_t)1 << 30);
    const char *dir = o.dir ? o.dir : AT_WORDNET_DIR;
    for (int p = 0; p < AT_WN_PARTS && status == AT_OK; p++) {
        struct at_wn_part *part = &w->parts[p];
        status = open_file(&part->index, dir, "index.", p, "", p == AT_WN_NOUN, err);
        if (status == AT_OK)
            status = open_file(&part->data, dir, "data.", p, "", part->index.data != NULL, err);
        if (status == AT_OK) status = open_file(&part->exceptions, dir, "", p, ".exc", false, err);
    }
    if (status == AT_OK && o.senses) status = read_choices(w, o.senses, err);
    if (status != AT_OK) {
        at_wordnet_close(w);
        return status;
    }
    *out = w;
    return AT_OK;
}

void at_wordnet_close(at_wordnet *w)
{
    if (!w) return;
    for (int p = 0; p < AT_WN_PARTS; p++) {
        at_map_close(&w->parts[p].index);
        at_map_close(&w->parts[p].data);
        at_map_close(&w->parts[p].exceptions);
    }
    at_buf_reset(&w->text);
    at_buf_reset(&w->choices);
    at_free(NULL, w);
}

/* --- lines ------------------------------------------------------------------------------------------------ */

static at_wn_text line_at(const at_map *map, size_t at)
{
    const char *text = (const char *)map->data + at, *end = memchr(text, '\n', map->size - at);
    return (at_wn_text){text, end ? (size_t)(end - text) : map->size - at};
}

/* The line whose first field is `key`, in a file sorted by it; lines of the licence begin with blanks and
 * so come first. len 0: there is none. */
static at_wn_text find_line(const at_map *map, const char *key, size_t len)
{
    size_t low = 0, high = map->size; // starts of lines
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        while (middle > low && map->data[middle - 1] != '\n')
            middle--;
        const at_wn_text line = line_at(map, middle);
        const char *blank = memchr(line.at, ' ', line.len);
        const size_t k = blank ? (size_t)(blank - line.at) : line.len;
        int order = memcmp(line.at, key, at_min_size(k, len));
        if (order == 0) order = k < len ? -1 : k > len;
        if (order == 0) return line;
        if (order > 0)
            high = middle;
        else
            low = at_min_size(middle + line.len + 1, map->size);
    }
    return (at_wn_text){NULL, 0};
}

at_status at_wn_read(const at_wordnet *w, at_synset s, at_wn_line *line, at_error *err)
{
    const int part = (int)(s >> 40) - 1;
    const size_t at = s & 0xffffffffffu;
    if (part < 0 || part >= AT_WN_PARTS)
        return at_fail(err, AT_E_INVALID_PARAMETER, "there is no such synset");
    const at_map *map = &w->parts[part].data;
    size_t v, lexfile;
    if (at >= map->size || (at && map->data[at - 1] != '\n')) return damaged(err, part, "data", at);
    at_wn_text rest = line_at(map, at);
    bool good = number(next_field(&rest), 8, 10, &v) && v == at;
    good = number(next_field(&rest), 2, 10, &lexfile) && good;
    const at_wn_text type = next_field(&rest);
    good = good && type.len == 1 && part_of_letter(*type.at) == part;
    *line = (at_wn_line){.part = part, .lexfile = (unsigned)lexfile};
    good = good && number(next_field(&rest), 2, 16, &line->n_words) && line->n_words > 0;
    line->words = rest;
    for (size_t i = 0; good && i < line->n_words; i++)
        good = next_field(&rest).len && number(next_field(&rest), 1, 16, &v);
    line->words.len -= rest.len;
    good = good && number(next_field(&rest), 3, 10, &line->n_pointers);
    line->pointers = rest;
    for (size_t i = 0; good && i < line->n_pointers; i++) {
        good = next_field(&rest).len && number(next_field(&rest), 8, 10, &v);
        const at_wn_text to = next_field(&rest);
        good = good && to.len == 1 && part_of_letter(*to.at) >= 0 &&
               number(next_field(&rest), 4, 16, &v);
    }
    line->pointers.len -= rest.len;
    if (!good) return damaged(err, part, "data", at);
    line->type = *type.at;
    const char *bar = memchr(rest.at, '|', rest.len); // frames of verbs stand before it
    if (bar) line->gloss = (at_wn_text){bar + 1, rest.len - (size_t)(bar + 1 - rest.at)};
    while (line->gloss.len && *line->gloss.at == ' ')
        line->gloss.at++, line->gloss.len--;
    while (line->gloss.len && isspace((unsigned char)line->gloss.at[line->gloss.len - 1]))
        line->gloss.len--;
    return AT_OK;
}

at_wn_text at_wn_next_word(at_wn_text *rest)
{
    at_wn_text word = next_field(rest);
    (void)next_field(rest);                            // its number in the lexicographer's file
    const char *mark = memchr(word.at, '(', word.len); // adjectives: (a) (p) (ip)
    if (mark && mark > word.at) word.len = (size_t)(mark - word.at);
    return word;
}

at_wn_text at_wn_next_pointer(at_wn_text *rest, at_synset *to)
{
    const at_wn_text symbol = next_field(rest), offset = next_field(rest), part = next_field(rest);
    (void)next_field(rest); // which words of the two synsets
    size_t at = 0;
    (void)number(offset, 8, 10, &at);
    *to = part.len ? synset_of(part_of_letter(*part.at), at) : 0;
    return symbol;
}

/* --- words ------------------------------------------------------------------------------------------------ */

static at_status index_senses(const at_wordnet *w, int part, const char *word, size_t len,
                              at_synset senses[AT_WN_SENSES], size_t *n, at_error *err)
{
    const at_map *map = &w->parts[part].index;
    at_wn_text line = find_line(map, word, len);
    *n = 0;
    if (!line.len || !len) return AT_OK;
    const size_t at = (size_t)(line.at - (const char *)map->data);
    size_t count, pointers, v;
    (void)next_field(&line);
    const at_wn_text letter = next_field(&line);
    bool good = letter.len == 1 && part_of_letter(*letter.at) == part;
    good = good && number(next_field(&line), 0, 10, &count) &&
           number(next_field(&line), 0, 10, &pointers);
    for (size_t i = 0; good && i < pointers; i++)
        good = next_field(&line).len > 0;
    good = good && number(next_field(&line), 0, 10, &v) && number(next_field(&line), 0, 10, &v);
    if (!good || count == 0 || count > AT_WN_SENSES) return damaged(err, part, "index", at);
    for (size_t i = 0; i < count; i++) {
        if (!number(next_field(&line), 8, 10, &v)) return damaged(err, part, "index", at);
        senses[i] = synset_of(part, v);
    }
    *n = count;
    return AT_OK;
}

typedef struct rule {
    int part;
    const char *ending, *base;
} rule;

static const rule rules[] = {
    {AT_WN_NOUN, "ses", "s"},      {AT_WN_NOUN, "xes", "x"},     {AT_WN_NOUN, "zes", "z"},
    {AT_WN_NOUN, "ches", "ch"},    {AT_WN_NOUN, "shes", "sh"},   {AT_WN_NOUN, "men", "man"},
    {AT_WN_NOUN, "ies", "y"},      {AT_WN_NOUN, "s", ""},        {AT_WN_VERB, "ies", "y"},
    {AT_WN_VERB, "es", "e"},       {AT_WN_VERB, "es", ""},       {AT_WN_VERB, "s", ""},
    {AT_WN_VERB, "ed", "e"},       {AT_WN_VERB, "ed", ""},       {AT_WN_VERB, "ing", "e"},
    {AT_WN_VERB, "ing", ""},       {AT_WN_ADJECTIVE, "er", "e"}, {AT_WN_ADJECTIVE, "er", ""},
    {AT_WN_ADJECTIVE, "est", "e"}, {AT_WN_ADJECTIVE, "est", ""},
};

typedef struct lookup {
    const at_wordnet *w;
    int part;
    char *found;
    at_synset *senses;
    size_t *n;
    at_error *err;
} lookup;

/* Tries head + middle + tail; *n tells whether the index has it. */
static at_status try_word(const lookup *l, at_wn_text head, at_wn_text middle, const char *end,
                          at_wn_text tail)
{
    char word[AT_WN_WORD];
    const int len = snprintf(word, sizeof word, "%.*s%.*s%s%.*s", (int)head.len, head.at,
                             (int)middle.len, middle.at, end, (int)tail.len, tail.at);
    if (len <= 0 || len >= (int)sizeof word) return AT_OK;
    const at_status status = index_senses(l->w, l->part, word, (size_t)len, l->senses, l->n,
                                          l->err);
    if (status == AT_OK && *l->n) memcpy(l->found, word, (size_t)len + 1);
    return status;
}

/* One spelling: itself, then its irregular and its regular bases. What is inflected is the last word of a
 * noun (snow_geese), the first of a verb (standing_up); everything where there is but one. */
static at_status try_forms(const lookup *l, const char *text, size_t len)
{
    const at_wn_text none = {"", 0};
    at_wn_text head = none, word = {text, len}, tail = none;
    at_status status = try_word(l, none, word, "", none);
    if (status != AT_OK || *l->n) return status;
    for (int whole = 1; whole >= 0; whole--) {
        if (!whole && l->part == AT_WN_VERB) {
            const char *blank = memchr(text, '_', len);
            if (!blank) break;
            word.len = (size_t)(blank - text);
            tail = (at_wn_text){blank, len - word.len};
        } else if (!whole) {
            const char *blank = memrchr(text, '_', len);
            if (!blank) break;
            head = (at_wn_text){text, (size_t)(blank + 1 - text)};
            word = (at_wn_text){blank + 1, len - head.len};
        }
        at_wn_text line = find_line(&l->w->parts[l->part].exceptions, word.at, word.len);
        (void)next_field(&line);
        for (at_wn_text base; line.len && (base = next_field(&line)).len;) {
            status = try_word(l, head, base, "", tail);
            if (status != AT_OK || *l->n) return status;
        }
        for (size_t i = 0; i < AT_COUNT(rules); i++) {
            const size_t k = strlen(rules[i].ending);
            if (rules[i].part != l->part || word.len <= k + 1 ||
                memcmp(word.at + word.len - k, rules[i].ending, k) != 0)
                continue;
            if (k == 1 && word.at[word.len - 2] == 's') continue; // glass is no plural
            status = try_word(l, head, (at_wn_text){word.at, word.len - k}, rules[i].base, tail);
            if (status != AT_OK || *l->n) return status;
        }
    }
    return AT_OK;
}

at_status at_wn_senses(const at_wordnet *w, int part, const char *word, char found[AT_WN_WORD],
                       at_synset senses[AT_WN_SENSES], size_t *n, at_error *err)
{
    const lookup l = {w, part, found, senses, n, err};
    // blanks and hyphens as they are; all blanks; all hyphens; none
    static const struct {
        char from, to;
    } spellings[] = {{0, 0}, {'-', '_'}, {'_', '-'}, {'_', 0}};
    at_status status = AT_OK;
    *n = 0;
    for (size_t i = 0; i < AT_COUNT(spellings) && status == AT_OK && *n == 0; i++) {
        char spelling[AT_WN_WORD];
        size_t len = 0;
        if (i && !strpbrk(word, "_-")) break;
        for (const char *c = word; *c && len + 1 < sizeof spelling; c++) {
            const bool other = i && (*c == '_' || *c == '-');
            const char to = !other ? *c : *c == spellings[i].from || i == 3 ? spellings[i].to : *c;
            if (to) spelling[len++] = to;
        }
        status = try_forms(&l, spelling, len);
    }
    return status;
}

at_status at_wn_chain(const at_wordnet *w, at_synset s, at_synset chain[AT_WN_CHAIN], size_t *n,
                      at_error *err)
{
    chain[0] = s;
    *n = 1;
    for (size_t i = 0; i < *n; i++) {
        at_wn_line line;
        const at_status status = at_wn_read(w, chain[i], &line, err);
        if (status != AT_OK) return status;
        for (size_t k = 0; k < line.n_pointers; k++) {
            at_synset to;
            const at_wn_text symbol = at_wn_next_pointer(&line.pointers, &to);
            bool kind = *symbol.at == '@' || (*symbol.at == '&' && line.type == 's');
            for (size_t j = 0; j < *n && kind; j++) // also ends what goes round in circles
                kind = chain[j] != to;
            if (kind && *n < AT_WN_CHAIN) chain[(*n)++] = to;
        }
    }
    return AT_OK;
}

at_status at_wn_has_word(const at_wordnet *w, at_synset s, const char *word, bool *has,
                         at_error *err)
{
    at_wn_line line;
    *has = false;
    const at_status status = at_wn_read(w, s, &line, err);
    if (status != AT_OK) return status;
    const size_t len = strlen(word);
    for (size_t i = 0; i < line.n_words && !*has; i++) {
        const at_wn_text one = at_wn_next_word(&line.words);
        *has = one.len == len && strncasecmp(one.at, word, len) == 0;
    }
    return AT_OK;
}

void at_wn_plain(at_buf *out, at_wn_text word)
{
    for (size_t i = 0; i < word.len; i++)
        at_buf_char(out, word.at[i] == '_' ? ' ' : word.at[i]);
}

at_wn_text at_wn_definition(const at_wn_line *line)
{
    at_wn_text d = line->gloss;
    const char *example = d.len ? memmem(d.at, d.len, "; \"", 3) : NULL;
    if (example) d.len = (size_t)(example - d.at);
    return d;
}
