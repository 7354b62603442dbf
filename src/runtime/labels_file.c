/* labels_file.c - a set of labels as a GGUF of its own architecture, "anytag_labels":
 *   anytag.labels.{names, names_zh, thresholds, rows}    rows of each label
 *   anytag.labels.{model, model_id, encoder}             what it is for, what made it
 *   tensor "rows" [sum of rows, width] f32 */
#include "formats/gguf_write.h"
#include "runtime/labels.h"

#include <string.h>

static const char ARCH[] = "anytag_labels";

at_status at_labels_save(const at_labels *set, const char *path, at_error *err)
{
    if (!set || !path)
        return at_fail(err, AT_E_INVALID_PARAMETER, "at_labels_save: no argument may be NULL");
    uint32_t *n_rows = at_calloc(set->al, set->n, sizeof *n_rows);
    if (!n_rows) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for %zu labels", set->n);
    for (size_t i = 0; i < set->n; i++)
        n_rows[i] = set->first[i + 1] - set->first[i];
    at_gguf_writer *g = NULL;
    at_status status = at_gguf_create(&g, path, set->al, err);
    if (status == AT_OK) {
        at_gguf_str(g, "general.architecture", ARCH);
        at_gguf_u32(g, "anytag.version", 1);
        at_gguf_strings(g, "anytag.labels.names", set->names, set->n);
        at_gguf_strings(g, "anytag.labels.names_zh", set->names_zh, set->n);
        at_gguf_floats(g, "anytag.labels.thresholds", set->thresholds, set->n);
        at_gguf_u32s(g, "anytag.labels.rows", n_rows, set->n);
        at_gguf_str(g, "anytag.labels.model", set->model);
        at_gguf_str(g, "anytag.labels.model_id", set->model_id);
        at_gguf_str(g, "anytag.labels.encoder", set->encoder);
        const uint64_t dims[2] = {set->first[set->n], set->dim};
        at_gguf_tensor(g, "rows", AT_F32, dims, 2);
        at_gguf_data(g, set->rows, (size_t)dims[0] * set->dim * sizeof(float));
        status = at_gguf_finish(g, err);
    }
    at_free(set->al, n_rows);
    return status;
}

/* Everything that a file says is checked here or, as for a set from a program, in at_labels_make. */
static at_status read_set(const at_weights *w, const at_allocator *al, at_labels **set,
                          at_error *err)
{
    size_t n, n_zh, n_thresholds, n_counts;
    const char *const *names = at_weights_strings(w, "anytag.labels.names", &n);
    const char *const *zh = at_weights_strings(w, "anytag.labels.names_zh", &n_zh);
    const float *thresholds = at_weights_floats(w, "anytag.labels.thresholds", &n_thresholds);
    const uint64_t *counts = at_weights_ints(w, "anytag.labels.rows", &n_counts);
    const at_weight *rows = at_weights_find(w, "rows");
    if (!names || !zh || !thresholds || !counts || n == 0 || n > AT_LABELS_MOST || n != n_zh ||
        n != n_thresholds || n != n_counts)
        return at_fail(err, AT_E_MODEL_DAMAGED,
                       "a set of labels whose names, thresholds and rows differ in number");
    uint64_t sum = 0;
    bool sane = rows && rows->type == AT_F32 && rows->n_dims == 2 && rows->dims[1] > 0;
    for (size_t i = 0; i < n; i++) {
        sane &= counts[i] >= 1 && counts[i] <= AT_LABEL_ROWS_MOST;
        sum += sane ? counts[i] : 0;
    }
    if (!sane || rows->dims[0] != sum)
        return at_fail(err, AT_E_MODEL_DAMAGED,
                       "a set of labels without a matrix \"rows\" of as many rows as they need");
    at_label *labels = at_calloc(al, n, sizeof *labels);
    size_t *n_rows = at_calloc(al, n, sizeof *n_rows);
    float *aligned = at_alloc(al, (size_t)rows->bytes);
    at_status status = labels && n_rows && aligned
                           ? AT_OK
                           : at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for %zu labels", n);
    if (status == AT_OK) {
        memcpy(aligned, rows->data, (size_t)rows->bytes);
        for (size_t i = 0; i < n; i++) {
            labels[i] = (at_label){.name = names[i], .name_zh = zh[i], .threshold = thresholds[i]};
            n_rows[i] = (size_t)counts[i];
        }
        status = at_labels_make(
            &(at_labels_plan){.al = al,
                              .labels = labels,
                              .n = n,
                              .dim = (size_t)rows->dims[1],
                              .rows = aligned,
                              .n_rows = n_rows,
                              .threshold = 0.5f, // of a damaged file's zeros
                              .model = at_weights_str(w, "anytag.labels.model", ""),
                              .model_id = at_weights_str(w, "anytag.labels.model_id", ""),
                              .encoder = at_weights_str(w, "anytag.labels.encoder", "")},
            set, err);
        if (status == AT_E_INVALID_PARAMETER) status = AT_E_MODEL_DAMAGED;
    }
    at_free(al, labels);
    at_free(al, n_rows);
    at_free(al, aligned);
    return status;
}

at_status at_labels_open(const char *path, const at_allocator *allocator, at_labels **set,
                         at_error *err)
{
    if (!path || !set)
        return at_fail(err, AT_E_INVALID_PARAMETER, "at_labels_open: no argument may be NULL");
    *set = NULL;
    at_weights *w = NULL;
    at_status status = at_weights_open(&w, path, allocator, err);
    if (status != AT_OK) return status;
    const char *arch = at_weights_str(w, "general.architecture", "");
    if (strcmp(arch, ARCH) != 0 || at_weights_u64(w, "anytag.version", 0) != 1)
        status = at_fail(err, AT_E_MODEL_UNSUPPORTED,
                         "not a set of labels (%s); make one with: anytag labels build",
                         arch[0] ? arch : at_weights_format(w));
    if (status == AT_OK) status = read_set(w, allocator, set, err);
    if (status != AT_OK) {
        if (err) err->status = status;
        (void)at_fail_prefix(err, status, path);
    }
    at_weights_close(w);
    return status;
}
