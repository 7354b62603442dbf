/* csv.h - files of text, and rows of CSV in them: RFC 4180; blanks around cells do not count, nor do empty
 * lines, nor the ' that keeps a spreadsheet from computing a text. */
#ifndef ANYTAG_CLI_CSV_H
#define ANYTAG_CLI_CSV_H

#include "cli.h"

typedef struct cli_csv {
    char **cells;  // in the text, which is cut
    size_t *rows;  // [n_rows + 1] where a row's cells begin
    size_t *lines; // [n_rows] of the file, from 1
    size_t n_cells, cap_cells, n_rows, cap_rows;
} cli_csv;

/* A file of UTF-8 without a NUL, freed by the caller. `option` is named in messages: "annotations". 0 or an exit
 * code. */
int cli_text_read(const char *option, const char *path, char **text);
/* Cuts `text`, in which the cells stay. A mark of the byte order at its beginning is no part of the first. 0 or an
 * exit code; to be freed after both. */
int cli_csv_cut(const char *option, const char *path, char *text, cli_csv *t);
void cli_csv_free(cli_csv *t);

#endif
