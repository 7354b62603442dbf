/* official.h - a tokenizer's goldens and vocabulary, where the reference data lies beside the repository. */
#ifndef AT_TESTS_OFFICIAL_H
#define AT_TESTS_OFFICIAL_H

#include "base/file.h"
#include "tests_cmocka.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

/* goldens/tokenizers/NAME.json and the lines of official/LIST (at_free); skips the test without them. */
static inline json_t *official_open(const char *name, const char *list, char ***lines, size_t *n)
{
    const char *shared = getenv("ANYTAG_SHARED");
    char path[512];
    if (!shared) shared = "../shared";
    (void)snprintf(path, sizeof path, "%s/goldens/tokenizers/%s.json", shared, name);
    json_t *root = json_load_file(path, JSON_ALLOW_NUL, NULL);
    if (!root) {
        print_message("skipped: %s is not here\n", path);
        skip();
    }
    (void)snprintf(path, sizeof path, "%s/official/%s", shared, list);
    at_error err = {0};
    if (at_file_lines(path, 1 << 24, lines, n, NULL, &err) != AT_OK) fail_msg("%s", err.text);
    return root;
}

#endif
