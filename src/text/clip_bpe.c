/* clip_bpe.c - a word's pairs lie in a heap, best merge first, leftmost of equals: n log n whatever the
 * word. That gives what the official loop gives (all places of the best pair, then the next best),
 * because a token is made by one merge only and no merge uses a later one's token; open() checks both. */
#include "text/clip_bpe.h"

#include "base/utf8.h"
#include "text/clip_clean.h"

#include <string.h>
#include <utf8proc.h>

enum { BYTES = 256, MOST_TOKENS = 1 << 16, TEXT_LIMIT = 256 << 20 };
static const uint32_t NONE = UINT32_MAX;

struct at_clip_bpe {
    const at_allocator *al;
    uint64_t *pairs; // hash table: left << 48 | right << 32 | merge + 1; 0 free
    size_t mask, n_merges;
    uint16_t id_of_byte[BYTES];
};

/* --- opening ----------------------------------------------------------------------------------- */

/* The list writes a byte as a character that can be seen: itself, or one from U+0100 on. The ids count
 * the former first. */
static void number_bytes(uint16_t id_of_byte[BYTES], int32_t shown[BYTES])
{
    uint16_t id = 0;
    int32_t more = BYTES;
    for (int visible = 1; visible >= 0; visible--) {
        for (int b = 0; b < BYTES; b++) {
            const bool seen = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
            if (seen != visible) continue;
            shown[id] = seen ? b : more++;
            id_of_byte[b] = id++;
        }
    }
}

typedef struct names { // of tokens, while the list is read
    at_buf text;
    uint32_t begin[MOST_TOKENS + 1]; // in text, by id
    uint32_t slots[2 * MOST_TOKENS]; // hash table: id + 1
    size_t n;
} names;

static uint32_t *slot_of(names *t, const char *text, size_t len)
{
    uint64_t h = 0xcbf29ce484222325ull;
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)text[i]) * 0x100000001b3ull;
    for (size_t i = h % AT_COUNT(t->slots);; i = (i + 1) % AT_COUNT(t->slots)) {
        if (!t->slots[i]) return &t->slots[i];
        const size_t id = t->slots[i] - 1, begin = t->begin[id];
        if (t->begin[id + 1] - begin == len && memcmp(t->text.data + begin, text, len) == 0)
            return &t->slots[i];
    }
}

/* The text behind the last name becomes the next token's. False: another token has that name. */
static bool add_name(names *t)
{
    const uint32_t begin = t->begin[t->n];
    t->begin[t->n + 1] = (uint32_t)t->text.len;
    uint32_t *slot = slot_of(t, t->text.data + begin, t->text.len - begin);
    if (*slot) return false;
    *slot = (uint32_t)++t->n;
    return true;
}

static uint32_t find_pair(const at_clip_bpe *b, uint32_t left, uint32_t right)
{
    const uint32_t key = left << 16 | right;
    for (size_t i = (key * 0x9e3779b97f4a7c15ull >> 32) & b->mask;; i = (i + 1) & b->mask) {
        if (!b->pairs[i]) return NONE;
        if (b->pairs[i] >> 32 == key) return (uint32_t)b->pairs[i] - 1;
    }
}

static void add_pair(at_clip_bpe *b, uint32_t left, uint32_t right, uint32_t merge)
{
    const uint32_t key = left << 16 | right;
    size_t i = (key * 0x9e3779b97f4a7c15ull >> 32) & b->mask;
    while (b->pairs[i])
        i = (i + 1) & b->mask;
    b->pairs[i] = (uint64_t)key << 32 | (merge + 1);
}

static at_status read_merges(at_clip_bpe *b, names *t, const char *const *merges, size_t n,
                             at_error *err)
{
    int32_t shown[BYTES];
    number_bytes(b->id_of_byte, shown);
    for (size_t i = 0; i < (size_t)2 * BYTES && t->text.status == AT_OK; i++) {
        utf8proc_uint8_t bytes[4];
        at_buf_add(&t->text, bytes, (size_t)utf8proc_encode_char(shown[i % BYTES], bytes));
        if (i >= BYTES) at_buf_str(&t->text, "</w>");
        if (t->text.status == AT_OK) (void)add_name(t);
    }
    for (size_t i = 0; i < n && t->text.status == AT_OK; i++) {
        const char *line = merges[i], *blank = strchr(line, ' ');
        const char *right = blank ? blank + 1 : "";
        const size_t n_left = blank ? (size_t)(blank - line) : 0, n_right = strlen(right);
        const uint32_t l = n_left && n_right ? *slot_of(t, line, n_left) : 0,
                       r = l ? *slot_of(t, right, n_right) : 0;
        at_buf_add(&t->text, line, n_left);
        at_buf_add(&t->text, right, n_right);
        if (t->text.status != AT_OK) break;
        if (!r || !add_name(t))
            return at_fail(err, AT_E_MODEL_MISMATCH,
                           "merge %zu, \"%.40s\", is not one of a CLIP list: pass "
                           "bpe_simple_vocab_16e6.txt.gz",
                           i + 1, line);
        add_pair(b, l - 1, r - 1, (uint32_t)i);
    }
    return t->text.status == AT_OK
               ? AT_OK
               : at_fail(err, t->text.status, "no memory for the tokenizer's merges");
}

at_status at_clip_bpe_open(at_clip_bpe **out, const char *const *merges, size_t n,
                           const at_allocator *al, at_error *err)
{
    *out = NULL;
    if (n > MOST_TOKENS - AT_CLIP_OTHER_TOKENS)
        return at_fail(err, AT_E_MODEL_MISMATCH, "%zu merges, more than %d", n,
                       MOST_TOKENS - AT_CLIP_OTHER_TOKENS);
    size_t slots = 1024;
    while (slots < 2 * n)
        slots *= 2;
    at_clip_bpe *b = at_new(al, at_clip_bpe);
    names *t = at_calloc(al, 1, sizeof *t);
    at_status status = AT_E_OUT_OF_MEMORY;
    if (b) *b = (at_clip_bpe){.al = al, .mask = slots - 1, .n_merges = n};
    if (b) b->pairs = at_calloc(al, slots, sizeof *b->pairs);
    if (t) at_buf_init(&t->text, al, TEXT_LIMIT);
    if (t && b && b->pairs)
        status = read_merges(b, t, merges, n, err);
    else
        (void)at_fail(err, status, "no memory for the tokenizer's merges");
    if (t) at_buf_reset(&t->text);
    at_free(al, t);
    if (status != AT_OK) {
        at_clip_bpe_close(b);
        return status;
    }
    *out = b;
    return AT_OK;
}

void at_clip_bpe_close(at_clip_bpe *b)
{
    if (!b) return;
    at_free(b->al, b->pairs);
    at_free(b->al, b);
}

int32_t at_clip_bpe_first(const at_clip_bpe *b)
{
    return (int32_t)(2 * BYTES + b->n_merges);
}
int32_t at_clip_bpe_last(const at_clip_bpe *b)
{
    return at_clip_bpe_first(b) + 1;
}

/* --- a word ------------------------------------------------------------------------------------ */

typedef struct piece {
    uint32_t id, merge; // of it and the next one; NONE: they do not merge
    uint32_t before, next;
} piece;

typedef struct word {
    const at_clip_bpe *b;
    piece *pieces;  // [length]
    uint64_t *heap; // [2 length] merge << 32 | place
    size_t n_heap;
} word;

static void push(word *w, uint64_t v)
{
    size_t i = w->n_heap++;
    for (; i && w->heap[(i - 1) / 2] > v; i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = v;
}

static uint64_t pop(word *w)
{
    const uint64_t top = w->heap[0], v = w->heap[--w->n_heap];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < w->n_heap; i = child) {
        if (child + 1 < w->n_heap && w->heap[child + 1] < w->heap[child]) child++;
        if (w->heap[child] >= v) break;
        w->heap[i] = w->heap[child];
    }
    w->heap[i] = v;
    return top;
}

/* The piece at `at` got a new right neighbour. */
static void meet(word *w, uint32_t at)
{
    piece *p = &w->pieces[at];
    p->merge = p->next == NONE ? NONE : find_pair(w->b, p->id, w->pieces[p->next].id);
    if (p->merge != NONE) push(w, (uint64_t)p->merge << 32 | at);
}

static void encode_word(word *w, const char *text, size_t len, at_buf *ids)
{
    w->n_heap = 0;
    for (size_t i = 0; i < len; i++) {
        const uint32_t id = w->b->id_of_byte[(unsigned char)text[i]];
        w->pieces[i] = (piece){.id = i + 1 == len ? id + BYTES : id,
                               .merge = NONE,
                               .before = i ? (uint32_t)i - 1 : NONE,
                               .next = i + 1 == len ? NONE : (uint32_t)i + 1};
    }
    for (size_t i = 0; i + 1 < len; i++)
        meet(w, (uint32_t)i);
    while (w->n_heap) {
        const uint64_t best = pop(w);
        const uint32_t at = (uint32_t)best, merge = (uint32_t)(best >> 32);
        piece *p = &w->pieces[at];
        if (p->merge != merge) continue; // one of the two is another piece by now
        piece *gone = &w->pieces[p->next];
        p->id = 2 * BYTES + merge;
        gone->merge = NONE;
        p->next = gone->next;
        if (p->next != NONE) w->pieces[p->next].before = at;
        meet(w, at);
        if (p->before != NONE) meet(w, p->before);
    }
    for (uint32_t at = 0; at != NONE && len; at = w->pieces[at].next) {
        const int32_t id = (int32_t)w->pieces[at].id;
        at_buf_add(ids, &id, sizeof id);
    }
}

/* --- words of a text ----------------------------------------------------------------------------- */

typedef enum kind { BLANK, LETTER, DIGIT, OTHER } kind;

static kind kind_at(const char *text, size_t len, size_t *n)
{
    const unsigned char byte = (unsigned char)text[0];
    *n = 1;
    if (byte < 128)
        return byte == ' '                  ? BLANK
               : byte >= 'a' && byte <= 'z' ? LETTER
               : byte >= '0' && byte <= '9' ? DIGIT
                                            : OTHER;
    utf8proc_int32_t c;
    *n = at_utf8_next(text, len, &c);
    const utf8proc_category_t k = utf8proc_category(c);
    return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO   ? LETTER
           : k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO ? DIGIT
                                                                    : OTHER;
}

/* Bytes of 's 't 're 've 'm 'll 'd, without regard to case: the long s is an s. */
static size_t contraction_at(const char *text, size_t len)
{
    static const char *const ends[] = {"s", "t", "re", "ve", "m", "ll", "d", "\u017f"};
    for (size_t i = 0; text[0] == '\'' && i < AT_COUNT(ends); i++) {
        const size_t n = strlen(ends[i]);
        if (len > n && memcmp(text + 1, ends[i], n) == 0) return 1 + n;
    }
    return 0;
}

static const char first_token[] = "<|startoftext|>", last_token[] = "<|endoftext|>";

/* Bytes of the special token at the beginning; 0: none. */
static size_t special_at(const at_clip_bpe *b, const char *text, size_t len, int32_t *id)
{
    const struct {
        const char *text;
        size_t n;
        int32_t id;
    } specials[] = {{first_token, sizeof first_token - 1, at_clip_bpe_first(b)},
                    {last_token, sizeof last_token - 1, at_clip_bpe_last(b)}};
    for (size_t i = 0; text[0] == '<' && i < AT_COUNT(specials); i++) {
        if (len < specials[i].n || memcmp(text, specials[i].text, specials[i].n) != 0) continue;
        *id = specials[i].id;
        return specials[i].n;
    }
    return 0;
}

static void encode_text(word *w, const char *text, size_t len, at_buf *ids)
{
    for (size_t i = 0, n; i < len; i += n) {
        int32_t id;
        n = special_at(w->b, text + i, len - i, &id);
        if (n) {
            at_buf_add(ids, &id, sizeof id);
            continue;
        }
        n = contraction_at(text + i, len - i);
        if (!n) {
            const kind k = kind_at(text + i, len - i, &n);
            for (size_t more; (k == LETTER || k == OTHER) && i + n < len; n += more) {
                if (kind_at(text + i + n, len - i - n, &more) != k) break;
            }
            if (k == BLANK) continue;
        }
        encode_word(w, text + i, n, ids);
    }
}

at_status at_clip_bpe_encode(const at_clip_bpe *b, const char *text, size_t len, int32_t **ids,
                             size_t *n, at_error *err)
{
    at_buf clean, out;
    at_buf_init(&clean, b->al, TEXT_LIMIT);
    at_buf_init(&out, b->al, (size_t)4 * TEXT_LIMIT);
    at_status status = at_clip_clean(text, len, &clean, err);
    const size_t most = status == AT_OK ? clean.len : 0;
    word w = {.b = b,
              .pieces = at_alloc(b->al, (most + 1) * sizeof *w.pieces),
              .heap = at_alloc(b->al, (2 * most + 1) * sizeof *w.heap)};
    if (status == AT_OK && w.pieces && w.heap)
        encode_text(&w, at_buf_text(&clean), clean.len, &out);
    if (status == AT_OK && (!w.pieces || !w.heap || out.status != AT_OK))
        status = at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the tokens");
    at_free(b->al, w.pieces);
    at_free(b->al, w.heap);
    at_buf_reset(&clean);
    if (status != AT_OK) {
        at_buf_reset(&out);
        return status;
    }
    *n = out.len / sizeof(int32_t);
    *ids = (int32_t *)(void *)out.data; // the caller's from now on
    return AT_OK;
}
