/* sense.c - a word as a user writes it becomes one sense, with all that is told of it as text. */
#include "text/sense_notation.h"

#include "base/utf8.h"

#include <ctype.h>
#include <string.h>

#define NONE SIZE_MAX // a place in the text

struct at_sense {
    at_synset synset;
    at_sense_how how;
    at_buf text; // strings, each with its NUL; the rest are places in it
    size_t word, key, definition, head, group;
    at_buf parents, aliases; // size_t
    at_buf others;           // size_t: key, definition
    at_buf chain;            // at_synset: it and what it is a kind of
    at_buf any;              // at_synset: what it may stand for as a group
};

/* --- which sense --------------------------------------------------------------------------------------- */

typedef struct found { // all senses of a word
    char words[AT_WN_PARTS][AT_WN_WORD];
    at_synset senses[AT_WN_PARTS][AT_WN_SENSES];
    size_t n[AT_WN_PARTS], all;
    int first;        // part of speech
    const char *head; // in the word asked for; NULL: all of it was found
} found;

static at_status find_all(const at_wordnet *w, const char *word, found *f, at_error *err)
{
    f->head = NULL;
    for (const char *from = word;;) {
        f->all = 0;
        f->first = -1;
        for (int p = 0; p < AT_WN_PARTS; p++) {
            f->n[p] = 0;
            if (p && from != word) continue; // of a phrase's end, nouns alone
            const at_status status = at_wn_senses(w, p, from, f->words[p], f->senses[p], &f->n[p],
                                                  err);
            if (status != AT_OK) return status;
            f->all += f->n[p];
            if (f->n[p] && f->first < 0) f->first = p;
        }
        const char *next = strchr(from, '_');
        if (f->all || !next) return AT_OK;
        f->head = from = next + 1;
    }
}

static void put_key(at_buf *out, const found *f, int part, size_t i)
{
    static const char letters[] = "nvar";
    at_wn_plain(out, (at_wn_text){f->words[part], strlen(f->words[part])});
    if (part == f->first)
        at_buf_fmt(out, "#%zu", i + 1);
    else
        at_buf_fmt(out, ".%c.%02zu", letters[part], i + 1);
}

/* "crane#1 (a writer), crane#2 (...)" as far as there is room. */
static at_status no_such_sense(const at_wordnet *w, const char *text, const found *f, at_error *err)
{
    at_buf list;
    at_buf_init(&list, NULL, 1 << 16);
    for (int p = 0; p < AT_WN_PARTS; p++) {
        for (size_t i = 0; i < f->n[p] && list.len < 700; i++) {
            at_wn_line line;
            at_error ignored;
            if (at_wn_read(w, f->senses[p][i], &line, &ignored) != AT_OK) continue;
            const at_wn_text d = at_wn_definition(&line);
            at_buf_str(&list, list.len ? ", " : "");
            put_key(&list, f, p, i);
            at_buf_fmt(&list, " (%.*s%s)", (int)at_min_size(d.len, 50), d.at,
                       d.len > 50 ? "..." : "");
        }
    }
    const at_status status = at_fail(err, AT_E_UNKNOWN_TAG,
                                     "\"%.80s\": the word has no such sense; it has %s", text,
                                     at_buf_text(&list));
    at_buf_reset(&list);
    return status;
}

/* Is the word there, as a whole word, in running text? */
static bool says(at_wn_text text, const char *word)
{
    const size_t len = strlen(word);
    for (size_t i = 0; len && i + len <= text.len; i++) {
        if (i && isalnum((unsigned char)text.at[i - 1])) continue;
        if (i + len < text.len && isalnum((unsigned char)text.at[i + len])) continue;
        size_t k = 0;
        while (k < len && (tolower((unsigned char)text.at[i + k]) == word[k] ||
                           (word[k] == '_' && text.at[i + k] == ' ')))
            k++;
        if (k == len) return true;
    }
    return false;
}

/* The first sense that is a kind of the hint; else the first whose gloss or other words say it. */
static at_status by_hint(const at_wordnet *w, const found *f, const char *hint, int *part,
                         size_t *index, at_error *err)
{
    char base[AT_WN_WORD];
    at_synset senses[AT_WN_SENSES];
    size_t n;
    at_status status = at_wn_senses(w, AT_WN_NOUN, hint, base, senses, &n, err);
    if (!n) memcpy(base, hint, strlen(hint) + 1);
    for (int gloss = 0; gloss < 2; gloss++) {
        for (int p = 0; p < AT_WN_PARTS; p++) {
            for (size_t i = 0; i < f->n[p] && status == AT_OK; i++) {
                at_synset chain[AT_WN_CHAIN];
                at_wn_line line;
                size_t k;
                bool is = false;
                if (gloss) {
                    status = at_wn_read(w, f->senses[p][i], &line, err);
                    is = status == AT_OK && (says(line.gloss, hint) || says(line.gloss, base) ||
                                             says(line.words, hint));
                } else {
                    status = at_wn_chain(w, f->senses[p][i], chain, &k, err);
                    for (size_t j = 1; j < k && !is && status == AT_OK; j++)
                        status = at_wn_has_word(w, chain[j], base, &is, err);
                }
                *part = p;
                *index = i;
                if (is || status != AT_OK) return status;
            }
        }
    }
    *part = -1;
    return status;
}

/* The first sense that is no single person, place or thing by name (crane: Stephen Crane; wade: Virginia
 * Wade, before the verb). */
static at_status first_common(const at_wordnet *w, const found *f, int *part, size_t *index,
                              at_error *err)
{
    for (*part = f->first; *part < AT_WN_PARTS; ++*part) {
        for (*index = 0; *index < f->n[*part]; ++*index) {
            at_wn_line line;
            const at_status status = at_wn_read(w, f->senses[*part][*index], &line, err);
            if (status != AT_OK) return status;
            bool instance = false;
            for (size_t k = 0; k < line.n_pointers; k++) {
                at_synset to;
                const at_wn_text symbol = at_wn_next_pointer(&line.pointers, &to);
                instance |= symbol.len == 2 && memcmp(symbol.at, "@i", 2) == 0;
            }
            if (!instance) return AT_OK;
        }
    }
    *part = f->first;
    *index = 0;
    return AT_OK;
}

static at_status choose(const at_wordnet *w, const char *text, const at_notation *n, const found *f,
                        int *part, size_t *index, at_error *err)
{
    *part = n->part >= 0 ? n->part : f->first;
    *index = 0;
    if (n->hint[0]) {
        const at_status status = by_hint(w, f, n->hint, part, index, err);
        if (status != AT_OK) return status;
        if (*part < 0) return no_such_sense(w, text, f, err);
    } else if (n->number) {
        if (n->number > f->n[*part]) return no_such_sense(w, text, f, err);
        *index = n->number - 1;
    } else {
        return first_common(w, f, part, index, err);
    }
    return AT_OK;
}

static const char *own_choice(const at_wordnet *w, const char *word)
{
    const at_wn_choice *c = (const void *)w->choices.data;
    for (size_t i = w->choices.len / sizeof *c; i-- > 0;) { // the last line holds
        char clean[AT_WN_WORD];
        const char *one = w->text.data + c[i].word;
        if (at_notation_clean(clean, one, strlen(one), '_', true) && strcmp(clean, word) == 0)
            return w->text.data + c[i].sense;
    }
    return NULL;
}

/* --- what is told of it ---------------------------------------------------------------------------------- */

static size_t put(at_sense *s, at_wn_text t)
{
    const size_t at = s->text.len;
    at_wn_plain(&s->text, t);
    at_buf_char(&s->text, 0);
    return at;
}
static void put_place(at_buf *list, size_t place)
{
    at_buf_add(list, &place, sizeof place);
}
static at_wn_text first_word(at_wn_line *line)
{
    return at_wn_next_word(&line->words);
}
static bool is_text(at_wn_text t, const char *word)
{
    return strlen(word) == t.len && memcmp(t.at, word, t.len) == 0;
}

/* What everything is, and so says nothing of a picture. */
static const char *const tops[] = {"entity",
                                   "physical_entity",
                                   "abstraction",
                                   "object",
                                   "whole",
                                   "thing",
                                   "causal_agent",
                                   "matter",
                                   "psychological_feature",
                                   "physical_process",
                                   "process",
                                   "unit",
                                   "part",
                                   "relation",
                                   "attribute",
                                   "artifact",
                                   "instrumentality"};

/* Headings as people sort pictures, with the lexicographer's file that tells the word's sense. */
enum { TOPS = 3 }; // the file of what begins each of the others
static const struct heading {
    const char *word;
    unsigned lexfile;
} headings[] = {
    {"conveyance", 6},
    {"animal", 5},
    {"person", 18},
    {"plant", 20},
    {"food", 13},
    {"beverage", 13},
    {"vehicle", 6},
    {"clothing", 6},
    {"furniture", 6},
    {"building", 6},
    {"room", 6},
    {"tool", 6},
    {"home_appliance", 6},
    {"tableware", 6},
    {"weapon", 6},
    {"container", 6},
    {"musical_instrument", 6},
    {"footwear", 6},
    {"jewelry", 6},
    {"plaything", 6},
    {"fabric", 6},
    {"road", 6},
    {"structure", 6},
    {"device", 6},
    {"equipment", 6},
    {"body_part", 8},
    {"geological_formation", 17},
    {"body_of_water", 17},
    {"celestial_body", 17},
    {"color", 7},
    {"sport", 4},
    {"activity", 4},
    {"location", 15},
    {"social_group", 14},
    {"weather", 19},
    {"substance", 27},
    {"covering", 6},
};

static at_status tell_kinds(at_sense *s, const at_wordnet *w, at_error *err)
{
    at_synset chain[AT_WN_CHAIN];
    size_t n;
    at_status status = at_wn_chain(w, s->synset, chain, &n, err);
    for (size_t i = s->head == NONE ? 1 : 0; i < n && status == AT_OK; i++) {
        at_wn_line line;
        status = at_wn_read(w, chain[i], &line, err);
        if (status != AT_OK) break;
        const at_wn_text name = first_word(&line);
        bool told = false;
        for (size_t k = 0; k < AT_COUNT(tops); k++)
            told |= is_text(name, tops[k]);
        if (!told) put_place(&s->parents, put(s, name));
        for (size_t k = 0; k < AT_COUNT(headings) && s->group == NONE; k++) {
            const bool sense = line.lexfile == headings[k].lexfile || line.lexfile == TOPS;
            if (sense && is_text(name, headings[k].word)) s->group = put(s, name);
        }
    }
    if (status == AT_OK) at_buf_add(&s->chain, chain, n * sizeof *chain);
    return status;
}

static at_status tell_words(at_sense *s, const at_wordnet *w, const char *lemma, at_error *err)
{
    at_wn_line line;
    const at_status status = at_wn_read(w, s->synset, &line, err);
    if (status != AT_OK) return status;
    const at_wn_text d = at_wn_definition(&line);
    s->definition = s->text.len;
    at_buf_add(&s->text, d.at, d.len);
    at_buf_char(&s->text, 0);
    for (size_t i = 0; i < line.n_words && s->head == NONE; i++) {
        const at_wn_text word = at_wn_next_word(&line.words);
        const char *asked = s->text.data ? s->text.data + s->word : "";
        const bool same = (word.len == strlen(lemma) && !strncasecmp(word.at, lemma, word.len)) ||
                          (word.len == strlen(asked) && !strncasecmp(word.at, asked, word.len));
        if (!same) put_place(&s->aliases, put(s, word));
    }
    return AT_OK;
}

static at_status tell_others(at_sense *s, const at_wordnet *w, const found *f, at_error *err)
{
    for (int p = 0; p < AT_WN_PARTS; p++) {
        for (size_t i = 0; i < f->n[p]; i++) {
            if (f->senses[p][i] == s->synset) continue;
            at_wn_line line;
            const at_status status = at_wn_read(w, f->senses[p][i], &line, err);
            if (status != AT_OK) return status;
            const at_wn_text d = at_wn_definition(&line);
            put_place(&s->others, s->text.len);
            put_key(&s->text, f, p, i);
            at_buf_char(&s->text, 0);
            put_place(&s->others, s->text.len);
            at_buf_add(&s->text, d.at, d.len);
            at_buf_char(&s->text, 0);
        }
    }
    return AT_OK;
}

static at_sense *new_sense(void)
{
    at_sense *s = at_new(NULL, at_sense);
    if (!s) return NULL;
    at_buf *const all[] = {&s->text, &s->parents, &s->aliases, &s->others, &s->chain, &s->any};
    for (size_t i = 0; i < AT_COUNT(all); i++)
        at_buf_init(all[i], NULL, 1 << 20);
    s->head = s->group = NONE;
    return s;
}

static at_status fill(at_sense *s, const at_wordnet *w, const char *text, at_error *err)
{
    at_notation n, other;
    found f, g;
    at_status status = at_notation_read(text, &n, err);
    if (status == AT_OK) status = find_all(w, n.word, &f, err);
    if (status != AT_OK) return status;
    const bool plain = !n.number && !n.hint[0] && n.part < 0;
    const char *own = plain ? own_choice(w, n.word) : NULL;
    const char *usual = own;
    if (plain && !usual) usual = at_wn_usual_sense(n.word);
    if (plain && !usual && f.all) usual = at_wn_usual_sense(f.words[f.first]); // branches: branch
    if (usual && strcmp(usual, "-") == 0)
        return at_fail(err, AT_E_NOT_FOUND, "\"%.80s\" has no sense %s", n.plain,
                       own ? "in the file of senses" : "in WordNet");
    int part;
    size_t index;
    bool broader = false; // the word is a kind of what the table names
    const found *in = &f; // the senses that the chosen one is among
    if (usual) {
        broader = *usual == '<';
        status = at_notation_read(usual + broader, &other, err);
        if (status == AT_OK) status = find_all(w, other.word, &g, err);
        if (status != AT_OK) return status;
        if (own && !g.all)
            return at_fail(err, AT_E_UNKNOWN_TAG,
                           "the file of senses says \"%.60s\" for \"%.60s\", which WordNet has not",
                           own, text);
        // another edition of the dictionary may count senses in another way: then the first
        status = g.all ? choose(w, usual + broader, &other, &g, &part, &index, err)
                       : AT_E_UNKNOWN_TAG;
        if (status != AT_OK && (own || status != AT_E_UNKNOWN_TAG)) return status;
        if (status == AT_OK)
            in = &g;
        else
            usual = NULL;
    }
    if (in == &f) {
        if (!f.all) return at_fail(err, AT_E_NOT_FOUND, "\"%.80s\" is not in WordNet", n.plain);
        status = choose(w, text, &n, &f, &part, &index, err);
        if (status != AT_OK) return status;
    }
    s->synset = in->senses[part][index];
    s->how = !plain       ? AT_SENSE_GIVEN
             : usual      ? AT_SENSE_TABLE
             : f.all == 1 ? AT_SENSE_ONLY
                          : AT_SENSE_FIRST;
    s->word = put(s, (at_wn_text){n.plain, strlen(n.plain)});
    s->key = s->text.len;
    put_key(&s->text, in, part, index);
    at_buf_char(&s->text, 0);
    if (in->head || (in == &g && broader))
        s->head = put(s, (at_wn_text){in->words[part], strlen(in->words[part])});
    if (s->how == AT_SENSE_FIRST || s->how == AT_SENSE_ONLY)
        at_buf_add(&s->any, f.senses[f.first], f.n[f.first] * sizeof(at_synset));
    else
        at_buf_add(&s->any, &s->synset, sizeof s->synset);
    status = tell_words(s, w, in->words[part], err);
    if (status == AT_OK) status = tell_kinds(s, w, err);
    if (status == AT_OK) status = tell_others(s, w, &f, err);
    return status;
}

at_status at_sense_find(const at_wordnet *w, const char *word, at_sense **out, at_error *err)
{
    if (!w || !word || !out)
        return at_fail(err, AT_E_INVALID_PARAMETER, "at_sense_find: no argument may be NULL");
    *out = NULL;
    at_sense *s = new_sense();
    if (!s) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for a word's sense");
    at_status status = fill(s, w, word, err);
    const at_buf *const all[] = {&s->text,   &s->parents, &s->aliases,
                                 &s->others, &s->chain,   &s->any};
    for (size_t i = 0; i < AT_COUNT(all) && status == AT_OK; i++) {
        if (all[i]->status != AT_OK)
            status = at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for a word's sense");
    }
    if (status != AT_OK) {
        if (err) at_utf8_printable(err->text); // it shows the word, which may hold anything
        at_sense_free(s);
        return status;
    }
    *out = s;
    return AT_OK;
}

void at_sense_free(at_sense *s)
{
    if (!s) return;
    at_buf *const all[] = {&s->text, &s->parents, &s->aliases, &s->others, &s->chain, &s->any};
    for (size_t i = 0; i < AT_COUNT(all); i++)
        at_buf_reset(all[i]);
    at_free(NULL, s);
}

/* --- facts --------------------------------------------------------------------------------------------- */

static const char *text_at(const at_sense *s, size_t place)
{
    return place == NONE ? NULL : s->text.data + place;
}
static const char *text_of(const at_sense *s, const at_buf *list, size_t i)
{
    return text_at(s, ((const size_t *)(const void *)list->data)[i]);
}
at_synset at_sense_synset(const at_sense *s)
{
    return s->synset;
}
const char *at_sense_word(const at_sense *s)
{
    return text_at(s, s->word);
}
const char *at_sense_key(const at_sense *s)
{
    return text_at(s, s->key);
}
at_sense_how at_sense_chosen(const at_sense *s)
{
    return s->how;
}
const char *at_sense_definition(const at_sense *s)
{
    return text_at(s, s->definition);
}
const char *at_sense_head(const at_sense *s)
{
    return text_at(s, s->head);
}
const char *at_sense_group(const at_sense *s)
{
    return s->group == NONE ? "" : text_at(s, s->group);
}
size_t at_sense_parents(const at_sense *s)
{
    return s->parents.len / sizeof(size_t);
}
const char *at_sense_parent(const at_sense *s, size_t i)
{
    return text_of(s, &s->parents, i);
}
size_t at_sense_aliases(const at_sense *s)
{
    return s->aliases.len / sizeof(size_t);
}
const char *at_sense_alias(const at_sense *s, size_t i)
{
    return text_of(s, &s->aliases, i);
}
size_t at_sense_others(const at_sense *s)
{
    return s->others.len / sizeof(size_t) / 2;
}
const char *at_sense_other(const at_sense *s, size_t i, const char **definition)
{
    if (definition) *definition = text_of(s, &s->others, 2 * i + 1);
    return text_of(s, &s->others, 2 * i);
}

int at_sense_is_a(const at_sense *s, const at_sense *group)
{
    const at_synset *chain = (const void *)s->chain.data, *any = (const void *)group->any.data;
    for (size_t i = 0; i < s->chain.len / sizeof *chain; i++) {
        for (size_t k = 0; k < group->any.len / sizeof *any; k++) {
            if (chain[i] == any[k]) return 1;
        }
    }
    return 0;
}
