/* files.h - from what the user named to a list of pictures. */
#ifndef ANYTAG_CLI_FILES_H
#define ANYTAG_CLI_FILES_H

#include "cli.h"

bool cli_files_add(cli_files *f, const char *path, size_t below);
/* Adds the pictures of a folder. */
void cli_walk(cli_files *f, const cli_options *o, const char *folder);
/* The nearest name beside a path that does not exist (or holds nothing), as a path; false: none. */
bool cli_near_path(const char *path, char *out, size_t size);

#endif
