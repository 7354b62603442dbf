/* annotations_csv.c - path,tag,tag,... (what is not named is not there) or path,tag,1 and path,tag,0
 * (what is not said is unknown). A first row that begins with path, image_path or file_name is a header. */
#include "annotations.h"
#include "csv.h"

#include <string.h>

static bool is_header(const cli_csv *t)
{
    static const char *const heads[] = {"path", "image_path", "file_name"};
    for (size_t i = 0; t->n_rows && i < sizeof heads / sizeof heads[0]; i++) {
        if (strcmp(t->cells[0], heads[i]) == 0) return true;
    }
    return false;
}

static bool is_truth(const char *cell)
{
    return (cell[0] == '0' || cell[0] == '1') && !cell[1];
}

/* path,tag,1/0: every row has three cells and the last is one, or the header calls it "value". */
static bool is_long(const cli_csv *t, bool header)
{
    if (header && t->rows[1] == 3 && strcmp(t->cells[2], "value") == 0) return true;
    for (size_t r = header; r < t->n_rows; r++) {
        if (t->rows[r + 1] - t->rows[r] != 3 || !is_truth(t->cells[t->rows[r] + 2])) return false;
    }
    return t->n_rows > header;
}

static int read_row(cli_annotations *a, char **cells, size_t n, size_t line)
{
    char where[600];
    (void)snprintf(where, sizeof where, "%.500s:%zu", a->file, line);
    if (!*cells[0]) return cli_usage("--annotations: %s: no path in the first cell", where);
    if (a->explicit && (n != 3 || !*cells[1] || !is_truth(cells[2])))
        return cli_usage("--annotations: %s is not PATH,TAG,1 nor PATH,TAG,0", where);
    const long picture = cli_annotations_picture(a, cells[0]);
    if (picture < 0) return cli_error(AT_E_OUT_OF_MEMORY, "%s: no memory for it", where);
    if (a->explicit) return cli_annotations_say(a, picture, cells[1], cells[2][0] == '1', where);
    int code = 0;
    for (size_t i = 1; i < n && code == 0; i++) {
        if (*cells[i]) code = cli_annotations_say(a, picture, cells[i], true, where);
    }
    return code;
}

int cli_annotations_csv(cli_annotations *a, char *text)
{
    cli_csv t;
    int code = cli_csv_cut("annotations", a->file, text, &t);
    const bool header = code == 0 && is_header(&t);
    if (code == 0) a->explicit = is_long(&t, header);
    for (size_t r = header; r < t.n_rows && code == 0; r++)
        code = read_row(a, t.cells + t.rows[r], t.rows[r + 1] - t.rows[r], t.lines[r]);
    cli_csv_free(&t);
    return code;
}
