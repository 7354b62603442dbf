/* convert.c - a checkpoint becomes one model file. Every parameter is found and its shape checked
 * before the first byte is written; then tensors are streamed one by one, and the source is hashed
 * beside it, so that memory stays small whatever the checkpoint's size. */
#include "runtime/convert.h"

#include "base/buf.h"
#include "base/element.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/utf8.h"
#include "kernels/kernels.h"
#include "models/swin_tables.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { CHUNK = 1 << 18 };             // elements converted at a time
static const char SCALE[] = ".scale"; // of a tensor of bytes: NAME.scale, a float an output

typedef struct entry {
    at_param param;
    char name[64];
    const at_weight *from;
    const at_weight *more[2]; // whose rows follow; NULL: none
    bool turned;              // a transposed parameter that the source has as we do
    bool captions;            // from the caption decoder's own file
    at_dtype type;            // in the new file
    uint64_t dims[4];         // there
    int n_dims;
} entry;

typedef struct planner {
    at_params base;
    const at_source *source;
    const at_convert_options *o;
    const at_convert_hooks *hooks; // NULL: none
    entry *entries;
    size_t n, cap;
    uint64_t bytes;
    const char *lost, *kept; // the first pair of tied tensors that differ
    size_t n_lost;
} planner;

/* --- the plan ------------------------------------------------------------------------------------ */

static bool shape_fits(const planner *pl, const entry *e)
{
    const at_weight *t = e->from;
    const at_param *p = &e->param;
    const uint64_t *want = pl->source->ours ? e->dims : p->dims;
    const int n = pl->source->ours ? e->n_dims : p->n_dims;
    if (n == 0) return t->n_dims == 0 || (t->n_dims == 1 && t->dims[0] == 1);
    if (t->n_dims != n) return false;
    if (e->turned) want = e->dims;
    uint64_t rows = t->dims[0];
    for (size_t i = 0; i < AT_COUNT(e->more) && e->more[i]; i++) {
        rows += e->more[i]->dims[0];
        if (e->more[i]->n_dims != n || e->more[i]->type != t->type ||
            (n > 1 && e->more[i]->dims[1] != t->dims[1]))
            return false;
    }
    const bool table = p->kind == AT_PARAM_BIAS_TABLE &&
                       !pl->source->ours; // may have another window
    for (int i = table ? 1 : 0; i < n; i++) {
        if ((i ? t->dims[i] : rows) != want[i]) return false;
    }
    return !table || t->dims[0] <= 511 * 511;
}

static void compare_tied(planner *pl, const at_weight *kept, const at_weight *lost)
{
    if (kept->data == lost->data) return; // one storage, as the official files have it
    if (!at_weight_equal(kept, lost) && pl->n_lost++ == 0) {
        pl->kept = kept->name;
        pl->lost = lost->name;
    }
    at_weights_drop(pl->source->weights, kept);
    at_weights_drop(pl->source->weights, lost);
}

static void tell_lost(const planner *pl)
{
    const at_log log = {.fn = pl->o->log, .user = pl->o->log_user};
    char more[48] = "";
    if (!pl->n_lost) return;
    if (pl->n_lost > 1)
        (void)snprintf(more, sizeof more, "; so are %zu more pairs", pl->n_lost - 1);
    at_log_write(
        &log, AT_LOG_WARNING,
        "%s: %s and %s are one tensor in the official model but differ here: the first is used, as PyTorch's load would%s",
        pl->source->path, pl->kept, pl->lost, more);
}

static void plan_visit(at_params *base, const at_param *p)
{
    planner *pl = (planner *)base;
    if (p->kind == AT_PARAM_TIED) return; // planned as rows
    if (pl->n == pl->cap) {
        const size_t cap = pl->cap ? 2 * pl->cap : 512;
        entry *grown = at_realloc(NULL, pl->entries, pl->cap * sizeof *grown, cap * sizeof *grown);
        if (!grown) {
            base->status = at_fail(base->err, AT_E_OUT_OF_MEMORY,
                                   "no memory for the list of tensors");
            return;
        }
        pl->entries = grown;
        pl->cap = cap;
    }
    entry *e = &pl->entries[pl->n];
    *e = (entry){.param = *p};
    (void)snprintf(e->name, sizeof e->name, "%s", p->name);
    const char *key = pl->source->ours ? p->name : p->official, *path = pl->source->path;
    const at_weight *lost = NULL;
    e->from = pl->source->ours ? at_weights_find(pl->source->weights, key)
                               : at_source_find_tied(pl->source, key, &lost);
    e->captions = pl->source->captions && strncmp(key, "caption.", 8) == 0;
    const at_weight *parts[3] = {0};
    if (!e->from && !pl->source->ours && at_source_find_clip(pl->source, key, parts, &e->turned)) {
        e->from = parts[0];
        memcpy(e->more, parts + 1, sizeof e->more);
    }
    if (!e->from) {
        base->status = at_fail(
            base->err, AT_E_MODEL_MISMATCH,
            "%s: %s is missing (found %zu tensors; not a whole checkpoint of this model?)", path,
            key, at_weights_count(pl->source->weights));
        return;
    }
    if (lost) {
        compare_tied(pl, e->from, lost);
        key = e->from->name;
    }
    e->n_dims = at_param_stored(p, e->dims);
    if (!shape_fits(pl, e)) {
        char found[128], expected[128];
        base->status = at_fail(
            base->err, AT_E_MODEL_MISMATCH,
            "%s: %s has shape %s, expected %s; for another size of the family pass --model-config FILE",
            path, key, at_shape_text(found, sizeof found, e->from->dims, e->from->n_dims),
            pl->source->ours ? at_shape_text(expected, sizeof expected, e->dims, e->n_dims)
                             : at_shape_text(expected, sizeof expected, p->dims, p->n_dims));
        return;
    }
    if (e->from->type == AT_I8 && pl->source->ours) {
        base->status = at_fail(
            base->err, AT_E_MODEL_UNSUPPORTED,
            "%s: quantised already (%s is int8); convert the f16 or f32 file that it was "
            "made from, or use this one as it is",
            path, key);
        return;
    }
    if (e->from->type > AT_F64 && !at_dtype_is_block(e->from->type)) {
        base->status = at_fail(base->err, AT_E_MODEL_UNSUPPORTED,
                               "%s: %s has type %s, expected a floating point type", path, key,
                               at_dtype_name(e->from->type));
        return;
    }
    e->type = at_stored_type(p, pl->o->type, e->from->type);
    if (p->kind == AT_PARAM_VECTOR || p->kind == AT_PARAM_DEPTHWISE ||
        p->kind == AT_PARAM_BIAS_TABLE)
        e->type = at_vector_type(pl->o->type, e->from);
    if (pl->hooks) e->type = pl->hooks->type(pl->hooks->user, e->name, e->type);
    uint64_t elements = 1;
    for (int i = 0; i < e->n_dims; i++)
        elements *= e->dims[i];
    pl->bytes += at_dtype_bytes(e->type, elements);
    if (e->type == AT_I8 && strlen(e->name) + strlen(SCALE) > 63)
        base->status = at_fail(base->err, AT_E_INTERNAL, "the name %s is too long", e->name);
    pl->n++;
}

/* --- what was not needed ---------------------------------------------------------------------------- */

static int by_from(const void *a, const void *b)
{
    const at_weight *const *x = a, *const *y = b;
    return (*x > *y) - (*x < *y);
}

static void tell_ignored(const planner *pl)
{
    const at_weight **used = pl->o->log ? at_calloc(NULL, 3 * pl->n + 1, sizeof *used) : NULL;
    if (!used) return; // nobody listens; or without memory it stays untold
    size_t n_used = 0;
    for (size_t i = 0; i < pl->n; i++) {
        const entry *e = &pl->entries[i];
        used[n_used++] = e->from;
        for (size_t k = 0; k < AT_COUNT(e->more) && e->more[k]; k++)
            used[n_used++] = e->more[k];
    }
    qsort(used, n_used, sizeof *used, by_from);
    const at_log log = {.fn = pl->o->log, .user = pl->o->log_user};
    char group[64] = "";
    const char *only = ""; // the name of a group of one
    size_t in_group = 0;
    const size_t count = at_weights_count(pl->source->weights);
    for (size_t i = 0; i <= count; i++) {
        const at_weight *t = i < count ? at_weights_at(pl->source->weights, i) : NULL;
        if (t && bsearch(&t, used, n_used, sizeof *used, by_from)) continue;
        char top[64] = "";
        if (t) (void)snprintf(top, sizeof top, "%.*s", (int)strcspn(t->name, "."), t->name);
        if (in_group == 1 && strcmp(top, group) != 0)
            at_log_write(&log, AT_LOG_INFO, "ignored %s (not needed)", only);
        else if (in_group && strcmp(top, group) != 0)
            at_log_write(&log, AT_LOG_INFO, "ignored %zu tensors of %s (not needed)", in_group,
                         group);
        if (strcmp(top, group) != 0) in_group = 0;
        memcpy(group, top, sizeof group);
        in_group++;
        only = t ? t->name : "";
        if (t) at_log_write(&log, AT_LOG_DEBUG, "ignored %s", t->name);
    }
    at_free(NULL, used);
}

/* --- the bytes --------------------------------------------------------------------------------------- */

/* Writes n floats in the entry's type; `half` is scratch of CHUNK. */
static void put_floats(at_gguf_writer *g, const float *v, size_t n, at_dtype type, uint16_t *half)
{
    if (type == AT_F32) {
        at_gguf_data(g, v, n * sizeof *v);
        return;
    }
    const at_kernels *kernels = at_kernels_get();
    for (size_t first = 0; first < n; first += CHUNK) {
        const size_t m = at_min_size(CHUNK, n - first);
        (type == AT_F16 ? kernels->f16_of_f32 : kernels->bf16_of_f32)(m, v + first, half);
        at_gguf_data(g, half, m * sizeof *half);
    }
}

/* Rows of k floats in the entry's type; the steps of bytes go to `scales`. */
static void put_rows(at_gguf_writer *g, const float *v, size_t rows, size_t k, at_dtype type,
                     float *scales, uint16_t *half)
{
    if (type == AT_I8) {
        at_bytes_encode(rows, k, v, scales, (int8_t *)half);
        at_gguf_data(g, half, rows * k);
    } else if (at_dtype_is_block(type)) {
        at_block_encode(type, rows * k, v, half);
        at_gguf_data(g, half, at_dtype_bytes(type, rows * k));
    } else
        put_floats(g, v, rows * k, type, half);
}

/* A tensor whose order changes or whose table is resized: whole, in float. These are small. */
static at_status put_reordered(at_gguf_writer *g, const entry *e, float *scales, uint16_t *half,
                               at_error *err)
{
    const at_weight *t = e->from;
    uint64_t n = 1, m = 1;
    for (int i = 0; i < t->n_dims; i++)
        n *= t->dims[i];
    for (int i = 0; i < e->n_dims; i++)
        m *= e->dims[i];
    float *in = at_calloc(NULL, n, sizeof *in), *out = at_calloc(NULL, m, sizeof *out);
    at_status status = in && out ? AT_OK
                                 : at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for %s", e->name);
    for (size_t i = 0; status == AT_OK && i < n; i++)
        in[i] = (float)at_element(t->type, t->data, i);
    if (status == AT_OK && e->param.kind == AT_PARAM_BIAS_TABLE) {
        size_t side_in = 1, side_out = 1;
        while (side_in * side_in < t->dims[0])
            side_in++;
        while (side_out * side_out < e->dims[0])
            side_out++;
        status = side_in * side_in == t->dims[0]
                     ? at_bias_table_resize(in, side_in, out, side_out, t->dims[1], NULL, err)
                     : at_fail(err, AT_E_MODEL_MISMATCH, "%s has %llu rows, which is no square",
                               t->name, (unsigned long long)t->dims[0]);
    } else if (status == AT_OK && e->param.kind == AT_PARAM_TRANSPOSED) {
        for (size_t k = 0; k < t->dims[0]; k++)
            for (size_t i = 0; i < t->dims[1]; i++)
                out[i * t->dims[0] + k] = in[k * t->dims[1] + i];
    } else if (status == AT_OK) { // [o, i, y, x] to [o, y, x, i], or [c, 1, y, x] to [y, x, c]
        const size_t o = t->dims[0], c = t->dims[1], area = t->dims[2] * t->dims[3];
        const bool depthwise = e->param.kind == AT_PARAM_DEPTHWISE;
        for (size_t a = 0; a < o; a++)
            for (size_t b = 0; b < c; b++)
                for (size_t k = 0; k < area; k++)
                    out[depthwise ? k * o + a : (a * area + k) * c + b] =
                        in[(a * c + b) * area + k];
    }
    const size_t k = m / e->dims[0], step = at_max_size(CHUNK / at_max_size(k, 1), 1);
    for (size_t r = 0; status == AT_OK && r < e->dims[0]; r += step) // the scratch is CHUNK's
        put_rows(g, out + r * k, at_min_size(step, e->dims[0] - r), k, e->type, scales + r, half);
    at_free(NULL, in);
    at_free(NULL, out);
    return status;
}

static at_status put(at_gguf_writer *g, const planner *pl, const entry *e, const at_weight *t,
                     float *scales, float *chunk, uint16_t *half, at_error *err)
{
    const bool table = e->param.kind == AT_PARAM_BIAS_TABLE && t->dims[0] != e->dims[0];
    const at_param_kind kind = e->param.kind;
    if (table || (!pl->source->ours && (kind == AT_PARAM_CONV || kind == AT_PARAM_DEPTHWISE ||
                                        (kind == AT_PARAM_TRANSPOSED && !e->turned))))
        return put_reordered(g, e, scales, half, err);
    if (t->type == e->type) {
        at_gguf_data(g, t->data, t->bytes);
        return AT_OK;
    }
    const size_t n = at_dtype_elements(t->type, t->bytes);
    const size_t k = e->type == AT_I8             ? n / t->dims[0] // whole rows, or blocks
                     : at_dtype_is_block(e->type) ? AT_BLOCK
                                                  : 1,
                 step = CHUNK / k * k;
    for (size_t first = 0; first < n; first += step) {
        const size_t m = at_min_size(step, n - first);
        if (t->type == AT_F32)
            memcpy(chunk, (const char *)t->data + 4 * first, 4 * m);
        else
            for (size_t i = 0; i < m; i++)
                chunk[i] = (float)at_element(t->type, t->data, first + i);
        put_rows(g, chunk, m / k, k, e->type, e->type == AT_I8 ? scales + first / k : NULL, half);
    }
    return AT_OK;
}

/* --- the file ---------------------------------------------------------------------------------------- */

typedef struct hashing {
    pthread_t thread;
    bool running;
    const char *path;
    char hex[AT_SHA256_HEX];
    at_status status;
} hashing;

static void *hash_source(void *user)
{
    hashing *h = user;
    h->status = at_sha256_file(h->path, h->hex, NULL);
    return NULL;
}

static const char *stem(const char *path, char *out, size_t cap)
{
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    size_t from = len;
    while (from && path[from - 1] != '/')
        from--;
    (void)snprintf(out, cap, "%.*s", (int)(len - from), path + from);
    char *dot = strrchr(out, '.');
    if (dot && dot != out) *dot = 0;
    at_utf8_printable(out); // any bytes may name a file, a model's strings are UTF-8
    return out;
}

/* What licence and description go with an architecture, where the source does not say. */
static const struct about {
    const char *arch, *licence, *description;
} abouts[] = {
    {"ram",
     "Apache-2.0 (as the official repository states; check where your checkpoint comes from)",
     "Recognize Anything Model, arXiv 2306.03514"},
    {"ram_plus",
     "Apache-2.0 (as the official repository states; check where your checkpoint comes from)",
     "RAM++, arXiv 2310.15200"},
    {"tag2text",
     "Apache-2.0 (as the official repository states; check where your checkpoint comes from)",
     "Tag2Text, arXiv 2303.05657"},
    {"clip_text", "MIT (as openai/CLIP states; check where your checkpoint comes from)",
     "CLIP's text encoder, arXiv 2103.00020"},
    {"bert_sentence", "as its model card says", "a sentence encoder, arXiv 1908.10084"},
    {"ram_lite",
     "see models/README.md: several of the picture sets it was trained on allow research use only",
     "a small tagger in RAM's design; not an official model of the family"},
};

/* What other readers of GGUF ask for: the type of most matrices. */
static void write_file_type(at_gguf_writer *g, const planner *pl)
{
    static const struct {
        at_dtype type;
        uint32_t id;
    } ids[] = {{AT_F16, 1}, {AT_BF16, 32}, {AT_Q8_0, 7}, {AT_Q4_0, 2}};
    uint64_t most = 0, bytes[AT_DTYPES_] = {0};
    uint32_t id = 0;
    for (size_t i = 0; i < pl->n; i++) {
        uint64_t elements = 1;
        for (int d = 0; d < pl->entries[i].n_dims; d++)
            elements *= pl->entries[i].dims[d];
        bytes[pl->entries[i].type] += elements;
    }
    for (size_t i = 0; i < AT_COUNT(ids); i++) {
        if (bytes[ids[i].type] > most) most = bytes[ids[i].type], id = ids[i].id;
    }
    if (bytes[AT_I8] > most || bytes[AT_F32] > most) id = 0; // ggml has no name for bytes
    if (!bytes[AT_I8]) at_gguf_u32(g, "general.file_type", id);
    if (bytes[AT_Q8_0] || bytes[AT_Q4_0]) at_gguf_u32(g, "general.quantization_version", 2);
}

static void write_keys(at_gguf_writer *g, const planner *pl, const at_config *c, const at_lists *l)
{
    const at_weights *w = pl->source->weights;
    char text[128];
    at_gguf_str(g, "general.architecture", c->arch);
    at_gguf_str(g, "general.name",
                pl->o->name        ? pl->o->name
                : pl->source->ours ? at_weights_str(w, "general.name", "model")
                                   : stem(pl->source->path, text, sizeof text));
    for (size_t i = 0; i < AT_COUNT(abouts); i++) {
        if (strcmp(abouts[i].arch, c->arch) != 0) continue;
        at_gguf_str(g, "general.license", at_weights_str(w, "general.license", abouts[i].licence));
        at_gguf_str(g, "general.description",
                    at_weights_str(w, "general.description", abouts[i].description));
    }
    write_file_type(g, pl);
    at_gguf_u32(g, "anytag.version", 1);
    at_gguf_str(g, "anytag.converter", at_version());
    at_config_write(c, g);
    if (l->vocab) at_gguf_strings(g, "anytag.text.vocab", l->vocab, l->n_vocab);
    if (l->merges) at_gguf_strings(g, "anytag.text.merges", l->merges, l->n_merges);
    if (l->templates) at_gguf_strings(g, "anytag.label_templates", l->templates, l->n_templates);
    at_gguf_str(g, "anytag.source.name", stem(pl->source->path, text, sizeof text));
    if (at_config_encodes(c)) return;
    const char *family = strcmp(c->arch, "ram_lite") == 0   ? "anytag"
                         : strcmp(c->arch, "tag2text") == 0 ? "tag2text"
                                                            : "ram";
    (void)snprintf(text, sizeof text, "%s-%u", family, c->classes);
    at_gguf_str(g, "anytag.vocabulary", text);
    at_gguf_strings(g, "anytag.tags", l->tags, l->n_tags);
    if (l->tags_zh) at_gguf_strings(g, "anytag.tags_zh", l->tags_zh, l->n_tags_zh);
    if (l->thresholds) at_gguf_floats(g, "anytag.thresholds", l->thresholds, l->n_thresholds);
    if (l->n_deleted) at_gguf_u32s(g, "anytag.delete_indices", l->deleted, l->n_deleted);
}

/* The model's identity: its source, its weights' type, its labels and their thresholds. */
static at_status identity(const planner *pl, const at_lists *l, const char *source_sha,
                          char hex[AT_SHA256_HEX], at_error *err)
{
    at_buf text;
    at_buf_init(&text, NULL, 256 << 20);
    at_buf_str(&text, source_sha);
    for (size_t i = 0; i < pl->n; i++)
        at_buf_str(&text, at_dtype_name(pl->entries[i].type));
    for (size_t i = 0; i < l->n_tags; i++)
        at_buf_fmt(&text, "%s\n", l->tags[i]);
    if (l->thresholds) at_buf_add(&text, l->thresholds, l->n_thresholds * sizeof *l->thresholds);
    at_status status = text.status;
    if (status != AT_OK)
        (void)at_fail(err, status, "no memory for the model's identity");
    else
        status = at_sha256(text.data, text.len, hex, err);
    at_buf_reset(&text);
    return status;
}

/* The SHA-256 of the checkpoint that a model of ours was converted from; NULL: it is not recorded. */
static const char *inherited(const planner *pl)
{
    const char *hex = at_weights_str(pl->source->weights, "anytag.source.sha256", "");
    const bool whole = strspn(hex, "0123456789abcdef") == 64 && !hex[64] && strspn(hex, "0") < 64;
    return pl->source->ours && whole ? hex : NULL;
}

static at_status write_model(const planner *pl, const at_config *c, const at_lists *l,
                             const char *out, at_error *err)
{
    static const char unknown[] =
        "0000000000000000000000000000000000000000000000000000000000000000";
    at_gguf_writer *g;
    at_status status = at_gguf_create(&g, out, NULL, err);
    if (status != AT_OK) return status;
    hashing h = {.path = pl->source->weights_path ? pl->source->weights_path : pl->source->path};
    const char *known = inherited(pl); // what a model of ours was made from stays its source
    const bool hash = !pl->o->skip_sha256 && !known;
    h.running = hash && pthread_create(&h.thread, NULL, hash_source, &h) == 0;
    if (hash && !h.running) (void)hash_source(&h);

    write_keys(g, pl, c, l);
    at_gguf_str(g, "anytag.source.sha256", unknown);
    at_gguf_str(g, "anytag.id", unknown);
    size_t most_scales = 1;
    for (size_t i = 0; i < pl->n; i++) {
        const entry *e = &pl->entries[i];
        at_gguf_tensor(g, e->name, e->type, e->dims, e->n_dims);
        if (e->type != AT_I8) continue;
        char name[sizeof e->name + sizeof SCALE];
        (void)snprintf(name, sizeof name, "%s%s", e->name, SCALE);
        at_gguf_tensor(g, name, AT_F32, e->dims, 1);
        most_scales = at_max_size(most_scales, e->dims[0]);
    }
    float *scales = at_calloc(NULL, most_scales, sizeof *scales);
    float *chunk = at_alloc(NULL, CHUNK * sizeof *chunk);
    uint16_t *half = at_alloc(NULL, CHUNK * sizeof *half);
    if (!chunk || !half || !scales)
        status = at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for a piece of a tensor");
    uint64_t done = 0;
    for (size_t i = 0; i < pl->n && status == AT_OK; i++) {
        if (pl->hooks && pl->hooks->stopped(pl->hooks->user)) {
            status = at_fail(err, AT_E_CANCELLED, "%s: stopped; nothing was left behind", out);
            break;
        }
        const entry *e = &pl->entries[i];
        const at_weight *parts[] = {e->from, e->more[0], e->more[1]};
        size_t row = 0; // of the matrix: parts lie one below the other
        for (size_t k = 0; k < AT_COUNT(parts) && parts[k] && status == AT_OK; k++) {
            status = put(g, pl, e, parts[k], scales + row, chunk, half, err);
            row += parts[k]->n_dims ? parts[k]->dims[0] : 0;
            at_weights_drop(e->captions ? pl->source->captions : pl->source->weights, parts[k]);
        }
        if (e->type == AT_I8) at_gguf_data(g, scales, e->dims[0] * sizeof *scales);
        uint64_t elements = 1;
        for (int d = 0; d < e->n_dims; d++)
            elements *= e->dims[d];
        done += at_dtype_bytes(e->type, elements);
        if (pl->o->progress) pl->o->progress(pl->o->progress_user, done, pl->bytes);
    }
    at_free(NULL, scales);
    at_free(NULL, chunk);
    at_free(NULL, half);
    if (h.running) (void)pthread_join(h.thread, NULL);
    if (status == AT_OK && hash && h.status != AT_OK)
        status = at_fail(err, h.status, "%s: cannot be read for its SHA-256", h.path);
    char id[AT_SHA256_HEX];
    if (status == AT_OK)
        status = identity(pl, l,
                          hash    ? h.hex
                          : known ? at_weights_str(pl->source->weights, "anytag.id", known)
                                  : unknown,
                          id, err);
    if (status != AT_OK) {
        at_gguf_abandon(g);
        return status;
    }
    if (hash || known) at_gguf_patch_str(g, "anytag.source.sha256", hash ? h.hex : known);
    at_gguf_patch_str(g, "anytag.id", id);
    return at_gguf_finish(g, err);
}

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

at_status at_convert_check(const char *in, const char *out, const char *name, at_error *err)
{
    const size_t len = name ? strlen(name) : 0, good = name ? at_utf8_valid(name, len) : 0;
    if (good < len) return at_fail(err, AT_E_INVALID_PARAMETER, "name: not UTF-8 (byte %zu)", good);
    if (!same_file(in, out)) return AT_OK;
    return at_fail(err, AT_E_INVALID_PARAMETER,
                   "%s is the model itself; what is taken away is not got back, so write "
                   "another file",
                   out);
}

at_status at_convert(const char *in, const char *out, const at_convert_options *options,
                     at_error *err)
{
    return at_convert_hooked(in, out, options, NULL, err);
}

at_status at_convert_hooked(const char *in, const char *out, const at_convert_options *options,
                            const at_convert_hooks *hooks, at_error *err)
{
    if (!in || !out)
        return at_fail(err, AT_E_INVALID_PARAMETER, "at_convert: in and out must not be NULL");
    at_convert_options o;
    at_status status = AT_OPTIONS(at_convert_options, &o, options, err);
    if (status != AT_OK) return status;
    if ((unsigned)o.type > AT_WEIGHTS_Q4_0)
        return at_fail(err, AT_E_INVALID_PARAMETER, "type: %d is not one of 0..%d", (int)o.type,
                       (int)AT_WEIGHTS_Q4_0);
    status = at_convert_check(in, out, o.name, err);
    if (status != AT_OK) return status;
    if (o.packed) return at_convert_packed(in, out, &o, err);
    planner pl = {.base = {.visit = plan_visit, .err = err}, .o = &o, .hooks = hooks};
    at_source source;
    at_lists lists = {0};
    at_config config;
    at_network *net = NULL;
    status = at_source_open(&source, in, err);
    pl.source = &source;
    if (status == AT_OK && source.ours) status = at_refuse_packed(source.weights, err);
    if (status == AT_OK) status = at_lists_read(&lists, &source, pl.o, err);
    if (status == AT_OK) status = at_config_find(&config, &source, &lists, pl.o, err);
    if (status == AT_OK) status = at_network_open(&net, &config, &at_backend_cpu, NULL, err);
    if (status == AT_OK) {
        at_network_params(net, &pl.base);
        status = pl.base.status;
    }
    if (status == AT_OK) tell_lost(&pl);
    if (status == AT_OK) tell_ignored(&pl);
    if (status == AT_OK) status = write_model(&pl, &config, &lists, out, err);
    at_network_close(net);
    at_free(NULL, pl.entries);
    at_lists_free(&lists);
    at_source_close(&source);
    return status;
}
