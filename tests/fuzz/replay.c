/* replay.c - a fuzz target without a fuzzer: each file of the folders named, then seeded changes of it:
 * 300, or as many as a first argument "-40" says. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_SIZE = 1 << 20 };
static int changes = 300;

static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* A copy of exactly `size` bytes, so that a sanitizer sees one byte too far. */
static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy) return;
    if (size) memcpy(copy, data, size);
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static int replay(const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = malloc(MAX_SIZE);
    if (!f || !data) {
        fprintf(stderr, "%s: cannot be read\n", path);
        return 0;
    }
    const size_t size = fread(data, 1, MAX_SIZE, f);
    fclose(f);
    run(data, size);
    uint64_t state = 0x9e3779b97f4a7c15u ^ size;
    for (int i = 0; i < changes && size; i++) {
        const size_t at = next(&state) % size;
        const uint8_t was = data[at];
        data[at] = (uint8_t)next(&state);
        run(data, i % 4 ? size : next(&state) % size);
        if (i % 3) data[at] = was; // some changes stay and add up
    }
    free(data);
    return 1;
}

int main(int argc, char **argv)
{
    int n = 0;
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-') {
            changes = (int)strtol(argv[i] + 1, NULL, 10);
            continue;
        }
        DIR *dir = opendir(argv[i]);
        if (!dir) {
            fprintf(stderr, "%s: no such folder\n", argv[i]);
            return 1;
        }
        for (const struct dirent *e = readdir(dir); e; e = readdir(dir)) {
            char path[4096];
            if (e->d_name[0] == '.') continue;
            (void)snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name);
            n += replay(path);
        }
        closedir(dir);
    }
    printf("%d inputs and %d changes of each: no harm\n", n, changes);
    return n ? 0 : 1;
}
