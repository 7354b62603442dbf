/* bert_sentence.c - Sentence-BERT (arXiv 1908.10084): a small BERT whose last layer's rows are averaged
 * into one vector. all-MiniLM-L6-v2 made the labels of the small model. */
#include "models/bert.h"
#include "models/networks.h"

typedef struct sentence {
    at_network base;
    at_bert bert;
    const float *segment;  // [2, hidden]: what is added to words of the first and second sentence
    float *first_sentence; // [positions, hidden]: positions + segment 0, owned
} sentence;

static at_status sentence_open(at_network *base, at_error *err)
{
    sentence *m = (sentence *)base;
    if (base->config.label_dim != base->config.text_hidden)
        return at_fail(err, AT_E_MODEL_DAMAGED, "vectors of %u from layers of width %u",
                       base->config.label_dim, base->config.text_hidden);
    return at_bert_open(&m->bert, &base->config, 0, NULL, base->al, err);
}

static void sentence_params(at_network *base, at_params *p)
{
    sentence *m = (sentence *)base;
    const at_scope scope = at_scope_enter(p, "te.", "");
    at_bert_params(&m->bert, p, &at_bert_names_official);
    at_param_visit(p, AT_PARAM_VECTOR, &m->segment, "segments",
                   "embeddings.token_type_embeddings.weight", 2,
                   (const uint64_t[]){2, m->bert.hidden});
    at_scope_leave(p, scope);
}

static at_status sentence_prepare(at_network *base, at_error *err)
{
    sentence *m = (sentence *)base;
    const size_t w = m->bert.hidden, n = m->bert.positions;
    float *sum = m->first_sentence = at_calloc(base->al, n * w, sizeof *sum);
    if (!sum) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for %zu positions", n);
    for (size_t i = 0; i < n * w; i++)
        sum[i] = m->bert.position[i] + m->segment[i % w];
    m->bert.position = sum;
    return AT_OK;
}

static void sentence_encode(const at_network *base, at_exec *x, const int32_t *ids, size_t n,
                            size_t length, at_tensor out)
{
    const sentence *m = (const sentence *)base;
    const size_t mark = at_arena_mark(&x->arena);
    at_tensor y = at_bert_forward(
        x, &m->bert, &(at_bert_pass){.sequences = n, .n = length, .ids = ids, .stage = "text"});
    y = at_tensor_of(y.data, 3, (const size_t[]){n, length, m->bert.hidden});
    at_mean_rows(x, y, out.data, out.ld);
    at_arena_rewind(&x->arena, mark);
}

static void sentence_close(at_network *base)
{
    sentence *m = (sentence *)base;
    at_bert_close(&m->bert, base->backend, base->al);
    at_free(base->al, m->first_sentence);
}

static const at_encode_type encode = {
    .forward = sentence_encode, .first = "[CLS]", .last = "[SEP]"};

const at_network_type at_network_bert_sentence = {
    .arch = "bert_sentence",
    .about = "a sentence encoder: a small BERT, mean of its words",
    .size = sizeof(sentence),
    .open = sentence_open,
    .params = sentence_params,
    .prepare = sentence_prepare,
    .close = sentence_close,
    .encode = &encode,
};
