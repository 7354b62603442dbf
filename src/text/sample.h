/* sample.h - one token drawn at random, as transformers 4.25.1 does it (SPEC 5.4, Sampling). */
#ifndef AT_TEXT_SAMPLE_H
#define AT_TEXT_SAMPLE_H

#include "base/base.h"

typedef struct at_sample_rules {
    size_t vocab, top_k;
    float top_p, temperature, repetition_penalty;
} at_sample_rules;

/* A token of `logits` [vocab], which are spent; `ids` are those so far; `room` is [vocab] of scratch. */
int32_t at_sample(float *logits, const int32_t *ids, size_t n, const at_sample_rules *rules,
                  uint64_t *random, float *room);
/* Uniform in [0, 1), 53 bits; splitmix64 (Steele et al., 2014). */
double at_random(uint64_t *state);

#endif
