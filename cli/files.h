/* files.h - from what the user named to a list of pictures. */
#ifndef ANYTAG_CLI_FILES_H
#define ANYTAG_CLI_FILES_H

#include "cli.h"

/* The parts of cli_files_find(): what needs no looking, then the looking. 0 or an exit code. */
int cli_files_begin(cli_files *f, const cli_options *o, size_t n);
int cli_files_find_all(cli_files *f, const cli_options *o, char **inputs, size_t n);
/* Around a change of f->paths; nothing is done without a stream. */
void cli_files_lock(cli_files *f);
void cli_files_unlock(cli_files *f);
bool cli_files_given_up(cli_files *f); // the run has ended: look no further

typedef struct cli_lines {
    cli_files *files;
    int fd;
    char *text; // freed by the caller
    size_t len, cap, at;
} cli_lines;
char *cli_lines_next(cli_lines *l, int end);

bool cli_files_add(cli_files *f, const char *path, size_t below);
/* Adds the pictures of a folder. */
void cli_walk(cli_files *f, const cli_options *o, const char *folder);
/* The nearest name beside a path that does not exist (or holds nothing), as a path; false: none. */
bool cli_near_path(const char *path, char *out, size_t size);

#endif
