/* cache.c - results by what was asked of which bytes, and sets of words; the least recently used go first. */
#include "serve/internal.h"

#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 4096, ENTRY_BYTES = 4096, SETS = 16 };

typedef struct entry {
    char *key;
    uint64_t hash, bytes;
    result *result;
    struct entry *next;          // in its bucket
    struct entry *newer, *older; // by use
} entry;

struct cache {
    pthread_mutex_t lock;
    uint64_t most, bytes;
    entry *buckets[BUCKETS], *newest, *oldest;
};

cache *cache_open(uint64_t most)
{
    cache *c = most ? calloc(1, sizeof *c) : NULL;
    if (c) {
        c->most = most;
        pthread_mutex_init(&c->lock, NULL);
    }
    return c;
}

static uint64_t hash_of(const char *key) // FNV-1a; a key begins with a SHA-256
{
    uint64_t h = 14695981039346656037U;
    for (; *key; key++)
        h = (h ^ (unsigned char)*key) * 1099511628211U;
    return h;
}

static void unlink_use(cache *c, entry *e)
{
    *(e->newer ? &e->newer->older : &c->newest) = e->older;
    *(e->older ? &e->older->newer : &c->oldest) = e->newer;
}

static void link_newest(cache *c, entry *e)
{
    e->newer = NULL;
    e->older = c->newest;
    *(c->newest ? &c->newest->newer : &c->oldest) = e;
    c->newest = e;
}

static entry **place_of(cache *c, const char *key, uint64_t h)
{
    entry **at = &c->buckets[h % BUCKETS];
    while (*at && ((*at)->hash != h || strcmp((*at)->key, key) != 0))
        at = &(*at)->next;
    return at;
}

static void drop_oldest(cache *c)
{
    entry *e = c->oldest, **at = place_of(c, e->key, e->hash);
    *at = e->next;
    unlink_use(c, e);
    c->bytes -= e->bytes;
    result_free(e->result);
    free(e->key);
    free(e);
}

result *cache_find(cache *c, const char *key)
{
    pthread_mutex_lock(&c->lock);
    entry *e = *place_of(c, key, hash_of(key));
    if (e) {
        unlink_use(c, e);
        link_newest(c, e);
    }
    result *r = e ? result_keep(e->result) : NULL;
    pthread_mutex_unlock(&c->lock);
    return r;
}

void cache_add(cache *c, const char *key, result *r)
{
    const size_t scores = (r->tags ? at_tags_scores_count(r->tags) : 0) +
                          (r->captions ? at_tags_scores_count(at_captions_tags(r->captions)) : 0);
    entry *e = calloc(1, sizeof *e);
    if (e) e->key = strdup(key);
    if (!e || !e->key) {
        free(e);
        return;
    }
    e->hash = hash_of(key);
    // scores, logits, and what passes; or a vector
    e->bytes = ENTRY_BYTES + strlen(key) + 16 * scores;
    e->result = result_keep(r);
    pthread_mutex_lock(&c->lock);
    entry **at = place_of(c, key, e->hash);
    const bool there = *at != NULL;
    if (!there) {
        *at = e;
        link_newest(c, e);
        c->bytes += e->bytes;
        while (c->bytes > c->most)
            drop_oldest(c);
    }
    pthread_mutex_unlock(&c->lock);
    if (!there) return;
    result_free(e->result);
    free(e->key);
    free(e);
}

void cache_close(cache *c)
{
    while (c && c->oldest)
        drop_oldest(c);
    free(c);
}

/* --- sets of words --------------------------------------------------------------------------------------- */

struct word_sets {
    pthread_mutex_t lock;
    struct {
        char *words; // with the threshold in front
        at_labels *set;
        uint64_t used;
    } sets[SETS];
    uint64_t clock;
};

word_sets *word_sets_open(void)
{
    word_sets *w = calloc(1, sizeof *w);
    if (w) pthread_mutex_init(&w->lock, NULL);
    return w;
}

void word_sets_close(word_sets *w)
{
    for (int i = 0; w && i < SETS; i++) {
        free(w->sets[i].words);
        at_labels_free(w->sets[i].set);
    }
    free(w);
}

static bool make_set(request *r, const char *words, float threshold, at_labels **set)
{
    at_server *s = r->s;
    at_error err = {0};
    at_label_list *list = NULL;
    if (at_label_list_parse(words, &list, &err) != AT_OK) return fail_error(&r->problem, &err);
    const size_t n = at_label_list_count(list);
    const at_label *all = at_label_list_labels(list);
    at_label *kept = calloc(n + 1, sizeof *kept);
    size_t k = 0;
    for (size_t i = 0; kept && i < n; i++) {
        // a tag of the model is left to the model
        if (!r->want.only_custom && at_model_find_tag(s->tag, all[i].name) >= 0) continue;
        kept[k] = all[i];
        kept[k++].threshold = threshold;
    }
    const bool ok = kept && (k == 0 || at_labels_build(s->tag, s->encoder, kept, k, NULL, set,
                                                       &err) == AT_OK);
    free(kept);
    at_label_list_free(list);
    return ok || (err.status ? fail_error(&r->problem, &err)
                             : fail(&r->problem, AT_E_OUT_OF_MEMORY, "no memory for the words"));
}

bool words_set(request *r, const char *words, float threshold, at_labels **set)
{
    at_server *s = r->s;
    word_sets *w = s->words;
    if (!s->encoder)
        return fail(
            &r->problem, P_MODEL_NOT_AVAILABLE,
            "custom: words need the text encoder of the model that tags, and none is installed");
    const size_t size = strlen(words) + 64;
    char *key = malloc(size);
    if (!key) return fail(&r->problem, AT_E_OUT_OF_MEMORY, "no memory for the words");
    (void)snprintf(key, size, "%d %.9g %s", r->want.only_custom, (double)threshold, words);
    // sets are made one by one: the encoder's calls wait for each other in any case
    pthread_mutex_lock(&w->lock);
    int at = 0;
    bool found = false;
    for (int i = 0; i < SETS && !found; i++) {
        found = w->sets[i].words && strcmp(w->sets[i].words, key) == 0;
        if (found || w->sets[i].used < w->sets[at].used) at = i;
    }
    at_labels *made = NULL;
    const bool ok = found || make_set(r, words, threshold, &made);
    if (ok && !found) {
        free(w->sets[at].words);
        at_labels_free(w->sets[at].set);
        w->sets[at].words = key;
        w->sets[at].set = made;
        key = NULL;
    }
    if (ok) {
        w->sets[at].used = ++w->clock;
        *set = w->sets[at].set ? at_labels_keep(w->sets[at].set) : NULL;
    }
    pthread_mutex_unlock(&w->lock);
    free(key);
    return ok;
}
