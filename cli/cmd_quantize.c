/* cmd_quantize.c - anytag quantize: a model file in fewer bytes, and what that costs. */
#include "cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct step {
    const char *name, *verb, *unit;
    int shift; // of the numbers, for people
} steps[] = {
    [AT_QUANTIZE_WEIGHTS] = {"weights", "measure weights", "layers", 0},
    [AT_QUANTIZE_OUTPUTS] = {"outputs", "measure outputs", "pictures", 0},
    [AT_QUANTIZE_WRITE] = {"write", "write", "MB", 20},
    [AT_QUANTIZE_TAGS] = {"tags", "compare tags", "pictures", 0},
};

static int tell(void *user, at_quantize_step step, uint64_t done, uint64_t total)
{
    const cli_options *o = user;
    const char *mode = o->progress ? o->progress : "auto";
    const struct step *s = &steps[step];
    const unsigned long long a = done, b = total;
    if (strcmp(mode, "json") == 0)
        fprintf(stderr, "{\"event\":\"progress\",\"step\":\"%s\",\"done\":%llu,\"total\":%llu}\n",
                s->name, a, b);
    else if (!o->quiet &&
             (strcmp(mode, "bar") == 0 || (strcmp(mode, "auto") == 0 && isatty(STDERR_FILENO))))
        fprintf(stderr, "\r\033[K%s  %llu/%llu %s%s", s->verb, a >> s->shift, b >> s->shift,
                s->unit, done == total ? "\r\033[K" : "");
    else if (!o->quiet && strcmp(mode, "plain") == 0 && done == total)
        fprintf(stderr, "%s: %llu %s\n", s->verb, b >> s->shift, s->unit);
    return cli_stopped();
}

/* --- the report ------------------------------------------------------------------------------------------ */

static const struct {
    const char *name, *text;
} whys[] = {
    [AT_QUANTIZED] = {"", ""},
    [AT_QUANTIZED_KEEP] = {"keep", "kept: --keep"},
    [AT_QUANTIZED_ERROR] = {"error", "kept: its error"},
    [AT_QUANTIZED_SHAPE] = {"shape", "kept: its shape or use"},
};

/* A tag's changes, for the summary. */
typedef struct tag_change {
    const char *tag;
    size_t id, lost, gained;
    double most; // difference of a score
} tag_change;

static int by_changes(const void *a, const void *b)
{
    const tag_change *x = a, *y = b;
    const size_t n = x->lost + x->gained, m = y->lost + y->gained;
    return n != m ? (n < m ? 1 : -1) : (x->id > y->id) - (x->id < y->id);
}

static int by_id(const void *a, const void *b)
{
    const tag_change *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

/* Freed by the caller; NULL: no memory. */
static tag_change *tags_that_change(const at_quantized *q, size_t *n)
{
    const size_t all = at_quantized_changes(q);
    tag_change *t = calloc(all + 1, sizeof *t);
    *n = 0;
    if (!t) return NULL;
    for (size_t i = 0; i < all; i++) {
        const at_quantized_change c = at_quantized_change_at(q, i);
        t[i] = (tag_change){.tag = c.tag,
                            .id = c.id,
                            .lost = c.before > c.threshold,
                            .gained = !(c.before > c.threshold),
                            .most = fabs((double)c.after - (double)c.before)};
    }
    qsort(t, all, sizeof *t, by_id);
    for (size_t i = 0; i < all; i++) {
        if (*n && t[*n - 1].id == t[i].id) {
            tag_change *last = &t[*n - 1];
            last->lost += t[i].lost;
            last->gained += t[i].gained;
            last->most = fmax(last->most, t[i].most);
        } else
            t[(*n)++] = t[i];
    }
    qsort(t, *n, sizeof *t, by_changes);
    return t;
}

static void print_layers(const at_quantized *q, bool outputs)
{
    printf("%-28s %-6s %14s %10s %9s%s\n", "layer", "type", "shape", "bytes", "weights",
           outputs ? "   output" : "");
    for (size_t i = 0; i < at_quantized_layers(q); i++) {
        const at_quantized_layer l = at_quantized_layer_at(q, i);
        char shape[48], output[16] = "        -";
        (void)snprintf(shape, sizeof shape, "%llu x %llu", (unsigned long long)l.rows,
                       (unsigned long long)l.columns);
        if (l.output_error >= 0) (void)snprintf(output, sizeof output, "%9.5f", l.output_error);
        cli_print_plain(stdout, l.name);
        printf("%*s %-6s %14s %10llu %9.5f%s%s%s\n",
               (int)(28 - (strlen(l.name) > 28 ? 28 : strlen(l.name))), "", l.type, shape,
               (unsigned long long)l.bytes_after, l.weight_error, outputs ? output : "",
               whys[l.why].text[0] ? "  " : "", whys[l.why].text);
    }
}

static int print_text(const at_quantized *q, const at_quantized_totals *t)
{
    size_t n = 0, count[4] = {0};
    tag_change *tags = tags_that_change(q, &n);
    if (!tags) return cli_error(AT_E_OUT_OF_MEMORY, "no memory for the report");
    print_layers(q, t->pictures > 0);
    for (size_t i = 0; i < at_quantized_layers(q); i++)
        count[at_quantized_layer_at(q, i).why]++;
    printf(
        "\n%zu layers quantised, %zu kept: %zu asked for, %zu whose error is above %g, %zu that cannot "
        "have the type\n%llu bytes instead of %llu (%.1f %%)\n",
        count[AT_QUANTIZED], at_quantized_layers(q) - count[AT_QUANTIZED], count[AT_QUANTIZED_KEEP],
        count[AT_QUANTIZED_ERROR], t->keep_above, count[AT_QUANTIZED_SHAPE],
        (unsigned long long)t->bytes_after, (unsigned long long)t->bytes_before,
        100.0 * (double)t->bytes_after / (double)t->bytes_before);
    if (t->pictures)
        printf(
            "\n%zu pictures: %zu have the same tags; %llu tags before, %llu after\n"
            "%llu of %llu decisions changed (agreement %.4f %%); scores differ by %.5f on average, "
            "%.3f at most\n",
            t->pictures, t->pictures_alike, (unsigned long long)t->tags_before,
            (unsigned long long)t->tags_after, (unsigned long long)t->changed,
            (unsigned long long)t->decisions,
            100.0 * (1.0 - (double)t->changed / (double)(t->decisions ? t->decisions : 1)),
            t->score_mean, t->score_max);
    if (t->unreadable) printf("%zu pictures could not be read\n", t->unreadable);
    if (n) printf("\n%-28s %6s %6s %9s\n", "tag", "lost", "gained", "score by");
    for (size_t i = 0; i < n; i++)
        printf("%-28s %6zu %6zu %9.3f\n", tags[i].tag, tags[i].lost, tags[i].gained, tags[i].most);
    free(tags);
    return 0;
}

static json_t *layers_json(const at_quantized *q)
{
    json_t *list = json_array();
    for (size_t i = 0; i < at_quantized_layers(q); i++) {
        const at_quantized_layer l = at_quantized_layer_at(q, i);
        json_t *one = json_pack("{s:s,s:s,s:[I,I],s:I,s:I,s:f}", "name", l.name, "type", l.type,
                                "shape", (json_int_t)l.rows, (json_int_t)l.columns, "bytes_before",
                                (json_int_t)l.bytes_before, "bytes_after",
                                (json_int_t)l.bytes_after, "weight_error",
                                isfinite(l.weight_error) ? l.weight_error : 1e9);
        if (l.output_error >= 0)
            (void)json_object_set_new(one, "output_error", json_real(l.output_error));
        if (l.why != AT_QUANTIZED)
            (void)json_object_set_new(one, "kept", json_string(whys[l.why].name));
        (void)json_array_append_new(list, one);
    }
    return list;
}

static int print_json(const at_quantized *q, const at_quantized_totals *t, const char *in,
                      const char *out)
{
    json_t *changes = json_array();
    for (size_t i = 0; i < at_quantized_changes(q); i++) {
        const at_quantized_change c = at_quantized_change_at(q, i);
        (void)json_array_append_new(
            changes, json_pack("{s:o,s:s,s:I,s:f,s:f,s:f}", "path", cli_json_text(c.picture), "tag",
                               c.tag, "id", (json_int_t)c.id, "before", (double)c.before, "after",
                               (double)c.after, "threshold", (double)c.threshold));
    }
    json_t *all = json_pack("{s:o,s:o,s:I,s:I,s:f,s:o}", "in", cli_json_text(in), "out",
                            cli_json_text(out), "bytes_before", (json_int_t)t->bytes_before,
                            "bytes_after", (json_int_t)t->bytes_after, "keep_above", t->keep_above,
                            "layers", layers_json(q));
    json_t *tags = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:f,s:f,s:o}", "pictures",
                             (json_int_t)t->pictures, "unreadable", (json_int_t)t->unreadable,
                             "pictures_alike", (json_int_t)t->pictures_alike, "tags_before",
                             (json_int_t)t->tags_before, "tags_after", (json_int_t)t->tags_after,
                             "decisions", (json_int_t)t->decisions, "changed",
                             (json_int_t)t->changed, "score_mean", t->score_mean, "score_max",
                             t->score_max, "changes", changes);
    if (t->pictures || t->unreadable)
        (void)json_object_set_new(all, "tags", tags);
    else
        json_decref(tags);
    return cli_print_json(all);
}

/* --- the command ------------------------------------------------------------------------------------------- */

/* A positive number; 0 or an exit code. */
static int read_error(const char *text, double *value)
{
    char *end;
    *value = text ? strtod(text, &end) : 0;
    if (!text || (*text && !*end && *value > 0 && isfinite(*value))) return 0;
    return cli_usage("--keep-above: \"%.40s\" is not a number above 0", text);
}

static int run(const cli_options *o, const char *in, const char *out, const cli_files *files)
{
    static const struct {
        const char *name;
        at_weight_type type;
    } types[] = {{"int8", AT_WEIGHTS_INT8},
                 {"q8_0", AT_WEIGHTS_Q8_0},
                 {"q4_0", AT_WEIGHTS_Q4_0},
                 {"f16", AT_WEIGHTS_F16},
                 {"bf16", AT_WEIGHTS_BF16}};
    size_t type = 0;
    while (o->type && strcmp(types[type].name, o->type) != 0) // one of them: the table says so
        type++;
    at_quantize_options q = {.struct_size = sizeof q,
                             .type = types[type].type,
                             .keep = o->keep.items,
                             .n_keep = o->keep.n,
                             .narrow = o->narrow.items,
                             .n_narrow = o->narrow.n,
                             .pictures = (const char *const *)files->paths,
                             .n_pictures = files->n,
                             .threads = (int)o->threads,
                             .name = o->name,
                             .progress = tell,
                             .progress_user = (void *)(size_t)o,
                             .log = cli_log};
    const int code = read_error(o->keep_above, &q.keep_above);
    if (code) return code;
    at_quantized *report;
    at_error err = {0};
    const at_status status = at_quantize(in, out, &q, &report, &err);
    if (status == AT_E_MODEL_NOT_FOUND) cli_suggest_path(&err, in);
    if (status == AT_E_NO_INPUT && files->n == 1) cli_suggest_path(&err, files->paths[0]);
    if (status == AT_E_INVALID_PARAMETER &&
        (strncmp(err.text, "keep: ", 6) == 0 || strncmp(err.text, "q4: ", 4) == 0))
        return cli_usage("--%.900s", err.text);
    if (status == AT_E_CANCELLED && cli_stopped()) return cli_stopped();
    if (status != AT_OK) return cli_fail(&err);
    at_quantized_totals t = {.struct_size = sizeof t};
    at_quantized_total(report, &t);
    size_t kept = 0;
    for (size_t i = 0; i < at_quantized_layers(report); i++)
        kept += at_quantized_layer_at(report, i).why != AT_QUANTIZED;
    if (!o->quiet) {
        cli_print_plain(stderr, out);
        fprintf(stderr, ": %.1f MB instead of %.1f, %zu layers %s, %zu kept",
                (double)t.bytes_after / 1e6, (double)t.bytes_before / 1e6,
                at_quantized_layers(report) - kept, types[type].name, kept);
        if (t.pictures)
            fprintf(stderr, "; %zu of %zu pictures have the same tags", t.pictures_alike,
                    t.pictures);
        fputc('\n', stderr);
    }
    const int said = !o->report          ? 0
                     : cli_wants_json(o) ? print_json(report, &t, in, out)
                                         : print_text(report, &t);
    at_quantized_free(report);
    return said;
}

int cmd_quantize(const cli_options *o, char **inputs, size_t n)
{
    if (n != (o->output ? 1 : 2))
        return cli_usage("quantize needs IN and OUT; see anytag quantize --help");
    if (cli_not_stdout(o->output ? o->output : inputs[1])) return 2;
    cli_files files = {0};
    cli_options quiet = *o; // stopping is told here: no picture is finished
    quiet.quiet = true;
    cli_stop_begin(&quiet);
    int code = 0;
    if (o->calib.n) code = cli_files_find(&files, o, (char **)(size_t)o->calib.items, o->calib.n);
    if (code == 0) code = run(o, inputs[0], o->output ? o->output : inputs[1], &files);
    if (cli_stopped()) cli_warn("stopped; no new file was left behind half written");
    cli_files_free(&files);
    return code;
}
