/* csv.c - the one reader of CSV of the program. */
#include "csv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

static int read_all(const char *option, const char *path, char **text, size_t *size)
{
    FILE *f = fopen(path, "rb");
    size_t n = 0, cap = 1 << 16;
    char *data = f ? malloc(cap + 1) : NULL;
    for (size_t k; data && (k = fread(data + n, 1, cap - n, f)) > 0;) {
        n += k;
        if (n < cap) continue;
        char *more = realloc(data, 2 * cap + 1);
        if (!more) free(data);
        data = more;
        cap *= 2;
    }
    const bool read = f && !ferror(f);
    if (f && data && read) {
        (void)fclose(f);
        data[n] = 0;
        *text = data;
        *size = n;
        return 0;
    }
    at_error err = {.status = AT_E_INVALID_PARAMETER};
    if (f && read) err.status = AT_E_OUT_OF_MEMORY;
    (void)snprintf(err.text, sizeof err.text, "--%s: %.400s cannot be read (%s)", option, path,
                   strerror(errno));
    cli_suggest_path(&err, path);
    if (f) (void)fclose(f);
    free(data);
    return cli_fail(&err);
}

/* UTF-8 without a NUL, or the line that is not. */
static int check_text(const char *option, const char *file, const char *text, size_t size)
{
    size_t line = 1;
    utf8proc_int32_t c;
    for (size_t at = 0; at < size;) {
        const utf8proc_ssize_t step = utf8proc_iterate((const utf8proc_uint8_t *)text + at,
                                                       (utf8proc_ssize_t)(size - at), &c);
        if (step <= 0 || c == 0)
            return cli_error(AT_E_INVALID_TEXT, "--%s: %s:%zu is not %s", option, file, line,
                             step <= 0 ? "UTF-8; save it as UTF-8" : "text (it has a NUL byte)");
        line += c == '\n';
        at += (size_t)step;
    }
    return 0;
}

int cli_text_read(const char *option, const char *path, char **text)
{
    size_t size = 0;
    int code = read_all(option, path, text, &size);
    if (code == 0) code = check_text(option, path, *text, size);
    return code;
}

static bool add_row(cli_csv *t, size_t line)
{
    if (t->n_rows + 1 >= t->cap_rows) {
        const size_t cap = t->cap_rows ? 2 * t->cap_rows : 256;
        size_t *rows = realloc(t->rows, cap * sizeof *rows);
        if (rows) t->rows = rows;
        size_t *lines = rows ? realloc(t->lines, cap * sizeof *lines) : NULL;
        if (!lines) return false;
        t->lines = lines;
        t->cap_rows = cap;
    }
    t->lines[t->n_rows] = line;
    t->rows[t->n_rows++] = t->n_cells;
    return true;
}

static bool add_cell(cli_csv *t, char *cell)
{
    if (t->n_cells == t->cap_cells) {
        const size_t cap = t->cap_cells ? 2 * t->cap_cells : 1024;
        char **more = realloc(t->cells, cap * sizeof *more);
        if (!more) return false;
        t->cells = more;
        t->cap_cells = cap;
    }
    t->cells[t->n_cells++] = cell;
    return true;
}

/* One cell from `in` on; *end is what stands behind it. NULL: the quotes are wrong. */
static char *cut_cell(char *in, char **end, size_t *line)
{
    in += strspn(in, " \t");
    char *cell = in, *out = in;
    if (*in != '"') {
        *end = in + strcspn(in, ",\r\n");
        for (out = *end; out > cell && (out[-1] == ' ' || out[-1] == '\t');)
            out--;
    } else {
        bool closed = false;
        for (in++; *in && !closed; in++) {
            closed = *in == '"' && in[1] != '"';
            if (closed) continue;
            in += *in == '"'; // of two the second
            *line += *in == '\n';
            *out++ = *in;
        }
        if (!closed) return NULL;
        *end = in + strspn(in, " \t");
        if (**end && !strchr(",\r\n", **end)) return NULL;
    }
    if (out < *end) *out = 0; // else it ends where the separator is, which the caller cuts
    return cell;
}

/* A text that --excel kept from being computed ('=1+1), as it was. Any ' before it was given one more. */
static char *unguarded(char *cell)
{
    const char *word = cell + strspn(cell, "'");
    return word > cell && *word && strchr("=+-@\t\r", *word) ? cell + 1 : cell;
}

int cli_csv_cut(const char *option, const char *path, char *text, cli_csv *t)
{
    char *in = text + (strncmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0);
    size_t line = 1;
    *t = (cli_csv){0};
    while (*in) {
        const char *first = in + strspn(in, " \t");
        if (!*first) break;
        if (strchr("\r\n", *first)) { // an empty line
            in += first - in + 1;
            line += in[-1] == '\n';
            continue;
        }
        const size_t begun = line;
        bool ok = add_row(t, line);
        for (bool more = ok; more;) {
            char *end, *cell = cut_cell(in, &end, &line);
            if (!cell)
                return cli_usage("--%s: %s:%zu: the quotes do not fit; a \" inside a "
                                 "quoted cell is written twice",
                                 option, path, begun);
            const char stop = *end;
            *end = 0;
            ok = add_cell(t, unguarded(cell));
            more = ok && stop == ',';
            if (stop == '\n') line++;
            in = end + (stop != 0);
        }
        if (!ok) return cli_error(AT_E_OUT_OF_MEMORY, "%s: no memory for its cells", path);
    }
    if (t->n_rows) t->rows[t->n_rows] = t->n_cells;
    return 0;
}

void cli_csv_free(cli_csv *t)
{
    free(t->cells);
    free(t->rows);
    free(t->lines);
    *t = (cli_csv){0};
}
