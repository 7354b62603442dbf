/* safetensors: a right file, then every rule of the format broken once. */
#include "hostile.h"

static void make(bytes *b, const char *header, size_t data)
{
    put_le(b, strlen(header), 8);
    put_text(b, header);
    for (size_t i = 0; i < data; i++)
        put_le(b, i + 1, 1);
}

static const char good[] =
    "{\"__metadata__\":{\"format\":\"pt\"},"
    "\"b\":{\"dtype\":\"BF16\",\"shape\":[2,1],\"data_offsets\":[12,16]},"
    "\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]},"
    "\"s\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[16,24]},"
    "\"none\":{\"dtype\":\"U8\",\"shape\":[0,7],\"data_offsets\":[24,24]}}  ";

static void a_right_file_is_read(void **state)
{
    (void)state;
    bytes b = {0};
    make(&b, good, 24);
    at_weights *w;
    at_error err = {0};
    if (at_weights_open_memory(&w, b.data, b.len, "x", NULL, &err) != AT_OK)
        fail_msg("%s", err.text);
    (void)walk(w);
    assert_string_equal(at_weights_format(w), "safetensors");
    assert_int_equal(at_weights_count(w), 4);
    assert_string_equal(at_weights_at(w, 0)->name, "a"); // in the order of the data
    const at_weight *t = at_weights_find(w, "b");
    assert_true(t && t->type == AT_BF16 && t->n_dims == 2 && t->dims[0] == 2 && t->dims[1] == 1 &&
                t->bytes == 4);
    assert_true(((const uint8_t *)t->data)[0] == 13 && t->offset == sizeof good - 1 + 8 + 12);
    assert_int_equal(at_weights_find(w, "s")->n_dims, 0);
    assert_int_equal(at_weights_find(w, "none")->bytes, 0);
    assert_string_equal(at_weights_str(w, "format", ""), "pt");
    assert_string_equal(at_weights_meta(w, "format")->type_name, "string");
    at_weights_close(w);
    drop(&b);
}

static void prefixes_and_flips_are_harmless(void **state)
{
    (void)state;
    bytes b = {0};
    make(&b, good, 24);
    expect_no_prefix(&b, 0);
    assert_true(try_flips(&b) > 100);
    drop(&b);
}

static void broken_rules_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data;
        at_status status;
        const char *part;
    } cases[] = {
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}",
         12, AT_E_MODEL_DAMAGED, "b overlaps"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}",
         12, AT_E_MODEL_DAMAGED, "gap"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 8, AT_E_MODEL_DAMAGED,
         "belong to no tensor"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 4, AT_E_MODEL_DAMAGED,
         "outside"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8, AT_E_MODEL_DAMAGED,
         "outside"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}}", 8, AT_E_MODEL_DAMAGED,
         "outside"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8, AT_E_MODEL_DAMAGED,
         "12 bytes"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,8]}}", 8, AT_E_MODEL_DAMAGED,
         "shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387905],\"data_offsets\":[0,4]}}", 4,
         AT_E_MODEL_DAMAGED, "shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1e3],\"data_offsets\":[0,4]}}", 4,
         AT_E_MODEL_DAMAGED, "shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4,
         AT_E_MODEL_DAMAGED, "a has no"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,4]}}", 4,
         AT_E_MODEL_DAMAGED, "JSON"},
        {"{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4,
         AT_E_MODEL_UNSUPPORTED, "F8_E4M3"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
         4, AT_E_MODEL_DAMAGED, "duplicate"},
        {"{\"a\":[]}", 0, AT_E_MODEL_DAMAGED, "a has no"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,\"4\"]}}", 4,
         AT_E_MODEL_DAMAGED, "data_offsets"},
        {"{\"a", 0, AT_E_MODEL_DAMAGED, "JSON"},
        {"{}x", 0, AT_E_MODEL_DAMAGED, "JSON"},
        {"{\"\\u0007bell\":[]}", 0, AT_E_MODEL_DAMAGED,
         "?bell"}, // nothing of the file reaches the terminal raw
    };
    for (size_t i = 0; i < AT_COUNT(cases); i++) {
        bytes b = {0};
        make(&b, cases[i].header, cases[i].data);
        expect_refused(&b, cases[i].status, cases[i].part);
        drop(&b);
    }
}

static void a_header_cannot_blow_up(void **state)
{
    (void)state;
    bytes b = {0};
    put_le(&b, UINT64_MAX - 3, 8); // longer than the file
    put_text(&b, "{}");
    expect_refused(&b, AT_E_MODEL_DAMAGED, "header claims");
    drop(&b);
    put_le(&b, 1 << 20, 8); // a million small lists
    put_text(&b, "{\"a\":[");
    while (b.len < 8 + (1 << 20) - 4)
        put_text(&b, "[],");
    while (b.len < 8 + (1 << 20))
        put_text(&b, "]");
    expect_refused(&b, AT_E_MODEL_DAMAGED, "not a list of tensors");
    drop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_right_file_is_read),
        cmocka_unit_test(prefixes_and_flips_are_harmless),
        cmocka_unit_test(broken_rules_are_refused),
        cmocka_unit_test(a_header_cannot_blow_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
