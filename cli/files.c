/* files.c - from what the user named to a list of pictures: files, folders, patterns, lists of paths.
 * Kind is decided by content when a file is read. */
#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool add(cli_files *f, const char *path, size_t below)
{
    if (f->n == f->cap) {
        const size_t cap = f->cap ? 2 * f->cap : 256;
        char **more = realloc(f->paths, cap * sizeof *more);
        if (more) f->paths = more;
        size_t *parts = more ? realloc(f->below, cap * sizeof *parts) : NULL;
        if (!parts) return false;
        f->below = parts;
        f->cap = cap;
    }
    f->paths[f->n] = strdup(path);
    f->below[f->n] = below;
    return f->paths[f->n] && ++f->n;
}

bool cli_files_add(cli_files *f, const char *path, size_t below)
{
    cli_files_lock(f);
    const bool ok = add(f, path, below);
    cli_files_unlock(f);
    return ok;
}

static bool add_named(cli_files *f, const char *path)
{
    const char *slash = strrchr(path, '/');
    return cli_files_add(f, path, slash ? (size_t)(slash - path) + 1 : 0);
}

bool cli_near_path(const char *path, char *out, size_t size)
{
    char dir[4096], name[256];
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    size_t cut = len;
    while (cut && path[cut - 1] != '/')
        cut--;
    if (cut >= sizeof dir || len - cut >= sizeof name || len == cut) return false;
    (void)snprintf(dir, sizeof dir, "%.*s", (int)cut, path);
    (void)snprintf(name, sizeof name, "%.*s", (int)(len - cut), path + cut);
    struct dirent **list;
    const int n = scandir(cut ? dir : ".", &list, NULL, alphasort);
    size_t least = strlen(name) / 4 + 1;
    if (least > 3) least = 3;
    bool found = false;
    for (int i = 0; i < n; i++) {
        const char *other = list[i]->d_name;
        const size_t d = cli_distance(name, other);
        if (other[0] != '.' && strcmp(other, name) != 0 && (found ? d < least : d <= least)) {
            (void)snprintf(out, size, "%s%s", dir, other);
            found = true;
            least = d;
        }
        free(list[i]);
    }
    if (n >= 0) free(list);
    return found;
}

void cli_suggest_path(at_error *err, const char *path)
{
    char near[512];
    const size_t n = strlen(err->text);
    if (access(path, F_OK) != 0 && cli_near_path(path, near, sizeof near))
        (void)snprintf(err->text + n, sizeof err->text - n, "; did you mean %s?", near);
}

static int name_one(cli_files *f, const cli_options *o, const char *path)
{
    struct stat st;
    const bool there = stat(path, &st) == 0;
    if (there && S_ISDIR(st.st_mode)) {
        cli_walk(f, o, path);
        return 0;
    }
    glob_t g = {0};
    if (!there && strpbrk(path, "*?[") && glob(path, 0, NULL, &g) == 0) {
        for (size_t i = 0; i < g.gl_pathc; i++)
            (void)add_named(f, g.gl_pathv[i]);
        globfree(&g);
        return 0;
    }
    return add_named(f, path) ? 0 : 6; // one that cannot be read is reported when its turn comes
}

static int from_list(cli_files *f, const cli_options *o, const char *path)
{
    const int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return cli_usage("--files-from: %s cannot be read (%s)", path, strerror(errno));
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        if (fd != STDIN_FILENO) (void)close(fd);
        return cli_usage("--files-from: %s is a folder, not a list of paths; name a folder without "
                         "--files-from",
                         path);
    }
    cli_lines lines = {.files = f, .fd = fd};
    const int end = o->from0 ? 0 : '\n';
    for (char *line; (line = cli_lines_next(&lines, end)) != NULL;) {
        const size_t n = strlen(line);
        if (n && end == '\n' && line[n - 1] == '\r') line[n - 1] = 0;
        if (*line) (void)name_one(f, o, line);
    }
    free(lines.text);
    if (fd != STDIN_FILENO) (void)close(fd);
    return 0;
}

static int nothing(const cli_files *f, const char *input)
{
    char seen[128] = "", near[512];
    for (size_t i = 0, used = 0; i < 3 && f->others[i].n && used < sizeof seen; i++)
        used += (size_t)snprintf(seen + used, sizeof seen - used, "%s%zu %s", i ? ", " : ": ",
                                 f->others[i].n,
                                 f->others[i].ending[0] ? f->others[i].ending : "without ending");
    const bool hint = cli_near_path(input, near, sizeof near);
    return cli_error(AT_E_NO_INPUT, "no images in %.400s (%zu files looked at%s)%s%s%s", input,
                     f->looked, seen, hint ? "; did you mean " : "", hint ? near : "",
                     hint ? "?" : "");
}

int cli_files_begin(cli_files *f, const cli_options *o, size_t n)
{
    *f = (cli_files){0};
    bool ok = true;
    for (size_t i = 0; ok && i < o->include.n; i++)
        ok = cli_rules_add(&f->include, o->include.items[i], true);
    for (size_t i = 0; ok && i < o->exclude.n; i++)
        ok = cli_rules_add(&f->exclude, o->exclude.items[i], true);
    if (!ok) return 6;
    if (n == 0 && !o->files_from)
        return cli_usage(
            "no pictures named; give files or folders, - for one picture on stdin, or --files-from -");
    return 0;
}

int cli_files_find_all(cli_files *f, const cli_options *o, char **inputs, size_t n)
{
    int code = 0;
    for (size_t i = 0; i < n && code == 0; i++)
        code = *inputs[i] ? name_one(f, o, inputs[i])
                          : cli_usage("an input is empty (\"\"); give a file or a folder");
    if (code == 0 && o->files_from) code = from_list(f, o, o->files_from);
    if (code) return code;
    size_t stdins = o->files_from && strcmp(o->files_from, "-") == 0;
    for (size_t i = 0; i < f->n; i++)
        stdins += strcmp(f->paths[i], "-") == 0;
    if (stdins > 1)
        return cli_usage(
            "- stands for stdin, which can be read once: as one picture, or as the list of --files-from");
    return f->n || cli_files_given_up(f) ? 0 : nothing(f, n ? inputs[0] : o->files_from);
}

int cli_files_find(cli_files *f, const cli_options *o, char **inputs, size_t n)
{
    const int code = cli_files_begin(f, o, n);
    return code ? code : cli_files_find_all(f, o, inputs, n);
}

void cli_files_free(cli_files *f)
{
    for (size_t i = 0; i < f->n; i++)
        free(f->paths[i]);
    free(f->paths);
    free(f->below);
    cli_rules_free(&f->include);
    cli_rules_free(&f->exclude);
    *f = (cli_files){0};
}
