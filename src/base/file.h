/* file.h - small files read whole. */
#ifndef AT_BASE_FILE_H
#define AT_BASE_FILE_H

#include "base/base.h"

/* The file's bytes and a NUL behind them, freed by at_free. AT_E_NOT_FOUND, AT_E_BODY_TOO_LARGE over
 * `limit`, AT_E_OUT_OF_MEMORY; the text begins with the path. */
at_status at_file_read(const char *path, size_t limit, char **data, size_t *size,
                       const at_allocator *al, at_error *err);

/* Lines of a text file, or of a gzip file of one: `lines` is one allocation (at_free) that holds pointers and text. LF or CRLF;
 * blanks are kept; a last line without an end counts, an empty one behind the last end does not. */
at_status at_file_lines(const char *path, size_t limit, char ***lines, size_t *count,
                        const at_allocator *al, at_error *err);

#endif
