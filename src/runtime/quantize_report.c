/* quantize_report.c - what at_quantize() found out, for those who asked. */
#include "runtime/quantize.h"

#include <math.h>
#include <string.h>

void at_quantized_free(at_quantized *q)
{
    if (!q) return;
    for (size_t i = 0; i < q->n_layers; i++)
        at_backend_cpu.unpack(&q->layers[i].quantised, NULL);
    for (size_t i = 0; q->pictures && i < q->o.n_pictures; i++)
        at_free(NULL, q->pictures[i]);
    for (size_t i = 0; q->tags && i < q->n_tags; i++)
        at_free(NULL, q->tags[i]);
    at_free(NULL, q->pictures);
    at_free(NULL, q->tags);
    at_free(NULL, q->layers);
    at_free(NULL, q->changes);
    at_free(NULL, q);
}

size_t at_quantized_layers(const at_quantized *q)
{
    return q ? q->n_layers : 0;
}

static uint64_t bytes_of(const at_quantize_layer *l, at_dtype type)
{
    return at_dtype_bytes(type, (uint64_t)l->rows * l->columns) +
           (type == AT_I8 ? l->rows * sizeof(float) : 0);
}

at_quantized_layer at_quantized_layer_at(const at_quantized *q, size_t i)
{
    if (!q || i >= q->n_layers) return (at_quantized_layer){.name = "", .type = ""};
    const at_quantize_layer *l = &q->layers[i];
    return (at_quantized_layer){
        .name = l->name,
        .type = l->type == AT_I8 ? "int8" : at_dtype_name(l->type),
        .rows = l->rows,
        .columns = l->columns,
        .bytes_before = bytes_of(l, l->from),
        .bytes_after = bytes_of(l, l->type),
        .weight_error = l->weight_error,
        .output_error = l->whole > 0 ? sqrt(l->lost / l->whole) : -1,
        .why = l->why,
    };
}

size_t at_quantized_changes(const at_quantized *q)
{
    return q ? q->n_changes : 0;
}

at_quantized_change at_quantized_change_at(const at_quantized *q, size_t i)
{
    if (!q || i >= q->n_changes) return (at_quantized_change){.picture = "", .tag = ""};
    const at_quantize_change *c = &q->changes[i];
    return (at_quantized_change){.picture = q->pictures[c->picture],
                                 .tag = q->tags[c->id],
                                 .id = c->id,
                                 .before = c->before,
                                 .after = c->after,
                                 .threshold = c->threshold};
}

void at_quantized_total(const at_quantized *q, at_quantized_totals *totals)
{
    if (!q || !totals) return;
    const size_t size = totals->struct_size;
    memcpy(totals, &q->totals, at_min_size(size, sizeof q->totals));
    totals->struct_size = size;
}
