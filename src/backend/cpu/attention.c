/* attention.c - softmax(scale q k^T + bias + masks) v. A chunk is one (image, window, head), or a range
 * of its queries when there are many. The kernel reads and writes rows through the index map, so that window
 * partition, shift and their reverses cost no pass of their own. */
#include "backend/cpu/cpu.h"

/* Parts of a chunk at most: each fetches what the next will read. */
enum { PARTS = 8 };

typedef struct attending {
    const at_attention_args *a;
    const at_kernels *kn;
    const at_scratch *scratch;
    void (*attend)(const at_attend_head *p);
    size_t ranges, range;   // of queries
    size_t parts, together; // all parts, and those of a chunk
} attending;

size_t at_cpu_attention_floats(void)
{
    return at_attend_room(AT_MAX_KEYS, AT_MAX_HEAD_DIM) / sizeof(float);
}

/* Keys before that of query i: the last query sees all. */
static ptrdiff_t before(const at_attention_args *a, size_t i)
{
    return (ptrdiff_t)i + (ptrdiff_t)a->n_k - (ptrdiff_t)a->n_q;
}

/* Few queries and keys that another call will want too: each is read where it lies. */
static void attend_few_chunk(void *ctx, size_t chunk, int worker)
{
    const attending *t = ctx;
    const at_attention_args *a = t->a;
    const size_t dim = a->head_dim, h = chunk % a->heads, b = chunk / a->heads;
    const float *q = a->q + b * a->q_batch + h * dim, *k = a->k + b * a->kv_batch + h * dim,
                *v = a->v + b * a->kv_batch + h * dim;
    float *scores = t->scratch[worker].data, *out = a->out + b * a->out_batch + h * dim;
    for (size_t i = 0; i < a->n_q; i++)
        t->kn->dots_f32(a->n_k, dim, k, a->ldkv, q + i * a->ldq, scores + i * a->n_k);
    t->kn->softmax(&(at_softmax){.rows = a->n_q,
                                 .n = a->n_k,
                                 .seen = a->causal ? before(a, 0) + 1 : (ptrdiff_t)a->n_k,
                                 .more = a->causal,
                                 .x = scores,
                                 .ldx = a->n_k,
                                 .scale = a->scale,
                                 .bias = a->bias ? a->bias + h * a->n_q * a->n_k : NULL,
                                 .ld_bias = a->n_k,
                                 .mask = a->key_mask ? a->key_mask + b * a->n_k : NULL});
    for (size_t i = 0; i < a->n_q; i++)
        t->kn->mix_f32(a->n_k, dim, v, a->ldkv, scores + i * a->n_k, false, out + i * a->ldo);
}

/* A head of a window, or a range of its queries. Windows follow each other within a head, whose bias stays
 * in the cache. */
typedef struct part {
    size_t first, g, b, h;
} part;

static part part_of(const attending *t, size_t i)
{
    const at_attention_args *a = t->a;
    return (part){.first = i % t->ranges * t->range,
                  .g = i / t->ranges % a->groups,
                  .b = i / t->ranges / a->groups % a->batch,
                  .h = i / t->ranges / a->groups / a->batch};
}

static void attend_part(const attending *t, size_t i, bool last, float *room)
{
    const at_attention_args *a = t->a;
    const part c = part_of(t, i), next = part_of(t, last ? i : i + 1);
    const size_t dim = a->head_dim, from = c.h * dim, on = next.h * dim;
    const int32_t *rows = a->index ? a->index + c.g * a->n_k : NULL;
    const uint8_t *region = a->region ? a->region + c.g * a->n_q : NULL;
    bool parted = false; // most windows are of one region
    for (size_t j = 0; region && j < a->n_k; j++)
        parted |= region[j] != region[0];
    t->attend(&(at_attend_head){
        .n_q = at_min_size(t->range, a->n_q - c.first),
        .n_k = a->n_k,
        .dim = dim,
        .q = a->q + c.b * a->q_batch + from + (rows ? 0 : c.first * a->ldq),
        .k = a->k + c.b * a->kv_batch + from,
        .v = a->v + c.b * a->kv_batch + from,
        .ldq = a->ldq,
        .ldkv = a->ldkv,
        .q_rows = rows ? rows + c.first : NULL,
        .k_rows = rows,
        .out = a->out + c.b * a->out_batch + from + (rows ? 0 : c.first * a->ldo),
        .ldo = a->ldo,
        .scale = a->scale,
        .bias = a->bias ? a->bias + (c.h * a->n_q + c.first) * a->n_k : NULL,
        .ld_bias = a->n_k,
        .region = parted ? region : NULL,
        .own = parted ? region + c.first : NULL,
        .mask = a->key_mask ? a->key_mask + c.b * a->n_k : NULL,
        .next_q = a->q + next.b * a->q_batch + on,
        .next_k = a->k + next.b * a->kv_batch + on,
        .next_v = a->v + next.b * a->kv_batch + on,
        .next_rows = rows && !last ? a->index + next.g * a->n_k : NULL,
        .causal = a->causal,
        .before = before(a, c.first),
        .room = room,
    });
}

static void attend_chunk(void *ctx, size_t chunk, int worker)
{
    const attending *t = ctx;
    const size_t end = at_min_size(t->parts, (chunk + 1) * t->together);
    for (size_t i = chunk * t->together; i < end; i++)
        attend_part(t, i, i + 1 == end, t->scratch[worker].data);
}

void at_cpu_attention(at_device *d, const at_attention_args *a)
{
    if (a->n_q == 0) return;
    const bool bf16 = a->coarse && !a->causal && d->kernels->attends_bf16;
    attending t = {.a = a,
                   .kn = d->kernels,
                   .scratch = d->scratch,
                   .attend = bf16 ? d->kernels->attend_bf16 : d->kernels->attend_f32};
    if (a->kept && a->n_q <= AT_Q_FEW) {
        at_pool_run(d->pool, a->batch * a->heads, attend_few_chunk, &t);
        return;
    }
    t.range = at_min_size(a->n_q, AT_Q_RANGE); // long, because each chunk packs the keys anew
    t.ranges = (a->n_q + t.range - 1) / t.range;
    t.parts = a->batch * a->groups * a->heads * t.ranges;
    t.together = at_min_size(PARTS, t.parts / ((size_t)d->workers * AT_CHUNKS_A_WORKER) + 1);
    at_pool_run(d->pool, (t.parts + t.together - 1) / t.together, attend_chunk, &t);
}
