/* mobilenet.h - MobileNetV2 (Sandler et al., arXiv 1801.04381), batch norm folded: the backbone of
 * the small model. Layers come from the configuration; maps are [B, side, side, channels]. */
#ifndef AT_MODELS_MOBILENET_H
#define AT_MODELS_MOBILENET_H

#include "models/params.h"

typedef struct at_conv {
    at_conv_config config;
    at_linear full;         // 1x1 and 3x3: [out, kernel * kernel * in]
    const float *depthwise; // [3, 3, c]
    const float *bias;      // of depthwise
} at_conv;

typedef struct at_mobilenet {
    size_t image_size, side, dim; // side and channels of the last map
    size_t n_convs;
    at_conv *convs;
} at_mobilenet;

at_status at_mobilenet_open(at_mobilenet *m, const at_config *c, const at_allocator *al,
                            at_error *err);
void at_mobilenet_params(at_mobilenet *m, at_params *p);
void at_mobilenet_close(at_mobilenet *m, const at_backend *backend, const at_allocator *al);
/* pixels [B, S, S, 3] to [B, side * side, dim]. */
at_tensor at_mobilenet_forward(at_exec *x, const at_mobilenet *m, at_tensor pixels);

#endif
