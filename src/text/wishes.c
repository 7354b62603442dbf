/* wishes.c - forms as sequences of tokens, and where a beam's end stands in them. A forbidden word is
 * caught twice: its usual tokens are not completed, and where other tokens spelled it, no new word
 * may begin behind it. */
#include "text/wishes.h"

#include "text/word_forms.h"

#include <math.h>
#include <string.h>

typedef struct form {
    int32_t ids[AT_WISH_PIECES];
    size_t n;
    at_form text;
} form;

typedef struct wish {
    form forms[AT_WISH_FORMS];
    size_t n;
} wish;

struct at_wishes {
    const at_allocator *al;
    const at_wordpiece *w;
    size_t n_require, n_forbid;
    wish require[AT_WISHES], forbid[AT_WISHES];
    bool *goes_on;     // [vocab] of ## tokens
    at_status *failed; // the first failure of a mask, which returns nothing
};

/* The forms of one word that the vocabulary can write. */
static at_status add(wish *to, const at_wishes *w, const char *word, const char *option,
                     at_error *err)
{
    at_form forms[AT_FORMS];
    const size_t n = at_word_forms(word, forms);
    const int32_t unk = at_wordpiece_id(w->w, "[UNK]");
    for (size_t i = 0; i < n && to->n < AT_WISH_FORMS; i++) {
        int32_t *ids = NULL;
        size_t count = 0;
        const at_status status = at_wordpiece_encode(w->w, forms[i], strlen(forms[i]), &ids, &count,
                                                     err);
        if (status != AT_OK) return status;
        bool known = count > 0 && count <= AT_WISH_PIECES;
        for (size_t k = 0; k < count; k++)
            known = known && ids[k] != unk && !at_wordpiece_special(w->w, ids[k]);
        if (known) {
            form *f = &to->forms[to->n++];
            memcpy(f->ids, ids, count * sizeof *ids);
            f->n = count;
            memcpy(f->text, forms[i], sizeof f->text);
        }
        at_free(w->al, ids);
        if (!known && i == 0)
            return at_fail(err, AT_E_INVALID_PARAMETER,
                           "%s: \"%.60s\" cannot be written with this model's vocabulary", option,
                           word);
    }
    return n ? AT_OK
             : at_fail(err, AT_E_INVALID_PARAMETER, "%s: an empty word, or one over 150 bytes",
                       option);
}

static at_status contradiction(const at_wishes *w, at_error *err)
{
    for (size_t i = 0; i < w->n_require; i++)
        for (size_t k = 0; k < w->n_forbid; k++)
            for (size_t f = 0; f < w->forbid[k].n; f++) {
                if (at_text_has_word(w->require[i].forms[0].text, w->forbid[k].forms[f].text))
                    return at_fail(
                        err, AT_E_INVALID_PARAMETER,
                        "\"%.60s\" is required and \"%.60s\" forbidden; no caption has both",
                        w->require[i].forms[0].text, w->forbid[k].forms[0].text);
            }
    return AT_OK;
}

at_status at_wishes_open(at_wishes **out, const at_wordpiece *wp, const char *const *require,
                         size_t n_require, const char *const *forbid, size_t n_forbid,
                         const at_allocator *al, at_error *err)
{
    *out = NULL;
    if (n_require > AT_WISHES || n_forbid > AT_WISHES)
        return at_fail(err, AT_E_INVALID_PARAMETER, "at most %d required and %d forbidden words",
                       AT_WISHES, AT_WISHES);
    at_wishes *w = at_new(al, at_wishes);
    if (!w) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the wishes");
    *w = (at_wishes){.al = al, .w = wp, .n_require = n_require, .n_forbid = n_forbid};
    const size_t vocab = at_wordpiece_size(wp);
    w->goes_on = at_calloc(al, vocab, sizeof *w->goes_on);
    w->failed = at_calloc(al, 1, sizeof *w->failed);
    at_status status = w->goes_on && w->failed
                           ? AT_OK
                           : at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the wishes");
    for (size_t v = 0; w->goes_on && v < vocab; v++) {
        const char *token = at_wordpiece_token(wp, (int32_t)v);
        w->goes_on[v] = token[0] == '#' && token[1] == '#' && token[2];
    }
    for (size_t i = 0; status == AT_OK && i < n_require; i++)
        status = add(&w->require[i], w, require[i], "require", err);
    for (size_t i = 0; status == AT_OK && i < n_forbid; i++)
        status = add(&w->forbid[i], w, forbid[i], "forbid", err);
    if (status == AT_OK) status = contradiction(w, err);
    if (status == AT_OK)
        *out = w;
    else
        at_wishes_close(w);
    return status;
}

void at_wishes_close(at_wishes *w)
{
    if (!w) return;
    at_free(w->al, w->goes_on);
    at_free(w->al, w->failed);
    at_free(w->al, w);
}

/* The most tokens at the end of ids that begin the form. */
static size_t begun(const form *f, const int32_t *ids, size_t n)
{
    for (size_t k = at_min_size(f->n, n); k > 0; k--) {
        if (memcmp(ids + n - k, f->ids, k * sizeof *ids) == 0) return k;
    }
    return 0;
}

/* A forbidden word, however it was spelled, stands at the end of ids. */
static bool forbidden_end(const at_wishes *w, const int32_t *ids, size_t n)
{
    if (w->n_forbid == 0) return false;
    char room[1024];
    at_buf text;
    at_buf_init(&text, w->al, sizeof room);
    const size_t from = n > AT_WISH_WINDOW ? n - AT_WISH_WINDOW : 0;
    at_wordpiece_decode(w->w, ids + from, n - from, &text);
    bool found = false;
    for (size_t i = 0; text.status == AT_OK && i < w->n_forbid && !found; i++)
        for (size_t f = 0; f < w->forbid[i].n && !found; f++) {
            const char *word = w->forbid[i].forms[f].text;
            const size_t len = strlen(word);
            found = text.len >= len && memcmp(text.data + text.len - len, word, len) == 0 &&
                    (text.len == len || text.data[text.len - len - 1] == ' ');
        }
    if (text.status != AT_OK) *w->failed = text.status;
    at_buf_reset(&text);
    return found;
}

void at_wishes_mask(const at_wishes *w, const at_wish_state *s, const int32_t *ids, size_t n,
                    int32_t eos, float *lp)
{
    const size_t vocab = at_wordpiece_size(w->w);
    // a token that decoding drops would hide where words end
    for (size_t v = 0; v < vocab; v++)
        if ((int32_t)v != eos && at_wordpiece_special(w->w, (int32_t)v)) lp[v] = -INFINITY;
    if (s->closed) {
        for (size_t v = 0; v < vocab; v++)
            if (w->goes_on[v]) lp[v] = -INFINITY;
    }
    if (forbidden_end(w, ids, n)) {
        for (size_t v = 0; v < vocab; v++)
            if (!w->goes_on[v]) lp[v] = -INFINITY;
    }
    for (size_t i = 0; i < w->n_forbid; i++)
        for (size_t f = 0; f < w->forbid[i].n; f++) {
            const form *bad = &w->forbid[i].forms[f];
            if (bad->n == 1 || (n >= bad->n - 1 && memcmp(ids + n - (bad->n - 1), bad->ids,
                                                          (bad->n - 1) * sizeof *ids) == 0))
                lp[bad->ids[bad->n - 1]] = -INFINITY;
        }
    if (at_wishes_count_met(w, s) < (int)w->n_require) lp[eos] = -INFINITY;
}

size_t at_wishes_next(const at_wishes *w, const at_wish_state *s, const int32_t *ids, size_t n,
                      int32_t next[AT_WISH_TOKENS])
{
    size_t count = 0;
    for (size_t i = 0; i < w->n_require; i++) {
        if (s->met >> i & 1) continue;
        for (size_t f = 0; f < w->require[i].n; f++) {
            const form *good = &w->require[i].forms[f];
            const size_t k = begun(good, ids, n);
            if (k < good->n) next[count++] = good->ids[k];
        }
    }
    return count;
}

void at_wishes_advance(const at_wishes *w, at_wish_state *s, const int32_t *ids, size_t n)
{
    s->closed = false;
    s->progress = 0;
    for (size_t i = 0; i < w->n_require; i++) {
        if (s->met >> i & 1) continue;
        size_t most = 0;
        for (size_t f = 0; f < w->require[i].n; f++) {
            const form *good = &w->require[i].forms[f];
            const size_t k = begun(good, ids, n);
            if (k == good->n) {
                s->met |= 1u << i;
                s->closed = true; // "dog" must not become "dog ##ma"
            } else if (k > most) {
                most = k;
            }
        }
        if (!(s->met >> i & 1) && most > s->progress) s->progress = (uint32_t)most;
    }
}

size_t at_wishes_bank(const at_wishes *w, const at_wish_state *s)
{
    size_t bank = s->progress;
    for (size_t i = 0; i < w->n_require; i++)
        if (s->met >> i & 1) bank += w->require[i].forms[0].n;
    return bank;
}

int at_wishes_count_met(const at_wishes *w, const at_wish_state *s)
{
    return w ? __builtin_popcount(s->met) : 0;
}

at_status at_wishes_status(const at_wishes *w)
{
    return w ? *w->failed : AT_OK;
}

int at_wishes_required(const at_wishes *w)
{
    return w ? (int)w->n_require : 0;
}

static bool letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (unsigned char)c >= 0x80;
}

bool at_text_has_word(const char *text, const char *word)
{
    at_form forms[AT_FORMS];
    const size_t n = at_word_forms(word, forms);
    for (size_t f = 0; f < n; f++) {
        const size_t len = strlen(forms[f]);
        for (const char *at = text; (at = strstr(at, forms[f])); at++) {
            if ((at == text || !letter(at[-1])) && !letter(at[len])) return true;
        }
    }
    return false;
}
