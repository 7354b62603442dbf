/* verify.c - a SHA256SUMS beside a model is checked before the model is opened. What was good is remembered
 * with size and time in $XDG_CACHE_HOME/anytag/verified, so that a large file is hashed once. */
#include "done.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The sum of `name` in a file of "HEX  NAME" lines; false: it is not listed. */
static bool listed_sum(const char *sums, const char *name, char hex[CLI_HASH])
{
    FILE *f = fopen(sums, "rb");
    char *line = NULL;
    size_t cap = 0;
    bool found = false;
    while (f && !found && getline(&line, &cap, f) > 0) {
        line[strcspn(line, "\r\n")] = 0;
        const size_t n = strspn(line, "0123456789abcdefABCDEF");
        if (n != CLI_HASH - 1 || line[n] != ' ' || (line[n + 1] != ' ' && line[n + 1] != '*'))
            continue;
        const char *listed = line + n + 2;
        if (strncmp(listed, "./", 2) == 0) listed += 2;
        if (strcmp(listed, name) != 0) continue;
        (void)snprintf(hex, CLI_HASH, "%.64s", line);
        found = true;
    }
    free(line);
    if (f) (void)fclose(f);
    return found;
}

/* One line of the cache says all of it: sum, size, time, path. */
static bool remembered(const char *cache, const char *entry)
{
    FILE *f = fopen(cache, "rb");
    char *line = NULL;
    size_t cap = 0;
    bool found = false;
    while (f && !found && getline(&line, &cap, f) > 0) {
        line[strcspn(line, "\n")] = 0;
        found = strcmp(line, entry) == 0;
    }
    free(line);
    if (f) (void)fclose(f);
    return found;
}

static void cache_path(char *path, size_t size)
{
    const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (base && *base == '/')
        (void)snprintf(path, size, "%s/anytag/verified", base);
    else
        (void)snprintf(path, size, "%s/.cache/anytag/verified", home ? home : "");
}

int cli_verify_model(const cli_options *o, const char *path)
{
    char sums[4200], want[CLI_HASH], got[CLI_HASH], cache[4200], entry[4400];
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    struct stat st;
    (void)snprintf(sums, sizeof sums, "%.*sSHA256SUMS", (int)(name - path), path);
    if (o->no_verify || stat(path, &st) != 0 || !S_ISREG(st.st_mode) ||
        !listed_sum(sums, name, want))
        return 0;
    char *real = realpath(path, NULL);
    (void)snprintf(entry, sizeof entry, "%s %lld %lld.%09ld %s", want, (long long)st.st_size,
                   (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, real ? real : path);
    free(real);
    cache_path(cache, sizeof cache);
    if (remembered(cache, entry)) return 0;
    if (!cli_sha256_file(path, got) || strcasecmp(want, got) != 0)
        return cli_error(AT_E_MODEL_DAMAGED,
                         "%s: its content is not what %s says; get it again, or pass --no-verify",
                         path, sums);
    FILE *f = cli_make_folders(cache) ? fopen(cache, "ab") : NULL;
    if (f) {
        fprintf(f, "%s\n", entry);
        (void)fclose(f); // only a cache: a failure costs the next hash
    }
    return 0;
}
