/* model.c - opening a model: file, numbers, parameters, tables, labels. */
#include "base/log.h"
#include "runtime/runtime.h"

#include "base/cpu.h"

#include <stdio.h>
#include <string.h>

/* The labels' constant work, on a device of its own: planned, then run. */
static at_status run_constants(at_model *m, int threads, at_error *err)
{
    const at_network_type *type = m->net->type;
    if (!type->constants) return AT_OK;
    at_exec x = {.backend = m->net->backend, .err = err};
    type->constants(m->net, &x);
    const size_t need = x.arena.peak;
    if (x.status != AT_OK) return x.status;
    at_status status = x.backend->open(&x.device, threads, m->al, err);
    if (status != AT_OK) return status;
    x.arena = (at_arena){.data = at_alloc(m->al, need), .cap = need};
    if (x.arena.data)
        type->constants(m->net, &x);
    else
        x.status = at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the labels' queries");
    at_free(m->al, x.arena.data);
    x.backend->close(x.device);
    return x.status;
}

static at_status open_weights(at_model *m, const char *path, at_error *err)
{
    if (path) {
        const at_status status = at_weights_open(&m->weights, path, m->al, err);
        if (status == AT_E_NOT_FOUND && err) err->status = AT_E_MODEL_NOT_FOUND;
        return status == AT_E_NOT_FOUND ? AT_E_MODEL_NOT_FOUND : status;
    }
    size_t size;
    const void *data = at_builtin_model(&size);
    if (!size)
        return at_fail(err, AT_E_MODEL_NOT_FOUND,
                       "no model in the box (built without one); name a file with --model");
    m->builtin = true;
    return at_weights_open_memory(&m->weights, data, size, "the model in the box", m->al, err);
}

static at_status open_pairs(at_model *m, at_error *err)
{
    size_t n;
    const char *const *merges = at_weights_strings(m->weights, "anytag.text.merges", &n);
    const char *path = at_weights_path(m->weights);
    if (!merges || n + AT_CLIP_OTHER_TOKENS != m->net->config.text_vocab)
        return at_fail(err, AT_E_MODEL_DAMAGED, "%s: a tokenizer of %zu merges for %u tokens", path,
                       merges ? n : 0, m->net->config.text_vocab);
    const at_status status = at_clip_bpe_open(&m->pairs, merges, n, m->al, err);
    return status == AT_OK ? AT_OK : at_fail_prefix(err, status, path);
}

/* The text part's vocabulary and the tokens that texts begin and end with. */
static at_status open_words(at_model *m, at_error *err)
{
    const at_caption_type *caption = at_network_caption(m->net);
    const at_encode_type *encode = m->net->type->encode;
    const bool words = caption && caption->tags_are == AT_TAGS_WORDS;
    if (encode && encode->byte_pairs) return open_pairs(m, err);
    const char *const tokens[] = {encode  ? encode->first
                                  : words ? "[DEC]"
                                          : "[BOS]",
                                  encode  ? encode->last
                                  : words ? "[ENC]"
                                          : "[EOS]",
                                  words ? "[SEP]" : "[PAD]"};
    size_t n;
    const char *const *vocab = at_weights_strings(m->weights, "anytag.text.vocab", &n);
    const char *path = at_weights_path(m->weights);
    if (!vocab || n != m->net->config.text_vocab)
        return at_fail(err, AT_E_MODEL_DAMAGED, "%s: a vocabulary of %zu tokens for %u words", path,
                       vocab ? n : 0, m->net->config.text_vocab);
    const at_status status = at_wordpiece_open(&m->words, vocab, n, m->al, err);
    if (status != AT_OK) return at_fail_prefix(err, status, path);
    for (size_t i = 0; (caption || encode) && i < AT_COUNT(tokens); i++) {
        if (at_wordpiece_id(m->words, tokens[i]) < 0)
            return at_fail(err, AT_E_MODEL_DAMAGED, "%s: the vocabulary has no %s", path,
                           tokens[i]);
    }
    return AT_OK;
}

static at_status check_kind(const at_model *m, bool encoder, at_error *err)
{
    if (encoder == (m->net->type->encode != NULL)) return AT_OK;
    return at_fail(err, AT_E_MODEL_MISMATCH,
                   encoder ? "%s: a %s, which tags pictures, not a text encoder"
                           : "%s: a text encoder (%s), which makes labels of words; it tags no "
                             "pictures: pass it as --text-encoder",
                   at_weights_path(m->weights), m->net->config.arch);
}

static at_status open_parts(at_model *m, const char *path, int threads, bool encoder, at_error *err)
{
    at_status status = open_weights(m, path, err);
    if (status != AT_OK) return status;
    if (strcmp(at_weights_format(m->weights), "gguf") != 0)
        return at_fail(
            err, AT_E_MODEL_UNSUPPORTED,
            "%s: a %s checkpoint, not a model of ours; convert it first: anytag convert %s model.gguf",
            path, at_weights_format(m->weights), path);
    if (at_weights_u64(m->weights, "anytag.version", 0) != 1)
        return at_fail(
            err, AT_E_MODEL_UNSUPPORTED,
            "%s: a GGUF file, but not one of anytag's (no anytag.version 1); convert it first",
            at_weights_path(m->weights));
    at_config config;
    status = at_config_read(&config, m->weights, err);
    if (status == AT_OK) status = at_network_open(&m->net, &config, &at_backend_cpu, m->al, err);
    if (status != AT_OK) return at_fail_prefix(err, status, at_weights_path(m->weights));
    if (m->compute == AT_COMPUTE_BF16 && !m->net->backend->computes_bf16())
        return at_fail(
            err, AT_E_DEVICE_NOT_AVAILABLE,
            "products in bf16 need a processor with AMX or AVX512-BF16 (here: %s); use f32",
            at_cpu_level_name(at_cpu_features()));
    status = check_kind(m, encoder, err);
    if (status != AT_OK) return status;
    at_pool *pool = NULL;
    status = at_pool_open(&pool, threads, m->al, err);
    if (status == AT_OK) status = at_load_params(m, pool, err);
    at_pool_close(pool);
    if (status == AT_OK && !encoder) status = at_tag_list_read(m, err);
    if (status == AT_OK && config.text_layers) status = open_words(m, err);
    if (status == AT_OK) status = m->net->type->prepare(m->net, err);
    if (status == AT_OK) status = run_constants(m, threads, err);
    return status;
}

at_status at_network_file_open(const char *path, const at_model_options *options, bool encoder,
                               at_model **out, at_error *err)
{
    at_model_options o;
    const at_status known = AT_OPTIONS(at_model_options, &o, options, err);
    if (known != AT_OK) return known;
    const at_allocator *given = o.allocator;
    at_model *m = at_new(given, at_model);
    if (!m) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the model");
    if (given) {
        m->own_allocator = *given;
        m->al = &m->own_allocator;
    }
    (void)pthread_mutex_init(&m->lock, NULL);
    m->log = o.log;
    m->log_user = o.log_user;
    m->compute = o.compute;
    const at_status status = open_parts(m, path, o.threads, encoder, err);
    if (status != AT_OK) {
        at_model_close(m);
        return status;
    }
    *out = m;
    return AT_OK;
}

at_status at_model_open(const char *path, const at_model_options *options, at_model **out,
                        at_error *err)
{
    if (!out) return at_fail(err, AT_E_INVALID_PARAMETER, "at_model_open: model must not be NULL");
    *out = NULL;
    return at_network_file_open(path, options, false, out, err);
}

void at_model_close(at_model *m)
{
    if (!m) return;
    at_network_close(m->net);
    at_tag_list_free(m);
    at_wordpiece_close(m->words);
    at_clip_bpe_close(m->pairs);
    for (size_t i = 0; i < m->n_vectors; i++)
        at_free(m->al, m->vectors[i]);
    at_free(m->al, m->vectors);
    at_weights_close(m->weights);
    (void)pthread_mutex_destroy(&m->lock);
    at_allocator copy = m->own_allocator;
    at_free(m->al ? &copy : NULL, m);
}

const char *at_model_name(const at_model *m)
{
    return at_weights_str(m->weights, "general.name", "");
}
const char *at_model_architecture(const at_model *m)
{
    return m->net->config.arch;
}
const char *at_model_precision(const at_model *m)
{
    return m->precision;
}
const char *at_model_packed(const at_model *m)
{
    return at_weights_str(m->weights, AT_PANELS_KEY, "");
}
at_compute at_model_compute(const at_model *m)
{
    return m->compute;
}
const char *at_model_licence(const at_model *m)
{
    return at_weights_str(m->weights, "general.license", "");
}
const char *at_model_description(const at_model *m)
{
    return at_weights_str(m->weights, "general.description", "");
}
const char *at_model_source_sha256(const at_model *m)
{
    return at_weights_str(m->weights, "anytag.source.sha256", "");
}
const char *at_model_sha256(const at_model *m)
{
    return at_weights_str(m->weights, "anytag.id", "");
}
const char *at_model_vocabulary(const at_model *m)
{
    return at_weights_str(m->weights, "anytag.vocabulary", "");
}
int at_model_image_size(const at_model *m)
{
    return (int)m->net->config.image_size;
}
uint64_t at_model_parameters(const at_model *m)
{
    return m->parameters;
}
uint64_t at_model_bytes(const at_model *m)
{
    return at_weights_bytes(m->weights);
}
int at_model_is_builtin(const at_model *m)
{
    return m->builtin;
}
