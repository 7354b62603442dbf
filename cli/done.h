/* done.h - what earlier runs finished: --resume, and files beside pictures that are not anytag's. */
#ifndef ANYTAG_CLI_DONE_H
#define ANYTAG_CLI_DONE_H

#include "cli.h"

enum { CLI_HASH = 65 }; // hex digits of a SHA-256 and a NUL

/* Of a plain file. False for any other: a pipe can be read once, and is not ours to empty. */
bool cli_sha256_file(const char *path, char hex[CLI_HASH]);
void cli_sha256(const void *data, size_t size, char hex[CLI_HASH]);
/* Of every option whose value changes results, and of the files those name; where one names a pipe, of this run
 * alone, so that nothing passes for done by what another pipe of the name said. */
void cli_options_hash(const cli_options *o, const char *command, char hex[CLI_HASH]);

/* One finished piece of work: the picture's content, the model, the options, and where a file of its own
 * was written, that file's content. */
typedef struct cli_work {
    char source[CLI_HASH], model[CLI_HASH], options[CLI_HASH], written[CLI_HASH];
    long long offset; // of its line in the file it was read from
    int file;
} cli_work;

typedef struct cli_done cli_done;
cli_done *cli_done_new(void);
void cli_done_free(cli_done *d);
/* Text of a path that JSON can hold; freed by the caller. */
char *cli_done_key(const char *path);
void cli_done_add(cli_done *d, const char *key, const cli_work *work); // the last one counts
const cli_work *cli_done_find(const cli_done *d, const char *key);     // NULL: none
/* Reads records of tag -f jsonl; the lines can be copied afterwards. A file that is not there is empty. */
int cli_done_read_results(cli_done *d, const char *path);
/* Copies the line of a record; `write` as of a writer. */
at_status cli_done_copy(const cli_done *d, const cli_work *work, at_write_fn write, void *user,
                        at_error *err);
/* Calls `each` for every record that is still good. */
void cli_done_each(const cli_done *d,
                   void (*each)(void *user, const char *key, const cli_work *work), void *user);
/* The journal of files written one by one: read it, and add to it. */
int cli_done_read_journal(cli_done *d, const char *path);
bool cli_done_append(FILE *journal, const char *key, const cli_work *work);

#endif
