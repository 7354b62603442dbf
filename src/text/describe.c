/* describe.c - what a dictionary says of a word, in sentences as people write them about pictures.
 *
 * The official descriptions are answers of a language model to five questions about how a thing looks, with
 * "a photo of a {tag}." before them. Here kinds of facts stand for the questions: what it is, what it is a
 * kind of, its parts, its other names, its own kinds, what it is a part of; and plain sentences of the sort
 * that CLIP was tried with. RAM++ weighs them for each picture, so that a sentence that does not fit a
 * picture costs little there, while one missing can not be weighed: variety counts more than polish. */
#include "text/describe.h"

#include "text/word_forms.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum {
    DEFINITION,
    KIND,
    PART,
    SYNONYM,
    EXAMPLE,
    WHOLE,
    TOPICS,
    FACTS = 10,       // of a topic
    FACT_BYTES = 224, // a text encoder reads 77 tokens
    TEMPLATES = 4,    // of a topic
};

typedef enum number { COUNTED, MASS, PLURAL } number;

typedef struct subject {
    const char *name;
    int part; // of speech
    number number;
    bool quality;            // a color: one sees something brown
    bool loose;              // its definition does not follow "a crane is"
    char ing[AT_FORM_BYTES]; // of a verb
} subject;

typedef struct facts {
    char text[TOPICS][FACTS][FACT_BYTES];
    size_t n[TOPICS];
} facts;

/* {s} a crane  {S} A crane  {n} crane  {is} is, are  {has} has, have  {ing} riding  {f} the fact
 * {af} the fact with its article */
static const char *const templates[AT_WN_PARTS][TOPICS][TEMPLATES] = {
    [AT_WN_NOUN] =
        {
            [DEFINITION] = {"{S} {is} {f}.", "A photo of {s}: {f}.",
                            "A picture that shows {s}, {f}.", "One can tell {s} by this: {f}."},
            [KIND] = {"A photo of {s}, a kind of {f}.", "{S} {is} a kind of {f}.",
                      "The {f} in this photo: {s}."},
            [PART] = {"{S} {has} {af}.", "A photo of {s} showing {af}.",
                      "{S} with {af} in a close-up photo."},
            [SYNONYM] = {"{S} {is} also called {f}.", "A photo of {s}, also known as {f}.",
                         "A photo of {af}."},
            [EXAMPLE] = {"{S} can be {af}.", "A photo of {s}, for example {af}.",
                         "A photo of {af}, which {is} {s}."},
            [WHOLE] = {"{S} {is} part of {af}.", "A photo of {af} with its {n}."},
        },
    [AT_WN_VERB] =
        {
            [DEFINITION] = {"To {n} is to {f}.", "A photo of someone {ing}: {f}.",
                            "{ing} means to {f}."},
            [KIND] = {"To {n} is a way to {f}.", "A photo of someone {ing}, a way to {f}."},
            [SYNONYM] = {"To {n} is also to {f}.",
                         "A photo of someone {ing}; one can also say {f}."},
            [EXAMPLE] = {"One way to {n} is to {f}.",
                         "A photo of someone {ing}, for example to {f}."},
        },
    [AT_WN_ADJECTIVE] =
        {
            [DEFINITION] = {"Something {n} is {f}.", "A photo of something {n}: {f}.",
                            "What is {n} looks like this: {f}."},
            [KIND] = {"Something {n} is {f}.", "A photo of something {n}, that is {f}."},
            [SYNONYM] = {"Something {n} is also called {f}.", "A photo of something {n} or {f}."},
        },
    [AT_WN_ADVERB] =
        {
            [DEFINITION] = {"A photo of something {n}: {f}.", "{n} means {f}."},
            [SYNONYM] = {"A photo of something {n}, also said {f}."},
        },
};

/* 7 x 12 x 12 plain sentences, at least AT_LABEL_ROWS_MOST. {m} "photo", {am} "a photo", {t} a tail */
enum { LEADS = 7, MEDIA = 12, TAILS = 12 };
static const char *const leads[LEADS] = {"{Am} of {s}{t}.",
                                         "This is {am} of {s}{t}.",
                                         "{Am} that shows {s}{t}.",
                                         "{Am} with {s} in it{t}.",
                                         "One can see {s} in this {m}{t}.",
                                         "In this {m} there {is} {s}{t}.",
                                         "Somebody took {am} of {s}{t}."};
static const char *const media[MEDIA] = {
    "photo",       "close-up photo",       "picture",        "bright photo",
    "dark photo",  "blurry photo",         "cropped photo",  "black and white photo",
    "sharp photo", "photo of low quality", "colorful photo", "snapshot"};
static const char *const tails[TAILS] = {
    "",           ", seen from far away", ", outdoors",        ", indoors",
    ", in front", ", in the background",  ", from the side",   ", from above",
    ", by day",   ", at night",           ", seen from below", ", among other things"};
_Static_assert(LEADS *MEDIA *TAILS > AT_LABEL_ROWS_MOST, "there are too few plain sentences");

/* --- words ---------------------------------------------------------------------------------------------- */

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool ends(const char *text, const char *with)
{
    const size_t n = strlen(text), k = strlen(with);
    return n >= k && strcmp(text + n - k, with) == 0;
}

/* By sound, as far as spelling tells it. */
static const char *article(const char *word)
{
    static const char *const a[] = {"uni", "use", "usu", "euro", "one", "ewe"};
    static const char *const an[] = {"hour", "honest", "heir", "X-ray"};
    for (size_t i = 0; i < AT_COUNT(a); i++) {
        if (begins(word, a[i]) && !begins(word, "unin") && !begins(word, "unim")) return "a";
    }
    for (size_t i = 0; i < AT_COUNT(an); i++) {
        if (begins(word, an[i])) return "an";
    }
    return *word && strchr("aeiouAEIOU", *word) ? "an" : "a";
}

static bool looks_plural(const char *word)
{
    return ends(word, "s") && !ends(word, "ss") && !ends(word, "us") && !ends(word, "is") &&
           !ends(word, "ics") && !ends(word, "lens");
}

static bool has_article(const char *text)
{
    static const char *const words[] = {"a",       "an",       "the",       "any",     "one",
                                        "each",    "all",      "some",      "two",     "three",
                                        "several", "someone",  "something", "what",    "that",
                                        "various", "anything", "somebody",  "whatever"};
    const size_t len = strcspn(text, " ,;");
    for (size_t i = 0; i < AT_COUNT(words); i++) {
        if (strlen(words[i]) == len && strncasecmp(text, words[i], len) == 0) return true;
    }
    return false;
}

/* Does a definition speak of many ("warm-blooded vertebrates characterized by ...")? */
static bool many(const char *definition)
{
    static const char *const after[] = {
        "of",      "with", "that", "which", "having", "characterized", "used",
        "usually", "in",   "for",  "and",   "or",     "whose",         "made",
        "from",    "on",   "by",   "to",    "worn",   "when",          "at"};
    const char *word = definition, *before = NULL;
    size_t len_before = 0;
    for (;;) {
        const size_t len = strcspn(word, " ,;(:");
        bool stop = len == 0;
        // "domesticated since", "swimming in"; but "egg-laying vertebrates"
        if (len > 3 && before && !memchr(word, '-', len))
            stop |= memcmp(word + len - 2, "ed", 2) == 0 || memcmp(word + len - 3, "ing", 3) == 0;
        for (size_t i = 0; i < AT_COUNT(after) && !stop; i++)
            stop = strlen(after[i]) == len && memcmp(word, after[i], len) == 0;
        if (stop) break;
        before = word;
        len_before = len;
        word += len;
        if (*word != ' ') break;
        word++;
    }
    char last[64];
    (void)snprintf(last, sizeof last, "%.*s", (int)at_min_size(len_before, 60),
                   before ? before : "");
    return looks_plural(last);
}

static number number_of(const char *name, const at_wn_line *line, const at_sense *sense)
{
    if (looks_plural(name)) return PLURAL;
    static const char *const masses[] = {"beverage", "foodstuff",     "flavorer", "meat",
                                         "starches", "fabric",        "bread",    "dairy product",
                                         "clothing", "body covering", "weather",  "cheese",
                                         "cereal"};
    // of the lexicographer's files, those of acts, states, feelings, materials, times
    static const unsigned files[] = {4, 7, 12, 16, 19, 22, 26, 27, 28};
    for (size_t i = 0; i < AT_COUNT(files); i++) {
        if (line->lexfile == files[i]) return MASS;
    }
    static const unsigned either[] = {3, 6, 8, 13}; // counted or not
    bool may = false;
    for (size_t i = 0; i < AT_COUNT(either); i++)
        may |= line->lexfile == either[i];
    if (!may) return COUNTED;
    const size_t near = line->lexfile == 6 ? 1 : 3; // a shirt is clothing too, and counted
    for (size_t p = 0; p < at_sense_parents(sense) && p < near; p++) {
        for (size_t i = 0; i < AT_COUNT(masses); i++) {
            if (strcmp(at_sense_parent(sense, p), masses[i]) == 0) return MASS;
        }
    }
    return COUNTED;
}

/* riding, running, sitting up: the first word of a phrase. */
static void gerund(const char *verb, char out[AT_FORM_BYTES])
{
    const size_t len = strcspn(verb, " ");
    char first[AT_FORM_BYTES];
    at_form forms[AT_FORMS];
    (void)snprintf(first, sizeof first, "%.*s", (int)at_min_size(len, 100), verb);
    size_t vowels = 0;
    for (const char *c = first; *c; c++)
        vowels += strchr("aeiou", *c) && (c == first || !strchr("aeiou", c[-1]));
    const size_t n = at_word_forms(first, forms);
    const char *ing = first;
    for (size_t i = 1; i < n;
         i++) { // of opening and openning the first, of runing and running the last
        if (ends(forms[i], "ing") && (ing == first || vowels == 1)) ing = forms[i];
    }
    (void)snprintf(out, AT_FORM_BYTES, "%.100s%.50s", ends(first, "ing") ? first : ing, verb + len);
}

/* --- facts ---------------------------------------------------------------------------------------------- */

static void add_fact(facts *f, int topic, const char *text)
{
    if (f->n[topic] == FACTS || !*text) return;
    for (size_t i = 0; i < f->n[topic]; i++) {
        if (strcmp(f->text[topic][i], text) == 0) return;
    }
    (void)snprintf(f->text[topic][f->n[topic]++], FACT_BYTES, "%s", text);
}

/* The definition with an article where it needs one, cut at the end of a part of it. */
static void add_definition(facts *f, const char *text, subject *s)
{
    if (*text == '(') { // (sports) ...
        const char *close = strchr(text, ')');
        if (close) text = close + 1 + strspn(close + 1, " ");
    }
    const bool bare = s->part == AT_WN_NOUN && s->number == COUNTED && !has_article(text) &&
                      !many(text) && islower((unsigned char)*text);
    s->loose = s->part == AT_WN_NOUN && s->number == COUNTED && !bare && !has_article(text);
    char whole[FACT_BYTES];
    for (size_t limit = FACT_BYTES - 24, len; limit; limit = len) {
        len = strlen(text);
        if (limit != FACT_BYTES - 24 || len > limit) { // shorter: end at ; or : or , or a blank
            len = 0;
            for (const char *end = ";:, "; *end && !len; end++) {
                for (size_t i = at_min_size(limit, strlen(text)); i-- > 20 && !len;)
                    if (text[i] == *end) len = i;
                if (limit != FACT_BYTES - 24 && *end == ';') break; // again: whole parts alone
            }
        }
        if (!len) break;
        (void)snprintf(whole, sizeof whole, "%s%s%.*s", bare ? article(text) : "", bare ? " " : "",
                       (int)len, text);
        add_fact(f, DEFINITION, whole);
        if (f->n[DEFINITION] == 3) break;
    }
}

/* What everything has. */
static bool says_nothing(const char *name)
{
    return strcmp(name, "part") == 0 || strcmp(name, "section") == 0;
}

static at_status add_related(facts *f, const at_wordnet *w, const at_wn_line *of, int topic,
                             const char *symbols, at_error *err)
{
    at_wn_line line = *of;
    for (size_t k = 0; k < of->n_pointers && f->n[topic] < FACTS; k++) {
        at_synset to;
        const at_wn_text symbol = at_wn_next_pointer(&line.pointers, &to);
        bool wanted = false;
        for (const char *s = symbols; *s; s += strcspn(s, " "), s += *s == ' ')
            wanted |= symbol.len == strcspn(s, " ") && memcmp(symbol.at, s, symbol.len) == 0;
        if (!wanted) continue;
        at_wn_line other;
        const at_status status = at_wn_read(w, to, &other, err);
        if (status != AT_OK) return status;
        const at_wn_text word = at_wn_next_word(&other.words);
        char name[FACT_BYTES];
        (void)snprintf(name, sizeof name, "%.*s", (int)at_min_size(word.len, 100), word.at);
        for (char *c = name; *c; c++)
            *c = *c == '_' ? ' ' : *c;
        if (!says_nothing(name)) add_fact(f, topic, name);
    }
    return AT_OK;
}

static at_status gather(facts *f, const at_wordnet *w, const at_sense *sense, subject *s,
                        at_error *err)
{
    at_synset chain[AT_WN_CHAIN];
    size_t n;
    at_wn_line line;
    at_status status = at_wn_read(w, at_sense_synset(sense), &line, err);
    if (status != AT_OK) return status;
    s->part = line.part;
    s->number = line.part == AT_WN_NOUN ? number_of(s->name, &line, sense) : MASS;
    s->quality = strcmp(at_sense_group(sense), "color") == 0;
    add_definition(f, at_sense_definition(sense), s);
    for (size_t i = 0; i < at_sense_parents(sense) && i < 4; i++)
        add_fact(f, KIND, at_sense_parent(sense, i));
    for (size_t i = 0; i < at_sense_aliases(sense) && i < 6; i++)
        add_fact(f, SYNONYM, at_sense_alias(sense, i));
    if (!at_sense_head(sense)) status = add_related(f, w, &line, EXAMPLE, "~", err);
    if (status == AT_OK) status = add_related(f, w, &line, WHOLE, "#p #s", err);
    if (status == AT_OK) status = at_wn_chain(w, at_sense_synset(sense), chain, &n, err);
    for (size_t i = 0; i < n && status == AT_OK && !s->quality;
         i++) { // a crane has what birds have
        status = at_wn_read(w, chain[i], &line, err);
        if (status == AT_OK) status = add_related(f, w, &line, PART, "%p", err);
    }
    return status;
}

/* --- sentences -------------------------------------------------------------------------------------------- */

/* The name with its article, or as what one sees of a verb or an adjective. */
static void put_subject(at_buf *out, const subject *s)
{
    if (s->part == AT_WN_VERB)
        at_buf_fmt(out, "someone %s", s->ing);
    else if (s->part == AT_WN_ADJECTIVE || s->part == AT_WN_ADVERB || s->quality)
        at_buf_fmt(out, "something %s", s->name);
    else if (s->number == COUNTED)
        at_buf_fmt(out, "%s %s", article(s->name), s->name);
    else
        at_buf_str(out, s->name);
}

static void put_sentence(at_buf *out, const char *format, const subject *s, const char *fact,
                         const char *medium, const char *tail)
{
    const size_t start = out->len;
    for (const char *c = format; *c; c++) {
        const size_t len = *c == '{' ? strcspn(c, "}") + 1 : 0;
        if (!len) {
            at_buf_char(out, *c);
            continue;
        }
        const char *what = c + 1;
        if (begins(what, "s}") || begins(what, "S}"))
            put_subject(out, s);
        else if (begins(what, "n}"))
            at_buf_str(out, s->name);
        else if (begins(what, "is}"))
            at_buf_str(out, s->part == AT_WN_NOUN && s->number == PLURAL ? "are" : "is");
        else if (begins(what, "has}"))
            at_buf_str(out, s->number == PLURAL ? "have" : "has");
        else if (begins(what, "ing}"))
            at_buf_str(out, s->ing);
        else if (begins(what, "f}"))
            at_buf_str(out, fact);
        else if (begins(what, "af}"))
            at_buf_fmt(out, "%s%s%s", looks_plural(fact) ? "" : article(fact),
                       looks_plural(fact) ? "" : " ", fact);
        else if (begins(what, "am}") || begins(what, "Am}"))
            at_buf_fmt(out, "%s %s", article(medium), medium);
        else if (begins(what, "m}"))
            at_buf_str(out, medium);
        else
            at_buf_str(out, tail); // {t}
        c += len - 1;
    }
    if (out->status == AT_OK && out->len > start)
        out->data[start] = (char)toupper((unsigned char)out->data[start]);
    at_buf_char(out, 0);
}

static void put_plain(at_buf *out, const subject *s, size_t i)
{
    const size_t m = i % MEDIA, t = (i / MEDIA + m) % TAILS, l = (i / (MEDIA * TAILS) + i) % LEADS;
    put_sentence(out, leads[l], s, "", media[m], tails[t]);
}

/* Takes the last sentence back if it was there before. */
static bool is_new(at_buf *out, size_t first, size_t last)
{
    if (out->status != AT_OK) return true;
    for (size_t at = first; at < last; at += strlen(out->data + at) + 1) {
        if (strcasecmp(out->data + at, out->data + last) != 0) continue;
        out->len = last;
        return false;
    }
    return true;
}

at_status at_describe(const at_wordnet *w, const char *name, const at_sense *sense, size_t count,
                      at_buf *out, at_error *err)
{
    static const facts none;
    subject s = {.name = name, .number = looks_plural(name) ? PLURAL : COUNTED};
    facts f = none;
    const at_status status = sense ? gather(&f, w, sense, &s, err) : AT_OK;
    if (status != AT_OK) return status;
    gerund(name, s.ing);
    subject named = s; // in sentences of facts: brown is a color
    named.quality = false;
    const size_t first = out->len;
    at_buf_str(out, "a photo of "); // the official first sentence, small letters and all
    put_subject(out, &s);
    at_buf_char(out, '.');
    at_buf_char(out, 0);
    size_t taken[TOPICS] = {0}, plain = 1, n = 1; // plain 0 is the first
    for (int topic = 0; n < count && out->status == AT_OK; topic = (topic + 1) % (TOPICS + 1)) {
        const size_t last = out->len;
        if (topic == TOPICS) { // one of them each round, and what is missing in the end
            put_plain(out, &s, plain++);
        } else {
            size_t n_templates = 0;
            while (n_templates < TEMPLATES && templates[s.part][topic][n_templates])
                n_templates++;
            const size_t i = taken[topic]++, facts_there = f.n[topic];
            if (i >= facts_there * n_templates) continue;
            // each fact meets each template once, neither twice in a row
            const size_t t = (i / facts_there + i % facts_there) % n_templates;
            const char *format = topic == DEFINITION && t == 0 && s.loose
                                     ? "{S}: {f}."
                                     : templates[s.part][topic][t];
            put_sentence(out, format, &named, f.text[topic][i % facts_there], "", "");
        }
        n += is_new(out, first, last);
    }
    return out->status == AT_OK ? AT_OK : at_fail(err, out->status, "no memory for descriptions");
}
