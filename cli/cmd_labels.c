/* cmd_labels.c - anytag labels: sets of words as tags. One row of `parts` each. */
#include "cli.h"

#include <string.h>

static void print_head(const at_labels *set)
{
    const size_t n = at_labels_count(set);
    fprintf(stderr, "%zu label%s for ", n, n == 1 ? "" : "s");
    cli_print_plain(stderr, at_labels_model(set));
    fputs(", made with ", stderr);
    cli_print_plain(stderr, at_labels_encoder(set));
    fputc('\n', stderr);
}

static int labels_build(const cli_options *o, char **inputs, size_t n)
{
    if (n != 1 || !o->output)
        return cli_usage("labels build needs WORD,... or a FILE of words, and -o SET.gguf");
    at_model *model = NULL;
    at_labels *set = NULL;
    at_error err = {0};
    int code = cli_not_stdout(o->output);
    if (code == 0) code = cli_output_check(o->output);
    if (code == 0) code = cli_open_model(o, &model);
    if (code == 0) code = cli_open_labels(o, model, inputs[0], true, &set);
    if (code == 0 && at_labels_save(set, o->output, &err) != AT_OK) code = cli_fail(&err);
    if (code == 0 && !o->quiet) {
        cli_print_plain(stderr, o->output);
        fputs(": ", stderr);
        print_head(set);
    }
    at_labels_free(set);
    at_model_close(model);
    return code;
}

static int list_json(const at_labels *set)
{
    json_t *labels = json_array();
    for (size_t i = 0; i < at_labels_count(set); i++)
        json_array_append_new(labels,
                              json_pack("{s:o,s:o,s:f,s:I}", "name",
                                        cli_json_text(at_labels_name(set, i, "en")), "name_zh",
                                        cli_json_text(at_labels_name(set, i, "zh")), "threshold",
                                        (double)at_labels_threshold(set, i), "rows",
                                        (json_int_t)at_labels_rows(set, i)));
    return cli_print_json(json_pack("{s:o,s:o,s:o}", "model", cli_json_text(at_labels_model(set)),
                                    "text_encoder", cli_json_text(at_labels_encoder(set)), "labels",
                                    labels));
}

static int labels_list(const cli_options *o, char **inputs, size_t n)
{
    if (n != 1) return cli_usage("labels list needs one SET.gguf");
    at_labels *set = NULL;
    at_error err = {0};
    if (at_labels_open(inputs[0], NULL, &set, &err) != AT_OK) {
        if (err.status == AT_E_NOT_FOUND) cli_suggest_path(&err, inputs[0]);
        return cli_fail(&err);
    }
    int code = 0;
    if (cli_wants_json(o)) {
        code = list_json(set);
    } else {
        if (!o->quiet) print_head(set);
        for (size_t i = 0; i < at_labels_count(set); i++)
            printf("%s\t%s\t%g\n", at_labels_name(set, i, "en"), at_labels_name(set, i, "zh"),
                   (double)at_labels_threshold(set, i));
    }
    at_labels_free(set);
    return code;
}

static const struct part {
    const char *name;
    int (*run)(const cli_options *o, char **inputs, size_t n);
} parts[] = {
    {"build", labels_build},
    {"describe", labels_describe},
    {"list", labels_list},
};

int cmd_labels(const cli_options *o, char **inputs, size_t n)
{
    char known[128] = "";
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (n && strcmp(inputs[0], parts[i].name) == 0) return parts[i].run(o, inputs + 1, n - 1);
        (void)snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "",
                       parts[i].name);
    }
    return n ? cli_usage("labels: \"%.40s\" is none of %s", inputs[0], known)
             : cli_usage("labels needs one of %s; see anytag labels --help", known);
}
