/* hostile.h - opens bytes as a weight file and reads every byte it offers (address sanitizer watches);
 * whatever the bytes, the answer is a file or one clear sentence. */
#ifndef AT_TESTS_HOSTILE_H
#define AT_TESTS_HOSTILE_H

#include "formats/weights.h"
#include "make_files.h"

#include "tests_cmocka.h"

#include <unistd.h>

/* Everything a caller can reach. */
static inline uint64_t walk(const at_weights *w)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < at_weights_count(w); i++) {
        const at_weight *t = at_weights_at(w, i);
        const uint8_t *p = t->data;
        for (uint64_t k = 0; k < t->bytes; k++)
            sum += p[k];
        sum += strlen(t->name);
        assert_true(at_weights_find(w, t->name) == t);
    }
    for (size_t i = 0; i < at_weights_meta_count(w); i++) {
        const at_meta *m = at_weights_meta_at(w, i);
        size_t n = 0;
        sum += strlen(m->key) + strlen(m->type_name);
        if (m->type == AT_META_STRING) assert_int_equal(strlen(m->v.string.data), m->v.string.len);
        const char *const *s = at_weights_strings(w, m->key, &n);
        for (size_t k = 0; s && k < n; k++)
            sum += strlen(s[k]);
        const float *f = at_weights_floats(w, m->key, &n);
        for (size_t k = 0; f && k < n; k++)
            sum += f[k] != f[k];
        const uint64_t *u = at_weights_ints(w, m->key, &n);
        for (size_t k = 0; u && k < n; k++)
            sum += u[k];
    }
    return sum;
}

/* The bytes as a file of exactly their size, so that one byte too far is a sanitizer's find. */
static inline at_status open_bytes(at_weights **w, const void *data, size_t size, at_error *err)
{
    void *copy = malloc(size ? size : 1); // its end is the file's end
    if (size) memcpy(copy, data, size);
    *err = (at_error){0};
    const at_status status = at_weights_open_memory(w, copy, size, "x", NULL, err);
    if (status != AT_OK) {
        assert_null(*w);
        free(copy);
        // one sentence that begins with the file
        assert_int_equal(err->status, status);
        assert_true(strncmp(err->text, "x: ", 3) == 0);
        assert_null(strchr(err->text, '\n'));
        for (const char *c = err->text; *c; c++)
            assert_true((unsigned char)*c >= ' ');
        assert_true(status == AT_E_MODEL_DAMAGED || status == AT_E_MODEL_UNSUPPORTED ||
                    status == AT_E_UNSAFE_PICKLE);
    } else {
        (void)walk(*w);
        at_weights_close(*w);
        *w = NULL;
        free(copy);
    }
    return status;
}

static inline void expect_refused(const bytes *b, at_status status, const char *part)
{
    at_weights *w = NULL;
    at_error err;
    const at_status found = open_bytes(&w, b->data, b->len, &err);
    if (found != status || !strstr(err.text, part))
        fail_msg("wanted status %d and \"%s\", found %d and \"%s\"", (int)status, part, (int)found,
                 err.text);
}

static inline void expect_good(const bytes *b)
{
    at_weights *w = NULL;
    at_error err;
    if (open_bytes(&w, b->data, b->len, &err) != AT_OK) fail_msg("refused: %s", err.text);
}

/* Every prefix is refused, but for the last `spare` bytes that nothing needs. */
static inline void expect_no_prefix(const bytes *b, size_t spare)
{
    for (size_t n = 0; n + spare < b->len; n++) {
        at_weights *w = NULL;
        at_error err;
        if (open_bytes(&w, b->data, n, &err) == AT_OK)
            fail_msg("%zu of %zu bytes were taken for a whole file", n, b->len);
    }
}

/* Every byte changed in some ways: anything may come out but harm. Returns how many were refused. */
static inline size_t try_flips(const bytes *b)
{
    static const uint8_t masks[] = {0x01, 0x80, 0xff, 0x20};
    size_t refused = 0;
    for (size_t i = 0; i < b->len; i++) {
        for (size_t m = 0; m < sizeof masks; m++) {
            at_weights *w = NULL;
            at_error err;
            b->data[i] ^= masks[m];
            refused += open_bytes(&w, b->data, b->len, &err) != AT_OK;
            b->data[i] ^= masks[m];
        }
    }
    return refused;
}

#endif
