/* weights.c - fuzz target of the readers of weight files: any bytes are a file or one sentence. Built
 * by libFuzzer (-DANYTAG_FUZZ=ON, clang) and, with replay.c, as an ordinary test. */
#include "formats/weights.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint8_t sink; // so that the reads stay

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    at_weights *w = NULL;
    at_error err = {0};
    const at_status status = at_weights_open_memory(&w, data, size, "fuzz", NULL, &err);
    if (status != AT_OK) {
        if (w || err.status != status || strncmp(err.text, "fuzz: ", 6) != 0 ||
            strchr(err.text, '\n'))
            abort();
        if (status != AT_E_MODEL_DAMAGED && status != AT_E_MODEL_UNSUPPORTED &&
            status != AT_E_UNSAFE_PICKLE)
            abort();
        return 0;
    }
    for (size_t i = 0; i < at_weights_count(w); i++) {
        const at_weight *t = at_weights_at(w, i);
        const uint8_t *p = t->data;
        uint64_t elements = 1;
        for (int d = 0; d < t->n_dims; d++)
            elements *= t->dims[d];
        const uint64_t bytes = at_dtype_bytes(t->type, elements);
        if (bytes != t->bytes || at_weights_find(w, t->name) != t) abort();
        for (uint64_t k = 0; k < bytes; k++)
            sink ^= p[k];
    }
    for (size_t i = 0; i < at_weights_meta_count(w); i++) {
        const at_meta *m = at_weights_meta_at(w, i);
        size_t n;
        const char *const *s = at_weights_strings(w, m->key, &n);
        for (size_t k = 0; k < n; k++)
            sink ^= (uint8_t)strlen(s[k]);
        const float *f = at_weights_floats(w, m->key, &n);
        for (size_t k = 0; k < n; k++)
            sink ^= (uint8_t)(f[k] > 0);
        const uint64_t *u = at_weights_ints(w, m->key, &n);
        for (size_t k = 0; k < n; k++)
            sink ^= (uint8_t)u[k];
    }
    at_weights_close(w);
    return 0;
}
