/* done.c - what earlier runs finished, by path: content, model and options of each picture. It comes from
 * the records of a jsonl file, or from a journal of files written one by one. */
#include "done.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <utf8proc.h>

enum { FILES_MAX = 4 };

struct cli_done {
    json_t *keys; // key -> index of works
    cli_work *works;
    size_t n, cap;
    FILE *files[FILES_MAX];
    int n_files;
};

/* --- hashes ---------------------------------------------------------------------------------------------- */

static void to_hex(const unsigned char *bytes, char hex[CLI_HASH])
{
    for (int i = 0; i < 32; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
}

void cli_sha256(const void *data, size_t size, char hex[CLI_HASH])
{
    unsigned char bytes[32] = {0};
    (void)EVP_Digest(data, size, bytes, NULL, EVP_sha256(), NULL);
    to_hex(bytes, hex);
}

bool cli_sha256_file(const char *path, char hex[CLI_HASH])
{
    struct stat st;
    FILE *f = stat(path, &st) == 0 && S_ISREG(st.st_mode) ? fopen(path, "rb") : NULL;
    EVP_MD_CTX *ctx = f ? EVP_MD_CTX_new() : NULL;
    unsigned char block[1 << 15], bytes[32];
    bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);
    for (size_t n; ok && (n = fread(block, 1, sizeof block, f)) > 0;)
        ok = EVP_DigestUpdate(ctx, block, n);
    ok = ok && !ferror(f) && EVP_DigestFinal_ex(ctx, bytes, NULL);
    if (ok) to_hex(bytes, hex);
    EVP_MD_CTX_free(ctx);
    if (f) (void)fclose(f);
    return ok;
}

static void hash_named(const cli_options *o, const char *option, const char *path,
                       char hex[CLI_HASH])
{
    struct stat st;
    struct timespec now = {0};
    if (cli_sha256_file(path, hex) || stat(path, &st) != 0 || S_ISDIR(st.st_mode)) return;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)snprintf(hex, CLI_HASH, "%lld.%09ld %ld", (long long)now.tv_sec, now.tv_nsec,
                   (long)getpid());
    if (o->resume)
        cli_warn("--%s: %s is no plain file and may say something else each time, so --resume "
                 "leaves nothing out",
                 option, path);
}

void cli_options_hash(const cli_options *o, const char *command, char hex[CLI_HASH])
{
    char *text = NULL;
    size_t size = 0;
    FILE *all = open_memstream(&text, &size);
    for (size_t i = 0; all && i < cli_table_rows; i++) {
        const cli_option *r = &cli_table[i];
        if (!r->result || !cli_knows(command, r) || !o->origin[i]) continue;
        char value[4096], content[CLI_HASH] = "";
        cli_value(o, r, value, sizeof value);
        if (r->argument && strstr(r->argument, "FILE"))
            hash_named(o, r->name, value[0] == '@' ? value + 1 : value, content);
        fprintf(all, "%s=%s %s\n", r->name, value, content);
    }
    if (all) (void)fclose(all);
    cli_sha256(text ? text : "", size, hex);
    free(text);
}

/* --- the table ------------------------------------------------------------------------------------------- */

cli_done *cli_done_new(void)
{
    cli_done *d = calloc(1, sizeof *d);
    if (d) d->keys = json_object();
    return d;
}

void cli_done_free(cli_done *d)
{
    if (!d) return;
    for (int i = 0; i < d->n_files; i++)
        (void)fclose(d->files[i]);
    json_decref(d->keys);
    free(d->works);
    free(d);
}

static bool is_utf8(const char *s)
{
    utf8proc_int32_t c;
    for (utf8proc_ssize_t k; *s; s += k) {
        k = utf8proc_iterate((const utf8proc_uint8_t *)s, -1, &c);
        if (k <= 0) return false;
    }
    return true;
}

char *cli_done_key(const char *path)
{
    if (is_utf8(path)) return strdup(path);
    const size_t n = strlen(path);
    char *key = malloc(n / 3 * 4 + 16); // as a record has it in path_base64
    if (!key) return NULL;
    memcpy(key, "base64:", 7);
    (void)EVP_EncodeBlock((unsigned char *)key + 7, (const unsigned char *)path, (int)n);
    return key;
}

void cli_done_add(cli_done *d, const char *key, const cli_work *work)
{
    const json_t *old = json_object_get(d->keys, key);
    if (old) {
        d->works[json_integer_value(old)] = *work;
        return;
    }
    if (d->n == d->cap) {
        const size_t cap = d->cap ? 2 * d->cap : 64;
        cli_work *more = realloc(d->works, cap * sizeof *more);
        if (!more) return;
        d->works = more;
        d->cap = cap;
    }
    if (json_object_set_new(d->keys, key, json_integer((json_int_t)d->n)) == 0)
        d->works[d->n++] = *work;
}

const cli_work *cli_done_find(const cli_done *d, const char *key)
{
    const json_t *at = d ? json_object_get(d->keys, key) : NULL;
    return at ? &d->works[json_integer_value(at)] : NULL;
}

void cli_done_each(const cli_done *d,
                   void (*each)(void *user, const char *key, const cli_work *work), void *user)
{
    const char *key;
    json_t *at;
    json_object_foreach(d->keys, key, at) each(user, key, &d->works[json_integer_value(at)]);
}

/* --- files ----------------------------------------------------------------------------------------------- */

static void copy_text(char out[CLI_HASH], const json_t *from, const char *key)
{
    const char *text = json_string_value(json_object_get(from, key));
    (void)snprintf(out, CLI_HASH, "%s", text ? text : "");
}

/* A record of tag -f jsonl; errors and other lines are not done. */
static bool record(const json_t *line, cli_work *w, char *key, size_t size)
{
    const json_t *source = json_object_get(line, "source"),
                 *model = json_array_get(json_object_get(line, "model"), 0);
    const char *path = json_string_value(json_object_get(source, "path")),
               *raw = json_string_value(json_object_get(source, "path_base64"));
    if (!path || !model || json_object_get(line, "error")) return false;
    copy_text(w->source, source, "sha256");
    copy_text(w->model, model, "sha256");
    copy_text(w->options, line, "options_hash");
    return snprintf(key, size, "%s%s", raw ? "base64:" : "", raw ? raw : path) < (int)size;
}

static bool entry(const json_t *line, cli_work *w, char *key, size_t size)
{
    const char *path = json_string_value(json_object_get(line, "path"));
    if (!path) return false;
    copy_text(w->source, line, "source");
    copy_text(w->model, line, "model");
    copy_text(w->options, line, "options_hash");
    copy_text(w->written, line, "written");
    return snprintf(key, size, "%s", path) < (int)size;
}

static int read_lines(cli_done *d, const char *path,
                      bool (*take)(const json_t *line, cli_work *w, char *key, size_t size))
{
    FILE *f = fopen(path, "rb");
    if (!f && (errno == ENOENT || errno == ENOTDIR)) return 0;
    if (!f || d->n_files == FILES_MAX) {
        if (f) (void)fclose(f);
        return cli_error(AT_E_OUTPUT_FAILED, "%s: cannot be read (%s)", path, strerror(errno));
    }
    char *line = NULL, key[8192];
    size_t cap = 0;
    long long offset = 0;
    for (ssize_t n; (n = getline(&line, &cap, f)) > 0; offset += n) {
        if (line[n - 1] != '\n') break; // cut off by a crash
        json_t *j = json_loads(line, 0, NULL);
        cli_work w = {.offset = offset, .file = d->n_files};
        if (j && take(j, &w, key, sizeof key)) cli_done_add(d, key, &w);
        json_decref(j);
    }
    free(line);
    d->files[d->n_files++] = f;
    return 0;
}

int cli_done_read_results(cli_done *d, const char *path)
{
    return read_lines(d, path, record);
}

int cli_done_read_journal(cli_done *d, const char *path)
{
    return read_lines(d, path, entry);
}

at_status cli_done_copy(const cli_done *d, const cli_work *work, at_write_fn write, void *user,
                        at_error *err)
{
    FILE *f = d->files[work->file];
    char *line = NULL;
    size_t cap = 0;
    ssize_t n = -1;
    if (fseeko(f, (off_t)work->offset, SEEK_SET) == 0) n = getline(&line, &cap, f);
    const at_status status = n > 0 ? write(user, line, (size_t)n, err) : AT_E_OUTPUT_FAILED;
    if (n <= 0 && err) {
        err->status = status;
        (void)snprintf(err->text, sizeof err->text, "an earlier result cannot be read again");
    }
    free(line);
    return status;
}

bool cli_done_append(FILE *journal, const char *key, const cli_work *w)
{
    json_t *line = json_pack("{ss ss ss ss ss}", "path", key, "source", w->source, "model",
                             w->model, "options_hash", w->options, "written", w->written);
    char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
    const bool ok = text && fprintf(journal, "%s\n", text) > 0 && fflush(journal) == 0;
    free(text);
    json_decref(line);
    return ok;
}
