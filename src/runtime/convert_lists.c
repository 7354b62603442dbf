/* convert_lists.c - tag lists and thresholds: single files, the official folder, the model
 * configuration, or the model that is converted again. In this order; each list for itself. */
#include "base/number.h"
#include "runtime/convert.h"
#include "text/clip_bpe.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { LIST_LIMIT = 64 << 20 };

static at_status own(at_lists *l, void *memory, at_error *err)
{
    if (!memory || l->n_owned == AT_COUNT(l->owned)) {
        at_free(NULL, memory);
        return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the tag lists");
    }
    l->owned[l->n_owned++] = memory;
    return AT_OK;
}

void at_lists_free(at_lists *l)
{
    for (size_t i = 0; i < l->n_owned; i++)
        at_free(NULL, l->owned[i]);
}

static at_status read_lines(at_lists *l, const char *path, const char *const **list, size_t *n,
                            at_error *err)
{
    char **lines;
    at_status status = at_file_lines(path, LIST_LIMIT, &lines, n, NULL, err);
    if (status == AT_OK) status = own(l, lines, err);
    if (status == AT_OK) *list = (const char *const *)lines;
    return status;
}

static at_status read_numbers(at_lists *l, const char *path, at_error *err)
{
    char **lines;
    size_t n;
    at_status status = at_file_lines(path, LIST_LIMIT, &lines, &n, NULL, err);
    if (status != AT_OK) return status;
    float *numbers = at_calloc(NULL, n + 1, sizeof *numbers);
    status = own(l, numbers, err);
    for (size_t i = 0; status == AT_OK && i < n; i++) {
        char *end;
        numbers[i] = at_read_float(lines[i], &end);
        if (end == lines[i] || end[strspn(end, " \t\r")] || !isfinite(numbers[i]))
            status = at_fail(err, AT_E_INVALID_PARAMETER, "%s: line %zu: \"%.40s\" is not a number",
                             path, i + 1, lines[i]);
    }
    at_free(NULL, lines);
    if (status == AT_OK) {
        l->thresholds = numbers;
        l->n_thresholds = n;
    }
    return status;
}

/* One of the places where a checkout of the official repository, or a folder of lists, has `name`. */
static bool find_in(char *path, size_t cap, const char *dir, const char *name)
{
    static const char *const places[] = {"", "ram/data/", "data/"};
    struct stat st;
    for (size_t i = 0; *name && i < AT_COUNT(places); i++) {
        (void)snprintf(path, cap, "%s/%s%s", dir, places[i], name);
        if (stat(path, &st) == 0) return true;
    }
    return false;
}

static const char *const file_names[3][3] = {
    {"ram_tag_list.txt", "ram_tag_list_chinese.txt", "ram_tag_list_threshold.txt"}, // official
    {"tags_en.txt", "tags_zh.txt", "thresholds.txt"}, // the small model's folder
    {"tag2text_ori_tag_list.txt", "", ""}, // official, of Tag2Text: no Chinese, no thresholds
};

static at_status read_folder(at_lists *l, const char *dir, const char *const names[3],
                             bool required, at_error *err)
{
    char path[4096];
    at_status status = AT_OK;
    if (!l->tags && find_in(path, sizeof path, dir, names[0]))
        status = read_lines(l, path, &l->tags, &l->n_tags, err);
    else if (!l->tags && required)
        return at_fail(
            err, AT_E_NOT_FOUND,
            "%s: no %s there; give a checkout of the official repository or a folder with its lists",
            dir, names[0]);
    if (status == AT_OK && l->tags && !l->tags_from) l->tags_from = names[0];
    if (status == AT_OK && !l->tags_zh && find_in(path, sizeof path, dir, names[1]))
        status = read_lines(l, path, &l->tags_zh, &l->n_tags_zh, err);
    if (status == AT_OK && !l->thresholds && find_in(path, sizeof path, dir, names[2]))
        status = read_numbers(l, path, err);
    return status;
}

/* What tag2text.py's constructor and inference_tag2text.py fix for the official list of 3,429: flat
 * 0.68 but for three classes of people, and classes that are never told. */
static at_status official_tag2text(at_lists *l, at_error *err)
{
    static const uint32_t people[] = {2701, 2828, 1167},
                          never[] = {127, 2961, 3351, 3265, 3338, 3355, 3359};
    enum { OFFICIAL_TAGS = 3429 };
    if (l->n_tags != OFFICIAL_TAGS) return AT_OK;
    if (!l->thresholds) {
        float *t = at_calloc(NULL, OFFICIAL_TAGS, sizeof *t);
        const at_status status = own(l, t, err);
        if (status != AT_OK) return status;
        for (size_t i = 0; i < OFFICIAL_TAGS; i++)
            t[i] = 0.68f;
        for (size_t i = 0; i < AT_COUNT(people); i++)
            t[people[i]] = 0.7f;
        l->thresholds = t;
        l->n_thresholds = OFFICIAL_TAGS;
    }
    if (!l->deleted) {
        l->deleted = never;
        l->n_deleted = AT_COUNT(never);
    }
    return AT_OK;
}

/* The words of the text part: one a line. BERT's list lacks the two tokens that BLIP and Tag2Text add. */
static at_status read_vocab(at_lists *l, const at_source *s, const at_convert_options *o,
                            at_error *err)
{
    static const char *const names[] = {"bert-base-uncased-vocab.txt", "vocab.txt",
                                        "bert-base-uncased/vocab.txt"};
    enum { BERT_WORDS = 30522 };
    const bool tag2text = at_is_tag2text(s), encodes = at_source_encodes(s) != NULL;
    if (s->ours && !o->vocab) {
        l->vocab = at_weights_strings(s->weights, "anytag.text.vocab", &l->n_vocab);
        return AT_OK;
    }
    if (!s->captions && !tag2text && !encodes && !s->ours) return AT_OK;
    char path[4096];
    bool found = o->vocab != NULL;
    (void)snprintf(path, sizeof path, "%s", found ? o->vocab : "");
    if (!found && s->captions) found = find_in(path, sizeof path, s->path, "caption_vocab.txt");
    if (!found && encodes) found = find_in(path, sizeof path, s->path, "vocab.txt");
    for (size_t i = 0; !found && o->official_dir && i < AT_COUNT(names); i++)
        found = find_in(path, sizeof path, o->official_dir, names[i]);
    if (!found)
        return at_fail(err, AT_E_NOT_FOUND,
                       "a %s has no vocabulary; pass --vocab FILE, %s, one token a line",
                       encodes ? "text encoder" : "Tag2Text checkpoint",
                       encodes ? "the one it was trained with" : "vocab.txt of bert-base-uncased");
    at_status status = read_lines(l, path, &l->vocab, &l->n_vocab, err);
    if (status != AT_OK || !tag2text || l->n_vocab != BERT_WORDS) return status;
    const char **longer = at_calloc(NULL, BERT_WORDS + 2, sizeof *longer);
    status = own(l, (void *)longer, err);
    if (status != AT_OK) return status;
    memcpy(longer, l->vocab, BERT_WORDS * sizeof *longer);
    longer[BERT_WORDS] = "[DEC]"; // as init_tokenizer() adds them
    longer[BERT_WORDS + 1] = "[ENC]";
    l->vocab = longer;
    l->n_vocab = BERT_WORDS + 2;
    return AT_OK;
}

/* One template a line, or the official openset_utils.py's list of them, read as text: nothing is run. */
static at_status read_templates(at_lists *l, const char *dir, at_error *err)
{
    char path[4096];
    if (find_in(path, sizeof path, dir, "openset_templates.txt"))
        return read_lines(l, path, &l->templates, &l->n_templates, err);
    static const char *const names[] = {"ram/utils/openset_utils.py", "utils/openset_utils.py",
                                        "openset_utils.py"};
    bool found = false;
    for (size_t i = 0; i < AT_COUNT(names) && !found; i++)
        found = find_in(path, sizeof path, dir, names[i]);
    const char *const *lines;
    size_t n;
    const at_status status = found ? read_lines(l, path, &lines, &n, err) : AT_OK;
    if (!found || status != AT_OK) return status;
    const char **out = at_calloc(NULL, n + 1, sizeof *out);
    const at_status kept = own(l, (void *)out, err);
    if (kept != AT_OK) return kept;
    size_t i = 0;
    while (i < n && strncmp(lines[i], "multiple_templates", 18) != 0)
        i++;
    for (; i < n && lines[i][0] != ']'; i++) {
        // the lines are ours to cut: they lie in memory that own() holds
        char *from = strchr(lines[i], '"'), *to = from ? strrchr(from, '"') : NULL;
        if (!to || to == from) continue;
        *to = 0;
        out[l->n_templates++] = from + 1;
    }
    if (l->n_templates) l->templates = out;
    return AT_OK;
}

/* What a CLIP needs beside its weights: the merges of its tokenizer, behind a line that tells their
 * version, and the official templates. The list is longer than CLIP's vocabulary. */
static at_status read_clip(at_lists *l, const at_source *s, const at_convert_options *o,
                           at_error *err)
{
    static const char *const names[] = {"bpe_simple_vocab_16e6.txt.gz", "bpe_simple_vocab_16e6.txt",
                                        "merges.txt", "clip/bpe_simple_vocab_16e6.txt.gz"};
    const char *const dirs[] = {s->path, o->official_dir};
    char path[4096];
    at_status status = AT_OK;
    if (o->official_dir) status = read_templates(l, o->official_dir, err);
    if (status == AT_OK && s->ours && !l->templates)
        l->templates = at_weights_strings(s->weights, "anytag.label_templates", &l->n_templates);
    if (status != AT_OK) return status;
    if (s->ours && !o->merges) {
        l->merges = at_weights_strings(s->weights, "anytag.text.merges", &l->n_merges);
        return AT_OK;
    }
    bool found = o->merges != NULL;
    if (found) (void)snprintf(path, sizeof path, "%s", o->merges);
    for (size_t d = 0; d < AT_COUNT(dirs); d++)
        for (size_t i = 0; !found && dirs[d] && i < AT_COUNT(names); i++)
            found = find_in(path, sizeof path, dirs[d], names[i]);
    if (!found)
        return at_fail(err, AT_E_NOT_FOUND,
                       "a CLIP has no tokenizer in it; pass --merges bpe_simple_vocab_16e6.txt.gz, "
                       "which openai/CLIP has in clip/");
    status = read_lines(l, path, &l->merges, &l->n_merges, err);
    if (status != AT_OK) return status;
    const bool header = l->n_merges && strstr(l->merges[0], "version");
    l->merges += header;
    l->n_merges -= header;
    const size_t tokens = at_clip_vocab(s);
    if (l->n_merges + AT_CLIP_OTHER_TOKENS < tokens || tokens < AT_CLIP_OTHER_TOKENS)
        return at_fail(err, AT_E_MODEL_MISMATCH,
                       "%s: %zu merges, but %s has %zu tokens: not its tokenizer; pass "
                       "bpe_simple_vocab_16e6.txt.gz",
                       path, l->n_merges, s->path, tokens);
    l->n_merges = tokens - AT_CLIP_OTHER_TOKENS;
    at_clip_bpe *bpe = NULL;
    status = at_clip_bpe_open(&bpe, l->merges, l->n_merges, NULL, err);
    at_clip_bpe_close(bpe);
    return status == AT_OK ? AT_OK : at_fail_prefix(err, status, path);
}

/* A JSON array of strings as one allocation of pointers and text. */
static at_status json_strings(at_lists *l, const json_t *array, const char *const **list, size_t *n,
                              at_error *err)
{
    const size_t count = json_array_size(array);
    size_t bytes = (count + 1) * sizeof(char *);
    for (size_t i = 0; i < count; i++)
        bytes += json_string_length(json_array_get(array, i)) + 1;
    char **out = at_alloc(NULL, bytes);
    const at_status status = own(l, out, err);
    if (status != AT_OK) return status;
    char *at = (char *)(out + count + 1);
    for (size_t i = 0; i < count; i++) {
        const char *text = json_string_value(json_array_get(array, i));
        const size_t len = text ? strlen(text) : 0;
        out[i] = at;
        if (len) memcpy(at, text, len);
        at[len] = 0;
        at += len + 1;
    }
    *list = (const char *const *)out;
    *n = count;
    return AT_OK;
}

at_status at_json_read(const char *path, json_t **root, at_error *err)
{
    json_error_t why;
    *root = json_load_file(path, 0, &why);
    if (*root) return AT_OK;
    return at_fail(err, AT_E_INVALID_PARAMETER, "%s: line %d: %s", path, why.line, why.text);
}

static at_status read_json(at_lists *l, const char *path, at_error *err)
{
    json_t *root = NULL;
    const at_status read = at_json_read(path, &root, err);
    if (read != AT_OK) return read;
    const json_t *tags = json_object_get(root, "tags"), *zh = json_object_get(root, "tags_chinese");
    const json_t *thresholds = json_object_get(root, "thresholds"),
                 *deleted = json_object_get(root, "delete_tag_index");
    at_status status = AT_OK;
    if (!l->tags && json_is_array(tags)) {
        status = json_strings(l, tags, &l->tags, &l->n_tags, err);
        l->tags_from = path;
    }
    if (status == AT_OK && !l->tags_zh && json_is_array(zh))
        status = json_strings(l, zh, &l->tags_zh, &l->n_tags_zh, err);
    if (status == AT_OK && !l->thresholds && json_is_array(thresholds)) {
        l->n_thresholds = json_array_size(thresholds);
        float *numbers = at_calloc(NULL, l->n_thresholds + 1, sizeof *numbers);
        status = own(l, numbers, err);
        for (size_t i = 0; status == AT_OK && i < l->n_thresholds; i++)
            numbers[i] = (float)json_number_value(json_array_get(thresholds, i));
        l->thresholds = numbers;
    }
    if (status == AT_OK && json_is_array(deleted)) {
        l->n_deleted = json_array_size(deleted);
        uint32_t *ids = at_calloc(NULL, l->n_deleted + 1, sizeof *ids);
        status = own(l, ids, err);
        for (size_t i = 0; status == AT_OK && i < l->n_deleted; i++)
            ids[i] = (uint32_t)json_integer_value(json_array_get(deleted, i));
        l->deleted = ids;
    }
    json_decref(root);
    return status;
}

/* A model of ours that is converted again keeps what no option replaces. */
static at_status read_ours(at_lists *l, const at_source *s, at_error *err)
{
    size_t n;
    const uint64_t *deleted = at_weights_ints(s->weights, "anytag.delete_indices", &n);
    if (!l->tags) {
        l->tags = at_weights_strings(s->weights, "anytag.tags", &l->n_tags);
        l->tags_from = s->path;
    }
    if (!l->tags_zh) l->tags_zh = at_weights_strings(s->weights, "anytag.tags_zh", &l->n_tags_zh);
    if (!l->thresholds)
        l->thresholds = at_weights_floats(s->weights, "anytag.thresholds", &l->n_thresholds);
    if (!deleted) return AT_OK;
    uint32_t *ids = at_calloc(NULL, n + 1, sizeof *ids);
    const at_status status = own(l, ids, err);
    for (size_t i = 0; status == AT_OK && i < n; i++)
        ids[i] = (uint32_t)deleted[i];
    l->deleted = ids;
    l->n_deleted = n;
    return status;
}

static at_status check(const at_lists *l, at_error *err)
{
    if (!l->tags || l->n_tags == 0)
        return at_fail(
            err, AT_E_INVALID_PARAMETER,
            "a checkpoint has no tag names; pass --official DIR (a checkout of the official repository) or --tags FILE");
    if (l->tags_zh && l->n_tags_zh != l->n_tags)
        return at_fail(err, AT_E_MODEL_MISMATCH,
                       "%zu Chinese names for %zu tags; the lists must go line by line",
                       l->n_tags_zh, l->n_tags);
    if (l->thresholds && l->n_thresholds != l->n_tags)
        return at_fail(err, AT_E_MODEL_MISMATCH,
                       "%zu thresholds for %zu tags; the lists must go line by line",
                       l->n_thresholds, l->n_tags);
    for (size_t i = 0; i < l->n_deleted; i++) {
        if (l->deleted[i] >= l->n_tags)
            return at_fail(err, AT_E_MODEL_MISMATCH, "delete_tag_index names tag %u of %zu",
                           l->deleted[i], l->n_tags);
    }
    return AT_OK;
}

at_status at_lists_read(at_lists *l, const at_source *s, const at_convert_options *o, at_error *err)
{
    at_status status = AT_OK;
    const char *encodes = at_source_encodes(s);
    if (encodes && strcmp(encodes, "clip_text") == 0) return read_clip(l, s, o, err);
    if (encodes) return read_vocab(l, s, o, err);
    if (o->tags) {
        status = read_lines(l, o->tags, &l->tags, &l->n_tags, err);
        l->tags_from = o->tags;
    }
    if (status == AT_OK && o->tags_zh)
        status = read_lines(l, o->tags_zh, &l->tags_zh, &l->n_tags_zh, err);
    if (status == AT_OK && o->thresholds) status = read_numbers(l, o->thresholds, err);
    if (status == AT_OK && o->model_config) status = read_json(l, o->model_config, err);
    // a list of one's own does not go with the official names and thresholds of other tags
    if (status == AT_OK && o->official_dir && !l->tags)
        status = read_folder(l, o->official_dir, file_names[at_is_tag2text(s) ? 2 : 0], true, err);
    if (status == AT_OK && s->config_path && !l->tags)
        status = read_folder(l, s->path, file_names[1], false, err);
    if (status == AT_OK && s->ours) status = read_ours(l, s, err);
    if (status == AT_OK && at_is_tag2text(s)) status = official_tag2text(l, err);
    if (status == AT_OK) status = read_vocab(l, s, o, err);
    return status == AT_OK ? check(l, err) : status;
}
