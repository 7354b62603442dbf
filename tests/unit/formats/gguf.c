/* GGUF: what is written comes back, to the bit; every wrong file is refused in words. */
#include "formats/gguf_write.h"
#include "hostile.h"

#include <math.h>

static const char path[] = "test_gguf.tmp.gguf";
static const uint64_t two[2] = {2, 3}, eight[1] = {8};

static void what_is_written_comes_back(void **state)
{
    (void)state;
    at_error err = {0};
    at_gguf_writer *g;
    const char *const names[] = {"dog", "", "狗"};
    const float floats[] = {0.5f, -0.0f, 1e-42f};
    const uint32_t ints[] = {7, 0, 0xffffffffu};
    const float a[6] = {1, -2, 3.25f, 1e-40f, INFINITY, 6};
    const uint16_t h[8] = {1, 2, 3, 4, 5, 6, 7, 0xffff};
    const uint64_t none[4] = {3, 0, 1, 2};
    assert_int_equal(at_gguf_create(&g, path, NULL, &err), AT_OK);
    at_gguf_str(g, "general.architecture", "ram_lite");
    at_gguf_u32(g, "k.u", 4585);
    at_gguf_f32(g, "k.f", 0.68f);
    at_gguf_bool(g, "k.b", true);
    at_gguf_strings(g, "k.names", names, 3);
    at_gguf_strings(g, "k.nobody", NULL, 0);
    at_gguf_floats(g, "k.floats", floats, 3);
    at_gguf_u32s(g, "k.ints", ints, 3);
    at_gguf_str(g, "k.sha", "0000000000000000000000000000000000000000000000000000000000000000");
    at_gguf_tensor(g, "a", AT_F32, two, 2);
    at_gguf_tensor(g, "empty", AT_F32, none, 4);
    at_gguf_tensor(g, "h", AT_F16, eight, 1);
    at_gguf_tensor(g, "b", AT_BF16, eight, 1);
    for (size_t i = 0; i < sizeof a; i += 5) // odd pieces
        at_gguf_data(g, (const char *)a + i, i + 5 > sizeof a ? sizeof a - i : 5);
    uint16_t both[16];
    memcpy(both, h, sizeof h);
    memcpy(both + 8, h, sizeof h);
    at_gguf_data(g, both, sizeof both); // a piece over the edge of two tensors
    at_gguf_patch_str(g, "k.sha",
                      "123456789012345678901234567890123456789012345678901234567890abcd");
    assert_int_not_equal(access(path, F_OK), 0); // PATH.part until it is whole
    if (at_gguf_finish(g, &err) != AT_OK) fail_msg("%s", err.text);
    assert_int_not_equal(access("test_gguf.tmp.gguf.part", F_OK), 0);

    at_weights *w;
    if (at_weights_open(&w, path, NULL, &err) != AT_OK) fail_msg("%s", err.text);
    (void)walk(w);
    assert_string_equal(at_weights_format(w), "gguf");
    assert_string_equal(at_weights_path(w), path);
    assert_string_equal(at_weights_str(w, "general.architecture", ""), "ram_lite");
    assert_string_equal(at_weights_str(w, "k.sha", ""),
                        "123456789012345678901234567890123456789012345678901234567890abcd");
    assert_string_equal(at_weights_str(w, "k.u", "other kind"), "other kind");
    assert_int_equal(at_weights_u64(w, "k.u", 0), 4585);
    assert_int_equal(at_weights_u64(w, "absent", 9), 9);
    assert_true((float)at_weights_f64(w, "k.f", 0) == 0.68f);
    assert_int_equal(at_weights_meta(w, "k.b")->type, AT_META_BOOL);
    assert_int_equal(at_weights_meta(w, "k.b")->v.u, 1);
    size_t n;
    const char *const *s = at_weights_strings(w, "k.names", &n);
    assert_int_equal(n, 3);
    assert_string_equal(s[0], "dog");
    assert_string_equal(s[1], "");
    assert_string_equal(s[2], "狗");
    assert_string_equal(at_weights_meta(w, "k.names")->type_name, "string[]");
    assert_non_null(at_weights_strings(w, "k.nobody", &n));
    assert_int_equal(n, 0);
    assert_memory_equal(at_weights_floats(w, "k.floats", &n), floats, sizeof floats);
    assert_null(at_weights_floats(w, "k.ints", &n));
    assert_int_equal(n, 0);
    const uint64_t *u = at_weights_ints(w, "k.ints", &n);
    assert_true(n == 3 && u[0] == 7 && u[1] == 0 && u[2] == 0xffffffffu);
    assert_int_equal(at_weights_count(w), 4);
    const at_weight *t = at_weights_find(w, "a");
    assert_true(t && t == at_weights_at(w, 0) && t->type == AT_F32 && t->n_dims == 2 &&
                t->dims[0] == 2 && t->dims[1] == 3);
    assert_int_equal(t->offset % 32, 0);
    assert_memory_equal(t->data, a, sizeof a);
    t = at_weights_find(w, "empty");
    assert_true(t && t->bytes == 0 && t->n_dims == 4 && t->dims[0] == 3 && t->dims[1] == 0 &&
                t->dims[3] == 2);
    t = at_weights_find(w, "h");
    assert_true(t->type == AT_F16 && t->bytes == sizeof h && t->offset % 32 == 0);
    assert_memory_equal(t->data, h, sizeof h);
    t = at_weights_find(w, "b");
    assert_true(t->type == AT_BF16);
    assert_memory_equal(t->data, h, sizeof h);
    at_weights_drop(w, t); // comes back when touched
    assert_memory_equal(t->data, h, sizeof h);
    assert_null(at_weights_find(w, "c"));
    at_weights_close(w);
    at_weights_close(NULL);
    (void)remove(path);
}

static void a_writer_that_is_misused_leaves_nothing(void **state)
{
    (void)state;
    at_error err = {0};
    at_gguf_writer *g;
    static const char longest[] =
        "a234567890123456789012345678901234567890123456789012345678901234"; // 64
    const struct {
        const char *name;
        size_t bytes; // of the 32 that the tensor has
    } cases[] = {{"short", 31}, {"long", 33}, {"none", 0}, {longest, 32}};
    for (size_t i = 0; i < AT_COUNT(cases); i++) {
        char data[64] = {0};
        assert_int_equal(at_gguf_create(&g, path, NULL, &err), AT_OK);
        at_gguf_tensor(g, cases[i].name, AT_F32, eight, 1);
        at_gguf_data(g, data, cases[i].bytes);
        assert_int_not_equal(at_gguf_finish(g, &err), AT_OK);
        assert_non_null(strstr(err.text, path));
        assert_int_not_equal(access("test_gguf.tmp.gguf.part", F_OK), 0);
        assert_int_not_equal(access(path, F_OK), 0);
    }
    assert_int_equal(at_gguf_create(&g, path, NULL, &err), AT_OK);
    at_gguf_abandon(g);
    at_gguf_abandon(NULL);
    assert_int_not_equal(access("test_gguf.tmp.gguf.part", F_OK), 0);
    assert_int_equal(at_gguf_create(&g, "no/such/dir/x.gguf", NULL, &err), AT_E_OUTPUT_FAILED);
    assert_null(g);
    assert_non_null(strstr(err.text, "no/such/dir/x.gguf"));
}

/* A small right file, which the wrong ones differ from in one place. */
static void make(bytes *b)
{
    gguf_head(b, 3, 2, 3);
    gguf_key_str(b, "general.architecture", "ram");
    gguf_key_u32(b, "general.alignment", 32);
    gguf_text(b, "tags");
    put_le(b, 9, 4);
    put_le(b, 8, 4);
    put_le(b, 2, 8);
    gguf_text(b, "dog");
    gguf_text(b, "cat");
    gguf_tensor(b, "t1", 2, (uint64_t[]){3, 2}, 0, 0);
    gguf_tensor(b, "t2", 1, (uint64_t[]){5}, 1, 32);
    put_pad(b, 32);
    for (int i = 0; i < 24; i++)
        put_le(b, (uint64_t)i, 1);
    put_pad(b, 32);
    for (int i = 0; i < 10; i++)
        put_le(b, (uint64_t)i, 1);
}

static void every_prefix_and_every_flip_is_harmless(void **state)
{
    (void)state;
    bytes b = {0};
    make(&b);
    expect_good(&b);
    expect_no_prefix(&b, 0);
    assert_true(try_flips(&b) > 100);
    drop(&b);
}

/* One key-value pair or one tensor entry, then nothing. */
static void one_key(bytes *b, uint32_t type)
{
    gguf_head(b, 3, 0, 1);
    gguf_text(b, "k");
    put_le(b, type, 4);
}

static void absurd_headers_are_refused(void **state)
{
    (void)state;
    bytes b = {0};
    const struct {
        uint32_t version;
        uint64_t tensors, keys;
        at_status status;
        const char *part;
    } heads[] = {
        {3, UINT64_MAX, 0, AT_E_MODEL_DAMAGED, "18446744073709551615 tensors"},
        {3, 0, UINT64_MAX, AT_E_MODEL_DAMAGED, "18446744073709551615 keys"},
        {3, 1u << 30, 1u << 30, AT_E_MODEL_DAMAGED, "claims"},
        {1, 0, 0, AT_E_MODEL_UNSUPPORTED, "version 1"},
        {4, 0, 0, AT_E_MODEL_UNSUPPORTED, "version 4"},
        {0x03000000, 0, 0, AT_E_MODEL_UNSUPPORTED, "big-endian"},
    };
    for (size_t i = 0; i < AT_COUNT(heads); i++) {
        gguf_head(&b, heads[i].version, heads[i].tensors, heads[i].keys);
        for (int k = 0; k < 64; k++)
            put_le(&b, 0, 1);
        expect_refused(&b, heads[i].status, heads[i].part);
        drop(&b);
    }
    expect_refused(&b, AT_E_MODEL_DAMAGED, "empty");
}

static void absurd_keys_are_refused(void **state)
{
    (void)state;
    bytes b = {0};
    // a key longer than the file
    gguf_head(&b, 3, 0, 1);
    put_le(&b, UINT64_MAX, 8);
    put_text(&b, "abcdefgh");
    expect_refused(&b, AT_E_MODEL_DAMAGED, "key");
    drop(&b);
    // a NUL inside a key: C would see another key
    gguf_head(&b, 3, 0, 1);
    put_le(&b, 3, 8);
    put(&b, "a\0b\4\0\0\0\1\0\0\0", 11);
    expect_refused(&b, AT_E_MODEL_DAMAGED, "key");
    drop(&b);
    one_key(&b, 13); // no such type
    put_le(&b, 0, 8);
    expect_refused(&b, AT_E_MODEL_DAMAGED, "type");
    drop(&b);
    one_key(&b, 8); // a string longer than the file
    put_le(&b, 1ull << 40, 8);
    put_text(&b, "abcdefgh");
    expect_refused(&b, AT_E_MODEL_DAMAGED, "k");
    drop(&b);
    static const uint32_t elements[] = {0, 4, 8, 9, 12, 99};
    for (size_t i = 0; i < AT_COUNT(elements);
         i++) { // arrays of 2^61 elements, of arrays, of nothing known
        one_key(&b, 9);
        put_le(&b, elements[i], 4);
        put_le(&b, 1ull << 61, 8);
        put_le(&b, 0, 8);
        expect_refused(&b, AT_E_MODEL_DAMAGED, "k");
        drop(&b);
    }
    gguf_head(&b, 3, 0, 2);
    gguf_key_u32(&b, "same", 1);
    gguf_key_u32(&b, "same", 2);
    expect_refused(&b, AT_E_MODEL_DAMAGED, "same");
    drop(&b);
    for (uint32_t alignment = 0; alignment < 32;
         alignment += 12) { // 0, 12, 24: the last is a good one
        gguf_head(&b, 3, 1, 1);
        gguf_key_u32(&b, "general.alignment", alignment);
        gguf_tensor(&b, "t", 1, (uint64_t[]){1}, 0, 0);
        put_pad(&b, alignment == 24 ? 24 : 8);
        put_le(&b, 0, 4);
        if (alignment == 24)
            expect_good(&b);
        else
            expect_refused(&b, AT_E_MODEL_DAMAGED, "alignment");
        drop(&b);
    }
}

static void absurd_tensors_are_refused(void **state)
{
    (void)state;
    static const struct {
        int n_dims;
        uint64_t dims[4];
        uint32_t type;
        uint64_t offset;
        at_status status;
        const char *part;
    } cases[] = {
        {1, {1ull << 62}, 0, 0, AT_E_MODEL_DAMAGED, "t"}, // bytes overflow
        {4,
         {1u << 31, 1u << 31, 1u << 31, 1u << 31},
         0,
         0,
         AT_E_MODEL_DAMAGED,
         "t"},                                                         // elements overflow
        {2, {1ull << 32, 1ull << 32}, 24, 0, AT_E_MODEL_DAMAGED, "t"}, // product 2^64 = 0
        {2, {0, 1ull << 40}, 0, 0, AT_OK, ""},                         // nothing, however said
        {1, {9}, 0, 0, AT_E_MODEL_DAMAGED, "36 bytes"},                // one element too many
        {1, {1}, 0, 32, AT_E_MODEL_DAMAGED, "t"},                      // behind the end
        {1, {1}, 0, UINT64_MAX - 31, AT_E_MODEL_DAMAGED, "t"},         // offset wraps
        {1, {1}, 0, 4, AT_E_MODEL_DAMAGED, "aligned"},
        {1, {32}, 3, 0, AT_E_MODEL_UNSUPPORTED, "q4_1"},
        {1, {32}, 8, 0, AT_E_MODEL_DAMAGED, "34 bytes"},
        {1, {31}, 8, 0, AT_E_MODEL_DAMAGED, "whole blocks"},
        {2, {33, 32}, 2, 0, AT_E_MODEL_DAMAGED, "whole blocks"}, // the fastest is the first there
        {2, {32, 33}, 2, 0, AT_E_MODEL_DAMAGED, "594 bytes"},
        {2, {32, 1ull << 62}, 8, 0, AT_E_MODEL_DAMAGED, "t"}, // bytes overflow
        {2, {1ull << 40, 1ull << 40}, 2, 0, AT_E_MODEL_DAMAGED, "t"},
        {0, {0}, 2, 0, AT_E_MODEL_DAMAGED, "whole blocks"},
        {1, {32}, 2, 0, AT_OK, ""},
        {1, {32}, 1000, 0, AT_E_MODEL_UNSUPPORTED, "1000"},
        {0, {0}, 0, 0, AT_OK, ""}, // a scalar
        {1, {8}, 0, 0, AT_OK, ""},
    };
    for (size_t i = 0; i < AT_COUNT(cases); i++) {
        bytes b = {0};
        gguf_head(&b, 3, 1, 0);
        gguf_tensor(&b, "t", cases[i].n_dims, cases[i].dims, cases[i].type, cases[i].offset);
        put_pad(&b, 32);
        for (int k = 0; k < 32; k++)
            put_le(&b, 1, 1);
        if (cases[i].status == AT_OK)
            expect_good(&b);
        else
            expect_refused(&b, cases[i].status, cases[i].part);
        drop(&b);
    }
    bytes b = {0};
    gguf_head(&b, 3, 1, 0);
    gguf_text(&b, "t");
    put_le(&b, 0xffffffffu, 4);
    put_le(&b, 0, 8);
    expect_refused(&b, AT_E_MODEL_DAMAGED, "tensor");
    drop(&b);
    gguf_head(&b, 3, 2, 0);
    gguf_tensor(&b, "twin", 1, (uint64_t[]){1}, 0, 0);
    gguf_tensor(&b, "twin", 1, (uint64_t[]){1}, 0, 32);
    put_pad(&b, 32);
    for (int k = 0; k < 64; k++)
        put_le(&b, 1, 1);
    expect_refused(&b, AT_E_MODEL_DAMAGED, "twin");
    drop(&b);
    gguf_head(&b, 3, 2, 0);
    gguf_tensor(&b, "one", 1, (uint64_t[]){9}, 0, 0);
    gguf_tensor(&b, "two", 1, (uint64_t[]){1}, 0, 32);
    put_pad(&b, 32);
    for (int k = 0; k < 64; k++)
        put_le(&b, 1, 1);
    expect_refused(&b, AT_E_MODEL_DAMAGED, "overlap");
    drop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_comes_back),
        cmocka_unit_test(a_writer_that_is_misused_leaves_nothing),
        cmocka_unit_test(every_prefix_and_every_flip_is_harmless),
        cmocka_unit_test(absurd_headers_are_refused),
        cmocka_unit_test(absurd_keys_are_refused),
        cmocka_unit_test(absurd_tensors_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
