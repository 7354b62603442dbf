/* labels.c - words of the user's own as labels: read, made by a text encoder, or taken from a set. */
#include "progress.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { LONG_WORK = 200 }; // labels from which progress is shown

static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static bool is_set(const char *path)
{
    FILE *f = fopen(path, "rb");
    char magic[4] = "";
    const bool set = f && fread(magic, 1, 4, f) == 4 && memcmp(magic, "GGUF", 4) == 0;
    if (f) (void)fclose(f);
    return set;
}

/* A path, or one word that ends as a list or a set does: mine.gguf mistyped is no tag. */
static bool names_file(const char *what)
{
    static const char *const ends[] = {".gguf", ".txt", ".csv", ".json"};
    if (is_file(what)) return true;
    if (strchr(what, ',')) return false;
    const char *dot = strrchr(what, '.');
    for (size_t i = 0; dot && i < sizeof ends / sizeof ends[0]; i++) {
        if (strcasecmp(dot, ends[i]) == 0) return true;
    }
    return strchr(what, '/') != NULL;
}

int cli_read_words(const char *what, at_label_list **list)
{
    at_error err = {0};
    const bool file = names_file(what);
    const at_status status = file ? at_label_list_read(what, list, &err)
                                  : at_label_list_parse(what, list, &err);
    if (status == AT_E_NOT_FOUND) cli_suggest_path(&err, what);
    if (file && status != AT_E_OUT_OF_MEMORY)
        err.status = AT_E_INVALID_PARAMETER; // of an option, no picture
    return status == AT_OK ? 0 : cli_fail(&err);
}

bool cli_is_label_set(const char *what)
{
    return is_file(what) && is_set(what);
}

static int open_encoder(const cli_options *o, const at_model *model, at_encoder **e)
{
    char *path = NULL;
    const size_t width = at_model_label_width(model);
    int code = cli_find_encoder(o, width, &path);
    if (code) return code;
    if (!path && at_model_is_builtin(model))
        return cli_error(
            AT_E_MODEL_NOT_FOUND,
            "words of your own need the text encoder that made this model's labels, "
            "which is not installed; get it with: make words (see anytag help models)");
    if (!path)
        return cli_error(
            AT_E_MODEL_NOT_FOUND,
            "words of your own need the text encoder that made the labels of %s (vectors "
            "of %zu), and none is installed; convert one and pass --text-encoder FILE",
            at_model_name(model), width);
    at_error err = {0};
    const at_model_options mo = {
        .struct_size = sizeof mo, .threads = (int)o->threads, .log = cli_log};
    if (at_encoder_open(path, &mo, e, &err) != AT_OK) code = cli_fail(&err);
    free(path);
    return code;
}

static int show(void *user, size_t done, size_t all)
{
    cli_progress *p = user;
    (void)all;
    p->ok = done;
    cli_progress_show(p, false);
    return cli_stopped() != 0;
}

/* Words that the model has already are left to it. */
static size_t new_words(const at_model *m, const at_label *all, size_t n, bool only, at_label *kept)
{
    bool *told = calloc(at_model_tags(m) + 1, sizeof *told); // NULL: told each time
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        const long id = only ? -1 : at_model_find_tag(m, all[i].name);
        if (id < 0)
            kept[k++] = all[i];
        else if (!told || !told[id])
            cli_warn("\"%.60s\" is a tag of the model already", at_model_tag(m, (size_t)id, "en"));
        if (told && id >= 0) told[id] = true;
    }
    free(told);
    return k;
}

static int build(const cli_options *o, const at_model *model, const at_label *labels, size_t n,
                 at_labels **set)
{
    at_encoder *e = NULL;
    int code = open_encoder(o, model, &e);
    if (code) return code;
    cli_progress progress;
    const bool tell = n >= LONG_WORK;
    if (tell) cli_progress_begin(&progress, o, "embed", "embedded", n);
    if (tell) progress.unit = "words/s";
    const at_labels_options lo = {
        .struct_size = sizeof lo, .progress = tell ? show : NULL, .progress_user = &progress};
    at_error err = {0};
    cli_stop_begin(o); // not before the words are read: a silent pipe of them ends at once
    cli_stop_words(true);
    if (at_labels_build(model, e, labels, n, &lo, set, &err) != AT_OK) code = cli_fail(&err);
    cli_stop_words(false);
    if (tell) cli_progress_end(&progress, code == 0);
    at_encoder_close(e);
    return code;
}

/* crane#5, crane.n.02: words whose sense is told by its number get what the dictionary says of it. */
static int read_senses(const cli_options *o, at_label_list **list)
{
    const at_label *labels = at_label_list_labels(*list);
    bool marked = false;
    for (size_t i = 0; i < at_label_list_count(*list); i++)
        marked |= at_sense_is_marked(labels[i].name) != 0;
    if (!marked) return 0;
    at_wordnet *w = NULL;
    at_label_list *described = NULL;
    at_error err = {0};
    const at_describe_options options = {.struct_size = sizeof options, .marked_only = 1};
    int code = cli_open_wordnet(o, &w);
    if (code == 0 && at_label_list_describe(w, *list, &options, &described, &err) != AT_OK)
        code = cli_fail(&err);
    at_wordnet_close(w);
    if (code) return code;
    at_label_list_free(*list);
    *list = described;
    return 0;
}

int cli_open_labels(const cli_options *o, const at_model *model, const char *what, bool only,
                    at_labels **set)
{
    at_error err = {0};
    if (at_model_label_width(model) == 0)
        return cli_error(AT_E_MODEL_MISMATCH,
                         "--tags: %s (%s) knows its own tags only; words of your own need a ram, "
                         "ram_plus or ram_lite model",
                         at_model_name(model), at_model_architecture(model));
    if (cli_is_label_set(what)) {
        if (at_labels_open(what, NULL, set, &err) != AT_OK ||
            at_labels_check(*set, model, &err) != AT_OK)
            return cli_fail(&err);
        return 0;
    }
    at_label_list *list = NULL;
    int code = cli_read_words(what, &list);
    if (code == 0) code = read_senses(o, &list);
    if (code) {
        at_label_list_free(list);
        return code;
    }
    const size_t n = at_label_list_count(list);
    at_label *kept = calloc(n, sizeof *kept);
    const size_t k = kept ? new_words(model, at_label_list_labels(list), n, only, kept) : 0;
    if (!kept)
        code = cli_error(AT_E_OUT_OF_MEMORY, "no memory for %zu words", n);
    else if (k)
        code = build(o, model, kept, k, set);
    free(kept);
    at_label_list_free(list);
    return code;
}
