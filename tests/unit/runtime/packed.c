/* Model files whose matrices are panels: they give the bits of the file they were made from, in every type; the
 * matrices are the mapping's own; what is not this device's is refused. */
#include "anytag/match.h"
#include "formats/weights.h"
#include "runtime/runtime.h"
#include "tests_cmocka.h"
#include "tiny_model.h"

#include <stdlib.h>
#include <unistd.h>

static const char first[] = "test_packed.first.tmp.gguf", rows[] = "test_packed.rows.tmp.gguf",
                  packed[] = "test_packed.tmp.gguf";

static void write_both(const char *arch, at_weight_type type)
{
    at_error err = {0};
    const at_convert_options o = {.struct_size = sizeof o, .type = type},
                             p = {.struct_size = sizeof p, .packed = 1};
    if (tiny_model_write(first, arch, &err) != AT_OK ||
        at_convert(first, rows, &o, &err) != AT_OK || at_convert(rows, packed, &p, &err) != AT_OK)
        fail_msg("%s", err.text);
}

static void remove_both(void)
{
    (void)unlink(first);
    (void)unlink(rows);
    (void)unlink(packed);
}

/* Logits of a picture and, where the model has a text part, what it makes of a text. */
typedef struct answer {
    float logits[TINY_TAGS];
    float text[TINY_WIDTH];
    char precision[8], id[65];
    uint64_t parameters;
} answer;

static answer ask(const char *path)
{
    answer a = {0};
    at_error err = {0};
    at_model *m = NULL;
    at_session *s = NULL;
    at_image *image = NULL;
    at_tags *tags = NULL;
    uint8_t rgb[9 * 7 * 3];
    for (size_t i = 0; i < sizeof rgb; i++)
        rgb[i] = (uint8_t)(i * 5);
    if (at_model_open(path, NULL, &m, &err) != AT_OK ||
        at_session_open(m, NULL, &s, &err) != AT_OK ||
        at_image_from_rgb(rgb, 9, 7, 27, NULL, &image, &err) != AT_OK ||
        at_session_tag(s, image, NULL, &tags, &err) != AT_OK)
        fail_msg("%s", err.text);
    memcpy(a.logits, at_tags_logits(tags), sizeof a.logits);
    (void)snprintf(a.precision, sizeof a.precision, "%s", at_model_precision(m));
    (void)snprintf(a.id, sizeof a.id, "%s", at_model_sha256(m));
    a.parameters = at_model_parameters(m);
    if (at_model_match_width(m)) {
        static const char *const text[] = {"a dog of the big house"};
        at_texts *set = NULL;
        if (at_session_texts(s, text, 1, &set, &err) != AT_OK) fail_msg("%s", err.text);
        memcpy(a.text, at_texts_vector(set, 0), sizeof a.text);
        at_texts_free(set);
    }
    at_tags_free(tags);
    at_image_free(image);
    at_session_close(s);
    at_model_close(m);
    return a;
}

static void same_answers(void **state)
{
    static const char *const archs[] = {"ram", "ram_plus", "tag2text"};
    (void)state;
    for (size_t i = 0; i < AT_COUNT(archs); i++) {
        for (int type = AT_WEIGHTS_F32; type <= AT_WEIGHTS_Q4_0; type++) {
            write_both(archs[i], (at_weight_type)type);
            const answer a = ask(rows), b = ask(packed);
            assert_memory_equal(&a, &b, sizeof a);
            assert_int_equal(a.text[0] != 0.0f, strcmp(archs[i], "tag2text") == 0);
        }
    }
    remove_both();
}

typedef struct looker {
    at_params base;
    const at_model *model;
    size_t n, types[AT_DTYPES_];
} looker;

static void look(at_params *base, const at_param *p)
{
    looker *l = (looker *)base;
    if (!at_param_is_matrix(p)) return;
    char name[80];
    (void)snprintf(name, sizeof name, AT_PANELS_NAME, p->name);
    const at_weight *t = at_weights_find(l->model->weights, name);
    const at_matrix *m = p->field;
    assert_non_null(t);
    assert_true(m->borrowed && m->data == t->data && m->bytes == t->bytes && m->type == t->type);
    assert_int_equal((uintptr_t)m->data % AT_ALIGN, 0);
    if (p->kind != AT_PARAM_TIED) assert_null(at_weights_find(l->model->weights, p->name));
    l->n++;
    l->types[m->type]++;
}

static void matrices_lie_in_the_file(void **state)
{
    (void)state;
    at_error err = {0};
    write_both("tag2text", AT_WEIGHTS_INT8);
    looker l = {.base = {.visit = look}};
    at_model *m = NULL;
    if (at_model_open(packed, NULL, &m, &err) != AT_OK ||
        at_model_need_texts(m, NULL, &err) != AT_OK)
        fail_msg("%s", err.text);
    assert_true(at_model_packed(m)[0]);
    l.model = m;
    at_network_params(m->net, &l.base);
    assert_true(l.n > 20 && l.types[AT_I8] > 10);
    at_model_close(m);
    if (at_model_open(rows, NULL, &m, &err) != AT_OK) fail_msg("%s", err.text);
    assert_string_equal(at_model_packed(m), "");
    at_model_close(m);
    remove_both();
}

/* The first `from` in the file becomes `to`, of the same length. */
static void patch(const char *path, const char *from, const char *to)
{
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    static char data[1 << 20];
    const size_t size = fread(data, 1, sizeof data, f), len = strlen(from);
    char *at = NULL;
    for (size_t i = 0; i + len <= size && !at; i++)
        if (memcmp(data + i, from, len) == 0) at = data + i;
    assert_non_null(at);
    assert_int_equal(fseek(f, at - data, SEEK_SET), 0);
    assert_int_equal(fwrite(to, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

static void refused(const char *path, at_compute compute, at_status status, const char *words)
{
    at_error err = {0};
    at_model *m = NULL;
    const at_model_options o = {.struct_size = sizeof o, .compute = compute};
    assert_int_equal(at_model_open(path, &o, &m, &err), status);
    assert_null(m);
    if (!strstr(err.text, words)) fail_msg("%s: no %s", err.text, words);
}

static void another_layout_is_refused(void **state)
{
    (void)state;
    at_error err = {0};
    at_convert_options o = {.struct_size = sizeof o, .type = AT_WEIGHTS_F16};
    write_both("ram", AT_WEIGHTS_F32);
    if (at_backend_cpu.computes_bf16())
        refused(packed, AT_COMPUTE_BF16, AT_E_MODEL_UNSUPPORTED, "products in f32");
    // what reads rows has none here
    assert_int_equal(at_convert(packed, first, &o, &err), AT_E_MODEL_UNSUPPORTED);
    o = (at_convert_options){.struct_size = sizeof o, .packed = 1};
    assert_int_equal(at_convert(packed, first, &o, &err), AT_E_MODEL_UNSUPPORTED);
    // a model is packed as it is
    o.type = AT_WEIGHTS_F16;
    assert_int_equal(at_convert(rows, first, &o, &err), AT_E_INVALID_PARAMETER);
    patch(packed, "floats and blocks ", "floats and blockz ");
    refused(packed, AT_COMPUTE_F32, AT_E_MODEL_UNSUPPORTED, "another processor");
    remove_both();
}

static void damage_is_refused(void **state)
{
    (void)state;
    write_both("ram_plus", AT_WEIGHTS_F32);
    patch(packed, "h.l0.o.w.panels", "h.l0.o.w.panel5");
    refused(packed, AT_COMPUTE_F32, AT_E_MODEL_DAMAGED, "h.l0.o.w.panels is missing");
    write_both("ram_plus", AT_WEIGHTS_F32);
    assert_int_equal(truncate(packed, 40000), 0);
    refused(packed, AT_COMPUTE_F32, AT_E_MODEL_DAMAGED, "not whole");
    remove_both();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_answers),
        cmocka_unit_test(matrices_lie_in_the_file),
        cmocka_unit_test(another_layout_is_refused),
        cmocka_unit_test(damage_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
