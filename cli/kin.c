/* kin.c - what the dictionary says of a model's tags: groups in --only and --exclude-tags ("animal/" and a star), and the
 * parents, headings and other names that --parents and --aliases show. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

/* Sense of a tag; NULL: it has none, which is no error. */
static int find_sense(const at_wordnet *w, const char *name, at_sense **s)
{
    at_error err = {0};
    const at_status status = at_sense_find(w, name, s, &err);
    if (status == AT_OK || status == AT_E_NOT_FOUND || status == AT_E_INVALID_TEXT) return 0;
    if (status != AT_E_UNKNOWN_TAG) return cli_fail(&err);
    cli_warn("%s", err.text); // a line of --senses that does not fit the dictionary
    return 0;
}

/* A label of a set has lost its notation: of the words of --tags, crane#5 is what the label crane means. */
static int find_given(const cli_options *o, const at_labels *set, size_t tags, cli_kin *kin)
{
    at_label_list *list = NULL;
    int code = cli_is_label_set(o->own_tags) ? 0 : cli_read_words(o->own_tags, &list);
    for (size_t i = 0; list && i < at_label_list_count(list) && code == 0; i++) {
        at_sense *s = NULL;
        code = find_sense(kin->wordnet, at_label_list_labels(list)[i].name, &s);
        const bool given = s && at_sense_chosen(s) == AT_SENSE_GIVEN;
        for (size_t k = 0; given && k < at_labels_count(set); k++) {
            if (strcmp(at_labels_name(set, k, "en"), at_sense_word(s)) != 0) continue;
            at_sense_free(kin->senses[tags + k]);
            kin->senses[tags + k] = s;
            s = NULL;
            break;
        }
        at_sense_free(s);
    }
    at_label_list_free(list);
    return code;
}

int cli_kin_open(const cli_options *o, const at_model *m, const at_labels *labels, cli_kin *kin)
{
    const size_t tags = at_model_tags(m), own = labels ? at_labels_count(labels) : 0;
    *kin = (cli_kin){.n = tags + own, .senses = calloc(tags + own + 1, sizeof *kin->senses)};
    int code = kin->senses ? cli_open_wordnet(o, &kin->wordnet)
                           : cli_error(AT_E_OUT_OF_MEMORY, "no memory for senses of tags");
    for (size_t i = 0; i < kin->n && code == 0; i++)
        code = find_sense(kin->wordnet,
                          i < tags ? at_model_tag(m, i, "en")
                                   : at_labels_name(labels, i - tags, "en"),
                          &kin->senses[i]);
    if (code == 0 && labels && o->own_tags) code = find_given(o, labels, tags, kin);
    if (code) cli_kin_close(kin);
    return code;
}

void cli_kin_close(cli_kin *kin)
{
    for (size_t i = 0; kin->senses && i < kin->n; i++)
        at_sense_free(kin->senses[i]);
    free(kin->senses);
    at_wordnet_close(kin->wordnet);
    *kin = (cli_kin){0};
}

bool cli_is_group(const char *name)
{
    const size_t len = strlen(name);
    return len > 2 && strcmp(name + len - 2, "/*") == 0;
}

int cli_kin_group(const cli_kin *kin, const at_model *m, const char *option, const char *name,
                  bool *in)
{
    char word[256];
    const size_t len = strlen(name) - 2, tags = at_model_tags(m);
    if (len >= sizeof word)
        return cli_error(AT_E_UNKNOWN_TAG, "--%s: \"%.60s...\" is no group", option, name);
    memcpy(word, name, len);
    word[len] = 0;
    size_t id;
    const bool tag = at_model_find_tags(m, word, &id, 1) > 0; // a Chinese name is good too
    at_sense *group = NULL;
    at_error err = {0};
    const at_status status = at_sense_find(kin->wordnet, tag ? at_model_tag(m, id, "en") : word,
                                           &group, &err);
    if (status == AT_E_NOT_FOUND || status == AT_E_UNKNOWN_TAG)
        return cli_error(AT_E_UNKNOWN_TAG, "--%s: group %.60s: %s", option, name, err.text);
    if (status != AT_OK) return cli_fail(&err);
    size_t found = 0;
    for (size_t i = 0; i < tags; i++) {
        const bool is = kin->senses[i] && at_sense_is_a(kin->senses[i], group);
        in[i] |= is;
        found += is;
    }
    at_sense_free(group);
    return found ? 0
                 : cli_error(AT_E_UNKNOWN_TAG, "--%s: no tag of %s is a kind of %.60s", option,
                             at_model_name(m), word);
}
