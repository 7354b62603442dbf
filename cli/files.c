/* files.c - from what the user named to a list of pictures. Kind is decided by content when a file is
 * read; inside folders the name's ending decides what is looked at. */
#include "cli.h"

#include <dirent.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

static const char *const endings[] = {".jpg", ".jpeg", ".jpe",  ".jfif", ".png",  ".webp", ".gif",
                                      ".bmp", ".tif",  ".tiff", ".heic", ".heif", ".avif"};
static const char *const skipped[] = {"@eaDir", "#recycle", "lost+found"};

static bool picture_name(const char *name)
{
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++) {
        if (strcasecmp(dot, endings[i]) == 0) return true;
    }
    return false;
}

static bool skip_name(const char *name, const cli_options *o)
{
    for (size_t i = 0; i < sizeof skipped / sizeof *skipped; i++) {
        if (strcmp(name, skipped[i]) == 0) return true;
    }
    return name[0] == '.' && (!o->hidden || strcmp(name, ".") == 0 || strcmp(name, "..") == 0);
}

static bool add(cli_files *f, const char *path)
{
    if (f->n == f->cap) {
        const size_t cap = f->cap ? 2 * f->cap : 256;
        char **more = realloc(f->paths, cap * sizeof *more);
        if (!more) return false;
        f->paths = more;
        f->cap = cap;
    }
    f->paths[f->n] = strdup(path);
    return f->paths[f->n++] != NULL;
}

static void walk(cli_files *f, const cli_options *o, const char *dir, long depth)
{
    struct dirent **list;
    const int n = scandir(dir, &list, NULL, alphasort);
    if (n < 0) {
        cli_warn("%s: the folder cannot be listed; skipped", dir);
        return;
    }
    for (int i = 0; i < n; i++) {
        const char *name = list[i]->d_name;
        const size_t size = strlen(dir) + strlen(name) + 2;
        char *path = skip_name(name, o) ? NULL : malloc(size);
        if (path) {
            const size_t len = strlen(dir);
            (void)snprintf(path, size, "%s%s%s", dir, len && dir[len - 1] == '/' ? "" : "/", name);
            struct stat st; // symbolic links to folders are not followed: no loops
            if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
                if (!o->no_recursive && depth < (o->max_depth ? o->max_depth : 64))
                    walk(f, o, path, depth + 1);
            } else {
                f->looked++;
                if (picture_name(name)) (void)add(f, path);
            }
        }
        free(path);
        free(list[i]);
    }
    free(list);
}

static int name_one(cli_files *f, const cli_options *o, const char *path)
{
    struct stat st;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        walk(f, o, path, 0);
        return 0;
    }
    glob_t g = {0};
    if (stat(path, &st) != 0 && strpbrk(path, "*?[") && glob(path, 0, NULL, &g) == 0) {
        for (size_t i = 0; i < g.gl_pathc; i++)
            (void)add(f, g.gl_pathv[i]);
        globfree(&g);
        return 0;
    }
    return add(f, path) ? 0 : 6; // one that cannot be read is reported when its turn comes
}

static int from_list(cli_files *f, const cli_options *o, const char *path)
{
    FILE *list = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    if (!list) return cli_usage("--files-from: %s cannot be read", path);
    char *line = NULL;
    size_t cap = 0;
    const int end = o->from0 ? 0 : '\n';
    for (ssize_t n; (n = getdelim(&line, &cap, end, list)) > 0;) {
        if (line[n - 1] == end) line[--n] = 0;
        if (n && end == '\n' && line[n - 1] == '\r') line[--n] = 0;
        if (n) (void)name_one(f, o, line);
    }
    free(line);
    if (list != stdin) (void)fclose(list);
    return 0;
}

int cli_files_find(cli_files *f, const cli_options *o, char **inputs, size_t n)
{
    *f = (cli_files){0};
    int code = 0;
    for (size_t i = 0; i < n && code == 0; i++)
        code = name_one(f, o, inputs[i]);
    if (code == 0 && o->files_from) code = from_list(f, o, o->files_from);
    if (code) return code;
    if (n == 0 && !o->files_from)
        return cli_usage(
            "no pictures named; give files or folders, - for one picture on stdin, or --files-from -");
    if (f->n) return 0;
    at_error err = {.status = AT_E_NO_INPUT};
    (void)snprintf(err.text, sizeof err.text, "no images in %s (%zu files looked at)",
                   n ? inputs[0] : o->files_from, f->looked);
    return cli_fail(&err);
}

void cli_files_free(cli_files *f)
{
    for (size_t i = 0; i < f->n; i++)
        free(f->paths[i]);
    free(f->paths);
}
