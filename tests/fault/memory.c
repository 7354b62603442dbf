/* Every allocation of every public call fails in turn, alone (0) or with all behind it (1): the call says
 * out-of-memory, leaves nothing behind, and works the next time. And no thread can be made. */
#include "anytag/convert.h"
#include "anytag/heat.h"
#include "anytag/inspect.h"
#include "anytag/labels.h"
#include "anytag/match.h"
#include "anytag/quantize.h"
#include "anytag/writer.h"
#include "tests_cmocka.h"
#include "tiny_model.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

/* --- what fails ------------------------------------------------------------------------------------ */

static struct {
    atomic_long left; // allocations until the one that fails; below 0: none does
    atomic_long live; // blocks of the host's allocator that are not yet released
    atomic_long own;  // allocations that went past the host's allocator
    atomic_bool armed, fired, from_then_on, no_threads;
} fault;

static bool fails(void)
{
    if (!fault.armed) return false;
    const long left = atomic_fetch_sub(&fault.left, 1);
    if (left > 0 || (left < 0 && !fault.from_then_on)) return false;
    fault.fired = true;
    return true;
}

void *__real_aligned_alloc(size_t align, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
int __real_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*f)(void *), void *arg);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*f)(void *), void *arg);

void *__wrap_aligned_alloc(size_t align, size_t size)
{
    atomic_fetch_add(&fault.own, 1);
    return fails() ? NULL : __real_aligned_alloc(align, size);
}
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*f)(void *), void *arg)
{
    return fault.no_threads ? EAGAIN : __real_pthread_create(t, a, f, arg);
}

static void *host_alloc(void *user, size_t size, size_t align)
{
    (void)user;
    if (fails()) return NULL;
    atomic_fetch_add(&fault.live, 1);
    return __real_aligned_alloc(align, size);
}
static void host_release(void *user, void *p)
{
    (void)user;
    if (p) atomic_fetch_sub(&fault.live, 1);
    free(p);
}
static const at_allocator host = {.alloc = host_alloc, .release = host_release};

/* --- what it is done to ------------------------------------------------------------------------------ */

typedef struct fix {
    const char *model_path;
    at_model *model;
    at_session *session;
    at_image *image;
    void *jpeg;
    size_t jpeg_size;
    float logits[TINY_TAGS];
    const char *format;
} fix;

static at_status call_model(fix *f, at_error *err)
{
    const at_model_options o = {.struct_size = sizeof o, .threads = 2, .allocator = &host};
    at_model *m = (at_model *)f;
    const at_status status = at_model_open(f->model_path, &o, &m, err);
    assert_true((status == AT_OK) == (m != NULL));
    at_model_close(m);
    return status;
}

static at_status call_session(fix *f, at_error *err)
{
    const size_t only[2] = {3, 1};
    at_status status = AT_OK;
    for (int subset = 0; subset < 2 && status == AT_OK; subset++) {
        const at_session_options o = {.struct_size = sizeof o,
                                      .threads = 2,
                                      .max_batch = 2,
                                      .only = subset ? only : NULL,
                                      .n_only = subset ? 2 : 0};
        at_session *s = (at_session *)f;
        status = at_session_open(f->model, &o, &s, err);
        assert_true((status == AT_OK) == (s != NULL));
        at_session_close(s);
    }
    return status;
}

static at_status call_image(fix *f, at_error *err)
{
    const at_image_options o = {.struct_size = sizeof o, .allocator = &host};
    at_image *i = (at_image *)f;
    at_status status = at_image_decode(f->jpeg, f->jpeg_size, "x.jpg", &o, &i, err);
    assert_true((status == AT_OK) == (i != NULL));
    at_image_free(i);
    if (status != AT_OK) return status;
    const uint8_t rgb[2 * 2 * 3] = {1, 2, 3};
    status = at_image_from_rgb(rgb, 2, 2, 6, &o, &i, err);
    assert_true((status == AT_OK) == (i != NULL));
    at_image_free(i);
    return status;
}

static at_status call_thumbnail(fix *f, at_error *err)
{
    void *jpeg = f;
    size_t size;
    const at_status status = at_image_thumbnail(f->image, 16, 80, &jpeg, &size, err);
    if (status == AT_OK) at_buffer_free(jpeg);
    return status;
}

static at_status call_tag(fix *f, at_error *err)
{
    at_tags *t = (at_tags *)f;
    const at_status status = at_session_tag(f->session, f->image, NULL, &t, err);
    assert_true((status == AT_OK) == (t != NULL));
    if (t) assert_memory_equal(at_tags_logits(t), f->logits, sizeof f->logits);
    at_tags_free(t);
    return status;
}

static at_status call_heat(fix *f, at_error *err)
{
    static const size_t ids[] = {1, 0};
    const at_tag_options o = {
        .struct_size = sizeof o, .heat = AT_HEAT_IDS, .heat_ids = ids, .n_heat = 2};
    at_tags *t = NULL;
    at_session *s = NULL; // of its own: it keeps what the first call with maps needs
    at_heat_map map;
    at_status status = at_session_open(f->model, NULL, &s, err);
    if (status == AT_OK) status = at_session_tag(s, f->image, &o, &t, err);
    assert_true((status == AT_OK) == (t != NULL));
    if (t) assert_true(at_tags_heat(t, 0, &map) && at_tags_heat(t, 1, &map));
    at_tags_free(t);
    at_session_close(s);
    return status;
}

static at_status call_batch(fix *f, at_error *err)
{
    enum { N = 3 }; // two passes
    const at_image *const images[N] = {f->image, f->image, f->image};
    at_tags *tags[N] = {(at_tags *)f, (at_tags *)f, (at_tags *)f};
    at_error errs[N] = {{0}};
    const at_status status = at_session_tag_batch(f->session, images, N, NULL, tags, errs);
    size_t good = 0;
    for (int i = 0; i < N; i++) {
        good += tags[i] != NULL;
        if (tags[i])
            assert_memory_equal(at_tags_logits(tags[i]), f->logits, sizeof f->logits);
        else
            assert_int_equal(errs[i].status, AT_E_OUT_OF_MEMORY);
        at_tags_free(tags[i]);
    }
    if (status == AT_OK) assert_int_equal(good, N);
    if (status == AT_E_PARTIAL) assert_in_range(good, 1, N - 1);
    for (int i = 0; i < N && status != AT_OK && !err->text[0]; i++)
        *err = errs[i];
    return status == AT_OK ? AT_OK : AT_E_OUT_OF_MEMORY;
}

static at_status look(void *user, const char *stage, const float *data, const size_t *dims,
                      int n_dims)
{
    (void)stage, (void)data, (void)dims, (void)n_dims;
    ++*(size_t *)user;
    return AT_OK;
}

static at_status call_inspect(fix *f, at_error *err)
{
    at_tags *t = (at_tags *)f;
    size_t stages = 0;
    const at_status status = at_session_inspect(f->session, f->image, NULL, look, &stages, &t, err);
    assert_true((status == AT_OK) == (t != NULL));
    if (status == AT_OK) assert_true(stages > 10);
    at_tags_free(t);
    return status;
}

static at_status call_weight_file(fix *f, at_error *err)
{
    at_weight_file *w = (at_weight_file *)f;
    at_tensor_stats stats;
    at_status status = at_weight_file_open(f->model_path, &w, err);
    assert_true((status == AT_OK) == (w != NULL));
    if (status == AT_OK) status = at_weight_file_stats(w, 0, &stats, err);
    at_weight_file_close(w);
    return status;
}

static at_status call_convert(fix *f, at_error *err)
{
    static const char out[] = "test_fault.tmp.out.gguf", part[] = "test_fault.tmp.out.gguf.part";
    const at_convert_options o = {.struct_size = sizeof o, .type = AT_WEIGHTS_F16};
    const at_status status = at_convert(f->model_path, out, &o, err);
    assert_int_equal(access(out, F_OK) == 0, status == AT_OK);
    assert_int_not_equal(access(part, F_OK), 0);
    (void)unlink(out);
    return status;
}

/* Packed, then opened where it lies. */
static at_status call_packed(fix *f, at_error *err)
{
    static const char out[] = "test_fault.tmp.packed.gguf",
                      part[] = "test_fault.tmp.packed.gguf.part";
    const at_convert_options o = {.struct_size = sizeof o, .packed = 1};
    fix of_it = {.model_path = out};
    at_status status = at_convert(f->model_path, out, &o, err);
    assert_int_equal(access(out, F_OK) == 0, status == AT_OK);
    assert_int_not_equal(access(part, F_OK), 0);
    if (status == AT_OK) status = call_model(&of_it, err);
    (void)unlink(out);
    return status;
}

static at_status call_quantize(fix *f, at_error *err)
{
    static const char out[] = "test_fault.tmp.int8.gguf", part[] = "test_fault.tmp.int8.gguf.part";
    static const char *const pictures[] = {"test_fault.tmp.jpg"};
    const bool armed = fault.armed;
    fault.armed = false; // stdio's own memory is not ours
    FILE *jpeg = fopen(pictures[0], "wb");
    assert_non_null(jpeg);
    assert_int_equal(fwrite(f->jpeg, 1, f->jpeg_size, jpeg), f->jpeg_size);
    assert_int_equal(fclose(jpeg), 0);
    fault.armed = armed;
    const at_quantize_options o = {.struct_size = sizeof o,
                                   .threads = 1,
                                   .pictures = pictures,
                                   .n_pictures = 1,
                                   .keep_above = 1};
    at_quantized *q = (at_quantized *)f;
    const at_status status = at_quantize(f->model_path, out, &o, &q, err);
    assert_true((status == AT_OK) == (q != NULL));
    if (status == AT_OK) assert_true(at_quantized_layers(q) > 5);
    at_quantized_free(q);
    assert_int_not_equal(access(part, F_OK), 0);
    (void)unlink(out);
    (void)unlink(pictures[0]);
    return status;
}

static at_status swallow(void *user, const void *data, size_t size, at_error *err)
{
    (void)user, (void)data, (void)size, (void)err;
    return AT_OK;
}

static at_status call_writer(fix *f, at_error *err)
{
    const at_writer_options o = {.struct_size = sizeof o, .lang = "en,zh", .all_scores = 1};
    const at_error wrong = {.status = AT_E_NOT_FOUND, .text = "gone: no such file"};
    at_tags *t = NULL;
    at_writer *w = NULL;
    at_status status = at_session_tag(f->session, f->image, NULL, &t, err);
    if (status == AT_OK) status = at_writer_open(f->format, &o, swallow, NULL, &w, err);
    const at_record good = {.struct_size = sizeof good,
                            .name = "a",
                            .path = "b/a",
                            .model = f->model,
                            .image = f->image,
                            .tags = t};
    const at_record bad = {
        .struct_size = sizeof bad, .name = "c", .model = f->model, .error = &wrong};
    if (status == AT_OK) status = at_writer_add(w, &good, err);
    if (status == AT_OK) status = at_writer_add(w, &bad, err);
    if (status == AT_OK) status = at_writer_finish(w, err);
    at_writer_close(w);
    at_tags_free(t);
    return status;
}

static void read_logits(fix *f, float logits[TINY_TAGS])
{
    at_tags *t;
    at_error err = {0};
    if (at_session_tag(f->session, f->image, NULL, &t, &err) != AT_OK) fail_msg("%s", err.text);
    assert_int_equal(at_tags_scores_count(t), TINY_TAGS);
    memcpy(logits, at_tags_logits(t), sizeof f->logits);
    at_tags_free(t);
}

/* A set made, kept by a session, changed, written and read; the session is left as it was. */
static at_status call_labels(fix *f, at_error *err)
{
    enum { N = 3, MOST = 64 };
    static const at_label names[N] = {{.name = "one"}, {.name = "two"}, {.name = "three"}};
    static const float thresholds[N] = {0.1f, 0.2f, 0.3f};
    float rows[N * MOST];
    const size_t width = at_model_label_width(f->model);
    assert_in_range(width, 1, MOST);
    for (size_t i = 0; i < N * width; i++)
        rows[i] = sinf((float)i);
    at_labels *set = (at_labels *)f, *other = NULL;
    at_status status = at_labels_from_rows(f->model, names, N, rows, NULL, &set, err);
    assert_true((status == AT_OK) == (set != NULL));
    if (status == AT_OK) status = at_labels_with_thresholds(set, thresholds, &other, err);
    if (status == AT_OK) status = at_session_set_labels(f->session, other, 0, err);
    at_tags *t = NULL;
    if (status == AT_OK) status = at_session_tag(f->session, f->image, NULL, &t, err);
    if (status == AT_OK) assert_int_equal(at_tags_scores_count(t), TINY_TAGS + N);
    at_tags_free(t);
    at_labels_free(set);
    at_labels_free(other);
    const bool armed = fault.armed;
    fault.armed = false; // the way back must not fail for want of memory
    at_error why = {0};
    assert_int_equal(at_session_set_labels(f->session, NULL, 0, &why), AT_OK);
    float logits[TINY_TAGS];
    read_logits(f, logits);
    assert_memory_equal(logits, f->logits, sizeof logits);
    fault.armed = armed;
    return status;
}

static at_status call_labels_file(fix *f, at_error *err)
{
    static const char path[] = "test_fault.tmp.set.gguf", part[] = "test_fault.tmp.set.gguf.part";
    static const at_label name = {.name = "one"};
    const float rows[64] = {1};
    at_labels *set = NULL, *back = NULL;
    at_status status = at_labels_from_rows(f->model, &name, 1, rows, NULL, &set, err);
    if (status == AT_OK) status = at_labels_save(set, path, err);
    if (status == AT_OK) status = at_labels_open(path, &host, &back, err);
    if (status == AT_OK) assert_string_equal(at_labels_name(back, 0, "en"), "one");
    at_labels_free(set);
    at_labels_free(back);
    assert_int_not_equal(access(part, F_OK), 0);
    (void)unlink(path);
    return status;
}

/* A session, two pictures, three texts, all formats. */
static at_status call_match(fix *f, at_error *err)
{
    static const char *const words[] = {"a dog", "the big tree house, of a cat", "dogs"};
    const at_session_options so = {.struct_size = sizeof so, .threads = 1, .max_batch = 2};
    at_session *s = NULL;
    at_features *pictures[2] = {NULL, NULL};
    at_texts *texts = (at_texts *)f;
    at_matches *m = (at_matches *)f;
    at_status status = at_session_open(f->model, &so, &s, err);
    for (int i = 0; i < 2 && status == AT_OK; i++) {
        pictures[i] = (at_features *)f;
        status = at_session_features(s, f->image, NULL, &pictures[i], err);
        assert_true((status == AT_OK) == (pictures[i] != NULL));
    }
    const bool looked = status == AT_OK;
    if (looked) status = at_session_texts(s, words, 3, &texts, err);
    const bool read = status == AT_OK;
    if (looked) assert_true(read == (texts != NULL));
    if (read)
        status = at_session_match(s, (const at_features *const *)pictures, 2, texts, NULL, &m, err);
    const bool matched = status == AT_OK;
    if (read) assert_true(matched == (m != NULL));
    static const char *const names[] = {"a.jpg", "b,\"c\".jpg"};
    for (const char *const *format = (const char *const[]){"text", "json", "jsonl", "csv", NULL};
         *format && status == AT_OK; format++)
        status = at_matches_write(m, *format, names, NULL, swallow, NULL, err);
    if (matched) at_matches_free(m);
    if (read) at_texts_free(texts);
    at_features_free(pictures[0]);
    at_features_free(pictures[1]);
    at_session_close(s);
    return status;
}

/* --- the rounds -------------------------------------------------------------------------------------- */

typedef at_status (*call_fn)(fix *f, at_error *err);

/* Returns how many allocations the call makes. */
static long fail_each(fix *f, call_fn call, const char *name)
{
    long n = 0;
    for (int from_then_on = 0; from_then_on < 2; from_then_on++) {
        bool fired = true;
        for (n = 0; fired; n++) {
            at_error err = {0};
            const long live = fault.live;
            fault.left = n;
            fault.fired = false;
            fault.from_then_on = from_then_on;
            fault.armed = true;
            const at_status status = call(f, &err);
            fault.armed = false;
            fired = fault.fired;
            if (fired != (status != AT_OK) || (fired && status != AT_E_OUT_OF_MEMORY))
                fail_msg("%s, allocation %ld (%d): %s, \"%s\"", name, n, from_then_on,
                         at_status_code(status), err.text);
            if (fired && (err.status != status || !err.text[0]))
                fail_msg("%s, allocation %ld: the error says %s, \"%s\"", name, n,
                         at_status_code(err.status), err.text);
            if (fault.live != live)
                fail_msg("%s, allocation %ld: %ld blocks are left", name, n, fault.live - live);
        }
    }
    return n - 1;
}

static void open_fix(fix *f, const char *arch)
{
    at_error err = {0};
    *f = (fix){.model_path = "test_fault.tmp.gguf"};
    const at_model_options mo = {.struct_size = sizeof mo, .threads = 1, .allocator = &host};
    const at_session_options so = {.struct_size = sizeof so, .threads = 2, .max_batch = 2};
    const at_image_options io = {.struct_size = sizeof io, .allocator = &host};
    uint8_t rgb[40 * 30 * 3];
    for (size_t i = 0; i < sizeof rgb; i++)
        rgb[i] = (uint8_t)(i * 7);
    if (tiny_model_write(f->model_path, arch, &err) != AT_OK ||
        at_image_from_rgb(rgb, 40, 30, 40 * 3, &io, &f->image, &err) != AT_OK ||
        at_image_thumbnail(f->image, 40, 90, &f->jpeg, &f->jpeg_size, &err) != AT_OK ||
        at_model_open(f->model_path, &mo, &f->model, &err) != AT_OK ||
        at_session_open(f->model, &so, &f->session, &err) != AT_OK)
        fail_msg("%s", err.text);
    read_logits(f, f->logits);
}

static void close_fix(fix *f)
{
    at_session_close(f->session);
    at_model_close(f->model);
    at_image_free(f->image);
    at_buffer_free(f->jpeg);
    assert_int_equal(fault.live, 0);
    (void)unlink(f->model_path);
}

static void no_memory(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        call_fn call;
        bool all_from_host;
    } calls[] = {
        {"at_model_open", call_model, true},
        {"at_session_open", call_session, true},
        {"at_image_decode", call_image, true},
        {"at_image_thumbnail", call_thumbnail, true},
        {"at_session_tag", call_tag, true},
        {"at_session_tag_batch", call_batch, true},
        {"at_session_tag with maps", call_heat, true},
        {"at_session_inspect", call_inspect, true},
        {"at_labels_from_rows", call_labels, true},
        {"at_labels_open", call_labels_file, false},
        {"at_weight_file_open", call_weight_file, false},
        {"at_convert", call_convert, false},
        {"at_convert to panels", call_packed, false},
        {"at_quantize", call_quantize, false},
    };
    for (int plus = 0; plus < 2; plus++) {
        fix f;
        open_fix(&f, plus ? "ram_plus" : "ram");
        for (size_t i = 0; i < AT_COUNT(calls); i++) {
            const long own = fault.own;
            const long n = fail_each(&f, calls[i].call, calls[i].name);
            if (n < 1) fail_msg("%s allocates nothing?", calls[i].name);
            if (calls[i].all_from_host && fault.own != own)
                fail_msg("%s: %ld allocations went past the host's allocator", calls[i].name,
                         fault.own - own);
        }
        for (const char *const *format = at_writer_formats(); *format; format++) {
            f.format = *format;
            (void)fail_each(&f, call_writer, *format);
        }
        close_fix(&f);
    }
}

static void no_model_in_the_box_without_memory(void **state)
{
    (void)state;
    at_error err = {0};
    at_model *m = NULL;
    if (at_model_open(NULL, NULL, &m, &err) == AT_E_MODEL_NOT_FOUND) skip();
    at_model_close(m);
    fix f = {0};
    for (long n = 0; n < 1000; n += 13) { // it has many tensors, all alike
        fault.left = n;
        fault.fired = false;
        fault.from_then_on = false;
        fault.armed = true;
        const at_status status = call_model(&f, &err);
        fault.armed = false;
        assert_int_equal(status, fault.fired ? AT_E_OUT_OF_MEMORY : AT_OK);
        assert_int_equal(fault.live, 0);
        if (!fault.fired) break;
    }
}

/* Captions of the model in the box: searched with wishes, and drawn. Room for them is made anew each time. */
static at_status call_caption(fix *f, at_error *err)
{
    static const char *const require[] = {"dog"}, *const forbid[] = {"man"};
    at_status status = AT_OK;
    for (int sample = 0; sample < 2 && status == AT_OK; sample++) {
        const at_caption_options o = {.struct_size = sizeof o,
                                      .require = require,
                                      .n_require = !sample,
                                      .forbid = forbid,
                                      .n_forbid = !sample,
                                      .sample = sample,
                                      .max_length = 6,
                                      .num = 2};
        at_captions *c = (at_captions *)f;
        status = at_session_caption(f->session, f->image, &o, &c, err);
        assert_true((status == AT_OK) == (c != NULL));
        if (c) assert_int_equal(at_captions_count(c), 2);
        at_captions_free(c);
    }
    return status;
}

static void no_caption_without_memory(void **state)
{
    (void)state;
    at_error err = {0};
    fix f = {0};
    uint8_t rgb[8 * 8 * 3] = {0};
    const at_model_options mo = {.struct_size = sizeof mo, .allocator = &host};
    const at_image_options io = {.struct_size = sizeof io, .allocator = &host};
    if (at_model_open(NULL, &mo, &f.model, &err) == AT_E_MODEL_NOT_FOUND) skip();
    if (!at_model_captions(f.model) ||
        at_image_from_rgb(rgb, 8, 8, 24, &io, &f.image, &err) != AT_OK ||
        at_session_open(f.model, NULL, &f.session, &err) != AT_OK)
        fail_msg("%s", err.text);
    const long live = fault.live, own = fault.own;
    bool fired = true;
    for (long n = 0; fired; n++) { // the text part is loaded by the first that gets so far
        assert_in_range(n, 0, 2000);
        fault.left = n;
        fault.fired = false;
        fault.from_then_on = n % 2;
        fault.armed = true;
        err = (at_error){0};
        const at_status status = call_caption(&f, &err);
        fault.armed = false;
        fired = fault.fired;
        if (status != (fired ? AT_E_OUT_OF_MEMORY : AT_OK))
            fail_msg("allocation %ld: %s", n, err.text);
        if (fired) assert_true(err.text[0]);
    }
    assert_int_equal(fault.own, own); // all of it was the host's
    at_session_close(f.session);
    at_image_free(f.image);
    at_model_close(f.model);
    assert_true(live > 0);
    assert_int_equal(fault.live, 0);
}

static void no_match_without_memory(void **state)
{
    (void)state;
    fix f;
    open_fix(&f, "tag2text");
    assert_true(fail_each(&f, call_model, "at_model_open") > 10);
    assert_true(fail_each(&f, call_convert, "at_convert") > 10);
    assert_true(fail_each(&f, call_packed, "at_convert to panels") > 10);
    at_error err = {0};
    const long before = fault.live;
    assert_int_equal(call_match(&f, &err), AT_OK);
    assert_true(fault.live > before); // the model's text part was loaded now and stays
    assert_true(fail_each(&f, call_match, "at_session_match") > 30);
    close_fix(&f);
}

static void no_thread(void **state)
{
    (void)state;
    fix f;
    float logits[TINY_TAGS];
    open_fix(&f, "ram_plus");
    fault.no_threads = true;
    at_session_close(f.session);
    const at_session_options o = {.struct_size = sizeof o, .threads = 8};
    at_error err = {0};
    if (at_session_open(f.model, &o, &f.session, &err) != AT_OK) fail_msg("%s", err.text);
    read_logits(&f, logits);
    assert_memory_equal(logits, f.logits, sizeof logits);
    assert_int_equal(call_model(&f, &err), AT_OK);
    assert_int_equal(call_convert(&f, &err), AT_OK);
    fault.no_threads = false;
    close_fix(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_memory),
        cmocka_unit_test(no_model_in_the_box_without_memory),
        cmocka_unit_test(no_caption_without_memory),
        cmocka_unit_test(no_match_without_memory),
        cmocka_unit_test(no_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
