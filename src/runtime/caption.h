/* caption.h - the parts of captioning: what the user wants, what the decoder reads, the decoding. */
#ifndef AT_RUNTIME_CAPTION_H
#define AT_RUNTIME_CAPTION_H

#include "anytag/caption.h"
#include "runtime/runtime.h"
#include "text/search.h"

typedef struct at_caption {
    char *text;
    int32_t *ids;
    size_t n;
    float log_prob;
    double score;
    uint32_t met; // bit k: wish k came true
} at_caption;

struct at_captions {
    const at_allocator *al;
    at_tags *tags;
    size_t count, n_guides, n_wishes, n_required;
    at_caption *list;            // [count]
    char **guides;               // [n_guides]
    bool *guide_used;            // [n_guides]
    char *wishes[2 * AT_WISHES]; // [n_wishes]
};

/* Options with every default filled in. */
typedef struct at_caption_plan {
    at_caption_options o;
    at_tag_options tags;
    bool guided; // by the user's tags
    size_t beams, num, min_length, max_length;
    float repetition_penalty;
    at_wishes *wishes; // or NULL
    size_t first;      // image of the batch at work
} at_caption_plan;

/* What a session keeps between captions; opened at the first. */
struct at_caption_room {
    at_caption_shape shape;
    size_t beams, length;
    at_text_state state;
    at_arena arena;
    float *logits;    // [max_batch * beams, vocab]
    int32_t *tag_ids; // [max_batch, text_tags]
    float *tag_mask;  // [max_batch, text_tags]
    int32_t *inputs;  // [max_batch * max(beams, prompt)]
};

/* Of a model that is known to write captions. */
static inline const at_caption_type *at_caption_type_of(const at_model *m)
{
    return m->net->type->caption;
}

/* caption_guide.c: the tags' row of the decoder's input for image i. */
at_status at_caption_guide(at_session *s, const at_caption_plan *p, size_t i, at_captions *c,
                           at_error *err);
/* caption_decode.c: `count` images whose tags are in their rows; fills captions[i]. */
at_status at_caption_decode(at_session *s, const at_caption_plan *p, size_t count,
                            at_captions *const *captions, at_error *err);
/* The prompt's tokens, at most AT_PROMPT; how many. */
enum { AT_PROMPT = 8 };
size_t at_caption_prompt(const at_model *m, int32_t prompt[AT_PROMPT]);
int32_t at_caption_end(const at_model *m);

/* tag.c */
at_status at_session_forward(at_session *s, const at_pixels *const *pixels, size_t count,
                             at_error *err);
at_status at_tags_choose(const at_session *s, const float *logits, const at_tag_options *o,
                         at_tags **out, at_error *err);
at_status at_tag_options_read(at_tag_options *o, const at_tag_options *given, at_error *err);

#endif
