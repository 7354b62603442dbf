/* convert_source.c - a checkpoint, a model of ours, or a folder with config.json. */
#include "runtime/convert.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static char *join(const char *dir, const char *name)
{
    const size_t size = strlen(dir) + strlen(name) + 2;
    char *path = at_alloc(NULL, size);
    if (path) (void)snprintf(path, size, "%s/%s", dir, name);
    return path;
}

/* model.safetensors, or the folder's only *.safetensors, *.pth or *.gguf. */
static at_status find_weights(at_source *s, at_error *err)
{
    static const char *const endings[] = {".safetensors", ".pth", ".pt"};
    s->weights_path = join(s->path, "model.safetensors");
    struct stat st;
    if (s->weights_path && stat(s->weights_path, &st) == 0) return AT_OK;
    at_free(NULL, s->weights_path);
    s->weights_path = NULL;
    DIR *dir = opendir(s->path);
    if (!dir) return at_fail(err, AT_E_NOT_FOUND, "%s: cannot be listed", s->path);
    int found = 0;
    for (struct dirent *e; (e = readdir(dir));) {
        const size_t len = strlen(e->d_name);
        for (size_t i = 0; i < AT_COUNT(endings); i++) {
            const size_t n = strlen(endings[i]);
            if (len <= n || strcmp(e->d_name + len - n, endings[i]) != 0) continue;
            if (found++ == 0) s->weights_path = join(s->path, e->d_name);
        }
    }
    (void)closedir(dir);
    if (found != 1)
        return at_fail(
            err, AT_E_MODEL_UNSUPPORTED,
            "%s: %d weight files in this folder, expected model.safetensors or a single one; name the file itself",
            s->path, found);
    return s->weights_path ? AT_OK : at_fail(err, AT_E_OUT_OF_MEMORY, "no memory");
}

/* A caption decoder beside the tagger: caption.safetensors, which caption_config.json describes. */
static at_status open_captions(at_source *s, at_error *err)
{
    struct stat st;
    s->captions_config = join(s->path, "caption_config.json");
    s->captions_path = join(s->path, "caption.safetensors");
    if (!s->captions_config || !s->captions_path)
        return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory");
    if (stat(s->captions_config, &st) != 0) return AT_OK;
    return at_weights_open(&s->captions, s->captions_path, NULL, err);
}

at_status at_source_open(at_source *s, const char *in, at_error *err)
{
    *s = (at_source){.path = in};
    struct stat st;
    const char *file = in;
    if (stat(in, &st) == 0 && S_ISDIR(st.st_mode)) {
        const at_status status = find_weights(s, err);
        if (status != AT_OK) return status;
        file = s->weights_path;
        s->config_path = join(in, "config.json");
        if (s->config_path && stat(s->config_path, &st) != 0) {
            at_free(NULL, s->config_path);
            s->config_path = NULL;
        }
    }
    at_status status = at_weights_open(&s->weights, file, NULL, err);
    if (status == AT_OK && s->config_path) status = open_captions(s, err);
    if (status != AT_OK) return status;
    s->ours = at_weights_u64(s->weights, "anytag.version", 0) == 1;
    return AT_OK;
}

void at_source_close(at_source *s)
{
    at_weights_close(s->weights);
    at_weights_close(s->captions);
    at_free(NULL, s->captions_path);
    at_free(NULL, s->captions_config);
    at_free(NULL, s->weights_path);
    at_free(NULL, s->config_path);
}

const at_weight *at_source_find(const at_source *s, const char *official)
{
    static const char *const prefixes[] = {"", "module.", "model."};
    static const char head[] = "tagging_head.";
    static const char captions[] = "caption."; // the decoder's own file
    char name[256];
    if (s->captions && strncmp(official, captions, sizeof captions - 1) == 0)
        return at_weights_find(s->captions, official + sizeof captions - 1);
    for (size_t i = 0; i < AT_COUNT(prefixes); i++) {
        (void)snprintf(name, sizeof name, "%s%s", prefixes[i], official);
        const at_weight *t = at_weights_find(s->weights, name);
        if (t || strncmp(official, head, sizeof head - 1) != 0) {
            if (t) return t;
            continue;
        }
        // the name the head had before the official code renamed it
        (void)snprintf(name, sizeof name, "%svision_multi.%s", prefixes[i],
                       official + sizeof head - 1);
        if ((t = at_weights_find(s->weights, name))) return t;
    }
    return NULL;
}

/* Rows are prefixes. The order is that of the state dict: in a checkpoint of the official model both
 * names point to the same bytes, but PyTorch's load copies one after the other, so the later stays. */
static const struct tied {
    const char *earlier, *later;
} tied[] = {
    {"tag_encoder.encoder.layer.", "tagging_head.encoder.layer."},
    {"text_decoder.bert.embeddings.word_embeddings.weight",
     "text_decoder.cls.predictions.decoder.weight"},
    {"text_decoder.cls.predictions.bias", "text_decoder.cls.predictions.decoder.bias"},
};

/* The tensor called `to` and what follows `from` in `official`; NULL: it does not begin so. */
static const at_weight *twin_of(const at_source *s, const char *official, const char *from,
                                const char *to)
{
    char name[256];
    const size_t len = strlen(from);
    if (strncmp(official, from, len) != 0) return NULL;
    (void)snprintf(name, sizeof name, "%s%s", to, official + len);
    return at_source_find(s, name);
}

const at_weight *at_source_find_tied(const at_source *s, const char *official,
                                     const at_weight **lost)
{
    const at_weight *own = at_source_find(s, official);
    *lost = NULL;
    for (size_t i = 0; i < AT_COUNT(tied); i++) {
        const at_weight *earlier = twin_of(s, official, tied[i].later, tied[i].earlier);
        if (earlier && !own) return earlier;
        if (earlier) *lost = earlier;
        // the tag encoder's layers that are its own have no twin; those that have are the head's
        const at_weight *later = i ? twin_of(s, official, tied[i].earlier, tied[i].later) : NULL;
        if (!later) continue;
        *lost = own;
        return later;
    }
    return own;
}

bool at_weight_equal(const at_weight *a, const at_weight *b)
{
    return a->type == b->type && a->n_dims == b->n_dims &&
           memcmp(a->dims, b->dims, (size_t)a->n_dims * sizeof *a->dims) == 0 &&
           (a->data == b->data || memcmp(a->data, b->data, a->bytes) == 0);
}
