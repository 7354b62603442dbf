/* models.c - which model is used: a file, a name looked up in folders, the best one installed, or the
 * one in the box. */
#include "cli.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* What a task can run on, best first. */
static const struct task {
    const char *name, *architectures[6];
} tasks[] = {
    {"tag", {"ram_plus", "ram", "tag2text", "ram_lite"}},
    {"caption", {"tag2text", "ram_lite"}},
    {"match", {"tag2text"}},
    {"encode", {"clip_text", "bert_sentence"}},
};

enum { DIRS_MAX = 32 };
typedef struct dirs {
    char *paths[DIRS_MAX];
    size_t n;
} dirs;

/* Each part of a list divided by colons, with `tail` behind it. */
static void add_dirs(dirs *d, const char *list, const char *tail)
{
    while (list && *list && d->n < DIRS_MAX) {
        const size_t n = strcspn(list, ":");
        char path[4096];
        if (n && snprintf(path, sizeof path, "%.*s%s", (int)n, list, tail) < (int)sizeof path)
            d->paths[d->n++] = strdup(path);
        list += n + (list[n] != 0);
    }
}

static void model_dirs(dirs *d, const cli_options *o)
{
    const char *data = getenv("XDG_DATA_HOME"), *all = getenv("XDG_DATA_DIRS");
    *d = (dirs){0};
    add_dirs(d, o->models_dir, "");
    add_dirs(d, getenv("ANYTAG_MODELS"), "");
    if (data && *data)
        add_dirs(d, data, "/anytag/models");
    else
        add_dirs(d, getenv("HOME"), "/.local/share/anytag/models");
    add_dirs(d, all && *all ? all : "/usr/local/share:/usr/share", "/anytag/models");
}

static void free_dirs(dirs *d)
{
    while (d->n)
        free(d->paths[--d->n]);
}

static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static bool ends(const char *text, const char *tail)
{
    const size_t n = strlen(text), k = strlen(tail);
    return n > k && strcmp(text + n - k, tail) == 0;
}

/* NAME, NAME.gguf, or the first NAME-*.gguf; owned by the caller. */
static char *named_in(const char *dir, const char *name)
{
    static const char *const tails[] = {"", ".gguf"};
    char path[4096];
    for (int t = 0; t < 2; t++) {
        (void)snprintf(path, sizeof path, "%s/%s%s", dir, name, tails[t]);
        if (is_file(path)) return strdup(path);
    }
    struct dirent **list;
    const int n = scandir(dir, &list, NULL, alphasort);
    char *found = NULL;
    const size_t len = strlen(name);
    for (int i = 0; i < n; i++) {
        const char *file = list[i]->d_name;
        if (!found && strncmp(file, name, len) == 0 && file[len] == '-' && ends(file, ".gguf")) {
            (void)snprintf(path, sizeof path, "%s/%s", dir, file);
            found = strdup(path);
        }
        free(list[i]);
    }
    if (n >= 0) free(list);
    return found;
}

/* 0 best; -1: not for this task, or no model. `width` 0, or that of the labels it must have. */
static int rank_of(const char *path, const char *task, size_t width)
{
    at_weight_file *f;
    if (at_weight_file_open(path, &f, NULL) != AT_OK) return -1;
    int rank = -1;
    bool fits = width == 0;
    for (size_t k = 0; k < at_weight_file_keys(f); k++) {
        const char *type, *value;
        const char *key = at_weight_file_key(f, k, &type, &value);
        if (strcmp(key, "anytag.label_dim") == 0) fits |= strtoul(value, NULL, 10) == width;
        if (strcmp(key, "general.architecture") != 0) continue;
        for (size_t t = 0; t < sizeof tasks / sizeof tasks[0]; t++) {
            for (int a = 0; strcmp(tasks[t].name, task) == 0 && tasks[t].architectures[a]; a++) {
                if (strcmp(tasks[t].architectures[a], value) == 0) rank = a;
            }
        }
    }
    at_weight_file_close(f);
    return fits ? rank : -1;
}

/* Architecture first, then the larger file, then the earlier folder and name. */
static char *best_installed(const dirs *d, const char *task, size_t width)
{
    char *best = NULL, path[4096];
    int best_rank = 0;
    off_t best_size = 0;
    for (size_t k = 0; k < d->n; k++) {
        struct dirent **list;
        const int n = scandir(d->paths[k], &list, NULL, alphasort);
        for (int i = 0; i < n; i++) {
            struct stat st;
            (void)snprintf(path, sizeof path, "%s/%s", d->paths[k], list[i]->d_name);
            if (ends(path, ".gguf") && stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
                const int rank = rank_of(path, task, width);
                if (rank >= 0 &&
                    (!best || rank < best_rank || (rank == best_rank && st.st_size > best_size))) {
                    free(best);
                    best = strdup(path);
                    best_rank = rank;
                    best_size = st.st_size;
                }
            }
            free(list[i]);
        }
        if (n >= 0) free(list);
    }
    return best;
}

static int not_found(const dirs *d, const char *option, const char *name)
{
    char looked[700] = "";
    for (size_t i = 0, used = 0; i < d->n && used < sizeof looked; i++)
        used += (size_t)snprintf(looked + used, sizeof looked - used, "%s%s", i ? ", " : "",
                                 d->paths[i]);
    return cli_error(AT_E_MODEL_NOT_FOUND,
                     "--%s: no file and no installed model \"%.100s\" (looked in %s)", option, name,
                     looked);
}

/* What `name` (NULL: not given) is for a task. *path NULL: the model in the box, or there is none. */
static int choose(const cli_options *o, const char *option, const char *name, const char *task,
                  size_t width, char **path, const char **why)
{
    dirs d;
    model_dirs(&d, o);
    int code = 0;
    *path = NULL;
    *why = "in the box";
    if (name && strcmp(name, "box") == 0) {
        // as it stands
    } else if (name && (strchr(name, '/') || is_file(name))) {
        *path = strdup(name);
        *why = "named";
    } else if (name) {
        for (size_t i = 0; i < d.n && !*path; i++)
            *path = named_in(d.paths[i], name);
        *why = "by its name";
        if (!*path) code = not_found(&d, option, name);
    } else {
        *path = best_installed(&d, task, width);
        if (*path) *why = "the best installed";
    }
    free_dirs(&d);
    return code;
}

void cli_print_model_dirs(const cli_options *o, FILE *to)
{
    dirs d;
    model_dirs(&d, o);
    for (size_t i = 0; i < d.n; i++) {
        struct dirent **list;
        const int n = scandir(d.paths[i], &list, NULL, alphasort);
        fprintf(to, "  %s%s\n", d.paths[i], n < 0 ? "  (not there)" : "");
        for (int k = 0; k < n; k++) {
            if (ends(list[k]->d_name, ".gguf")) fprintf(to, "    %s\n", list[k]->d_name);
            free(list[k]);
        }
        if (n >= 0) free(list);
    }
    free_dirs(&d);
}

static int check_precision(const cli_options *o, const at_model *model)
{
    if (!o->precision || strcmp(o->precision, "auto") == 0 ||
        strcmp(o->precision, at_model_precision(model)) == 0)
        return 0;
    return cli_usage(
        "--precision: the model is stored as %s; make one of its f16 or f32 file: anytag convert IN "
        "OUT --type %.10s",
        at_model_precision(model), o->precision);
}

int cli_open_model_for(const cli_options *o, const char *task, at_model **model)
{
    if (o->device && strcmp(o->device, "auto") != 0 && strcmp(o->device, "cpu") != 0)
        return cli_error(AT_E_DEVICE_NOT_AVAILABLE,
                         "--device: \"%.40s\" is not available in this build; use cpu", o->device);
    char *path;
    const char *why;
    int code = choose(o, "model", o->model, task, 0, &path, &why);
    if (code == 0 && path) code = cli_verify_model(o, path);
    if (code) {
        free(path);
        return code;
    }
    at_error err = {0};
    const bool bf16 = o->compute && strcmp(o->compute, "bf16") == 0;
    const at_model_options mo = {.struct_size = sizeof mo,
                                 .threads = (int)o->threads,
                                 .log = cli_log,
                                 .compute = bf16 ? AT_COMPUTE_BF16 : AT_COMPUTE_AUTO};
    if (at_model_open(path, &mo, model, &err) != AT_OK) {
        free(path);
        return cli_fail(&err);
    }
    char text[4200];
    (void)snprintf(text, sizeof text, "model %s (%s%s%s)", at_model_name(*model), why,
                   path ? ": " : "", path ? path : "");
    cli_log(NULL, AT_LOG_DEBUG, text);
    free(path);
    code = check_precision(o, *model);
    if (code) {
        at_model_close(*model);
        *model = NULL;
    }
    return code;
}

int cli_find_encoder(const cli_options *o, size_t width, char **path)
{
    const char *why;
    int code = choose(o, "text-encoder", o->text_encoder, "encode", width, path, &why);
    if (code == 0 && *path) code = cli_verify_model(o, *path);
    if (code) free(*path);
    return code;
}

int cli_open_model(const cli_options *o, at_model **model)
{
    return cli_open_model_for(o, "tag", model);
}
