/* gguf_write.c - GGUF v3 as a stream. The header is small and kept until the first tensor byte; then
 * everything goes out in order through one buffer. */
#include "formats/gguf_write.h"

#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ALIGNMENT = 32, MOST_ALIGNMENT = 64, MAX_TENSORS = 65536, MAX_PATCHES = 32 };
enum { FLUSH_STEP = 64 << 20 }; // bytes between two requests to hand pages to the disk
static const size_t HEADER_LIMIT = 256u << 20;

typedef struct patch { // where a string's bytes stand in the file
    char key[64];
    size_t offset, len;
} patch;

struct at_gguf_writer {
    const at_allocator *al;
    char *path, *target, *part; // as it was named; where its links lead; written until it is whole
    int fd;
    at_buf keys, infos;
    uint64_t n_keys, n_tensors, alignment;
    uint64_t data_end; // of the announced tensors, relative to the data's beginning
    uint64_t *ends;    // [n_tensors] of each, without padding
    size_t cap_ends;
    bool started;   // the header is written
    uint64_t at;    // bytes written behind it, padding included
    size_t current; // tensor whose bytes come next
    uint64_t flushed;
    uint64_t start; // of the data
    patch patches[MAX_PATCHES];
    size_t n_patches;
    at_status status;
    at_error error;
};

static void fail(at_gguf_writer *g, at_status status, const char *why)
{
    if (g->status != AT_OK) return;
    g->status = at_fail(&g->error, status, "%s: %s", g->path, why);
}

static void fail_errno(at_gguf_writer *g, int number)
{
    const bool full = number == ENOSPC || number == EDQUOT;
    if (g->status != AT_OK) return;
    g->status = at_fail(&g->error, full ? AT_E_DISK_FULL : AT_E_OUTPUT_FAILED,
                        "%s: cannot be written (%s)%s", g->path, strerror(number),
                        full ? "; free some space, nothing was left behind" : "");
}

at_status at_gguf_create(at_gguf_writer **out, const char *path, const at_allocator *al,
                         at_error *err)
{
    *out = NULL;
    at_gguf_writer *g = at_new(al, at_gguf_writer);
    char real[PATH_MAX];
    // /dev/stdout is a link: a rename there would replace it for every program
    const char *target = realpath(path, real) ? real : path;
    const size_t len = strlen(target);
    if (!g) return at_fail(err, AT_E_OUT_OF_MEMORY, "%s: no memory", path);
    *g = (at_gguf_writer){.al = al,
                          .fd = -1,
                          .alignment = ALIGNMENT,
                          .path = at_strndup(al, path, strlen(path)),
                          .target = at_strndup(al, target, len),
                          .part = at_alloc(al, len + 6)};
    at_buf_init(&g->keys, al, HEADER_LIMIT);
    at_buf_init(&g->infos, al, HEADER_LIMIT);
    at_status status = AT_OK;
    struct stat st;
    if (!g->path || !g->target || !g->part)
        status = at_fail(err, AT_E_OUT_OF_MEMORY, "%s: no memory", path);
    else if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) // renaming would replace a device
        status = at_fail(err, AT_E_OUTPUT_FAILED,
                         "%s: not a regular file; a model cannot be written there", path);
    else {
        (void)snprintf(g->part, len + 6, "%s.part", target);
        g->fd = at_part_open(g->part);
        if (g->fd < 0 && errno == EWOULDBLOCK)
            status = at_fail(err, AT_E_OUTPUT_FAILED, "%s: another run is writing it", path);
        else if (g->fd < 0)
            status = at_fail(err, AT_E_OUTPUT_FAILED, "%s: cannot be created (%s)", g->part,
                             strerror(errno));
    }
    if (status != AT_OK)
        at_gguf_abandon(g);
    else
        *out = g;
    return status;
}

static void add_le(at_buf *b, uint64_t v, int bytes)
{
    uint8_t le[8];
    for (int i = 0; i < bytes; i++)
        le[i] = (uint8_t)(v >> (8 * i));
    at_buf_add(b, le, (size_t)bytes);
}

static void add_string(at_buf *b, const char *text)
{
    const size_t len = strlen(text);
    add_le(b, len, 8);
    at_buf_add(b, text, len);
}

static void add_key(at_gguf_writer *g, const char *key, uint32_t type)
{
    add_string(&g->keys, key);
    add_le(&g->keys, type, 4);
    g->n_keys++;
}

static void add_array(at_gguf_writer *g, const char *key, uint32_t type, size_t n)
{
    add_key(g, key, 9);
    add_le(&g->keys, type, 4);
    add_le(&g->keys, n, 8);
}

static uint32_t bits_of(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

void at_gguf_str(at_gguf_writer *g, const char *key, const char *value)
{
    add_key(g, key, 8);
    if (g->n_patches < MAX_PATCHES && strlen(key) < sizeof g->patches[0].key) {
        patch *p = &g->patches[g->n_patches++];
        (void)snprintf(p->key, sizeof p->key, "%s", key);
        p->offset = 24 + g->keys.len + 8;
        p->len = strlen(value);
    }
    add_string(&g->keys, value);
}
void at_gguf_u32(at_gguf_writer *g, const char *key, uint32_t value)
{
    add_key(g, key, 4);
    add_le(&g->keys, value, 4);
}
void at_gguf_align_64(at_gguf_writer *g)
{
    at_gguf_u32(g, "general.alignment", MOST_ALIGNMENT);
    g->alignment = MOST_ALIGNMENT;
}
void at_gguf_f32(at_gguf_writer *g, const char *key, float value)
{
    add_key(g, key, 6);
    add_le(&g->keys, bits_of(value), 4);
}
void at_gguf_bool(at_gguf_writer *g, const char *key, bool value)
{
    add_key(g, key, 7);
    add_le(&g->keys, value, 1);
}
void at_gguf_strings(at_gguf_writer *g, const char *key, const char *const *values, size_t n)
{
    add_array(g, key, 8, n);
    for (size_t i = 0; i < n; i++)
        add_string(&g->keys, values[i]);
}
void at_gguf_floats(at_gguf_writer *g, const char *key, const float *values, size_t n)
{
    add_array(g, key, 6, n);
    for (size_t i = 0; i < n; i++)
        add_le(&g->keys, bits_of(values[i]), 4);
}
void at_gguf_u32s(at_gguf_writer *g, const char *key, const uint32_t *values, size_t n)
{
    add_array(g, key, 4, n);
    for (size_t i = 0; i < n; i++)
        add_le(&g->keys, values[i], 4);
}

void at_gguf_tensor(at_gguf_writer *g, const char *name, at_dtype type, const uint64_t *dims,
                    int n_dims)
{
    static const uint32_t ids[] = {
        [AT_F32] = 0, [AT_F16] = 1, [AT_BF16] = 30, [AT_I8] = 24, [AT_Q8_0] = 8, [AT_Q4_0] = 2};
    if (g->status != AT_OK) return;
    const bool blocks = at_dtype_is_block(type);
    const bool known = type <= AT_BF16 || type == AT_I8 || blocks;
    uint64_t bytes = known ? at_dtype_size(type) : 0, end = 0;
    bool fits = known && (!blocks || (n_dims > 0 && dims[n_dims - 1] % AT_BLOCK == 0));
    for (int i = 0; i < n_dims && i < 4; i++) {
        const uint64_t n = blocks && i == n_dims - 1 ? dims[i] / AT_BLOCK : dims[i];
        fits = fits && !__builtin_mul_overflow(bytes, n, &bytes);
    }
    fits = fits && !__builtin_add_overflow(g->data_end, bytes, &end) &&
           end <= INT64_MAX - MOST_ALIGNMENT;
    if (!fits || n_dims < 0 || n_dims > 4 || strlen(name) > 63 || g->n_tensors == MAX_TENSORS ||
        g->started) {
        fail(g, AT_E_INTERNAL, "a tensor that GGUF cannot hold");
        return;
    }
    if (g->n_tensors == g->cap_ends) {
        const size_t cap = g->cap_ends ? 2 * g->cap_ends : 512;
        uint64_t *more = at_realloc(g->al, g->ends, g->cap_ends * sizeof *more, cap * sizeof *more);
        if (!more) {
            fail(g, AT_E_OUT_OF_MEMORY, "no memory for the list of tensors");
            return;
        }
        g->ends = more;
        g->cap_ends = cap;
    }
    add_string(&g->infos, name);
    add_le(&g->infos, (uint64_t)n_dims, 4);
    for (int i = n_dims - 1; i >= 0; i--)
        add_le(&g->infos, dims[i], 8); // fastest first in the file
    add_le(&g->infos, ids[type], 4);
    add_le(&g->infos, g->data_end, 8);
    g->ends[g->n_tensors++] = end;
    g->data_end = (end + g->alignment - 1) / g->alignment * g->alignment;
}

static void write_all(at_gguf_writer *g, const void *data, size_t size)
{
    const char *p = data;
    while (size && g->status == AT_OK) {
        const ssize_t n = write(g->fd, p, at_min_size(size, 4u << 20));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            fail_errno(g, n < 0 ? errno : EIO);
            return;
        }
        p += n;
        size -= (size_t)n;
    }
}

static void pad(at_gguf_writer *g, uint64_t bytes)
{
    static const char zeros[MOST_ALIGNMENT];
    write_all(g, zeros, (size_t)bytes);
}

static void start(at_gguf_writer *g)
{
    at_buf head;
    at_buf_init(&head, g->al, 64);
    at_buf_add(&head, "GGUF", 4);
    add_le(&head, 3, 4);
    add_le(&head, g->n_tensors, 8);
    add_le(&head, g->n_keys, 8);
    if (head.status != AT_OK || g->keys.status != AT_OK || g->infos.status != AT_OK)
        fail(g, AT_E_OUT_OF_MEMORY, "no memory for its header");
    if (g->status == AT_OK) {
        write_all(g, head.data, head.len);
        write_all(g, g->keys.data, g->keys.len);
        write_all(g, g->infos.data, g->infos.len);
        const uint64_t size = head.len + g->keys.len + g->infos.len;
        g->start = (size + g->alignment - 1) / g->alignment * g->alignment;
        pad(g, g->start - size);
    }
    at_buf_reset(&head);
    g->started = true;
}

void at_gguf_data(at_gguf_writer *g, const void *data, size_t bytes)
{
    if (!g->started) start(g);
    const char *p = data;
    while (bytes && g->status == AT_OK) {
        if (g->current == g->n_tensors) {
            fail(g, AT_E_INTERNAL, "more bytes than its tensors have");
            return;
        }
        const size_t n =
            (size_t)(bytes < g->ends[g->current] - g->at ? bytes : g->ends[g->current] - g->at);
        write_all(g, p, n);
        g->at += n;
        p += n;
        bytes -= n;
        while (g->current < g->n_tensors && g->at == g->ends[g->current]) { // empty tensors too
            const uint64_t next = (g->at + g->alignment - 1) / g->alignment * g->alignment;
            if (g->current + 1 < g->n_tensors) pad(g, next - g->at), g->at = next;
            g->current++;
        }
        if (g->at - g->flushed >=
            FLUSH_STEP) { // begin to write, so that the end does not wait for all
            (void)sync_file_range(g->fd, (off_t)(g->start + g->flushed),
                                  (off_t)(g->at - g->flushed), SYNC_FILE_RANGE_WRITE);
            g->flushed = g->at;
        }
    }
}

void at_gguf_patch_str(at_gguf_writer *g, const char *key, const char *value)
{
    if (g->status != AT_OK) return;
    if (!g->started) start(g);
    for (size_t i = 0; i < g->n_patches; i++) {
        const patch *p = &g->patches[i];
        if (strcmp(p->key, key) != 0 || strlen(value) != p->len) continue;
        const ssize_t n = pwrite(g->fd, value, p->len, (off_t)p->offset);
        if (n != (ssize_t)p->len) fail_errno(g, n < 0 ? errno : EIO);
        return;
    }
    fail(g, AT_E_INTERNAL, "a key that cannot be patched");
}

static void release(at_gguf_writer *g)
{
    if (g->fd >= 0) (void)close(g->fd);
    at_buf_reset(&g->keys);
    at_buf_reset(&g->infos);
    at_free(g->al, g->ends);
    at_free(g->al, g->path);
    at_free(g->al, g->target);
    at_free(g->al, g->part);
    at_free(g->al, g);
}

at_status at_gguf_finish(at_gguf_writer *g, at_error *err)
{
    if (!g->started) start(g);
    if (g->n_tensors && (g->current < g->n_tensors || g->at != g->ends[g->n_tensors - 1]))
        fail(g, AT_E_INTERNAL, "fewer bytes than its tensors have");
    if (g->status == AT_OK && fdatasync(g->fd) != 0 && errno != EINVAL) fail_errno(g, errno);
    if (g->status == AT_OK && rename(g->part, g->target) != 0) fail_errno(g, errno);
    if (g->status != AT_OK) (void)unlink(g->part); // renamed or gone before the lock is
    if (g->status == AT_OK) {
        const int fd = g->fd;
        g->fd =
            -1; // gone even when close() fails: closing it again might hit another thread's file
        if (close(fd) != 0) fail_errno(g, errno);
    }
    const at_status status = g->status;
    if (status != AT_OK && err) *err = g->error;
    release(g);
    return status;
}

void at_gguf_abandon(at_gguf_writer *g)
{
    if (!g) return;
    if (g->fd >= 0) (void)unlink(g->part);
    release(g);
}
