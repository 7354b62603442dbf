/* sample.c - repetition penalty on the logits, temperature, the top k, then the smallest set of them
 * whose mass is p; the order of transformers' warpers. */
#include "text/sample.h"

#include "text/search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_K = 1024 };

typedef struct choice {
    float x;
    int32_t token;
} choice;

double at_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

int32_t at_sample(float *logits, const int32_t *ids, size_t n, const at_sample_rules *r,
                  uint64_t *random, float *room)
{
    if (r->repetition_penalty != 1.0f) at_repetition_penalty(logits, ids, n, r->repetition_penalty);
    choice top[MOST_K];
    const size_t most = at_min_size(r->top_k, at_min_size(r->vocab, MOST_K));
    size_t k = 0;
    for (size_t v = 0; v < r->vocab; v++) { // best first, of equals the lower token
        if (k == most && !(logits[v] > top[k - 1].x)) continue;
        size_t i = k < most ? k++ : most - 1;
        for (; i > 0 && logits[v] > top[i - 1].x; i--)
            top[i] = top[i - 1];
        top[i] = (choice){logits[v], (int32_t)v};
    }
    double sum = 0;
    for (size_t i = 0; i < k; i++) {
        room[i] = expf((top[i].x - top[0].x) / r->temperature);
        sum += (double)room[i];
    }
    // a token stays while the mass of those better than it is below p; the best always stays
    double mass = 0, kept = 0;
    size_t stay = 0;
    for (; stay < k && (stay == 0 || mass < (double)r->top_p * sum); stay++) {
        mass += (double)room[stay];
        kept = mass;
    }
    double at = at_random(random) * kept;
    for (size_t i = 0; i + 1 < stay; i++) {
        at -= (double)room[i];
        if (at < 0) return top[i].token;
    }
    return top[stay - 1].token;
}
