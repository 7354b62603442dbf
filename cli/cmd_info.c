/* cmd_info.c - anytag info: what a model is, its tags, and what this program can do. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct fact { // of a model, in the order they are told
    const char *name, *label;
    const char *(*text)(const at_model *m);
} facts[] = {
    {"name", "name", at_model_name},
    {"description", "description", at_model_description},
    {"architecture", "architecture", at_model_architecture},
    {"precision", "precision", at_model_precision},
    {"vocabulary", "vocabulary", at_model_vocabulary},
    {"source_sha256", "source sha256", at_model_source_sha256},
    {"sha256", "identity", at_model_sha256},
    {"licence", "licence", at_model_licence},
};
enum { FACTS = sizeof facts / sizeof facts[0] };

/* "name value" lines of at_build_info(). */
static int system_info(const cli_options *o)
{
    char text[4096], *save = NULL;
    (void)at_build_info(text, sizeof text);
    if (!cli_wants_json(o)) {
        fputs(text, stdout);
        return 0;
    }
    json_t *all = json_object();
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        static const char box[] = "model in the box";
        char *value = strncmp(line, box, sizeof box - 1) == 0 ? line + sizeof box - 1
                                                              : strchr(line, ' ');
        if (!value) continue;
        *value++ = 0;
        for (char *c = line; *c; c++) {
            if (*c == ' ') *c = '_';
        }
        (void)json_object_set_new(all, line, cli_json_text(value));
    }
    return cli_print_json(all);
}

static json_t *tag_json(const at_model *m, size_t id)
{
    json_t *tag = json_pack("{sI so so sf}", "id", (json_int_t)id, "name",
                            cli_json_text(at_model_tag(m, id, "en")), "name_zh",
                            cli_json_text(at_model_tag(m, id, "zh")), "threshold",
                            (double)at_model_threshold(m, id));
    if (tag && at_model_tag_deleted(m, id)) (void)json_object_set_new(tag, "deleted", json_true());
    return tag;
}

static int model_json(const cli_options *o, const at_model *m)
{
    json_t *all = json_object();
    for (int i = 0; i < FACTS; i++)
        (void)json_object_set_new(all, facts[i].name, cli_json_text(facts[i].text(m)));
    (void)json_object_set_new(all, "builtin", json_boolean(at_model_is_builtin(m)));
    (void)json_object_set_new(all, "packed", cli_json_text(at_model_packed(m)));
    (void)json_object_set_new(all, "image_size", json_integer(at_model_image_size(m)));
    (void)json_object_set_new(all, "tags", json_integer((json_int_t)at_model_tags(m)));
    (void)json_object_set_new(all, "parameters", json_integer((json_int_t)at_model_parameters(m)));
    (void)json_object_set_new(all, "bytes", json_integer((json_int_t)at_model_bytes(m)));
    (void)json_object_set_new(all, "match_width",
                              json_integer((json_int_t)at_model_match_width(m)));
    json_t *list = o->tag_list ? json_array() : NULL;
    for (size_t id = 0; list && id < at_model_tags(m); id++)
        (void)json_array_append_new(list, tag_json(m, id));
    if (list) (void)json_object_set_new(all, "tag_list", list);
    return cli_print_json(all);
}

static void model_text(const at_model *m)
{
    for (int i = 0; i < FACTS; i++) {
        printf("%-14s", facts[i].label);
        cli_print_plain(stdout, facts[i].text(m));
        putchar('\n');
    }
    printf("%-14s%d x %d px\n", "input", at_model_image_size(m), at_model_image_size(m));
    printf("%-14s%zu\n", "tags", at_model_tags(m));
    printf("%-14s%.2f M\n", "parameters", (double)at_model_parameters(m) / 1e6);
    if (at_model_match_width(m))
        printf("%-14svectors of %zu, texts of %zu tokens\n", "match", at_model_match_width(m),
               at_model_match_tokens(m));
    if (at_model_packed(m)[0]) {
        printf("%-14s", "packed for");
        cli_print_plain(stdout, at_model_packed(m));
        putchar('\n');
    }
    printf("%-14s%.1f MB\n", "file", (double)at_model_bytes(m) / 1e6);
    if (at_model_is_builtin(m))
        printf(
            "%-14s%s\n", "note",
            "the small model in the box; for more put a converted RAM or RAM++ checkpoint into a "
            "model folder: anytag help models");
}

/* A text encoder or a set of labels is no model, but what it is can be said. False: neither. */
static bool other_file(const cli_options *o, const char *path, int *code)
{
    at_encoder *e = NULL;
    at_labels *set = NULL;
    json_t *facts_json = NULL;
    if (at_encoder_open(path, NULL, &e, NULL) == AT_OK)
        facts_json = json_pack("{ss so so sI sI}", "kind", "text encoder", "name",
                               cli_json_text(at_encoder_name(e)), "architecture",
                               cli_json_text(at_encoder_architecture(e)), "width",
                               (json_int_t)at_encoder_width(e), "tokens",
                               (json_int_t)at_encoder_tokens(e));
    else if (at_labels_open(path, NULL, &set, NULL) == AT_OK)
        facts_json = json_pack("{ss so so sI}", "kind", "set of labels", "model",
                               cli_json_text(at_labels_model(set)), "text_encoder",
                               cli_json_text(at_labels_encoder(set)), "labels",
                               (json_int_t)at_labels_count(set));
    at_encoder_close(e);
    at_labels_free(set);
    if (!facts_json) return false;
    *code = 0;
    if (cli_wants_json(o)) {
        *code = cli_print_json(facts_json);
        return true;
    }
    const char *key;
    json_t *value;
    json_object_foreach(facts_json, key, value)
    {
        printf("%-14s", key);
        if (json_is_string(value))
            cli_print_plain(stdout, json_string_value(value));
        else
            printf("%lld", (long long)json_integer_value(value));
        putchar('\n');
    }
    json_decref(facts_json);
    return true;
}

/* A line a tag, whatever a name holds. */
static void print_tag(const at_model *m, size_t i)
{
    printf("%zu\t", i);
    cli_print_plain(stdout, at_model_tag(m, i, "en"));
    putchar('\t');
    cli_print_plain(stdout, at_model_tag(m, i, "zh"));
    printf("\t%g\n", (double)at_model_threshold(m, i));
}

int cmd_info(const cli_options *o, char **inputs, size_t n)
{
    if (o->system) return system_info(o);
    cli_options with = *o;
    if (n == 1) with.model = inputs[0];
    if (n > 1) return cli_usage("info takes one model");
    at_model *m;
    int code = 0;
    if (n == 1 && access(inputs[0], R_OK) == 0 && other_file(o, inputs[0], &code)) return code;
    code = cli_open_model(&with, &m);
    if (code) return code;
    if (cli_wants_json(o))
        code = model_json(o, m);
    else if (!o->tag_list)
        model_text(m);
    for (size_t i = 0; o->tag_list && !cli_wants_json(o) && i < at_model_tags(m); i++)
        print_tag(m, i);
    at_model_close(m);
    return code;
}
