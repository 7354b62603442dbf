/* options.h - the values of the options, and the table that parser, environment, configuration files,
 * help, manual page and completions read. */
#ifndef ANYTAG_CLI_OPTIONS_H
#define ANYTAG_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct cli_list { // of an option that may be given more than once
    const char **items;
    size_t n;
} cli_list;

enum { CLI_OPTIONS_MAX = 160 };

/* Every option's value; one row of options.c writes each. */
typedef struct cli_options {
    const char *model, *models_dir, *format, *lang, *threshold, *thresholds, *only, *exclude_tags,
        *output, *color, *progress, *device, *precision, *compute, *config, *log_file, *log_format,
        *ext, *sort, *rename, *txt_name, *tag_namespace, *crop, *compare, *heatmap, *heatmap_tags;
    const char *own_tags, *text_encoder, *wordnet, *senses;
    const char *host, *api_key_file, *api_prefix, *tls_cert, *tls_key, *caption_model, *compat,
        *media_root, *allow_urls, *cors_origins, *ui_dir;
    long port, timeout, max_body, max_jobs, queue, parallel, batch_wait, cache;
    const char *annotations, *target, *holdout, *from, *decode;
    long min_positives;
    const char *keep_above;
    bool report;
    const char *official, *model_config, *tags, *tags_zh, *vocab, *merges, *guide, *guide_from,
        *require, *texts_from, *by, *lambda, *idf, *forbid, *repetition_penalty, *top_p,
        *temperature, *type, *arch, *name, *dump, *files_from;
    long count, beams, min_length, max_length, num, seed, top_k;
    long top, threads, batch, max_pixels, max_bytes, max_depth, repeat, warmup, images, verbose;
    cli_list include, exclude, texts, keep, narrow, calib;
    bool sample, from_tags, only_custom, ignore_unknown, no_itm, templates, parents, aliases;
    bool heatmap_raw, boxes_from_heatmap;
    bool no_auth, metrics_public, no_ui;
    bool no_verify, check, tensors, resume, force, txt_append, underscore, follow, all_scores,
        official_pixels, no_rotate, quiet, no_recursive, hidden, scores, null_ends, from0, bom,
        excel, dry_run, stats, tag_list, json, help, system, no_sha256, packed, no_config,
        project_config;

    const char *origin[CLI_OPTIONS_MAX]; // where each row's value is from; NULL: the default
    char **words;                        // of the command line, behind the command
    int n_words;
    char **owned; // text of configuration files
    size_t n_owned;
} cli_options;

typedef enum cli_kind {
    CLI_TEXT,
    CLI_CHOICE, // one of the words of `argument`
    CLI_NUMBER,
    CLI_SIZE, // 500000, 500K, 120M, 2G: by 1000, or by 1024 for BYTES
    CLI_FLAG,
    CLI_UNFLAG, // takes a flag back
    CLI_COUNT,  // a flag that counts: -v, -vv
    CLI_LIST
} cli_kind;

typedef struct cli_option {
    const char *name;
    char letter;
    cli_kind kind;
    size_t at;            // of the value in cli_options
    const char *commands; // that know it, "*": all
    const char *argument, *help;
    bool result; // a part of what is computed and written: see resume
} cli_option;

extern const cli_option cli_table[];
extern const size_t cli_table_rows;

bool cli_takes_value(const cli_option *row);
bool cli_knows(const char *command, const cli_option *row);
const cli_option *cli_find_option(const char *command, const char *name, size_t len);
const cli_option *cli_find_letter(const char *command, char letter);
/* Was it set, on the command line, by a variable or a file? A 0 that was given is no default. */
bool cli_given(const cli_options *o, const char *command, const char *name);
bool cli_typed(const cli_options *o, const char *name); // on the command line, of any command
/* The option whose name is nearest to a mistyped one, of any command if `command` is ""; NULL: none. */
const char *cli_near_option(const char *command, const char *name);
/* How many letters to change, add or leave out; upper and lower case are the same. */
size_t cli_distance(const char *a, const char *b);
/* ANYTAG_MAX_PIXELS of max-pixels. */
void cli_variable(const cli_option *row, char *out, size_t size);

/* Sets one value. `where` names it in messages ("--top", "ANYTAG_TOP", "a.conf:3: top"); `origin` is
 * kept. 0 or an exit code after a message. */
int cli_set(cli_options *o, const cli_option *row, const char *value, const char *where,
            const char *origin);
/* The value as a configuration file has it. */
void cli_value(const cli_options *o, const cli_option *row, char *out, size_t size);

/* Options and inputs anywhere, `--` ends the options. Weakest first: configuration files, environment,
 * the command line. `inputs` (freed by the caller) points into argv. 0 or an exit code. */
int cli_parse(int argc, char **argv, const char *command, cli_options *o, char ***inputs,
              size_t *n_inputs);
/* What files and environment say for a command; `given` has --config and its kin. */
int cli_settings(const cli_options *given, const char *command, cli_options *o);
void cli_options_free(cli_options *o);

#endif
