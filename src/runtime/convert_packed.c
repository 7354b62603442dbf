/* convert_packed.c - a model file once more, its matrices in the panels of this processor's kernels. They are
 * the loaded model's own, so that what is read later is what would have been packed; keys and all other
 * tensors are copied as they are, and with them the model's identity. */
#include "runtime/convert.h"
#include "runtime/runtime.h"

#include <stdio.h>
#include <string.h>

typedef struct packer {
    at_params base;
    const at_model *model;
    at_gguf_writer *g;
    // Panels now, or all others. Panels are first, so that bytes follow the last, as kernels need them.
    bool panels;
    bool data; // the second telling: bytes behind the list
    const at_convert_options *o;
    uint64_t done, total; // bytes
} packer;

static bool is_key(const at_meta *m, const char *key)
{
    return strcmp(m->key, key) == 0;
}

/* As it is, where it is of a type that models have. */
static at_status copy_key(at_gguf_writer *g, const at_weights *w, const at_meta *m, at_error *err)
{
    size_t n;
    const char *type = m->type_name;
    if (is_key(m, "general.alignment")) return AT_OK; // the new file's own
    if (strcmp(type, "string") == 0) return at_gguf_str(g, m->key, m->v.string.data), AT_OK;
    if (strcmp(type, "u32") == 0) return at_gguf_u32(g, m->key, (uint32_t)m->v.u), AT_OK;
    if (strcmp(type, "f32") == 0) return at_gguf_f32(g, m->key, (float)m->v.f), AT_OK;
    if (strcmp(type, "bool") == 0) return at_gguf_bool(g, m->key, m->v.u != 0), AT_OK;
    const char *const *strings = at_weights_strings(w, m->key, &n);
    if (strings) return at_gguf_strings(g, m->key, strings, n), AT_OK;
    const float *floats = at_weights_floats(w, m->key, &n);
    if (floats && strcmp(type, "f32[]") == 0) return at_gguf_floats(g, m->key, floats, n), AT_OK;
    const uint64_t *wide = at_weights_ints(w, m->key, &n);
    if (!wide || strcmp(type, "u32[]") != 0)
        return at_fail(err, AT_E_MODEL_UNSUPPORTED,
                       "%s: the key %s is %s, which no model of ours has; convert it again",
                       at_weights_path(w), m->key, type);
    uint32_t *ints = at_calloc(NULL, n, sizeof *ints);
    for (size_t i = 0; ints && i < n; i++)
        ints[i] = (uint32_t)wide[i];
    if (ints) at_gguf_u32s(g, m->key, ints, n);
    at_free(NULL, ints);
    return ints ? AT_OK : at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for %s", m->key);
}

static void put(packer *k, const char *name, at_dtype type, const uint64_t *dims, int n_dims,
                const void *data, size_t bytes)
{
    if (!k->data) {
        at_gguf_tensor(k->g, name, type, dims, n_dims);
        k->total += bytes;
        return;
    }
    at_gguf_data(k->g, data, bytes);
    k->done += bytes;
    if (k->o->progress) k->o->progress(k->o->progress_user, k->done, k->total);
}

static void visit(at_params *params, const at_param *p)
{
    packer *k = (packer *)params;
    const bool matrix = at_param_is_matrix(p);
    if (matrix != k->panels) return;
    if (!matrix) {
        const at_weight *t = at_weights_find(k->model->weights, p->name); // it was loaded
        put(k, p->name, t->type, t->dims, t->n_dims, t->data, t->bytes);
        return;
    }
    const at_matrix *m = p->field;
    char name[80];
    uint64_t dims[2];
    (void)snprintf(name, sizeof name, AT_PANELS_NAME, p->name);
    k->model->net->backend->panels(m->type, m->n, m->k, dims);
    put(k, name, m->type, dims, 2, m->data, m->bytes);
}

static void tell(packer *k, bool data)
{
    k->data = data;
    for (int panels = 1; panels >= 0; panels--) {
        k->panels = panels;
        at_network_params(k->model->net, &k->base);
    }
}

static at_status write_packed(const at_model *m, const char *out, const at_convert_options *o,
                              at_error *err)
{
    packer k = {.base = {.visit = visit, .err = err}, .model = m, .o = o};
    at_status status = at_gguf_create(&k.g, out, NULL, err);
    if (status != AT_OK) return status;
    at_gguf_align_64(k.g);
    for (size_t i = 0; i < at_weights_meta_count(m->weights) && status == AT_OK; i++)
        status = copy_key(k.g, m->weights, at_weights_meta_at(m->weights, i), err);
    char layout[AT_LAYOUT_TEXT];
    m->net->backend->layout(layout);
    at_gguf_str(k.g, AT_PANELS_KEY, layout);
    if (status != AT_OK) {
        at_gguf_abandon(k.g);
        return status;
    }
    tell(&k, false);
    tell(&k, true);
    return at_gguf_finish(k.g, err);
}

at_status at_refuse_packed(const at_weights *w, at_error *err)
{
    if (!at_weights_meta(w, AT_PANELS_KEY)) return AT_OK;
    return at_fail(
        err, AT_E_MODEL_UNSUPPORTED,
        "%s: packed for the kernels of a processor; convert the file that it was made from",
        at_weights_path(w));
}

/* A model or a text encoder; all of it is loaded. */
static at_status open_whole(const char *in, at_model **m, at_error *err)
{
    at_weights *w = NULL;
    at_status status = at_weights_open(&w, in, NULL, err);
    if (status != AT_OK) return status;
    status = at_refuse_packed(w, err);
    at_config c = {0};
    if (status == AT_OK && at_weights_u64(w, "anytag.version", 0) == 1)
        status = at_config_read(&c, w, err); // any other is refused below
    const bool encoder = status == AT_OK && c.arch[0] && at_config_encodes(&c);
    at_weights_close(w);
    if (status == AT_OK) status = at_network_file_open(in, NULL, encoder, m, err);
    if (status == AT_OK) status = at_model_need_texts(*m, NULL, err);
    return status;
}

at_status at_convert_packed(const char *in, const char *out, const at_convert_options *o,
                            at_error *err)
{
    if (o->type != AT_WEIGHTS_KEEP || o->official_dir || o->model_config || o->tags || o->tags_zh ||
        o->thresholds || o->vocab || o->merges || o->name)
        return at_fail(
            err, AT_E_INVALID_PARAMETER,
            "packed: a model file is packed as it is; convert to the type, the name and the "
            "lists first, then pack what that gives");
    at_model *m = NULL;
    at_status status = open_whole(in, &m, err);
    if (status == AT_OK) status = write_packed(m, out, o, err);
    at_model_close(m);
    return status;
}
