/* LayerNorm with gather, patches, depthwise convolution, re-weighting, mean, sum: against loops in double
 * over odd sizes; the same bits with 1, 2 and 3 threads. */
#include "unit/backend/compare.h"

#include "base/half.h"

static void test_norm(void **state)
{
    (void)state;
    for (int round = 0; round < 60; round++) {
        const size_t segments = round % 3 == 0 ? 4 : 1, width = random_size(1, 70),
                     n = width * segments, rows = random_size(1, 70);
        const size_t sources = rows * segments,
                     ldx = (segments > 1 ? width : n) + random_word() % 3,
                     ldy = n + random_word() % 3;
        float *x = random_floats(sources * ldx), *gamma = random_floats(n),
              *beta = random_floats(n), *first = NULL;
        int32_t *gather = at_calloc(NULL, sources, sizeof *gather);
        for (size_t i = 0; i < sources; i++)
            gather[i] = (int32_t)(random_word() % sources);
        for (int t = 0; t < MOST_THREADS; t++) {
            float *y = nans(rows * ldy);
            at_backend_cpu.norm(devices[t], &(at_norm_args){.rows = rows,
                                                            .n = n,
                                                            .x = x,
                                                            .ldx = ldx,
                                                            .gather = segments > 1 ? gather : NULL,
                                                            .period = rows,
                                                            .segments = segments,
                                                            .gamma = gamma,
                                                            .beta = beta,
                                                            .eps = 1e-5f,
                                                            .y = y,
                                                            .ldy = ldy});
            if (!first) {
                first = y;
                continue;
            }
            for (size_t r = 0; r < rows; r++)
                same_bits(y + r * ldy, first + r * ldy, n, "norm");
            at_free(NULL, y);
        }
        for (size_t r = 0; r < rows; r++) {
            double v[280], mean = 0.0, var = 0.0;
            for (size_t i = 0; i < n; i++) {
                const size_t row = segments > 1 ? (size_t)gather[r * segments + i / width] : r;
                v[i] = (double)x[row * ldx + (segments > 1 ? i % width : i)];
                mean += v[i] / (double)n;
            }
            for (size_t i = 0; i < n; i++)
                var += (v[i] - mean) * (v[i] - mean) / (double)n;
            for (size_t i = 0; i < n; i++) {
                const double d = (v[i] - mean) / sqrt(var + 1e-5);
                // one element: 0 / sqrt(eps) in float has the error of the mean times 316
                if (n > 1)
                    near((double)first[r * ldy + i], d * (double)gamma[i] + (double)beta[i], "norm",
                         r, i);
            }
        }
        void *all[] = {x, gamma, beta, gather, first};
        for (size_t f = 0; f < AT_COUNT(all); f++)
            at_free(NULL, all[f]);
    }
}

/* A pixel, 0 outside. */
static float pixel(const float *x, size_t h, size_t w, size_t c, size_t b, ptrdiff_t iy,
                   ptrdiff_t ix, size_t ch)
{
    if (iy < 0 || ix < 0 || iy >= (ptrdiff_t)h || ix >= (ptrdiff_t)w) return 0.0f;
    return x[((b * h + (size_t)iy) * w + (size_t)ix) * c + ch];
}

static void test_im2col(void **state)
{
    (void)state;
    for (int round = 0; round < 60; round++) {
        const size_t batch = random_size(1, 2), h = random_size(1, 12), w = random_size(1, 12),
                     c = random_size(1, 5);
        const size_t kernel = random_size(1, 4), stride = random_size(1, 4),
                     pad = random_word() % 2;
        const size_t out_h = (h + pad) / stride + 1, out_w = (w + pad) / stride + 1,
                     line = kernel * kernel * c;
        float *x = random_floats(batch * h * w * c), *want = nans(batch * out_h * out_w * line);
        for (size_t o = 0; o < batch * out_h * out_w * line; o++) {
            const size_t ch = o % c, dx = o / c % kernel, dy = o / c / kernel % kernel,
                         ox = o / line % out_w;
            const size_t oy = o / line / out_w % out_h, b = o / line / out_w / out_h;
            want[o] = pixel(x, h, w, c, b, (ptrdiff_t)(oy * stride + dy) - (ptrdiff_t)pad,
                            (ptrdiff_t)(ox * stride + dx) - (ptrdiff_t)pad, ch);
        }
        for (int t = 0; t < MOST_THREADS; t++) {
            float *y = nans(batch * out_h * out_w * line);
            at_backend_cpu.im2col(devices[t], &(at_im2col_args){.batch = batch,
                                                                .h = h,
                                                                .w = w,
                                                                .c = c,
                                                                .kernel = kernel,
                                                                .stride = stride,
                                                                .pad_top = pad,
                                                                .pad_left = pad,
                                                                .out_h = out_h,
                                                                .out_w = out_w,
                                                                .x = x,
                                                                .y = y});
            same_bits(y, want, batch * out_h * out_w * line, "im2col");
            at_free(NULL, y);
        }
        at_free(NULL, x);
        at_free(NULL, want);
    }
}

static void test_depthwise(void **state)
{
    (void)state;
    for (int round = 0; round < 80; round++) {
        const size_t batch = random_size(1, 2), h = random_size(1, 9), w = random_size(1, 9),
                     c = random_size(1, 40);
        const size_t stride = 1 + (size_t)round % 2, pad = round % 4 < 2 ? 1 : 0;
        const size_t out_h = (h + stride - 1) / stride, out_w = (w + stride - 1) / stride,
                     n = batch * out_h * out_w * c;
        float *x = random_floats(batch * h * w * c), *weight = random_floats(9 * c),
              *bias = random_floats(c), *first = NULL;
        const bool relu6 = round % 8 < 4;
        for (size_t i = 0; i < c; i++)
            bias[i] *= 8.0f; // so that both ends of ReLU6 are met
        for (int t = 0; t < MOST_THREADS; t++) {
            float *y = nans(n);
            at_backend_cpu.depthwise(devices[t],
                                     &(at_depthwise_args){.batch = batch,
                                                          .h = h,
                                                          .w = w,
                                                          .c = c,
                                                          .stride = stride,
                                                          .pad_top = pad,
                                                          .pad_left = pad,
                                                          .out_h = out_h,
                                                          .out_w = out_w,
                                                          .x = x,
                                                          .weight = weight,
                                                          .bias = bias,
                                                          .act = relu6 ? AT_ACT_RELU6 : AT_ACT_NONE,
                                                          .y = y});
            if (first)
                same_bits(y, first, n, "depthwise");
            else
                first = y;
            if (first != y) at_free(NULL, y);
        }
        for (size_t o = 0; o < n; o++) {
            const size_t ch = o % c, ox = o / c % out_w, oy = o / c / out_w % out_h,
                         b = o / c / out_w / out_h;
            double s = (double)bias[ch];
            for (size_t tap = 0; tap < 9; tap++)
                s += (double)weight[tap * c + ch] *
                     (double)pixel(x, h, w, c, b,
                                   (ptrdiff_t)(oy * stride + tap / 3) - (ptrdiff_t)pad,
                                   (ptrdiff_t)(ox * stride + tap % 3) - (ptrdiff_t)pad, ch);
            near((double)first[o], relu6 ? fmin(fmax(s, 0.0), 6.0) : s, "depthwise", o / c, ch);
        }
        void *all[] = {x, weight, bias, first};
        for (size_t f = 0; f < AT_COUNT(all); f++)
            at_free(NULL, all[f]);
    }
}

static void test_reweight(void **state)
{
    (void)state;
    for (int round = 0; round < 40; round++) {
        const size_t batch = random_size(1, 3), all_classes = random_size(2, 9),
                     per = random_size(1, 20), dim = random_size(1, 70);
        const size_t classes = round % 2 ? all_classes : random_size(1, all_classes);
        const at_dtype type = (at_dtype)(round % 3);
        const size_t n = all_classes * per * dim;
        float *w = random_floats(n), *x = random_floats(batch * dim),
              *norm = random_floats(all_classes * per), *first = NULL;
        uint16_t *half = at_calloc(NULL, n, sizeof *half);
        int32_t index[9];
        for (size_t i = 0; i < classes; i++)
            index[i] = (int32_t)(random_word() % all_classes);
        for (size_t i = 0; i < n && type != AT_F32; i++) {
            half[i] = type == AT_F16 ? at_f16_of_f32(w[i]) : at_bf16_of_f32(w[i]);
            w[i] = type == AT_F16 ? at_f32_of_f16(half[i]) : at_f32_of_bf16(half[i]);
        }
        float *logits = nans(batch * classes * per), *weights = nans(batch * classes * per);
        at_reweight_args a = {.batch = batch,
                              .classes = classes,
                              .per_class = per,
                              .dim = dim,
                              .w = type == AT_F32 ? (void *)w : half,
                              .type = type,
                              .classes_index = round % 2 ? NULL : index,
                              .w_scale = round % 5 ? norm : NULL,
                              .x = x,
                              .scale = 1.5f,
                              .logits = logits,
                              .weights = weights};
        for (int t = 0; t < MOST_THREADS; t++) {
            a.y = nans(batch * classes * dim);
            at_backend_cpu.reweight(devices[t], &a);
            if (first)
                same_bits(a.y, first, batch * classes * dim, "reweight");
            else
                first = a.y;
            if (first != a.y) at_free(NULL, a.y);
            a.logits = a.weights = NULL; // both may be left out
        }
        for (size_t b = 0; b < batch; b++) {
            for (size_t c = 0; c < classes; c++) {
                const size_t row = round % 2 ? c : (size_t)index[c], at = b * classes + c;
                double p[20], most = -INFINITY, sum = 0.0;
                for (size_t j = 0; j < per; j++) {
                    p[j] = 0.0;
                    for (size_t i = 0; i < dim; i++)
                        p[j] += (double)x[b * dim + i] * (double)w[(row * per + j) * dim + i];
                    p[j] *= 1.5 * (a.w_scale ? (double)norm[row * per + j] : 1.0);
                    near((double)logits[at * per + j], p[j], "logits", at, j);
                    most = fmax(most, p[j]);
                }
                for (size_t j = 0; j < per; j++)
                    sum += p[j] = exp(p[j] - most);
                for (size_t j = 0; j < per; j++)
                    near((double)weights[at * per + j], p[j] / sum, "weights", at, j);
                for (size_t i = 0; i < dim; i++) {
                    double s = 0.0;
                    for (size_t j = 0; j < per; j++)
                        s += p[j] / sum * (double)w[(row * per + j) * dim + i];
                    near((double)first[at * dim + i], s, "reweight", at, i);
                }
            }
        }
        void *all[] = {w, x, norm, half, logits, weights, first};
        for (size_t f = 0; f < AT_COUNT(all); f++)
            at_free(NULL, all[f]);
    }
}

static void test_mean_and_add(void **state)
{
    (void)state;
    for (int round = 0; round < 40; round++) {
        const size_t batch = random_size(1, 3), rows = random_size(1, 150), n = random_size(1, 200),
                     ldx = n + random_word() % 4;
        float *x = random_floats(batch * rows * ldx), *first = NULL;
        for (int t = 0; t < MOST_THREADS; t++) {
            float *y = nans(batch * n);
            at_backend_cpu.mean(devices[t], &(at_mean_args){.batch = batch,
                                                            .rows = rows,
                                                            .n = n,
                                                            .x = x,
                                                            .ldx = ldx,
                                                            .x_batch = rows * ldx,
                                                            .y = y,
                                                            .y_batch = n});
            if (first)
                same_bits(y, first, batch * n, "mean");
            else
                first = y;
            if (first != y) at_free(NULL, y);
        }
        for (size_t b = 0; b < batch; b++)
            for (size_t i = 0; i < n; i++) {
                double s = 0.0;
                for (size_t r = 0; r < rows; r++)
                    s += (double)x[(b * rows + r) * ldx + i] / (double)rows;
                near((double)first[b * n + i], s, "mean", b, i);
            }
        at_free(NULL, first);
        at_free(NULL, x);
    }
    const size_t n = 20011;
    float *a = random_floats(n), *b = random_floats(n), *y = nans(n);
    at_backend_cpu.add(devices[2], n, a, b, y);
    for (size_t i = 0; i < n; i++)
        assert_true(y[i] == a[i] + b[i]);
    at_backend_cpu.add(devices[0], 0, a, b, y);
    at_free(NULL, a);
    at_free(NULL, b);
    at_free(NULL, y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_norm),         cmocka_unit_test(test_im2col),
        cmocka_unit_test(test_depthwise),    cmocka_unit_test(test_reweight),
        cmocka_unit_test(test_mean_and_add),
    };
    return cmocka_run_group_tests(tests, open_devices, close_devices);
}
