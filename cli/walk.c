/* walk.c - the pictures of a folder. A name's ending decides what is looked at; .anytagignore, --include
 * and --exclude, --hidden, --max-depth and --follow decide where. */
#include "files.h"

#include <dirent.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

static const struct ending {
    const char *ending, *format; // as at_image_format() says it
} endings[] = {
    {"jpg", "jpeg"},  {"jpeg", "jpeg"}, {"jpe", "jpeg"},  {"jfif", "jpeg"}, {"png", "png"},
    {"webp", "webp"}, {"gif", "gif"},   {"bmp", "bmp"},   {"tif", "tiff"},  {"tiff", "tiff"},
    {"heic", "heif"}, {"heif", "heif"}, {"avif", "avif"},
};
static const char *const skipped[] = {"@eaDir", "#recycle", "lost+found", ".Trash-*", ".", ".."};

const char *cli_promised_format(const char *name)
{
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++) {
        if (strcasecmp(dot + 1, endings[i].ending) == 0) return endings[i].format;
    }
    return NULL;
}

/* --ext jpg,.PNG */
static bool listed(const char *list, const char *name)
{
    const char *dot = strrchr(name, '.');
    while (dot && *list) {
        const size_t n = strcspn(list, ",");
        const char *e = *list == '.' ? list + 1 : list;
        const size_t k = n - (size_t)(e - list);
        if (strlen(dot + 1) == k && strncasecmp(dot + 1, e, k) == 0) return true;
        list += n + (list[n] != 0);
    }
    return false;
}

static void count_other(cli_files *f, const char *name)
{
    const char *dot = strrchr(name, '.');
    if (!dot) dot = "";
    for (size_t i = 0; i < CLI_ENDINGS_MAX; i++) {
        if (!f->others[i].n)
            (void)snprintf(f->others[i].ending, sizeof f->others[i].ending, "%s", dot);
        if (f->others[i].n &&
            strncmp(f->others[i].ending, dot, sizeof f->others[i].ending - 1) != 0)
            continue;
        f->others[i].n++;
        return;
    }
}

/* A folder on the way down: its own rules, and who it is, for loops. */
typedef struct place {
    const struct place *up;
    dev_t dev;
    ino_t ino;
    cli_rules ignore;
    size_t skip; // bytes of a path in front of what the rules see
    long depth;
} place;

static bool ignored(const place *p, const char *path, bool folder)
{
    for (; p; p = p->up) { // the rules of the deeper folder come first
        const int said = cli_rules_match(&p->ignore, path + p->skip, folder);
        if (said >= 0) return said;
    }
    return false;
}

static bool passed_over(const cli_files *f, const cli_options *o, const place *p, size_t root,
                        const char *path, const char *name, bool folder)
{
    for (size_t i = 0; i < sizeof skipped / sizeof *skipped; i++) {
        if (fnmatch(skipped[i], name, 0) == 0) return true;
    }
    if (name[0] == '.' && !o->hidden) return true;
    if (cli_rules_match(&f->exclude, path + root, folder) == 1) return true;
    if (!folder && f->include.n && cli_rules_match(&f->include, path + root, false) != 1)
        return true;
    return ignored(p, path, folder);
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* What a reader would wait for, perhaps for ever: a FIFO, a device, a socket, or a link to one. */
static bool waited_for(const char *path, const struct stat *st)
{
    struct stat target = *st;
    if (S_ISLNK(st->st_mode) && stat(path, &target) != 0)
        return false; // is told when its turn comes
    return !S_ISREG(target.st_mode) && !S_ISDIR(target.st_mode);
}

static void walk(cli_files *f, const cli_options *o, const char *folder, const place *up,
                 size_t root)
{
    const size_t len = strlen(folder), slash = len && folder[len - 1] == '/' ? 0 : 1;
    place here = {.up = up, .skip = len + slash, .depth = up ? up->depth + 1 : 1};
    struct stat st;
    if (stat(folder, &st) == 0) here.dev = st.st_dev, here.ino = st.st_ino;
    for (const place *p = up; p; p = p->up) {
        if (p->dev != here.dev || p->ino != here.ino) continue;
        cli_warn("%s: leads back to a folder above it; not followed", folder);
        return;
    }
    struct dirent **list;
    const bool sorted = !o->sort || strcmp(o->sort, "none") != 0;
    const int n = scandir(folder, &list, NULL, sorted ? by_bytes : NULL);
    if (n < 0) {
        cli_warn("%s: the folder cannot be listed", folder);
        (void)cli_files_add(f, folder,
                            root ? root : here.skip); // it fails as a picture, in the count too
        return;
    }
    char *path = malloc(len + 300);
    if (path) {
        (void)snprintf(path, len + 300, "%s%s.anytagignore", folder, slash ? "/" : "");
        (void)cli_rules_read(&here.ignore, path);
    }
    const long deepest = o->no_recursive ? 1 : o->max_depth ? o->max_depth : 64;
    for (int i = 0; i < n; i++) {
        const char *name = list[i]->d_name;
        if (path) (void)snprintf(path, len + 300, "%s%s%s", folder, slash ? "/" : "", name);
        const bool there = path && !cli_files_given_up(f) &&
                           (o->follow ? stat(path, &st) : lstat(path, &st)) == 0;
        const bool is_folder = there && S_ISDIR(st.st_mode);
        if (there && !waited_for(path, &st) &&
            !passed_over(f, o, &here, root ? root : here.skip, path, name, is_folder)) {
            if (is_folder) {
                if (here.depth < deepest) walk(f, o, path, &here, root ? root : here.skip);
            } else {
                f->looked++;
                if (o->ext ? listed(o->ext, name) : cli_promised_format(name) != NULL)
                    (void)cli_files_add(f, path, root ? root : here.skip);
                else
                    count_other(f, name);
            }
        }
        free(list[i]);
    }
    free(list);
    free(path);
    cli_rules_free(&here.ignore);
}

void cli_walk(cli_files *f, const cli_options *o, const char *folder)
{
    walk(f, o, folder, NULL, 0);
}
