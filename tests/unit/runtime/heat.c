/* Maps of where tags were seen, on tiny networks: asked for or found, alone or in a batch, of the model's labels
 * or of a set's, the same bits; and tagging is as it is without them. The numbers: tests/parity/test_heat.py. */
#include "formats/weights.h"
#include "runtime/runtime.h"
#include "tests_cmocka.h"
#include "tiny_model.h"

#include <stdlib.h>
#include <unistd.h>

static const char path[] = "test_heat.tmp.gguf";
enum { CELLS = (TINY_SIDE / 32) * (TINY_SIDE / 32) };

typedef struct fix {
    at_model *model;
    at_session *session;
    at_image *images[3];
    at_error err;
} fix;

static void open_fix(fix *f, const char *arch, int threads)
{
    *f = (fix){0};
    const at_session_options o = {.struct_size = sizeof o, .threads = threads, .max_batch = 2};
    if (tiny_model_write(path, arch, &f->err) != AT_OK ||
        at_model_open(path, NULL, &f->model, &f->err) != AT_OK ||
        at_session_open(f->model, &o, &f->session, &f->err) != AT_OK)
        fail_msg("%s", f->err.text);
    uint8_t rgb[9 * 7 * 3];
    for (size_t k = 0; k < AT_COUNT(f->images); k++) {
        for (size_t i = 0; i < sizeof rgb; i++)
            rgb[i] = (uint8_t)(i * (5 + 2 * k));
        assert_int_equal(at_image_from_rgb(rgb, 9, 7, 27, NULL, &f->images[k], &f->err), AT_OK);
    }
}

static void close_fix(fix *f)
{
    for (size_t k = 0; k < AT_COUNT(f->images); k++)
        at_image_free(f->images[k]);
    at_session_close(f->session);
    at_model_close(f->model);
    (void)unlink(path);
}

static at_tags *tag(fix *f, size_t image, int heat, const size_t *ids, size_t n)
{
    const at_tag_options o = {.struct_size = sizeof o, .heat = heat, .heat_ids = ids, .n_heat = n};
    at_tags *t = NULL;
    if (at_session_tag(f->session, f->images[image], &o, &t, &f->err) != AT_OK)
        fail_msg("%s", f->err.text);
    return t;
}

/* The same map of tag a and tag b, and one that says something. */
static void same_map(const at_tags *a, size_t id_a, const at_tags *b, size_t id_b)
{
    at_heat_map x, y;
    assert_true(at_tags_heat(a, id_a, &x) && at_tags_heat(b, id_b, &y));
    assert_int_equal(x.rows * x.cols, CELLS);
    assert_memory_equal(x.cells, y.cells, CELLS * sizeof(float));
    assert_true(x.max == y.max);
    assert_true(x.cells[0] != x.cells[CELLS - 1]);
}

static void same_bits_however_asked(void **state)
{
    static const char *const archs[] = {"ram", "ram_plus", "tag2text"};
    static const size_t ids[] = {4, 0, 2}, one[] = {2}, twice[] = {2, 2};
    (void)state;
    for (size_t k = 0; k < AT_COUNT(archs); k++) {
        fix f;
        open_fix(&f, archs[k], 1);
        at_tags *plain = tag(&f, 0, AT_HEAT_NONE, NULL, 0);
        at_tags *found = tag(&f, 0, AT_HEAT_FOUND, NULL, 0),
                *some = tag(&f, 0, AT_HEAT_IDS, ids, 3);
        at_tags *alone = tag(&f, 0, AT_HEAT_IDS, one, 1),
                *again = tag(&f, 0, AT_HEAT_IDS, twice, 2);
        at_heat_map map;
        assert_memory_equal(at_tags_logits(plain), at_tags_logits(found),
                            TINY_TAGS * sizeof(float));
        assert_int_equal(at_tags_heat(plain, 0, &map), 0);
        assert_int_equal(at_tags_heat(some, 1, &map), 0);
        assert_true(at_tags_count(found) > 0);
        for (size_t i = 0; i < at_tags_count(found); i++)
            assert_int_equal(at_tags_heat(found, at_tags_id(found, i), &map), 1);
        same_map(some, 2, alone, 2);
        same_map(some, 2, again, 2);
        const at_tag_options o = {
            .struct_size = sizeof o, .heat = AT_HEAT_IDS, .heat_ids = ids, .n_heat = 3};
        at_tags *batch[3] = {0};
        assert_int_equal(at_session_tag_batch(f.session, (const at_image *const *)f.images, 3, &o,
                                              batch, NULL),
                         AT_OK);
        same_map(some, 4, batch[0], 4);
        for (size_t i = 0; i < 3; i++) {
            at_tags *single = tag(&f, i, AT_HEAT_IDS, ids, 3);
            same_map(single, 0, batch[i], 0);
            at_tags_free(single);
            at_tags_free(batch[i]);
        }
        fix many;
        close_fix(&f);
        open_fix(&many, archs[k], 3);
        at_tags *threads = tag(&many, 0, AT_HEAT_IDS, ids, 3);
        same_map(some, 4, threads, 4);
        at_tags_free(threads);
        close_fix(&many);
        at_tags_free(plain);
        at_tags_free(found);
        at_tags_free(some);
        at_tags_free(alone);
        at_tags_free(again);
    }
}

/* A model's own embeddings as a set have its own labels' maps. */
static void labels_of_a_set(void **state)
{
    static const char *const archs[] = {"ram", "ram_plus"};
    static const at_label names[2] = {{.name = "one"}, {.name = "two"}};
    (void)state;
    for (size_t k = 0; k < AT_COUNT(archs); k++) {
        fix f;
        open_fix(&f, archs[k], 1);
        at_weights *w = NULL;
        assert_int_equal(at_weights_open(&w, path, NULL, &f.err), AT_OK);
        const at_weight *t = at_weights_find(w, "h.label_embed");
        float *rows = malloc(t->bytes);
        memcpy(rows, t->data, t->bytes);
        const size_t per = k ? 3 : 1, n_rows[2] = {per, per};
        at_labels *set = NULL;
        if (at_labels_from_rows(f.model, names, 2, rows, n_rows, &set, &f.err) != AT_OK ||
            at_session_set_labels(f.session, set, 0, &f.err) != AT_OK)
            fail_msg("%s", f.err.text);
        const size_t ids[] = {TINY_TAGS + 1, 1, TINY_TAGS, 0};
        at_tags *both = tag(&f, 1, AT_HEAT_IDS, ids, 4);
        same_map(both, 0, both, TINY_TAGS);
        same_map(both, 1, both, TINY_TAGS + 1);
        at_tags_free(both);
        at_labels_free(set);
        at_weights_close(w);
        free(rows);
        close_fix(&f);
    }
}

static void wrong_wishes(void **state)
{
    static const size_t ids[] = {0, TINY_TAGS};
    const at_tag_options wrong[] = {
        {.struct_size = sizeof *wrong, .heat = 3},
        {.struct_size = sizeof *wrong, .heat = AT_HEAT_IDS},
        {.struct_size = sizeof *wrong, .heat = AT_HEAT_IDS, .heat_ids = ids},
        {.struct_size = sizeof *wrong, .heat = AT_HEAT_IDS, .heat_ids = ids, .n_heat = 257},
        {.struct_size = sizeof *wrong, .heat = AT_HEAT_IDS, .heat_ids = ids, .n_heat = 2}};
    (void)state;
    fix f;
    open_fix(&f, "ram", 1);
    for (size_t i = 0; i < AT_COUNT(wrong); i++) {
        at_tags *t = (at_tags *)&f;
        assert_int_equal(at_session_tag(f.session, f.images[0], &wrong[i], &t, &f.err),
                         AT_E_INVALID_PARAMETER);
        assert_null(t);
        assert_non_null(strstr(f.err.text, "heat"));
    }
    at_tags_free(tag(&f, 0, AT_HEAT_IDS, ids, 1));
    close_fix(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_bits_however_asked),
        cmocka_unit_test(labels_of_a_set),
        cmocka_unit_test(wrong_wishes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
