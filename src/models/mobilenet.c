/* mobilenet.c - inverted residual blocks: 1x1 up, 3x3 depthwise, 1x1 down, ReLU6 between them.
 * Padding is TensorFlow's SAME: stride 1 one pixel all around, stride 2 below and to the right only. */
#include "models/mobilenet.h"

#include <string.h>

at_status at_mobilenet_open(at_mobilenet *m, const at_config *c, const at_allocator *al,
                            at_error *err)
{
    m->image_size = c->image_size;
    m->side = c->image_size;
    m->n_convs = c->n_convs;
    m->convs = at_calloc(al, m->n_convs, sizeof *m->convs);
    if (!m->convs) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the model");
    for (size_t i = 0; i < m->n_convs; i++) {
        m->convs[i].config = c->convs[i];
        m->side /= c->convs[i].stride;
        m->dim = c->convs[i].out;
    }
    return AT_OK;
}

void at_mobilenet_params(at_mobilenet *m, at_params *p)
{
    for (size_t i = 0; i < m->n_convs; i++) {
        at_conv *v = &m->convs[i];
        const at_conv_config *c = &v->config;
        const at_scope scope = at_scope_enter(p, "b.%d.%d", "backbone.%d.%d", (int)c->block,
                                              (int)c->layer);
        const uint64_t out = c->out;
        if (c->groups > 1) {
            at_param_visit(p, AT_PARAM_DEPTHWISE, &v->depthwise, ".w", ".weight", 4,
                           (const uint64_t[]){out, 1, 3, 3});
            at_param_visit(p, AT_PARAM_VECTOR, &v->bias, ".b", ".bias", 1, &out);
        } else {
            at_param_visit(p, AT_PARAM_CONV, &v->full.w, ".w", ".weight", 4,
                           (const uint64_t[]){out, c->in, c->kernel, c->kernel});
            at_param_visit(p, AT_PARAM_VECTOR, &v->full.bias, ".b", ".bias", 1, &out);
        }
        at_scope_leave(p, scope);
    }
}

void at_mobilenet_close(at_mobilenet *m, const at_backend *backend, const at_allocator *al)
{
    for (size_t i = 0; m->convs && i < m->n_convs; i++)
        backend->unpack(&m->convs[i].full.w, al);
    at_free(al, m->convs);
}

/* One layer, x [B, side * side, in] to y [B, out_side * out_side, out]. */
static void conv_forward(at_exec *e, const at_conv *v, size_t side, at_tensor x,
                         const at_tensor *residual, at_tensor y)
{
    const at_conv_config *c = &v->config;
    const size_t batch = x.dims[0], out_side = side / c->stride;
    const size_t pad = c->stride == 2 ? 0 : c->kernel / 2;
    const at_act act = c->relu6 ? AT_ACT_RELU6 : AT_ACT_NONE;
    if (c->groups > 1) {
        at_depthwise3x3(e, &(at_depthwise_args){.batch = batch,
                                                .h = side,
                                                .w = side,
                                                .c = c->out,
                                                .stride = c->stride,
                                                .pad_top = pad,
                                                .pad_left = pad,
                                                .out_h = out_side,
                                                .out_w = out_side,
                                                .x = x.data,
                                                .weight = v->depthwise,
                                                .bias = v->bias,
                                                .act = act,
                                                .y = y.data});
    } else if (c->kernel == 1) {
        at_linear_to(e, x, &v->full, act, residual, y);
    } else {
        const size_t mark = at_arena_mark(&e->arena);
        at_tensor patches = at_tensor3(e, batch, out_side * out_side,
                                       (size_t)c->kernel * c->kernel * c->in);
        at_patches(e, &(at_im2col_args){.batch = batch,
                                        .h = side,
                                        .w = side,
                                        .c = c->in,
                                        .kernel = c->kernel,
                                        .stride = c->stride,
                                        .pad_top = pad,
                                        .pad_left = pad,
                                        .out_h = out_side,
                                        .out_w = out_side,
                                        .x = x.data,
                                        .y = patches.data});
        at_linear_to(e, patches, &v->full, act, residual, y);
        at_arena_rewind(&e->arena, mark);
    }
}

/* The largest map of any layer, in elements of one image: two such buffers and a block's input are
 * all the memory a pass needs. */
static size_t largest_map(const at_mobilenet *m)
{
    size_t side = m->image_size, most = 0;
    for (size_t i = 0; i < m->n_convs; i++) {
        side /= m->convs[i].config.stride;
        most = at_max_size(most, side * side * m->convs[i].config.out);
    }
    return most;
}

at_tensor at_mobilenet_forward(at_exec *e, const at_mobilenet *m, at_tensor pixels)
{
    const size_t batch = pixels.dims[0], most = largest_map(m);
    float *buffers[3]; // the block's input and two to go to and fro
    for (int i = 0; i < 3; i++)
        buffers[i] = at_tensor2(e, batch, most).data;
    size_t side = m->image_size;
    int input_in = -1, x_in = -1; // which buffers hold them; -1: none, the pixels
    at_tensor input = at_tensor_of(pixels.data, 3, (const size_t[]){batch, side * side, 3}),
              x = input;
    for (size_t i = 0; i < m->n_convs; i++) {
        const at_conv *v = &m->convs[i];
        const at_conv_config *c = &v->config;
        const bool last = i + 1 == m->n_convs || m->convs[i + 1].config.block != c->block;
        const size_t out_side = side / c->stride;
        int to = 0;
        while (to == input_in || to == x_in)
            to++;
        at_tensor y = at_tensor_of(buffers[to], 3,
                                   (const size_t[]){batch, out_side * out_side, c->out});
        conv_forward(e, v, side, x, last && c->residual ? &input : NULL, y);
        x = y;
        x_in = to;
        side = out_side;
        if (last) {
            at_stage(e, x, "backbone.block%u.out", c->block);
            input = x;
            input_in = to;
        }
    }
    return x;
}
