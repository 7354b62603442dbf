/* calibrate_scores.c - the scores that thresholds are chosen on: of pictures tagged now, or of the jsonl
 * of an earlier anytag tag --all-scores, which can be stopped and carried on. */
#include "calibrate.h"
#include "files.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

/* --- tagged now ---------------------------------------------------------------------------------------------- */

typedef struct collector { // a sink that keeps scores
    tag_sink sink;
    calibrate_data *data;
} collector;

static int before(tag_sink *s, size_t i, at_error *err)
{
    (void)s, (void)i, (void)err;
    return 0;
}

static at_status add(tag_sink *s, size_t i, const at_record *record, at_error *err)
{
    (void)err;
    calibrate_data *d = ((collector *)s)->data;
    if (!record->tags) return AT_OK; // told already
    memcpy(d->scores + d->n * d->labels, at_tags_scores(record->tags), d->labels * sizeof(float));
    d->file[d->n++] = i;
    return AT_OK;
}

static at_status skip(tag_sink *s, size_t i, at_error *err)
{
    (void)s, (void)i, (void)err;
    return AT_OK;
}

static int room(calibrate_data *d, size_t n)
{
    d->scores = calloc(n * d->labels + 1, sizeof *d->scores);
    d->file = calloc(n + 1, sizeof *d->file);
    return d->scores && d->file
               ? 0
               : cli_error(AT_E_OUT_OF_MEMORY, "no memory for %zu scores of %zu pictures",
                           d->labels, n);
}

int calibrate_tag(const cli_options *o, at_model *model, cli_files *files, const tag_setup *setup,
                  calibrate_data *d)
{
    int code = room(d, files->n);
    if (code) return code;
    collector c = {.sink = {.before = before, .add = add, .skip = skip}, .data = d};
    cli_progress progress;
    const tag_job job = {.o = o,
                         .model = model,
                         .files = files,
                         .setup = setup,
                         .sink = &c.sink,
                         .progress = &progress};
    cli_stop_begin(o);
    cli_progress_begin(&progress, o, "tag", "tagged", files->n);
    code = tag_run(&job);
    if (code == 0) code = cli_stopped();
    if (code == 0 && progress.failed) code = 1;
    cli_progress_end(&progress, true);
    return code;
}

/* --- tagged earlier ------------------------------------------------------------------------------------------ */

static const char *path_of(const json_t *record)
{
    return json_string_value(json_object_get(json_object_get(record, "source"), "path"));
}

/* The row that base64 of float32 holds; false: it is none. */
static bool row_of(const char *text, float *row, size_t labels)
{
    const size_t n = strlen(text), bytes = labels * sizeof *row;
    if (n % 4 || n / 4 != (bytes + 2) / 3) return false;
    unsigned char *all = malloc(n + 1); // with what pads the last group
    const bool good = all && EVP_DecodeBlock(all, (const unsigned char *)text, (int)n) >= 0;
    if (good) memcpy(row, all, bytes);
    free(all);
    return good;
}

static int read_record(const json_t *record, const char *where, const at_model *model,
                       cli_files *files, calibrate_data *d)
{
    const char *schema = json_string_value(json_object_get(record, "schema"));
    if (!schema || strncmp(schema, "anytag.result/", 14) != 0)
        return cli_usage("--from: %s is no record of anytag tag -f jsonl", where);
    if (json_object_get(record, "error")) return 0; // its run has told
    const json_t *by = json_array_get(json_object_get(record, "model"), 0);
    const char *sha = json_string_value(json_object_get(by, "sha256")),
               *scores = json_string_value(json_object_get(record, "scores")),
               *path = path_of(record);
    if (!sha || strcmp(sha, at_model_sha256(model)) != 0)
        return cli_error(AT_E_MODEL_MISMATCH,
                         "--from: %s was tagged by another model (%.60s), this is %s; name it "
                         "with --model",
                         where, by ? json_string_value(json_object_get(by, "name")) : "unknown",
                         at_model_name(model));
    if (!scores || !path)
        return cli_usage("--from: %s has no %s; make it with anytag tag -f jsonl --all-scores",
                         where, path ? "scores" : "path");
    if (!row_of(scores, d->scores + d->n * d->labels, d->labels))
        return cli_usage("--from: %s has not a score for each of the %zu tags; tag without --only, "
                         "--exclude-tags and --tags",
                         where, d->labels);
    if (!cli_files_add(files, path, 0)) return cli_error(AT_E_OUT_OF_MEMORY, "no memory");
    d->file[d->n++] = files->n - 1;
    return 0;
}

int calibrate_read(const cli_options *o, const at_model *model, cli_files *files, calibrate_data *d)
{
    FILE *f = fopen(o->from, "rb");
    if (!f) {
        at_error err = {.status = AT_E_INVALID_PARAMETER};
        (void)snprintf(err.text, sizeof err.text, "--from: %.400s cannot be read (%s)", o->from,
                       strerror(errno));
        cli_suggest_path(&err, o->from);
        return cli_fail(&err);
    }
    char *line = NULL;
    size_t cap = 0, lines = 0;
    while (getline(&line, &cap, f) > 0)
        lines++;
    rewind(f);
    int code = room(d, lines);
    // no further than was counted: a run may still be writing
    for (size_t number = 1; code == 0 && number <= lines && getline(&line, &cap, f) > 0; number++) {
        char where[600];
        (void)snprintf(where, sizeof where, "%.500s:%zu", o->from, number);
        if (line[strspn(line, " \t\r\n")] == 0) continue;
        json_t *record = json_loads(line, 0, NULL);
        code = read_record(record, where, model, files, d);
        json_decref(record);
    }
    free(line);
    (void)fclose(f);
    if (code == 0 && d->n == 0)
        code = cli_error(AT_E_NO_INPUT, "--from: %s holds no tagged pictures", o->from);
    return code;
}
