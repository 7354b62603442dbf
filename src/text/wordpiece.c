/* wordpiece.c - the vocabulary as two hash tables (beginnings of words, and the ## rest), greedy
 * longest match, and the way back. Splitting text into words is words.c's. */
#include "text/wordpiece.h"

#include "base/utf8.h"
#include "text/words.h"

#include <string.h>

enum { MAX_WORD_CHARS = 100, MAX_PIECE_BYTES = 128 };

typedef struct slot {
    uint64_t hash;
    int32_t id; // -1: free
} slot;

struct at_wordpiece {
    const at_allocator *al;
    const char *const *vocab;
    size_t n;
    slot *tables[2]; // [0] beginnings, [1] pieces that were written with ##
    size_t mask;
    size_t longest; // bytes of the longest piece
    int32_t unk;
    bool *special; // [n]
};

static uint64_t hash_step(uint64_t h, unsigned char c)
{
    return (h ^ c) * 0x100000001b3ull;
}
static const uint64_t HASH_START = 0xcbf29ce484222325ull;

static const char *piece_text(const char *token, int *table)
{
    *table = token[0] == '#' && token[1] == '#' && token[2] != 0;
    return token + 2 * *table;
}

static int32_t find(const at_wordpiece *w, int table, const char *text, size_t len, uint64_t hash)
{
    for (size_t i = hash & w->mask;; i = (i + 1) & w->mask) {
        const slot *s = &w->tables[table][i];
        if (s->id < 0) return -1;
        int unused;
        if (s->hash != hash) continue;
        const char *piece = piece_text(w->vocab[s->id], &unused);
        if (strncmp(piece, text, len) == 0 && piece[len] == 0) return s->id;
    }
}

static void insert(at_wordpiece *w, int32_t id)
{
    int table;
    const char *text = piece_text(w->vocab[id], &table);
    uint64_t hash = HASH_START;
    size_t len = 0;
    for (; text[len]; len++)
        hash = hash_step(hash, (unsigned char)text[len]);
    if (len > w->longest) w->longest = len;
    size_t i = hash & w->mask;
    while (w->tables[table][i].id >= 0)
        i = (i + 1) & w->mask;
    w->tables[table][i] = (slot){.hash = hash, .id = id};
}

int32_t at_wordpiece_id(const at_wordpiece *w, const char *token)
{
    int table;
    const char *text = piece_text(token, &table);
    uint64_t hash = HASH_START;
    for (const char *c = text; *c; c++)
        hash = hash_step(hash, (unsigned char)*c);
    return find(w, table, text, strlen(text), hash);
}

at_status at_wordpiece_open(at_wordpiece **out, const char *const *vocab, size_t n,
                            const at_allocator *al, at_error *err)
{
    static const char *const specials[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]",
                                           "[DEC]", "[ENC]", "[BOS]", "[EOS]"};
    *out = NULL;
    if (n == 0 || n > INT32_MAX / 4)
        return at_fail(err, AT_E_MODEL_DAMAGED, "a vocabulary of %zu tokens", n);
    at_wordpiece *w = at_new(al, at_wordpiece);
    if (!w) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the vocabulary");
    *w = (at_wordpiece){.al = al, .vocab = vocab, .n = n};
    size_t slots = 64;
    while (slots < 2 * n)
        slots *= 2;
    w->mask = slots - 1;
    w->special = at_calloc(al, n, sizeof *w->special);
    for (int t = 0; t < 2; t++)
        w->tables[t] = at_alloc(al, slots * sizeof(slot));
    if (!w->special || !w->tables[0] || !w->tables[1]) {
        at_wordpiece_close(w);
        return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the vocabulary");
    }
    for (size_t i = 0; i < slots; i++)
        w->tables[0][i].id = w->tables[1][i].id = -1;
    for (size_t i = 0; i < n; i++)
        insert(w, (int32_t)i);
    for (size_t i = 0; i < AT_COUNT(specials); i++) {
        const int32_t id = at_wordpiece_id(w, specials[i]);
        if (id >= 0) w->special[id] = true;
    }
    w->unk = at_wordpiece_id(w, "[UNK]");
    const bool bert = at_wordpiece_id(w, "[CLS]") >= 0 && at_wordpiece_id(w, "[SEP]") >= 0,
               small = at_wordpiece_id(w, "[BOS]") >= 0 && at_wordpiece_id(w, "[EOS]") >= 0;
    if (w->unk < 0 || at_wordpiece_id(w, "[PAD]") < 0 || !(bert || small)) {
        at_wordpiece_close(w);
        return at_fail(err, AT_E_MODEL_MISMATCH,
                       "the vocabulary has no [PAD], [UNK], [CLS] or [SEP]; it is not BERT's");
    }
    *out = w;
    return AT_OK;
}

void at_wordpiece_close(at_wordpiece *w)
{
    if (!w) return;
    at_free(w->al, w->tables[0]);
    at_free(w->al, w->tables[1]);
    at_free(w->al, w->special);
    at_free(w->al, w);
}

size_t at_wordpiece_size(const at_wordpiece *w)
{
    return w->n;
}
const char *at_wordpiece_token(const at_wordpiece *w, int32_t id)
{
    return id >= 0 && (size_t)id < w->n ? w->vocab[id] : "";
}
bool at_wordpiece_special(const at_wordpiece *w, int32_t id)
{
    return id >= 0 && (size_t)id < w->n && w->special[id];
}

/* --- encoding ---------------------------------------------------------------------------------------- */

typedef struct output {
    const at_wordpiece *w;
    at_buf ids; // int32_t
} output;

static void put(output *o, int32_t id)
{
    at_buf_add(&o->ids, &id, sizeof id);
}

/* The longest piece that `word` begins with; 0: none. Prefix hashes are made once, tried from the end. */
static size_t longest_piece(const at_wordpiece *w, int table, const char *word, size_t len,
                            int32_t *id)
{
    uint64_t hashes[MAX_PIECE_BYTES + 1];
    const size_t most = at_min_size(at_min_size(len, w->longest), MAX_PIECE_BYTES);
    hashes[0] = HASH_START;
    for (size_t i = 0; i < most; i++)
        hashes[i + 1] = hash_step(hashes[i], (unsigned char)word[i]);
    for (size_t n = most; n > 0; n--) {
        if (n < len && at_utf8_inside(word[n])) continue; // inside a character
        *id = find(w, table, word, n, hashes[n]);
        if (*id >= 0) return n;
    }
    return 0;
}

static void encode_word(void *user, const char *word, size_t len, size_t chars)
{
    output *o = user;
    const size_t start = o->ids.len;
    int table = 0;
    for (size_t at = 0; at < len;) {
        int32_t id;
        const size_t n = chars > MAX_WORD_CHARS
                             ? 0
                             : longest_piece(o->w, table, word + at, len - at, &id);
        if (n == 0) { // the whole word is unknown
            o->ids.len = start;
            put(o, o->w->unk);
            return;
        }
        put(o, id);
        at += n;
        table = 1;
    }
}

static void encode_special(void *user, const char *token, size_t len)
{
    output *o = user;
    uint64_t hash = HASH_START;
    for (size_t i = 0; i < len; i++)
        hash = hash_step(hash, (unsigned char)token[i]);
    const int32_t id = find(o->w, 0, token, len, hash);
    put(o, id >= 0 ? id : o->w->unk);
}

/* Bytes of the special token that `text` begins with, 0 for none. */
static size_t special_at(void *user, const char *text, size_t len)
{
    const output *o = user;
    const char *end = len ? memchr(text, ']', at_min_size(len, 8)) : NULL;
    if (!end || text[0] != '[') return 0;
    const size_t n = (size_t)(end - text) + 1;
    uint64_t hash = HASH_START;
    for (size_t i = 0; i < n; i++)
        hash = hash_step(hash, (unsigned char)text[i]);
    const int32_t id = find(o->w, 0, text, n, hash);
    return id >= 0 && o->w->special[id] ? n : 0;
}

at_status at_wordpiece_encode(const at_wordpiece *w, const char *text, size_t len, int32_t **ids,
                              size_t *n, at_error *err)
{
    output o = {.w = w};
    at_buf_init(&o.ids, w->al, (size_t)1 << 32);
    const at_words_sink sink = {
        .user = &o, .word = encode_word, .special = encode_special, .special_at = special_at};
    at_status status = at_words_split(text, len, &sink, w->al, err);
    if (status == AT_OK && o.ids.status != AT_OK)
        status = at_fail(err, o.ids.status, "no memory for the tokens");
    if (status != AT_OK) {
        at_buf_reset(&o.ids);
        return status;
    }
    *n = o.ids.len / sizeof(int32_t);
    *ids = (int32_t *)(void *)o.ids.data; // the caller's from now on; NULL for no token
    return AT_OK;
}

/* --- decoding ---------------------------------------------------------------------------------------- */

/* Replaces every `from` in b by `to`, which is no longer. */
static void replace(at_buf *b, size_t start, const char *from, const char *to)
{
    const size_t n_from = strlen(from), n_to = strlen(to);
    size_t to_at = start;
    for (size_t i = start; i < b->len;) {
        if (b->len - i >= n_from && memcmp(b->data + i, from, n_from) == 0) {
            memcpy(b->data + to_at, to, n_to);
            to_at += n_to;
            i += n_from;
        } else {
            b->data[to_at++] = b->data[i++];
        }
    }
    b->len = to_at;
    if (b->data) b->data[b->len] = 0;
}

void at_wordpiece_decode(const at_wordpiece *w, const int32_t *ids, size_t n, at_buf *out)
{
    static const char *const clean[][2] = {{" .", "."},    {" ?", "?"},   {" !", "!"},
                                           {" ,", ","},    {" ' ", "'"},  {" n't", "n't"},
                                           {" 'm", "'m"},  {" 's", "'s"}, {" 've", "'ve"},
                                           {" 're", "'re"}};
    const size_t start = out->len;
    bool first = true;
    for (size_t i = 0; i < n; i++) {
        if (ids[i] < 0 || (size_t)ids[i] >= w->n || w->special[ids[i]]) continue;
        if (!first) at_buf_char(out, ' ');
        at_buf_str(out, w->vocab[ids[i]]);
        first = false;
    }
    if (out->status != AT_OK || !out->data) return;
    replace(out, start, " ##", "");
    while (out->len > start && out->data[out->len - 1] == ' ')
        out->data[--out->len] = 0;
    size_t lead = 0;
    while (start + lead < out->len && out->data[start + lead] == ' ')
        lead++;
    memmove(out->data + start, out->data + start + lead, out->len - start - lead + 1);
    out->len -= lead;
    for (size_t i = 0; i < AT_COUNT(clean); i++)
        replace(out, start, clean[i][0], clean[i][1]);
}
