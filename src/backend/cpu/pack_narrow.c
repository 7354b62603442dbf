/* pack_narrow.c - weights [n, k] into panels of bytes or of bfloat16 (kernels.h, at_narrow_form), once a
 * model; the last panel and the depth are filled up with zeros. */
#include "backend/cpu/cpu.h"

#include <string.h>

typedef struct packing_s8 {
    const at_kernels *kn;
    const int8_t *w;
    const char *scales; // float at any address
    char *dst;
    size_t n, k, bytes;
} packing_s8;

/* Sum of k bytes at any address, eight at a time: 128 more than each is never negative, and 16 bits have
 * room for 128 pairs. */
static int32_t sum_bytes(const int8_t *w, size_t k)
{
    const uint64_t even = 0x00ff00ff00ff00ffu, flip = 0x8080808080808080u;
    int32_t sum = 0;
    size_t i = 0;
    while (k - i >= 8) {
        const size_t end = i + at_min_size((k - i) / 8, 128) * 8;
        sum -= 128 * (int32_t)(end - i);
        uint64_t pairs = 0;
        for (; i < end; i += 8) {
            uint64_t eight;
            memcpy(&eight, w + i, sizeof eight);
            eight ^= flip;
            pairs += (eight & even) + (eight >> 8 & even);
        }
        for (; pairs; pairs >>= 16)
            sum += (int32_t)(pairs & 0xffff);
    }
    for (; i < k; i++)
        sum += w[i];
    return sum;
}

/* Columns [0, cols) of the depth's groups from `k` on, byte by byte; what is not written stays. */
static void pack_rest(const packing_s8 *p, const int8_t *w, size_t cols, size_t k, int8_t *to)
{
    const at_narrow_form *f = &p->kn->s8;
    for (; k < p->k; k++) {
        for (size_t j = 0; j < cols; j++)
            to[(k / f->group * f->nr + j) * f->group + k % f->group] = w[j * p->k + k];
    }
}

static void pack_panel(void *ctx, size_t panel, int worker)
{
    (void)worker;
    const packing_s8 *p = ctx;
    const at_narrow_form *f = &p->kn->s8;
    char *dst = p->dst + panel * p->bytes;
    float *scale = (float *)(void *)dst;
    int32_t *fix = (int32_t *)(void *)(dst + f->nr * sizeof *scale);
    int8_t *to = (int8_t *)(fix + f->nr);
    const size_t first = panel * f->nr, cols = at_min_size(f->nr, p->n - first);
    const int8_t *w = p->w + first * p->k;
    memset(dst, 0, f->nr * (sizeof *scale + sizeof *fix));
    memcpy(scale, p->scales + first * sizeof *scale, cols * sizeof *scale);
    for (size_t j = 0; j < cols; j++)
        fix[j] = -128 * sum_bytes(w + j * p->k, p->k);
    // a group moves as one number, unless rows end within one
    const size_t whole = p->k % f->group == 0 ? p->k : 0;
    (f->group == 4 ? p->kn->pack_32 : p->kn->pack_16)(whole / f->group, cols, w, p->k / f->group,
                                                      to, f->nr);
    memset(to + whole * f->nr, 0, (at_round_up(p->k, f->fill) - whole) * f->nr);
    pack_rest(p, w, cols, whole, to);
}

at_status at_cpu_pack_s8(at_matrix *out, const int8_t *w, const void *scales, size_t n, size_t k,
                         at_pool *pool, const at_allocator *al, at_error *err)
{
    const at_kernels *kn = at_kernels_get();
    const size_t panels = (n + kn->s8.nr - 1) / kn->s8.nr;
    at_matrix m = {.n = n, .k = k, .type = AT_I8};
    packing_s8 p = {
        .kn = kn, .w = w, .scales = scales, .n = n, .k = k, .bytes = at_s8_panel_bytes(&kn->s8, k)};
    if (!at_mul(panels, p.bytes, &m.bytes) || !(m.data = at_alloc(al, m.bytes)))
        return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for weights of %zu x %zu", n, k);
    p.dst = m.data;
    at_pool_run(pool, panels, pack_panel, &p);
    *out = m;
    return AT_OK;
}

typedef struct packing_bf16 {
    const at_kernels *kn;
    const char *w;
    at_dtype src;
    char *dst;
    size_t n, k, bytes;
} packing_bf16;

/* A column is a row of w, rounded some numbers at a time. */
static void pack_bf16_panel(void *ctx, size_t panel, int worker)
{
    (void)worker;
    enum { SLICE = 256 };
    const packing_bf16 *p = ctx;
    const at_narrow_form *f = &p->kn->bf16;
    const size_t size = at_dtype_size(p->src);
    uint16_t *dst = (uint16_t *)(void *)(p->dst + panel * p->bytes);
    const size_t first = panel * f->nr, cols = at_min_size(f->nr, p->n - first);
    memset(dst, 0, p->bytes);
    for (size_t j = 0; j < cols; j++) {
        const char *row = p->w + (first + j) * p->k * size;
        for (size_t k0 = 0; k0 < p->k; k0 += SLICE) {
            const size_t n = at_min_size(SLICE, p->k - k0);
            float wide[SLICE];
            uint16_t narrow[SLICE];
            if (p->src == AT_F32) memcpy(wide, row + k0 * size, n * size);
            if (p->src == AT_F16) p->kn->f32_of_f16(n, row + k0 * size, wide);
            if (p->src == AT_BF16)
                memcpy(narrow, row + k0 * size, n * size);
            else
                p->kn->bf16_of_f32(n, wide, narrow);
            for (size_t i = 0; i < n; i++) {
                const size_t k = k0 + i;
                dst[(k / f->group * f->nr + j) * f->group + k % f->group] = narrow[i];
            }
        }
    }
}

bool at_cpu_computes_bf16(void)
{
    return at_kernels_get()->has_bf16;
}

at_status at_cpu_pack_bf16(at_matrix *out, const void *w, at_dtype src, size_t n, size_t k,
                           at_pool *pool, const at_allocator *al, at_error *err)
{
    const at_kernels *kn = at_kernels_get();
    const size_t panels = (n + kn->bf16.nr - 1) / kn->bf16.nr;
    at_matrix m = {.n = n, .k = k, .type = AT_BF16, .narrow = true};
    packing_bf16 p = {
        .kn = kn, .w = w, .src = src, .n = n, .k = k, .bytes = at_bf16_panel_bytes(&kn->bf16, k)};
    if (!at_mul(panels, p.bytes, &m.bytes) || !(m.data = at_alloc(al, m.bytes)))
        return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for weights of %zu x %zu", n, k);
    p.dst = m.data;
    at_pool_run(pool, panels, pack_bf16_panel, &p);
    *out = m;
    return AT_OK;
}
