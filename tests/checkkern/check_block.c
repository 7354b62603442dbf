/* check_block.c - weights in blocks: every bit, against a decoder of single numbers and against the panel in
 * floats that gemm_panel was judged on. */
#include "check.h"

#include "base/block.h"

#include <string.h>

/* A panel of random blocks, as at_cpu_pack() lays them out from rows of blocks; `rows` are those. */
static char *panel_of(struct checker *t, at_dtype type, size_t blocks, size_t nr, uint8_t *rows)
{
    (void)t;
    const size_t size = at_dtype_size(type);
    char *p = guard(blocks * nr * size, AT_SLACK);
    for (size_t j = 0; j < nr; j++)
        for (size_t b = 0; b < blocks; b++) {
            uint8_t *row = rows + (j * blocks + b) * size;
            char *block = p + b * nr * size;
            const uint16_t step = at_f16_of_f32(random_float() * 0.01f);
            memcpy(row, &step, 2);
            memcpy(block + 2 * j, &step, 2);
            for (size_t i = 0; i < size - 2; i++) {
                row[2 + i] = (uint8_t)random_bits();
                block[2 * nr + i * nr + j] = (char)row[2 + i];
            }
        }
    return p;
}

void check_block_panel(struct checker *t)
{
    const size_t nr = t->k->nr;
    for (int round = 0; round < 40; round++) {
        const at_dtype type = round % 2 ? AT_Q4_0 : AT_Q8_0;
        const size_t blocks = 1 + random_bits() % 5, k = blocks * AT_BLOCK;
        uint8_t *rows = guard(nr * blocks * at_dtype_size(type), 0);
        const char *panel = panel_of(t, type, blocks, nr, rows);
        float *y = output(k * nr), *want = output(k * nr);
        t->k->block_panel(type, blocks, nr, panel, y);
        for (size_t i = 0; i < k; i++)
            for (size_t j = 0; j < nr; j++)
                want[i * nr + j] = at_block_element(type, rows + j * blocks * at_dtype_size(type),
                                                    i);
        expect_bytes(t, y, want, k * nr * 4, "type %d blocks %zu", (int)type, blocks);
        guard_release(t);
    }
}

void check_block_rows(struct checker *t)
{
    const size_t nr = t->k->nr;
    for (int round = 0; round < 200; round++) {
        const uint64_t r = random_bits();
        const at_dtype type = r & 1 ? AT_Q4_0 : AT_Q8_0;
        const size_t m = 1 + r / 2 % AT_FEW_ROWS, n = 1 + r / 16 % (6 * nr),
                     blocks = 1 + r / 8192 % 5, k = blocks * AT_BLOCK,
                     depth = AT_BLOCK * (1 + (r >> 20) % 3), lda = k + (r >> 30) % 5,
                     ldy = n + (r >> 33) % 5, panels = (n + nr - 1) / nr,
                     bytes = blocks * nr * at_dtype_size(type);
        float *a = guard(((m - 1) * lda + k) * 4, AT_SLACK);
        float *bias = input(n), *residual = input((m - 1) * ldy + n),
              *y = output((m - 1) * ldy + n), *want = output((m - 1) * ldy + n);
        float *partial = guard(m * nr * 4, 0), *floats = guard(k * nr * 4, AT_SLACK);
        char *b = guard(panels * bytes, AT_SLACK);
        uint8_t *rows = guard(bytes, 0);
        for (size_t i = 0; i < (m - 1) * lda + k; i++)
            a[i] = random_float();
        const at_gemm_rows p = {.m = m,
                                .n = n,
                                .k = k,
                                .depth = depth,
                                .a = a,
                                .lda = lda,
                                .b = b,
                                .type = type,
                                .end = {y, ldy, r & 1ull << 50 ? bias : NULL,
                                        ends[(r >> 51) % ENDS], r & 1ull << 54 ? residual : NULL,
                                        ldy}};
        at_gemm_end alone = p.end;
        alone.y = want;
        for (size_t j = 0; j < panels; j++) {
            const char *panel = panel_of(t, type, blocks, nr, rows);
            memcpy(b + j * bytes, panel, bytes);
            t->k->block_panel(type, blocks, nr, panel, floats);
            for (size_t k0 = 0; k0 < k; k0 += depth)
                t->k->gemm_panel(&(at_gemm_panel){.m = m,
                                                  .n = at_min_size(nr, n - j * nr),
                                                  .k = at_min_size(depth, k - k0),
                                                  .a = a + k0,
                                                  .lda = lda,
                                                  .b = floats + k0 * nr,
                                                  .partial = partial,
                                                  .first = k0 == 0,
                                                  .last = k0 + depth >= k,
                                                  .end = at_gemm_end_at(alone, 0, j * nr)});
        }
        t->k->block_rows(&p);
        for (size_t i = 0; i < m; i++) // columns of others stay NaN in both
            expect_bytes(t, y + i * ldy, want + i * ldy, (i + 1 < m ? ldy : n) * 4,
                         "row %zu of m %zu n %zu k %zu depth %zu type %d act %d", i, m, n, k, depth,
                         (int)type, (int)p.end.act);
        guard_release(t);
    }
}

void bench_block_panel(struct checker *t)
{
    const size_t nr = t->k->nr, blocks = 8;
    char *b = guard(blocks * nr * 34, AT_SLACK);
    float *y = output(blocks * AT_BLOCK * nr);
    memset(b, 0, blocks * nr * 34);
    for (int type = AT_Q8_0; type <= AT_Q4_0; type++) {
        double s;
        const double n = (double)(blocks * AT_BLOCK * nr);
        TIME_CALL(s, t->k->block_panel((at_dtype)type, blocks, nr, b, y));
        rate(t, type == AT_Q8_0 ? "q8_0" : "q4_0", s, n, 4 * n);
    }
    guard_release(t);
}

void bench_block_rows(struct checker *t)
{
    const size_t k = 768, n = 512;
    float *a = input(3 * k), *y = output(n);
    char *b = guard(n * k / AT_BLOCK * 34, AT_SLACK);
    memset(b, 0, n * k / AT_BLOCK * 34);
    for (int type = AT_Q8_0; type <= AT_Q4_0; type++) {
        const at_gemm_rows p = {.m = 1,
                                .n = n,
                                .k = k,
                                .depth = 256,
                                .a = a,
                                .lda = k,
                                .b = b,
                                .type = (at_dtype)type,
                                .end = {.y = y, .ldy = n}};
        double s;
        TIME_CALL(s, t->k->block_rows(&p));
        rate(t, type == AT_Q8_0 ? "m 1 q8_0" : "m 1 q4_0", s, 2.0 * (double)(n * k),
             (double)at_dtype_bytes((at_dtype)type, n * k));
    }
    guard_release(t);
}
