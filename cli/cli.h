/* cli.h - what the subcommands share. The program uses nothing but the public headers. */
#ifndef ANYTAG_CLI_H
#define ANYTAG_CLI_H

#include "options.h"
#include "rules.h"

#include <anytag.h>
#include <jansson.h>

/* --- commands.c, help.c: one table of commands, one of topics ------------------------------------------- */

typedef struct cli_command {
    const char *name, *usage, *about, *examples;
    int (*run)(const cli_options *o, char **inputs, size_t n);
} cli_command;
extern const cli_command cli_commands[]; // the last has no name
const cli_command *cli_find_command(const char *name);
bool cli_is_command(const char *name);
/* The command whose name is nearest; NULL: none is near. */
const char *cli_near_command(const char *name);
void cli_overview(FILE *to);
typedef struct cli_exit_code {
    int code;
    const char *about;
} cli_exit_code;
extern const cli_exit_code cli_exit_codes[]; // the last has no text
void cli_print_man(void);
/* What help knows: commands and topics. */
void cli_help_words(char *out, size_t size);
void cli_command_help(FILE *to, const cli_command *c);

int cmd_tag(const cli_options *o, char **inputs, size_t n);
int cmd_caption(const cli_options *o, char **inputs, size_t n);
int cmd_match(const cli_options *o, char **inputs, size_t n);
int cmd_labels(const cli_options *o, char **inputs, size_t n);
int cmd_calibrate(const cli_options *o, char **inputs, size_t n);
int cmd_convert(const cli_options *o, char **inputs, size_t n);
int cmd_quantize(const cli_options *o, char **inputs, size_t n);
int cmd_info(const cli_options *o, char **inputs, size_t n);
int cmd_inspect(const cli_options *o, char **inputs, size_t n);
int cmd_serve(const cli_options *o, char **inputs, size_t n);
int cmd_bench(const cli_options *o, char **inputs, size_t n);
int cmd_completions(const cli_options *o, char **inputs, size_t n);
int cmd_help(const cli_options *o, char **inputs, size_t n);

/* --- say.c: what people read on stderr, and the log ------------------------------------------------------- */

/* Colour, loudness and the log file of the run. 0 or an exit code. */
int cli_say_open(const cli_options *o);
void cli_say_close(void);
/* "anytag: TEXT" on stderr, red on a terminal; returns the exit code of the status. */
int cli_fail(const at_error *err);
bool cli_has_failed(void); // a reason was told
int cli_error(at_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));
int cli_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));
void cli_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void cli_log(void *user, at_log_level level, const char *text); // an at_log_fn
/* An event with members of its own for --log-format json; takes `fields`. */
void cli_log_fields(at_log_level level, const char *text, json_t *fields);
bool cli_color(const cli_options *o, FILE *stream);
/* A JSON string; bytes that are not UTF-8 become U+FFFD. */
json_t *cli_json_text(const char *text);
/* Prints and frees; 0 or an exit code. */
int cli_print_json(json_t *value);
/* -f json, of the commands that know text and json. */
bool cli_wants_json(const cli_options *o);
/* Bytes of the control character at `text`, 0: it is none. What a terminal obeys is not shown as it is. */
size_t cli_control(const char *text);
/* Text of a file that may be hostile: control characters become \xHH. */
void cli_print_plain(FILE *to, const char *text);

/* --- models.c -------------------------------------------------------------------------------------------- */

/* Opens the model of --model, or the best one installed for `task` ("tag"), or the one in the box. 0 or
 * an exit code. */
int cli_open_model_for(const cli_options *o, const char *task, at_model **model);
int cli_open_model(const cli_options *o, at_model **model); // for tagging
/* Path of the text encoder of --text-encoder, or of the best one installed whose vectors are `width`
 * wide; freed by the caller. 0 or an exit code. */
int cli_find_encoder(const cli_options *o, size_t width, char **path);
/* verify.c: is the file what a SHA256SUMS beside it says? 0 or an exit code. */
int cli_verify_model(const cli_options *o, const char *path);
void cli_print_model_dirs(const cli_options *o, FILE *to);

/* --- labels.c -------------------------------------------------------------------------------------------- */

/* A set made of what --tags names: words, a file of them, or a set as it is. 0 or an exit code. */
int cli_open_labels(const cli_options *o, const at_model *model, const char *what, bool only,
                    at_labels **set);

/* Words separated by commas, or a file of them: an at_label_list. 0 or an exit code. */
int cli_read_words(const char *what, at_label_list **list);
bool cli_is_label_set(const char *what); // a file that at_labels_save() wrote

/* --- describe.c ------------------------------------------------------------------------------------------ */

/* The dictionary of --wordnet with the choices of --senses. 0 or an exit code. */
int cli_open_wordnet(const cli_options *o, at_wordnet **wordnet);
/* kin.c: what each tag of a model, then each label of a set, means. */
typedef struct cli_kin {
    at_wordnet *wordnet;
    at_sense **senses; // [n], NULL where the dictionary has none
    size_t n;
} cli_kin;
int cli_kin_open(const cli_options *o, const at_model *m, const at_labels *labels, cli_kin *kin);
void cli_kin_close(cli_kin *kin);    // a zeroed one is fine
bool cli_is_group(const char *name); // ends with a slash and a star
/* Sets in[id] of the model's tags that are a kind of the group. 0 or an exit code. */
int cli_kin_group(const cli_kin *kin, const at_model *m, const char *option, const char *name,
                  bool *in);
int labels_describe(const cli_options *o, char **inputs, size_t n);

/* --- common.c -------------------------------------------------------------------------------------------- */

double cli_seconds(void);
/* Makes the folders in front of the last name of a path. */
bool cli_make_folders(const char *path);
const char *cli_locale(void); // of LC_ALL, LC_MESSAGES, LANG; never NULL
bool cli_utf8_locale(void);
/* "resume: anytag tag --resume ...": the command that goes on, as a shell takes it. */
void cli_print_resume(const cli_options *o, const char *command);

/* What the options say about reading pictures; of --decode too, for that model, unless it is NULL. */
at_image_options cli_image_options(const cli_options *o, const at_model *model);
/* Ids of a comma-separated list of tags and groups, or of @FILE with one a line; freed by the caller. */
int cli_tag_ids(const cli_options *o, const at_model *m, const char *option, const char *list,
                size_t **ids, size_t *n);

/* stop.c: from here on SIGINT and SIGTERM ask the run to stop. */
void cli_stop_begin(const cli_options *o);
void cli_stop_at_hand(size_t images); // that will still be finished
void cli_stop_words(bool at_work);    // it is words that are at hand, not pictures
int cli_stopped(void);                // 0, or the exit code 130 or 143

/* The pictures that the inputs name, and what was passed over on the way. */
enum { CLI_ENDINGS_MAX = 8 };
typedef struct cli_stream cli_stream;
typedef struct cli_files {
    cli_stream *stream; // still looking, in a thread; NULL: all are found
    char **paths;
    size_t
        *below; // where in a path the part below the named folder begins; a named file's: its name
    size_t n, cap;
    size_t looked; // files seen in folders
    struct {
        char ending[16];
        size_t n;
    } others[CLI_ENDINGS_MAX]; // endings of those that are no pictures
    cli_rules include, exclude;
} cli_files;
int cli_files_find(cli_files *f, const cli_options *o, char **inputs, size_t n);
/* The same, but returns at once; `f`, `o` and `inputs` must stay where they are until cli_files_end(), which
 * returns what cli_files_find() would have. Then, or with cli_files_find(), f->paths may be read. */
int cli_files_stream(cli_files *f, const cli_options *o, char **inputs, size_t n);
int cli_files_end(cli_files *f);
/* Picture i, waited for; NULL: there are not so many. */
const char *cli_files_path(cli_files *f, size_t i);
size_t cli_files_found(cli_files *f, bool *all); // so far
/* Reads a picture, "-" from stdin; an error of one that is not there says what is. */
at_status cli_read_image(const char *path, const at_image_options *options, at_image **image,
                         at_error *err);
/* Adds "; did you mean X?" to the error of a path that is not there. */
void cli_suggest_path(at_error *err, const char *path);
/* The format that a name's ending promises ("jpeg"), NULL: it is no picture's. */
const char *cli_promised_format(const char *name);
void cli_files_free(cli_files *f);

/* stdout; a regular file, written as FILE.part and renamed when whole; or, written as it is, what cannot
 * be replaced: a device, a FIFO. */
typedef struct cli_output {
    FILE *file;
    const char *path; // as the user gave it; NULL: stdout
    char *target;     // where links lead
    char *part;       // NULL: written straight
} cli_output;
/* Before long work: could a file be made there? 0 or an exit code. */
int cli_output_check(const char *path);
/* A model file is renamed when whole, which stdout cannot be: 2 for "-". */
int cli_not_stdout(const char *path);
int cli_output_open(cli_output *out, const char *path);
at_status cli_output_write(void *user, const void *data, size_t size, at_error *err);
int cli_output_close(cli_output *out, bool keep);
/* At the end of the program: did all reach stdout? `code`, or the exit code of what went wrong. */
int cli_stdout_close(int code);

#endif
