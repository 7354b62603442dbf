/* cpu.c - the table of the CPU's ops, and its devices. */
#include "backend/cpu/cpu.h"

/* Enough for a product's partial sums and a converted panel, and for attention over 1,024 keys. */
static size_t scratch_floats(const at_kernels *k)
{
    const size_t linear = AT_GROUP * k->mc * k->nr + 2 * k->kc * k->nr;
    const size_t attention = (size_t)AT_Q_BLOCK * 1024 + 4 * 1024 * 256;
    return at_max_size(linear, attention);
}

float *at_cpu_scratch(at_device *d, int w, size_t floats)
{
    at_scratch *s = &d->scratch[w];
    if (floats <= s->floats) return s->data;
    float *more = at_alloc(d->al, floats * sizeof *more);
    if (!more) return NULL;
    at_free(d->al, s->data);
    *s = (at_scratch){.data = more, .floats = floats};
    return more;
}

static void cpu_close(at_device *d)
{
    if (!d) return;
    at_pool_close(d->pool);
    for (int w = 0; d->scratch && w < d->workers; w++) at_free(d->al, d->scratch[w].data);
    at_free(d->al, d->scratch);
    at_free(d->al, d);
}

static at_status cpu_open(at_device **out, int threads, const at_allocator *al, at_error *err)
{
    *out = NULL;
    at_device *d = at_new(al, at_device);
    if (!d) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for a device");
    d->al = al;
    d->kernels = at_kernels_get();
    const at_status status = at_pool_open(&d->pool, threads, al, err);
    if (status != AT_OK) {
        cpu_close(d);
        return status;
    }
    d->workers = at_pool_size(d->pool);
    d->scratch = at_calloc(al, (size_t)d->workers, sizeof *d->scratch);
    bool ok = d->scratch != NULL;
    for (int w = 0; ok && w < d->workers; w++) ok = at_cpu_scratch(d, w, scratch_floats(d->kernels)) != NULL;
    if (!ok) {
        cpu_close(d);
        return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for a device");
    }
    *out = d;
    return AT_OK;
}

static at_pool *cpu_pool(at_device *d) { return d->pool; }

const at_backend at_backend_cpu = {
    .name = "cpu",
    .pack = at_cpu_pack,
    .unpack = at_cpu_unpack,
    .open = cpu_open,
    .close = cpu_close,
    .pool = cpu_pool,
    .linear = at_cpu_linear,
    .norm = at_cpu_norm,
    .attention = at_cpu_attention,
    .im2col = at_cpu_im2col,
    .depthwise = at_cpu_depthwise,
    .reweight = at_cpu_reweight,
    .mean = at_cpu_mean,
    .add = at_cpu_add,
};
