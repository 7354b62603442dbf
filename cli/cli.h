/* cli.h - what the subcommands share. The program uses nothing but the public headers. */
#ifndef ANYTAG_CLI_H
#define ANYTAG_CLI_H

#include <anytag.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Every option's value; one row of options.c writes each. */
typedef struct cli_options {
    const char *model, *format, *lang, *threshold, *thresholds, *only, *exclude_tags, *output,
        *color, *progress, *device, *precision;
    const char *official, *model_config, *tags, *tags_zh, *type, *arch, *name, *dump, *files_from;
    long top, threads, batch, max_pixels_m, max_bytes_m, max_depth, repeat, warmup;
    bool all_scores, official_pixels, no_rotate, quiet, verbose, no_recursive, hidden, scores,
        null_ends, bom, excel, dry_run, stats, tag_list, json, help, version, system, no_sha256;
} cli_options;

/* Parses options and inputs anywhere; `inputs` points into argv. 0, or the exit code after a message. */
int cli_parse(int argc, char **argv, const char *command, cli_options *o, char ***inputs,
              size_t *n_inputs);
void cli_print_options(FILE *to, const char *command);

int cmd_tag(const cli_options *o, char **inputs, size_t n);
int cmd_convert(const cli_options *o, char **inputs, size_t n);
int cmd_info(const cli_options *o, char **inputs, size_t n);
int cmd_inspect(const cli_options *o, char **inputs, size_t n);
int cmd_bench(const cli_options *o, char **inputs, size_t n);

/* "anytag: TEXT" on stderr, red on a terminal; returns the exit code of the status. */
int cli_fail(const at_error *err);
int cli_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));
void cli_log(void *user, at_log_level level, const char *text);
bool cli_color(const cli_options *o, FILE *stream);
double cli_seconds(void);
/* Opens the model of -m, $ANYTAG_MODEL, or the one in the box. 0 or an exit code. */
int cli_open_model(const cli_options *o, at_model **model);

/* The pictures that the inputs name: files, folders walked in sorted order, lists. */
typedef struct cli_files {
    char **paths;
    size_t n, cap, looked;
} cli_files;
int cli_files_find(cli_files *f, const cli_options *o, char **inputs, size_t n);
void cli_files_free(cli_files *f);

/* stdout, or FILE.part renamed when whole. */
typedef struct cli_output {
    FILE *file;
    const char *path;
    char *part;
} cli_output;
int cli_output_open(cli_output *out, const char *path);
at_status cli_output_write(void *user, const void *data, size_t size, at_error *err);
int cli_output_close(cli_output *out, bool keep);

#endif
