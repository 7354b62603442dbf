/* beside.c - a file of tags for each picture (-f txt, -f hydrus), beside it or under -o DIR with the
 * folders below the named one. A journal knows what anytag wrote: DIR/.anytag-done.jsonl, or
 * $XDG_STATE_HOME/anytag/done.jsonl. What is not in it, or was changed since, belongs to the user: it is
 * left alone unless --txt-append or --force say otherwise. */
#include "done.h"
#include "tag.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct beside {
    tag_sink sink;
    tag_place p;
    char **outs, **keys; // of each picture
    bool *twice;         // an earlier picture has the same file
    cli_done *done;
    FILE *journal;
    char hash[CLI_HASH];
} beside;

bool tag_is_beside(const cli_options *o)
{
    return o->format && (strcmp(o->format, "txt") == 0 || strcmp(o->format, "hydrus") == 0);
}

/* Where the tags of a picture go; freed by the caller. */
static char *out_path(const tag_place *p, size_t i)
{
    const char *path = p->files->paths[i], *below = path + p->files->below[i];
    const bool full = strcmp(p->o->format, "hydrus") == 0 ||
                      (p->o->txt_name && strcmp(p->o->txt_name, "full") == 0);
    if (strcmp(path, "-") == 0) path = below = "stdin";
    const char *from = p->o->output ? below : path, *slash = strrchr(from, '/'),
               *dot = strrchr(slash ? slash : from, '.');
    const size_t stem = full || !dot || dot == from ? strlen(from) : (size_t)(dot - from);
    const size_t size = (p->o->output ? strlen(p->o->output) : 0) + stem + 8;
    char *out = malloc(size);
    if (out)
        (void)snprintf(out, size, "%s%s%.*s.txt", p->o->output ? p->o->output : "",
                       p->o->output ? "/" : "", (int)stem, from);
    return out;
}

static int before(tag_sink *sink, size_t i, at_error *err)
{
    const beside *b = (const beside *)sink;
    const cli_options *o = b->p.o;
    err->status = AT_E_OUTPUT_FAILED;
    if (b->twice[i]) {
        (void)snprintf(err->text, sizeof err->text,
                       "%s: %s is another picture's already; --txt-name full keeps them apart",
                       b->p.files->paths[i], b->outs[i]);
        return -1;
    }
    char there[CLI_HASH], now[CLI_HASH];
    if (o->force || !cli_sha256_file(b->outs[i], there)) return 0;
    const cli_work *w = cli_done_find(b->done, b->keys[i]);
    if (w && strcmp(w->options, b->hash) == 0 &&
        strcmp(w->model, at_model_sha256(b->p.model)) == 0 &&
        cli_sha256_file(b->p.files->paths[i], now) && strcmp(w->source, now) == 0)
        return 1; // also when the user has changed it since
    if (o->txt_append || (w && strcmp(w->written, there) == 0)) return 0;
    (void)snprintf(err->text, sizeof err->text,
                   "%s: %s was not written by anytag, or changed since; --txt-append adds to it, "
                   "--force replaces it",
                   b->p.files->paths[i], b->outs[i]);
    return -1;
}

static at_status to_memory(void *user, const void *data, size_t size, at_error *err)
{
    (void)err;
    return fwrite(data, 1, size, user) == size ? AT_OK : AT_E_OUT_OF_MEMORY;
}

static bool has_tag(const char *list, const char *tag, size_t len, const char *ends)
{
    for (const char *c = list; *c;) {
        c += strspn(c, ends);
        c += strspn(c, " ");
        const size_t n = strcspn(c, ends);
        if (n == len && strncmp(c, tag, n) == 0) return true;
        c += n;
    }
    return false;
}

/* What the file has, and the tags it has not. */
static char *merged(const char *path, const char *tags, bool lines)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = fopen(path, "rb"), *to = open_memstream(&text, &size);
    char *old = calloc(1, (1 << 20) + 1);
    size_t n = f && old ? fread(old, 1, 1 << 20, f) : 0;
    const char *const ends = lines ? "\r\n" : ",\r\n";
    while (n && strchr("\r\n", old[n - 1]))
        old[--n] = 0;
    if (to && old) {
        (void)fwrite(old, 1, n, to);
        bool any = n > 0;
        for (const char *c = tags; *c;) {
            const size_t len = strcspn(c, ends);
            if (len && !has_tag(old, c, len, ends)) {
                fprintf(to, "%s%.*s", !any ? "" : lines ? "\n" : ", ", (int)len, c);
                any = true;
            }
            c += len;
            c += strspn(c, ends);
            c += strspn(c, " ");
        }
        fputc('\n', to);
    }
    if (to) (void)fclose(to);
    if (f) (void)fclose(f);
    free(old);
    return text;
}

static at_status write_whole(const char *path, const char *text, at_error *err)
{
    cli_output out;
    char part[4200];
    (void)snprintf(part, sizeof part, "%s.%ld.part", path, (long)getpid()); // no other run's
    FILE *f = cli_make_folders(path) ? fopen(part, "wb") : NULL;
    out = (cli_output){.file = f, .path = path};
    at_status status = f ? cli_output_write(&out, text, strlen(text), err) : AT_E_OUTPUT_FAILED;
    if (f && fclose(f) != 0 && status == AT_OK) status = AT_E_OUTPUT_FAILED;
    if (status == AT_OK && rename(part, path) != 0) status = AT_E_OUTPUT_FAILED;
    if (status == AT_OK) return AT_OK;
    err->status = errno == ENOSPC ? AT_E_DISK_FULL : AT_E_OUTPUT_FAILED;
    (void)snprintf(err->text, sizeof err->text, "%s: cannot be written (%s)", path,
                   strerror(errno));
    if (f) (void)unlink(part);
    return err->status;
}

static at_status add(tag_sink *sink, size_t i, const at_record *record, at_error *err)
{
    beside *b = (beside *)sink;
    if (record->error) return AT_OK;
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    at_writer *w = NULL;
    at_status status = memory
                           ? at_writer_open(b->p.o->format, b->p.writer, to_memory, memory, &w, err)
                           : AT_E_OUT_OF_MEMORY;
    if (status == AT_OK) status = at_writer_add(w, record, err);
    if (status == AT_OK) status = at_writer_finish(w, err);
    at_writer_close(w);
    if (memory) (void)fclose(memory);
    if (status == AT_OK && b->p.o->txt_append && access(b->outs[i], F_OK) == 0) {
        char *both = merged(b->outs[i], text, strcmp(b->p.o->format, "hydrus") == 0);
        free(text);
        text = both;
    }
    if (status == AT_OK) status = text ? write_whole(b->outs[i], text, err) : AT_E_OUT_OF_MEMORY;
    cli_work work = {0};
    if (status == AT_OK) {
        (void)snprintf(work.source, sizeof work.source, "%s", at_image_sha256(record->image));
        (void)snprintf(work.model, sizeof work.model, "%s", at_model_sha256(b->p.model));
        memcpy(work.options, b->hash, sizeof work.options);
        cli_sha256(text, strlen(text), work.written);
        (void)cli_done_append(b->journal, b->keys[i], &work);
    }
    free(text);
    return status;
}

static at_status skip(tag_sink *sink, size_t i, at_error *err)
{
    (void)sink;
    (void)i;
    (void)err;
    return AT_OK;
}

static int finish(tag_sink *sink, int code)
{
    (void)sink;
    return code;
}

static void free_beside(tag_sink *sink)
{
    beside *b = (beside *)sink;
    for (size_t i = 0; b->outs && b->keys && i < b->p.files->n; i++) {
        free(b->outs[i]);
        free(b->keys[i]);
    }
    free(b->outs);
    free(b->keys);
    free(b->twice);
    cli_done_free(b->done);
    if (b->journal) (void)fclose(b->journal);
    free(b);
}

static void journal_path(const tag_place *p, char *path, size_t size)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (p->o->output)
        (void)snprintf(path, size, "%s/.anytag-done.jsonl", p->o->output);
    else if (state && *state == '/')
        (void)snprintf(path, size, "%s/anytag/done.jsonl", state);
    else
        (void)snprintf(path, size, "%s/.local/state/anytag/done.jsonl", home ? home : "");
}

/* The journal's name of an output: below DIR, or from the root of the file system. */
static char *key_of(const tag_place *p, const char *out)
{
    if (p->o->output) return cli_done_key(out + strlen(p->o->output) + 1);
    char dir[4096], whole[4500];
    const char *slash = strrchr(out, '/');
    (void)snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - out + 1) : 1, slash ? out : ".");
    char *real = realpath(dir, NULL);
    (void)snprintf(whole, sizeof whole, "%s/%s", real ? real : dir, slash ? slash + 1 : out);
    free(real);
    return cli_done_key(whole);
}

int tag_beside_check(const cli_options *o)
{
    const char *slash = o->output ? strrchr(o->output, '/') : NULL,
               *dot = o->output ? strrchr(slash ? slash : o->output, '.') : NULL;
    struct stat st;
    if (!dot || strcasecmp(dot, ".txt") != 0) return 0;
    if (stat(o->output, &st) == 0 && S_ISDIR(st.st_mode)) return 0;
    return cli_usage("-f %s writes a file for each picture, and -o names their folder; %s is named "
                     "as a file is (all in one file: -f text, csv, json or jsonl)",
                     o->format, o->output);
}

int tag_beside_open(const tag_place *p, tag_sink **sink)
{
    char path[4200];
    const size_t n = p->files->n;
    beside *b = calloc(1, sizeof *b);
    if (!b) return 6;
    *b = (beside){.sink = {before, add, skip, finish, free_beside, true}, .p = *p};
    *sink = &b->sink;
    b->outs = calloc(n, sizeof *b->outs);
    b->keys = calloc(n, sizeof *b->keys);
    b->twice = calloc(n, sizeof *b->twice);
    b->done = cli_done_new();
    if (!b->outs || !b->keys || !b->twice || !b->done) return 6;
    cli_options with = *p->o; // the language of the locale counts as if it were given
    with.lang = p->writer->lang;
    for (size_t i = 0; i < cli_table_rows; i++) {
        if (strcmp(cli_table[i].name, "lang") == 0) with.origin[i] = "locale";
    }
    cli_options_hash(&with, p->command, b->hash);
    json_t *seen = json_object();
    for (size_t i = 0; i < n; i++) {
        b->outs[i] = out_path(p, i);
        b->keys[i] = b->outs[i] ? key_of(p, b->outs[i]) : NULL;
        if (!b->keys[i]) break;
        b->twice[i] = json_object_get(seen, b->keys[i]) != NULL;
        (void)json_object_set_new(seen, b->keys[i], json_null());
    }
    json_decref(seen);
    if (!b->keys[n - 1]) return 6;
    journal_path(p, path, sizeof path);
    const int code = cli_done_read_journal(b->done, path);
    if (code) return code;
    b->journal = cli_make_folders(path) ? fopen(path, "ab") : NULL;
    if (b->journal) return 0;
    return cli_error(AT_E_OUTPUT_FAILED, "%s: cannot be written (%s)", path, strerror(errno));
}

void tag_beside_list(const tag_place *p)
{
    for (size_t i = 0; i < p->files->n; i++) {
        char *out = out_path(p, i);
        printf("%s -> %s\n", p->files->paths[i], out ? out : "");
        free(out);
    }
}
