/* .pth: right checkpoints in the shapes that trainers write, then wrong and malicious ones. */
#include "hostile.h"

static const int64_t d2x3[] = {2, 3}, s2x3[] = {3, 1}, s3x2t[] = {1, 2}, d4[] = {4}, s1[] = {1};

/* A checkpoint whose pickle is p (freed); data/0 holds 6 floats 1..6, data/1 4 halfs. */
static bytes archive(bytes *p, uint16_t method, int zip64)
{
    const float six[] = {1, 2, 3, 4, 5, 6};
    const uint16_t halfs[] = {0x3c00, 0x4000, 0x4200, 0x4400};
    zip_file z = {.method = method, .zip64 = zip64};
    zip_add(&z, "run/data.pkl", p->data, p->len);
    zip_add(&z, "run/byteorder", "little", 6);
    zip_add(&z, "run/data/0", six, sizeof six);
    zip_add(&z, "run/data/1", halfs, sizeof halfs);
    zip_add(&z, "run/version", "3\n", 2);
    zip_end(&z);
    drop(p);
    return z.out;
}

/* {'a': float [2,3], 'h': half [4], 'tied': the same storage as a, 't': its transpose, 'n': 7} */
static void state_dict(bytes *p)
{
    pk_ordered_dict(p);
    pk_op(p, "(");
    pk_str(p, "a");
    pk_tensor(p, "FloatStorage", "0", 6, 0, 2, d2x3, s2x3);
    pk_str(p, "h");
    pk_global(p, "torch._utils", "_rebuild_parameter");
    pk_op(p, "(");
    pk_tensor(p, "HalfStorage", "1", 4, 0, 1, d4, s1);
    put(p, "\x88", 1);
    pk_ordered_dict(p);
    pk_op(p, "tR");
    pk_str(p, "tied");
    pk_tensor(p, "FloatStorage", "0", 6, 0, 2, d2x3, s2x3);
    pk_str(p, "t");
    pk_tensor(p, "FloatStorage", "0", 6, 0, 2, d2x3, s3x2t);
    pk_str(p, "last");
    pk_tensor(p, "FloatStorage", "0", 6, 5, 0, NULL, NULL);
    pk_str(p, "n");
    pk_int(p, 7);
    pk_op(p, "u");
    pk_op(p, "}(");
    pk_str(p, "_metadata");
    pk_op(p, "}ub"); // BUILD
}

static void check_state(const bytes *b, const char *prefix)
{
    at_weights *w;
    at_error err = {0};
    if (at_weights_open_memory(&w, b->data, b->len, "x", NULL, &err) != AT_OK)
        fail_msg("%s", err.text);
    (void)walk(w);
    assert_string_equal(at_weights_format(w), "pth");
    assert_int_equal(at_weights_count(w), 5);
    char name[64];
    const at_weight *t[5];
    static const char *const names[] = {"a", "h", "tied", "t", "last"};
    for (int i = 0; i < 5; i++) {
        (void)snprintf(name, sizeof name, "%s%s", prefix, names[i]);
        t[i] = at_weights_find(w, name);
        assert_non_null(t[i]);
    }
    const float six[] = {1, 2, 3, 4, 5, 6}, turned[] = {1, 3, 5, 2, 4, 6};
    assert_true(t[0]->type == AT_F32 && t[0]->n_dims == 2 && t[0]->dims[0] == 2 &&
                t[0]->dims[1] == 3);
    assert_memory_equal(t[0]->data, six, sizeof six);
    assert_true((const uint8_t *)t[0]->data == b->data + t[0]->offset); // in place
    assert_true(t[1]->type == AT_F16 && t[1]->bytes == 8 && t[1]->n_dims == 1);
    assert_ptr_equal(t[2]->data, t[0]->data); // tied
    assert_memory_equal(t[3]->data, turned, sizeof turned);
    assert_true(t[4]->n_dims == 0 && t[4]->bytes == 4 && memcmp(t[4]->data, &six[5], 4) == 0);
    at_weights_close(w);
}

static void a_bare_state_dict_is_read(void **state)
{
    (void)state;
    bytes p = {0};
    pk_proto(&p);
    state_dict(&p);
    pk_op(&p, ".");
    bytes b = archive(&p, 0, 0);
    check_state(&b, "");
    drop(&b);
}

static void a_training_checkpoint_is_read(void **state)
{
    (void)state;
    for (int zip64 = 0; zip64 <= 1; zip64++) {
        bytes p = {0};
        pk_proto(&p);
        pk_op(&p, "}(");
        pk_str(&p, "step"); // a loose tensor beside the model
        pk_tensor(&p, "LongStorage", "0", 1, 0, 0, NULL, NULL);
        pk_str(&p, "config");
        pk_global(&p, "argparse", "Namespace");
        pk_op(&p, ")\x81}(");
        pk_str(&p, "lr");
        put(&p, "G\x3f\x50\x62\x4d\xd2\xf1\xa9\xfc", 9);
        pk_op(&p, "ub");
        pk_str(&p, "model");
        state_dict(&p);
        pk_str(&p, "optimizer"); // its bytes are not in the archive: nobody may ask for them
        pk_op(&p, "}(");
        pk_int(&p, 0);
        pk_tensor(&p, "FloatStorage", "99", 1 << 30, 0, 2, d2x3, s2x3);
        pk_op(&p, "u");
        pk_op(&p, "u.");
        bytes b = archive(&p, 0, zip64);
        check_state(&b, "");
        drop(&b);
    }
}

static void nested_dictionaries_join_their_keys(void **state)
{
    (void)state;
    bytes p = {0};
    pk_proto(&p);
    pk_op(&p, "}(");
    pk_str(&p, "outer");
    pk_op(&p, "}(");
    pk_int(&p, 7);
    state_dict(&p);
    pk_op(&p, "uu.");
    bytes b = archive(&p, 0, 0);
    check_state(&b, "outer.7.");
    drop(&b);
    pk_proto(&p);
    pk_tensor(&p, "FloatStorage", "0", 6, 0, 2, d2x3, s2x3);
    pk_op(&p, ".");
    b = archive(&p, 0, 0); // a bare tensor
    at_weights *w;
    assert_int_equal(at_weights_open_memory(&w, b.data, b.len, "x", NULL, NULL), AT_OK);
    assert_string_equal(at_weights_at(w, 0)->name, "tensor");
    at_weights_close(w);
    drop(&b);
}

/* The bytes of storage `i` follow as an element count and the elements. */
static bytes legacy(void)
{
    bytes b = {0};
    const float six[] = {1, 2, 3, 4, 5, 6};
    put(&b, "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
    put(&b, "\x80\x02M\xe9\x03.", 6);
    pk_proto(&b);
    pk_op(&b, "}(");
    pk_str(&b, "little_endian");
    put(&b, "\x88u.", 3);
    pk_proto(&b);
    state_dict(&b);
    pk_op(&b, ".");
    pk_proto(&b);
    pk_op(&b, "](");
    pk_str(&b, "1");
    pk_str(&b, "0");
    pk_op(&b, "e.");
    put_le(&b, 4, 8);
    put_le(&b, 0x4400420040003c00, 8);
    put_le(&b, 6, 8);
    put(&b, six, sizeof six);
    return b;
}

static void the_form_before_zip_is_read(void **state)
{
    (void)state;
    bytes b = legacy();
    check_state(&b, "");
    expect_no_prefix(&b, 0);
    assert_true(try_flips(&b) > 100);
    drop(&b);
}

static void prefixes_and_flips_are_harmless(void **state)
{
    (void)state;
    bytes p = {0};
    pk_proto(&p);
    pk_op(&p, "}(");
    pk_str(&p, "model");
    state_dict(&p);
    pk_op(&p, "u.");
    bytes b = archive(&p, 0, 0);
    expect_no_prefix(&b, 0);
    assert_true(try_flips(&b) > 100);
    drop(&b);
}

/* A pickle that is a whole one but for what it says. */
static void expect_pickle(bytes *p, at_status status, const char *part)
{
    bytes b = archive(p, 0, 0);
    expect_refused(&b, status, part);
    drop(&b);
}

static void a_pickle_that_calls_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *module, *name;
    } calls[] = {{"os", "system"},
                 {"posix", "system"},
                 {"builtins", "eval"},
                 {"__builtin__", "exec"},
                 {"builtins", "getattr"},
                 {"subprocess", "Popen"},
                 {"torch", "load"},
                 {"torch.hub", "load"},
                 {"numpy", "load"},
                 {"collectionsx", "OrderedDict"},
                 {"torch.storage", "_load_from_bytes"},
                 {"runpy", "_run_code"}};
    for (size_t i = 0; i < AT_COUNT(calls); i++) {
        char wanted[80];
        (void)snprintf(wanted, sizeof wanted, "%s.%s", calls[i].module, calls[i].name);
        bytes p = {0};
        pk_proto(&p);
        pk_global(&p, calls[i].module, calls[i].name);
        pk_op(&p, "(");
        pk_str(&p, "touch pwned");
        pk_op(&p, "tR.");
        expect_pickle(&p, AT_E_UNSAFE_PICKLE, wanted);
        put(&p, "\x80\x04", 2); // the same by STACK_GLOBAL
        pk_str(&p, calls[i].module);
        pk_str(&p, calls[i].name);
        put(&p, "\x93.", 2);
        expect_pickle(&p, AT_E_UNSAFE_PICKLE, wanted);
    }
    assert_int_not_equal(access("pwned", F_OK), 0);
    bytes p = {0};
    pk_proto(&p);
    pk_global(&p, "os\x1b[2J", "sys\ttem"); // nothing of it reaches the terminal raw
    pk_op(&p, ".");
    expect_pickle(&p, AT_E_UNSAFE_PICKLE, "os?[2J.sys?tem");
}

static void absurd_pickles_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *ops;
        size_t n;
        const char *part;
    } cases[] = {
        {".", 1, "one value"},
        {"(.", 2, "one value"},
        {"NN.", 3, "one value"},
        {"0.", 2, "takes more"},
        {"t.", 2, "no mark"},
        {"R.", 2, "takes more"},
        {"(0.", 3, "takes more"},
        {"\x87.", 2, "takes more"},
        {"NNNNR.", 6, "without arguments"},
        {"](NNNu.", 7, "holds none"},
        {"}(Nu.", 5, "holds none"},
        {"NNa.", 4, "holds none"},
        {"h\5.", 3, "never remembered"},
        {"j\xff\xff\xff\xff.", 6, "never remembered"},
        {"Nr\xff\xff\xff\xff.", 7, "absurd place"},
        {"X\xff\xff\xff\xffword.", 10, "inside a string"},
        {"\x8d\xff\xff\xff\xff\xff\xff\xff\xffword.", 14, "inside a string"},
        {"\x8b\xff\xff\xff\xff.", 6, "inside a number"},
        {"cos", 3, "inside a name"},
        {"N", 1, "no end"},
        {"NQ.", 3, "storage"},
        {"I1\n.", 4, "opcode 0x49"},
        {"\xff.", 2, "opcode 0xff"},
        {"(ios\nsystem\n.", 13, "opcode 0x69"},
        {"\x82\1.", 3, "opcode 0x82"},
    };
    for (size_t i = 0; i < AT_COUNT(cases); i++) {
        bytes p = {0};
        pk_proto(&p);
        put(&p, cases[i].ops, cases[i].n);
        expect_pickle(&p, AT_E_MODEL_DAMAGED, cases[i].part);
    }
    bytes p = {0};
    put(&p, "\x80\x09N.", 4);
    expect_pickle(&p, AT_E_MODEL_DAMAGED, "protocol");
    pk_op(&p, "N.");
    expect_pickle(&p, AT_E_MODEL_UNSUPPORTED, "without tensors");

    pk_proto(&p); // lists a hundred thousand deep
    for (int i = 0; i < 100000; i++)
        pk_op(&p, "](");
    for (int i = 0; i < 100000; i++)
        pk_op(&p, "e");
    pk_op(&p, ".");
    expect_pickle(&p, AT_E_MODEL_DAMAGED, "nested");
    pk_proto(&p); // a list that holds itself
    put(&p, "]q\0h\0a.", 7);
    expect_pickle(&p, AT_E_MODEL_DAMAGED, "nested");
    pk_proto(&p); // each of 60 dictionaries holds the one before twice: 2^60 paths
    put(&p, "}q\0", 3);
    for (int i = 0; i < 60; i++) {
        put(&p, "0}q\1(", 5);
        put(&p, "K\1h\0K\2h\0u0h\1q\0", 14);
    }
    pk_op(&p, ".");
    expect_pickle(&p, AT_E_MODEL_DAMAGED, "no end");
    pk_proto(&p); // a value a byte, two million of them
    pk_op(&p, "(");
    for (int i = 0; i < 2000000; i++)
        pk_op(&p, "N");
    pk_op(&p, "t.");
    expect_pickle(&p, AT_E_MODEL_DAMAGED, "more than 256 MiB");
}

static void absurd_tensors_are_refused(void **state)
{
    (void)state;
    const int64_t big = INT64_MAX / 2;
    const struct {
        const char *type, *key;
        int64_t numel, offset;
        int n;
        int64_t size[9], stride[9];
        at_status status;
        const char *part;
    } cases[] = {
        {"FloatStorage", "0", 6, 0, 1, {7}, {1}, AT_E_MODEL_DAMAGED, "reaches past"},
        {"FloatStorage", "0", 6, 1, 1, {6}, {1}, AT_E_MODEL_DAMAGED, "reaches past"},
        {"FloatStorage", "0", 6, 0, 2, {2, 3}, {4, 1}, AT_E_MODEL_DAMAGED, "reaches past"},
        {"FloatStorage",
         "0",
         7,
         0,
         1,
         {6},
         {1},
         AT_E_MODEL_DAMAGED,
         "reaches past"}, // more than the member has
        {"DoubleStorage", "0", 6, 0, 1, {1}, {1}, AT_E_MODEL_DAMAGED, "reaches past"},
        {"FloatStorage", "0", 6, 0, 2, {big, big}, {1, 1}, AT_E_MODEL_DAMAGED, "reaches past"},
        {"FloatStorage", "0", 6, 0, 2, {3, 2}, {big, big}, AT_E_MODEL_DAMAGED, "reaches past"},
        {"FloatStorage", "0", big, 0, 1, {6}, {1}, AT_E_MODEL_DAMAGED, "reaches past"},
        {"FloatStorage", "0", 6, big, 1, {1}, {1}, AT_E_MODEL_DAMAGED, "reaches past"},
        {"FloatStorage", "0", 6, -1, 1, {1}, {1}, AT_E_MODEL_DAMAGED, "known form"},
        {"FloatStorage", "0", -6, 0, 1, {1}, {1}, AT_E_MODEL_DAMAGED, "known form"},
        {"FloatStorage", "0", 6, 0, 1, {-1}, {1}, AT_E_MODEL_DAMAGED, "known form"},
        {"FloatStorage", "0", 6, 5, 1, {6}, {-1}, AT_E_MODEL_DAMAGED, "known form"},
        {"FloatStorage",
         "0",
         6,
         0,
         9,
         {1, 1, 1, 1, 1, 1, 1, 1, 1},
         {1, 1, 1, 1, 1, 1, 1, 1, 1},
         AT_E_MODEL_DAMAGED,
         "known form"},
        {"FloatStorage",
         "0",
         6,
         0,
         1,
         {1 << 30},
         {0},
         AT_E_MODEL_UNSUPPORTED,
         "contiguous"}, // one float, 4 GiB of it
        {"FloatStorage", "2", 6, 0, 1, {6}, {1}, AT_E_MODEL_DAMAGED, "not in the archive"},
        {"FloatStorage", "../version", 6, 0, 1, {6}, {1}, AT_E_MODEL_DAMAGED, "not in the archive"},
        {"QInt8Storage", "0", 6, 0, 1, {6}, {1}, AT_E_MODEL_UNSUPPORTED, "without tensors"},
    };
    for (size_t i = 0; i < AT_COUNT(cases); i++) {
        bytes p = {0};
        pk_proto(&p);
        pk_op(&p, "}");
        pk_str(&p, "w");
        pk_tensor(&p, cases[i].type, cases[i].key, cases[i].numel, cases[i].offset, cases[i].n,
                  cases[i].size, cases[i].stride);
        pk_op(&p, "s.");
        expect_pickle(&p, cases[i].status, cases[i].part);
    }
    bytes p = {0};
    pk_proto(&p);
    pk_op(&p, "}(");
    for (int i = 0; i < 2; i++) {
        pk_str(&p, "twin");
        pk_tensor(&p, "FloatStorage", "0", 6, 0, 2, d2x3, s2x3);
    }
    pk_op(&p, "u.");
    expect_pickle(&p, AT_E_MODEL_DAMAGED, "twin");
}

/* The offset of the n-th place where `what` stands. */
static size_t find(const bytes *b, const char *what, size_t len, int n)
{
    for (size_t i = 0; i + len <= b->len; i++) {
        if (memcmp(b->data + i, what, len) == 0 && n-- == 0) return i;
    }
    fail_msg("no %s", what);
    return 0;
}

static void set_le(bytes *b, size_t at, uint64_t v, int n)
{
    for (int i = 0; i < n; i++)
        b->data[at + (size_t)i] = (uint8_t)(v >> (8 * i));
}

static void archives_that_lie_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *where; // a signature
        int nth;
        size_t at; // behind its beginning
        uint64_t value;
        int bytes;
        at_status status;
        const char *part;
    } lies[] = {
        {"PK\1\2", 2, 24, 1000000, 4, AT_E_MODEL_DAMAGED, "claims"},     // size of data/0
        {"PK\1\2", 0, 24, 0xfffffffe, 4, AT_E_MODEL_DAMAGED, "claims"},  // size of the pickle
        {"PK\1\2", 0, 24, 0xffffffff, 4, AT_E_MODEL_DAMAGED, "entry 0"}, // zip64 without its field
        {"PK\1\2", 2, 42, 0x7fffffff, 4, AT_E_MODEL_DAMAGED, "not where"},
        {"PK\1\2", 2, 42, 0, 4, AT_E_MODEL_DAMAGED, "another name"}, // the pickle as a storage
        {"PK\1\2", 2, 10, 8, 2, AT_E_MODEL_UNSUPPORTED, "compressed"},
        {"PK\1\2", 0, 8, 1, 2, AT_E_MODEL_UNSUPPORTED, "encrypted"},
        {"PK\1\2", 0, 28, 65535, 2, AT_E_MODEL_DAMAGED, "entry 0"},
        {"PK\1\2", 1, 0, 0, 4, AT_E_MODEL_DAMAGED, "entry 1"},
        {"PK\5\6", 0, 16, 0x7fffffff, 4, AT_E_MODEL_DAMAGED, "directory"}, // outside
        {"PK\5\6", 0, 12, 0x7fffffff, 4, AT_E_MODEL_DAMAGED, "directory"},
        {"PK\5\6", 0, 10, 65000, 2, AT_E_MODEL_DAMAGED, "directory"},
        {"PK\5\6", 0, 0, 0, 4, AT_E_MODEL_DAMAGED, "directory"},
        {"little", 0, 0, 'b', 1, AT_E_MODEL_UNSUPPORTED, "big-endian"},
    };
    for (size_t i = 0; i < AT_COUNT(lies); i++) {
        bytes p = {0};
        pk_proto(&p);
        state_dict(&p);
        pk_op(&p, ".");
        bytes b = archive(&p, 0, 0);
        set_le(&b, find(&b, lies[i].where, strlen(lies[i].where), lies[i].nth) + lies[i].at,
               lies[i].value, lies[i].bytes);
        expect_refused(&b, lies[i].status, lies[i].part);
        drop(&b);
    }
    static const struct {
        const char *one, *two;
        at_status status;
        const char *part;
    } pairs[] = {{"r/data.pkl", "r/data.pkl", AT_E_MODEL_DAMAGED, "twice"},
                 {"r/data.pkl", "s/data.pkl", AT_E_MODEL_DAMAGED, "two pickles"},
                 {"word/document.xml", "word/styles.xml", AT_E_MODEL_UNSUPPORTED,
                  "not a PyTorch checkpoint"}};
    for (size_t i = 0; i < AT_COUNT(pairs); i++) {
        zip_file z = {0};
        zip_add(&z, pairs[i].one, "N.", 2);
        zip_add(&z, pairs[i].two, "N.", 2);
        zip_end(&z);
        expect_refused(&z.out, pairs[i].status, pairs[i].part);
        drop(&z.out);
    }
}

static void other_files_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        at_status status;
        const char *part;
    } cases[] = {{"", AT_E_MODEL_DAMAGED, "empty"},
                 {"version https://git-lfs.github.com/spec/v1\n", AT_E_MODEL_UNSUPPORTED,
                  "Git LFS"},
                 {"<!DOCTYPE html>", AT_E_MODEL_UNSUPPORTED, "web page"},
                 {"\x80\x04N.", AT_E_MODEL_UNSUPPORTED, "bare pickle"},
                 {"GIF89a", AT_E_MODEL_UNSUPPORTED, "neither"}};
    for (size_t i = 0; i < AT_COUNT(cases); i++) {
        bytes b = {0};
        put_text(&b, cases[i].text);
        expect_refused(&b, cases[i].status, cases[i].part);
        drop(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bare_state_dict_is_read),
        cmocka_unit_test(a_training_checkpoint_is_read),
        cmocka_unit_test(nested_dictionaries_join_their_keys),
        cmocka_unit_test(the_form_before_zip_is_read),
        cmocka_unit_test(prefixes_and_flips_are_harmless),
        cmocka_unit_test(a_pickle_that_calls_is_refused),
        cmocka_unit_test(absurd_pickles_are_refused),
        cmocka_unit_test(absurd_tensors_are_refused),
        cmocka_unit_test(archives_that_lie_are_refused),
        cmocka_unit_test(other_files_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
