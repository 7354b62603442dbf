/* pack.c - weights [n, k] into panels of NR rows, [n / NR][k][NR], once a model; the last panel is filled
 * up with zeros. The panels keep the type they are stored in, or are converted on the way. */
#include "backend/cpu/cpu.h"

#include <stdio.h>
#include <string.h>

enum { SLICE = 64 }; // columns converted at a time

typedef struct packing {
    const at_kernels *kernels;
    const char *src;
    char *dst;
    at_dtype from, to;
    size_t n, k;
} packing;

static void convert(const at_kernels *kn, size_t n, const void *src, at_dtype from, void *dst,
                    at_dtype to)
{
    float wide[SLICE * AT_NR_MAX];
    const float *f = src;
    if (from != AT_F32) {
        float *room = to == AT_F32 ? dst : wide;
        (from == AT_F16 ? kn->f32_of_f16 : kn->f32_of_bf16)(n, src, room);
        f = room;
    }
    if (to != AT_F32) (to == AT_F16 ? kn->f16_of_f32 : kn->bf16_of_f32)(n, f, dst);
}

static void pack_panel(void *ctx, size_t panel, int worker)
{
    (void)worker;
    const packing *p = ctx;
    const at_kernels *kn = p->kernels;
    const size_t first = panel * kn->nr, rows = at_min_size(kn->nr, p->n - first);
    const size_t from = at_dtype_size(p->from), to = at_dtype_size(p->to);
    const char *src = p->src + first * p->k * from;
    char *dst = p->dst + panel * p->k * kn->nr * to;
    if (p->from == p->to) {
        (from == 4 ? kn->pack_32 : kn->pack_16)(p->k, rows, src, p->k, dst, kn->nr);
        return;
    }
    float slice[SLICE * AT_NR_MAX];
    for (size_t k = 0; k < p->k; k += SLICE) {
        const size_t width = at_min_size(SLICE, p->k - k);
        (from == 4 ? kn->pack_32 : kn->pack_16)(width, rows, src + k * from, p->k, slice, kn->nr);
        convert(kn, width * kn->nr, slice, p->from, dst + k * kn->nr * to, p->to);
    }
}

/* Blocks of the columns side by side, their steps in front. */
static void pack_blocks(void *ctx, size_t panel, int worker)
{
    (void)worker;
    const packing *p = ctx;
    const size_t nr = p->kernels->nr, first = panel * nr, cols = at_min_size(nr, p->n - first);
    const size_t size = at_dtype_size(p->to), blocks = p->k / AT_BLOCK;
    char *dst = p->dst + panel * blocks * nr * size;
    memset(dst, 0, blocks * nr * size); // steps of 0
    for (size_t b = 0; b < blocks; b++, dst += nr * size) {
        for (size_t j = 0; j < cols; j++) {
            const char *src = p->src + ((first + j) * blocks + b) * size;
            memcpy(dst + 2 * j, src, 2);
            for (size_t i = 0; i < size - 2; i++)
                dst[2 * nr + i * nr + j] = src[2 + i];
        }
    }
}

at_status at_cpu_pack(at_matrix *out, const void *w, at_dtype src, at_dtype dst, size_t n, size_t k,
                      at_pool *pool, const at_allocator *al, at_error *err)
{
    const at_kernels *kn = at_kernels_get();
    const size_t panels = (n + kn->nr - 1) / kn->nr, size = at_dtype_size(dst);
    const bool blocks = at_dtype_is_block(dst); // src is the same, k whole blocks
    at_matrix m = {.n = n, .k = k, .type = dst};
    if (!at_mul(panels * kn->nr, blocks ? k / AT_BLOCK : k, &m.bytes) ||
        !at_mul(m.bytes, size, &m.bytes) || !(m.data = at_alloc(al, m.bytes)))
        return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for weights of %zu x %zu", n, k);
    packing p = {.kernels = kn, .src = w, .dst = m.data, .from = src, .to = dst, .n = n, .k = k};
    at_pool_run(pool, panels, blocks ? pack_blocks : pack_panel, &p);
    *out = m;
    return AT_OK;
}

void at_cpu_unpack(at_matrix *m, const at_allocator *al)
{
    if (!m->borrowed) at_free(al, m->data);
    *m = (at_matrix){0};
}

/* Whoever changes the bytes of a panel, here, in pack_narrow.c or in kernels.h, gives PANELS another number:
 * files packed before are then refused. */
enum { PANELS = 1 };

void at_cpu_layout(char text[AT_LAYOUT_TEXT])
{
    const at_kernels *kn = at_kernels_get();
    const at_narrow_form *f = &kn->s8;
    (void)snprintf(text, AT_LAYOUT_TEXT, "cpu %d: floats and blocks %zu, bytes %zu x %zu to %zu",
                   PANELS, kn->nr, f->nr, f->group, f->fill);
}

void at_cpu_panels(at_dtype type, size_t n, size_t k, uint64_t dims[2])
{
    const at_kernels *kn = at_kernels_get();
    const bool bytes = type == AT_I8;
    const size_t nr = bytes ? kn->s8.nr : kn->nr;
    dims[0] = at_round_up(n, nr);
    dims[1] = bytes ? at_s8_panel_bytes(&kn->s8, k) / nr : k;
}
