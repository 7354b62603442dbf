/* cpu.c - the table of the CPU's ops, and its devices. */
#include "backend/cpu/cpu.h"

static void cpu_close(at_device *d)
{
    if (!d) return;
    at_pool_close(d->pool);
    const at_allocator al = d->al;
    for (int w = 0; d->scratch && w < d->workers; w++)
        at_free(&al, d->scratch[w].data);
    at_free(&al, d->scratch);
    at_free(&al, d->rooms);
    at_free(&al, d->seven);
    at_free(&al, d);
}

static at_status no_memory(at_device *d, at_error *err)
{
    cpu_close(d);
    return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for a device");
}

static at_status cpu_open(at_device **out, int threads, const at_allocator *al, at_error *err)
{
    at_device *d = at_new(al, at_device);
    if (!d) return no_memory(d, err);
    if (al) d->al = *al;
    d->kernels = at_kernels_get();
    const at_status status = at_pool_open(&d->pool, threads, al, err);
    if (status != AT_OK) {
        cpu_close(d);
        return status;
    }
    d->workers = at_pool_size(d->pool);
    d->scratch = at_calloc(al, (size_t)d->workers, sizeof *d->scratch);
    if (!d->scratch) return no_memory(d, err);
    size_t floats = at_max_size(at_cpu_linear_floats(d->kernels), at_cpu_attention_floats());
    floats = at_max_size(at_max_size(floats, AT_MAX_ROW), at_cpu_seven_floats(d->kernels));
    for (int w = 0; w < d->workers; w++) {
        d->scratch[w].data = at_alloc(al, floats * sizeof(float));
        if (!d->scratch[w].data) return no_memory(d, err);
    }
    d->rooms = at_alloc(al, (size_t)d->workers * at_cpu_narrow_bytes(d->kernels));
    d->seven = at_alloc(al, at_cpu_seven_shared_floats(d->kernels) * sizeof(float));
    if (!d->rooms || !d->seven) return no_memory(d, err);
    *out = d;
    return AT_OK;
}

static at_pool *cpu_pool(at_device *d)
{
    return d->pool;
}

const at_backend at_backend_cpu = {
    .name = "cpu",
    .pack = at_cpu_pack,
    .pack_s8 = at_cpu_pack_s8,
    .computes_bf16 = at_cpu_computes_bf16,
    .pack_bf16 = at_cpu_pack_bf16,
    .unpack = at_cpu_unpack,
    .layout = at_cpu_layout,
    .panels = at_cpu_panels,
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
    .row_dots = at_cpu_row_dots,
    .add = at_cpu_add,
    .peak = at_cpu_peak,
};
