/* document.c - results as one document on stdout or in FILE. With --resume, a jsonl FILE of an earlier run
 * is carried on: its records stay, those whose picture, model or options changed are made again. What a
 * killed run left in FILE.part counts too. */
#include "done.h"
#include "tag.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct document {
    tag_sink sink;
    tag_place p;
    cli_output out;
    at_writer *writer;
    at_writer_options options;
    char hash[CLI_HASH];
    cli_done *done; // NULL: nothing to go on from
    char **keys;    // of the files, when there is
    json_t *named;  // the same as a set
    char *left;     // FILE.part.old: of runs that were killed
    size_t reached;
    at_error copying;
} document;

static int before(tag_sink *sink, size_t i, at_error *err)
{
    (void)err;
    const document *d = (const document *)sink;
    const cli_work *w = d->done ? cli_done_find(d->done, d->keys[i]) : NULL;
    char now[CLI_HASH];
    return w && strcmp(w->options, d->hash) == 0 &&
           strcmp(w->model, at_model_sha256(d->p.model)) == 0 &&
           cli_sha256_file(d->p.files->paths[i], now) && strcmp(w->source, now) == 0;
}

static at_status add(tag_sink *sink, size_t i, const at_record *record, at_error *err)
{
    document *d = (document *)sink;
    d->reached = i + 1;
    return at_writer_add(d->writer, record, err);
}

static at_status skip(tag_sink *sink, size_t i, at_error *err)
{
    document *d = (document *)sink;
    d->reached = i + 1;
    return cli_done_copy(d->done, cli_done_find(d->done, d->keys[i]), cli_output_write, &d->out,
                         err);
}

/* Records of pictures that this run does not name stay in front. */
static void copy_unnamed(void *user, const char *key, const cli_work *work)
{
    document *d = user;
    if (d->copying.status == AT_OK && !json_object_get(d->named, key))
        (void)cli_done_copy(d->done, work, cli_output_write, &d->out, &d->copying);
}

static int finish(tag_sink *sink, int code)
{
    document *d = (document *)sink;
    at_error err = {0};
    const bool stopped = code == 130 || code == 143;
    for (size_t i = d->reached; d->done && stopped && i < d->p.files->n; i++) {
        const cli_work *w = cli_done_find(d->done, d->keys[i]); // not looked at again; it stays
        if (w && cli_done_copy(d->done, w, cli_output_write, &d->out, &err) != AT_OK)
            return cli_fail(&err);
    }
    if ((code == 0 || stopped) && at_writer_finish(d->writer, &err) != AT_OK)
        code = errno == EPIPE ? 141 : cli_fail(&err);
    // an interrupted document is whole too
    const int closed = cli_output_close(&d->out, code == 0 || code == 130 || code == 143);
    if (closed) return closed;
    if (d->left && (code == 0 || stopped)) (void)unlink(d->left);
    return code;
}

static void free_document(tag_sink *sink)
{
    document *d = (document *)sink;
    at_writer_close(d->writer);
    (void)cli_output_close(&d->out, false);
    for (size_t i = 0; d->keys && i < d->p.files->n; i++)
        free(d->keys[i]);
    free(d->keys);
    json_decref(d->named);
    cli_done_free(d->done);
    free(d->left);
    free(d);
}

/* Puts FILE.part of a killed run behind FILE.part.old, so that it can be read while FILE.part is written. */
static bool set_aside(const char *part, const char *old)
{
    const int fd = open(part, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return true;
    const bool free_now = flock(fd, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK;
    (void)close(fd);
    if (!free_now) return errno = EBUSY, false; // its run is alive
    if (access(old, F_OK) != 0) return rename(part, old) == 0;
    FILE *from = fopen(part, "rb"), *to = fopen(old, "ab");
    char block[1 << 15];
    bool ok = from && to && fputc('\n', to) != EOF; // its last line may have been cut off
    for (size_t n; ok && (n = fread(block, 1, sizeof block, from)) > 0;)
        ok = fwrite(block, 1, n, to) == n;
    if (from) (void)fclose(from);
    if (to) ok = fclose(to) == 0 && ok;
    return ok && unlink(part) == 0;
}

static int go_on(document *d)
{
    const cli_options *o = d->p.o;
    char *target = realpath(o->output, NULL); // where a link leads, as cli_output_open() does
    if (!target) target = strdup(o->output);
    const size_t size = (target ? strlen(target) : 0) + 16, n = d->p.files->n;
    char *part = malloc(size);
    d->left = malloc(size);
    d->done = cli_done_new();
    d->keys = calloc(n, sizeof *d->keys);
    d->named = json_object();
    int code = target && part && d->left && d->done && d->keys ? 0 : 6;
    for (size_t i = 0; i < n && code == 0; i++) {
        d->keys[i] = cli_done_key(d->p.files->paths[i]);
        if (!d->keys[i] || json_object_set_new(d->named, d->keys[i], json_null()) != 0) code = 6;
    }
    if (code == 0) {
        (void)snprintf(part, size, "%s.part", target);
        (void)snprintf(d->left, size, "%s.part.old", target);
        if (!set_aside(part, d->left))
            code = cli_error(AT_E_OUTPUT_FAILED, "%s: cannot be set aside (%s)", part,
                             strerror(errno));
    }
    if (code == 0) code = cli_done_read_results(d->done, o->output);
    if (code == 0) code = cli_done_read_results(d->done, d->left);
    free(part);
    free(target);
    return code;
}

/* The options that were given, as the head of a json document has them. */
static char *options_json(const cli_options *o)
{
    json_t *all = json_object();
    for (size_t i = 0; i < cli_table_rows; i++) {
        char value[1024];
        if (!o->origin[i] || !cli_table[i].result) continue;
        cli_value(o, &cli_table[i], value, sizeof value);
        (void)json_object_set_new(all, cli_table[i].name, cli_json_text(value));
    }
    char *text = json_dumps(all, JSON_COMPACT);
    json_decref(all);
    return text;
}

int tag_document_open(const tag_place *p, tag_sink **sink)
{
    const cli_options *o = p->o;
    const char *format = o->format ? o->format : "text";
    const bool jsonl = strcmp(format, "jsonl") == 0;
    bool file = o->output && strcmp(o->output, "-") != 0;
    struct stat st;
    if (file && stat(o->output, &st) == 0 && !S_ISREG(st.st_mode)) file = false; // a device, a FIFO
    if (o->resume && !(jsonl && file))
        return cli_usage(
            "--resume: needs a file to go on with: -f jsonl -o FILE, -f txt or -f hydrus");
    document *d = calloc(1, sizeof *d);
    if (!d) return 6;
    *d = (document){.sink = {before, add, skip, finish, free_document, jsonl && file},
                    .p = *p,
                    .options = *p->writer};
    *sink = &d->sink;
    cli_options same = *o; // the language changes nothing in jsonl
    same.lang = NULL;
    for (size_t i = 0; i < cli_table_rows; i++) {
        if (strcmp(cli_table[i].name, "lang") == 0) same.origin[i] = NULL;
    }
    cli_options_hash(&same, p->command, d->hash);
    if (jsonl) d->options.options_hash = d->hash;
    int code = o->resume && !o->force ? go_on(d) : 0;
    if (code == 0) code = cli_output_open(&d->out, o->output);
    char *json = options_json(o);
    d->options.options_json = json;
    at_error err = {0};
    if (code == 0 &&
        at_writer_open(format, &d->options, cli_output_write, &d->out, &d->writer, &err) != AT_OK)
        code = cli_fail(&err);
    free(json); // the head of the document is written
    if (code == 0 && d->done) cli_done_each(d->done, copy_unnamed, d);
    return d->copying.status == AT_OK ? code : cli_fail(&d->copying);
}
