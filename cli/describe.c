/* describe.c - anytag labels describe: a file of descriptions, in the official form or as CSV, made of what
 * the dictionary says; and which of a word's senses was taken. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NOTES = 20, OTHERS = 4 }; // words told about without -v; other senses of each

int cli_open_wordnet(const cli_options *o, at_wordnet **wordnet)
{
    const at_wordnet_options wo = {
        .struct_size = sizeof wo, .dir = o->wordnet, .senses = o->senses};
    at_error err = {0};
    return at_wordnet_open(&wo, wordnet, &err) == AT_OK ? 0 : cli_fail(&err);
}

/* "crane: taken as crane#4 (lifts and moves ...), not crane#1 (...)": where the word has several senses. */
static bool tell_sense(const char *word, const at_sense *s, bool quiet)
{
    const at_sense_how how = at_sense_chosen(s);
    const size_t n = at_sense_others(s);
    if (at_sense_head(s)) {
        if (!quiet)
            cli_warn("%.60s: not in WordNet; taken as a kind of %s (%.60s)", word, at_sense_key(s),
                     at_sense_definition(s));
        return true;
    }
    if (n == 0 || how == AT_SENSE_GIVEN || how == AT_SENSE_ONLY) return false;
    if (quiet) return true;
    char others[800] = "";
    for (size_t i = 0; i < n && i < OTHERS; i++) {
        const char *definition, *key = at_sense_other(s, i, &definition);
        (void)snprintf(others + strlen(others), sizeof others - strlen(others), "%s%s (%.50s%s)",
                       i ? ", " : "", key, definition, strlen(definition) > 50 ? "..." : "");
    }
    if (n > OTHERS)
        (void)snprintf(others + strlen(others), sizeof others - strlen(others), ", %zu more",
                       n - OTHERS);
    cli_warn(
        "%.60s: taken as %s (%.60s%s), not as %s; choose with WORD#N, \"WORD (KIND)\" or --senses",
        word, at_sense_key(s), at_sense_definition(s),
        strlen(at_sense_definition(s)) > 60 ? "..." : "", others);
    return true;
}

static void tell_senses(const cli_options *o, const at_wordnet *w, const at_label_list *list)
{
    const at_label *labels = at_label_list_labels(list);
    size_t told = 0, more = 0;
    for (size_t i = 0; i < at_label_list_count(list); i++) {
        if (labels[i].n_descriptions) continue;
        at_sense *s = NULL;
        at_error err = {0};
        const bool enough = told >= NOTES && !o->verbose;
        bool said = false;
        if (at_sense_find(w, labels[i].name, &s, &err) == AT_OK) {
            said = tell_sense(labels[i].name, s, enough);
        } else if (err.status == AT_E_NOT_FOUND) {
            said = true;
            if (!enough) cli_warn("%s: sentences around the name alone", err.text);
        }
        told += said && !enough;
        more += said && enough;
        at_sense_free(s);
    }
    if (more) cli_warn("%zu more words like these; -v tells all", more);
}

static bool put_csv_cell(FILE *f, const char *text, char end)
{
    const bool quoted = strpbrk(text, ",\"\r\n") != NULL;
    if (quoted) (void)fputc('"', f);
    for (; *text; text++) {
        if (*text == '"') (void)fputc('"', f);
        (void)fputc(*text, f);
    }
    if (quoted) (void)fputc('"', f);
    return fputc(end, f) != EOF;
}

/* [ {"crane": ["a photo of a crane.", ...]}, ... ] with blanks as the official files have them. */
static bool put_json(FILE *f, const at_label *labels, size_t n)
{
    json_t *all = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *one = json_object(), *texts = json_array();
        for (size_t k = 0; k < labels[i].n_descriptions; k++)
            json_array_append_new(texts, cli_json_text(labels[i].descriptions[k]));
        json_object_set_new(one, labels[i].name, texts);
        json_array_append_new(all, one);
    }
    const bool good = json_dumpf(all, f, JSON_INDENT(3)) == 0 && fputc('\n', f) != EOF;
    json_decref(all);
    return good;
}

static bool put_csv(FILE *f, const at_label *labels, size_t n)
{
    bool good = fputs("tag,description\r\n", f) != EOF;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < labels[i].n_descriptions && good; k++)
            good = put_csv_cell(f, labels[i].name, ',') &&
                   put_csv_cell(f, labels[i].descriptions[k], '\r') && fputc('\n', f) != EOF;
    }
    return good;
}

/* What the name says: 1 CSV, 0 JSON, also without an ending; -1: an ending that neither has. */
static int is_csv(const char *output)
{
    const char *slash = output ? strrchr(output, '/') : NULL, *name = slash ? slash + 1 : output,
               *dot = name ? strrchr(name, '.') : NULL;
    if (!dot || strcasecmp(dot, ".json") == 0) return 0;
    return strcasecmp(dot, ".csv") == 0 ? 1 : -1;
}

static int write_list(const cli_options *o, const at_label_list *list)
{
    const bool csv = is_csv(o->output) == 1;
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    const at_label *labels = at_label_list_labels(list);
    const size_t n = at_label_list_count(list);
    bool good = memory && (csv ? put_csv : put_json)(memory, labels, n);
    if (memory) good = fclose(memory) == 0 && good;
    int code = good ? 0 : cli_error(AT_E_OUT_OF_MEMORY, "no memory for the descriptions");
    cli_output out = {0};
    at_error err = {0};
    if (code == 0) code = cli_output_open(&out, o->output);
    if (code == 0 && cli_output_write(&out, text, size, &err) != AT_OK) code = cli_fail(&err);
    free(text);
    const int closed = cli_output_close(&out, code == 0);
    return code ? code : closed;
}

int labels_describe(const cli_options *o, char **inputs, size_t n)
{
    if (n != 1) return cli_usage("labels describe needs WORD,... or a FILE of words");
    if (is_csv(o->output) < 0)
        return cli_usage("labels describe writes FILE.json or FILE.csv, and %s ends otherwise",
                         o->output);
    const bool given = cli_given(o, "labels", "count");
    if (o->count < given || o->count > AT_LABEL_ROWS_MOST)
        return cli_usage("--count: %ld is not in 1..%d", o->count, AT_LABEL_ROWS_MOST);
    at_wordnet *w = NULL;
    at_label_list *list = NULL, *described = NULL;
    int code = o->templates ? 0 : cli_open_wordnet(o, &w);
    if (code == 0) code = cli_read_words(inputs[0], &list);
    const at_describe_options options = {
        .struct_size = sizeof options, .count = (size_t)o->count, .templates_only = o->templates};
    at_error err = {0};
    if (code == 0 && at_label_list_describe(w, list, &options, &described, &err) != AT_OK)
        code = cli_fail(&err);
    if (code == 0 && w && !o->quiet) tell_senses(o, w, list);
    if (code == 0) code = write_list(o, described);
    at_label_list_free(described);
    at_label_list_free(list);
    at_wordnet_close(w);
    return code;
}
