/* cmd_info.c - anytag info: what a model is, its tags, and what this program can do. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

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
    (void)json_object_set_new(all, "image_size", json_integer(at_model_image_size(m)));
    (void)json_object_set_new(all, "tags", json_integer((json_int_t)at_model_tags(m)));
    (void)json_object_set_new(all, "parameters", json_integer((json_int_t)at_model_parameters(m)));
    (void)json_object_set_new(all, "bytes", json_integer((json_int_t)at_model_bytes(m)));
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
    printf("%-14s%.1f MB\n", "file", (double)at_model_bytes(m) / 1e6);
    if (at_model_is_builtin(m))
        printf(
            "%-14s%s\n", "note",
            "the small model in the box; for more put a converted RAM or RAM++ checkpoint into a "
            "model folder: anytag help models");
}

int cmd_info(const cli_options *o, char **inputs, size_t n)
{
    if (o->system) return system_info(o);
    cli_options with = *o;
    if (n == 1) with.model = inputs[0];
    if (n > 1) return cli_usage("info takes one model");
    at_model *m;
    int code = cli_open_model(&with, &m);
    if (code) return code;
    if (cli_wants_json(o))
        code = model_json(o, m);
    else if (!o->tag_list)
        model_text(m);
    for (size_t i = 0; o->tag_list && !cli_wants_json(o) && i < at_model_tags(m); i++)
        printf("%zu\t%s\t%s\t%g\n", i, at_model_tag(m, i, "en"), at_model_tag(m, i, "zh"),
               (double)at_model_threshold(m, i));
    at_model_close(m);
    return code;
}
