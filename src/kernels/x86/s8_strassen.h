/* s8_strassen.h - AVX2's product of bytes where rows are many, with fewer operations: whole numbers lose
 * nothing by it, so that the bits are those of every other way. Two identities, one in the other:
 *
 * Strassen's, in Winograd's form (7 products of halves in place of 8; halves of the rows, of k, and two
 * neighbouring panels, so that a panel is a half):
 *   s1 = a21 + a22     s2 = s1 - a11     s3 = a11 - a21     s4 = a12 - s2
 *   t1 = b12 - b11     t2 = b22 - t1     t3 = b22 - b12     t4 = b21 - t2
 *   c11 = a11 b11 + a12 b21          u = a11 b11 + s2 t2          v = u + s3 t3
 *   c12 = u + s1 t1 + s4 b22         c21 = v + a22 t4             c22 = v + s1 t1
 * A product begins with the sums of the one before it, so that hardly any addition is a pass of its own.
 *
 * Winograd's inner product (A New Algorithm for Inner Product, 1968), for four steps of k:
 *   a0 b0 + a1 b1 + a2 b2 + a3 b3 = (a0 + b2)(a2 + b0) + (a1 + b3)(a3 + b1) - (a0 a2 + a1 a3) - (b0 b2 + b1 b3)
 * The last two belong to a row and a column alone ("terms"). One vpmaddwd and two vpaddw in place of two
 * vpmaddwd: no fewer instructions, but Zen 3 multiplies in two of four ports and shares them out unevenly:
 * in registers 32.0 products a cycle beside 25.8 (vpmaddwd, vpaddd) and 25.6 (vpsignb, vpmaddubsw,
 * vpmaddwd, vpaddd), in tiles with their loads 27.9 beside 25. Numbers stay within 10 bits.
 *
 * Rows lie as their tiles read them, [m / 4][k / 4][4 rows][4 steps]; panels are widened once a block of
 * rows, because vpmovsxbw alone is 1.3 cycles. A tile is 4 x 16: 8 sums, 4 of B, 2 of A, 2 on their way. */
#ifndef AT_KERNELS_X86_S8_STRASSEN_H
#define AT_KERNELS_X86_S8_STRASSEN_H

#include "kernels/x86/s8.h"

enum {
    HIGH = 4,      // rows of a tile
    FOUR = 4 * NR, // numbers of B in four steps: k and k + 1 of each column, k + 2 and k + 3
    DEEP = 512,    // steps whose weights stay in L1: 16 KiB
    APART = 224,   // numbers between matrices, so that they do not fall on each other in the cache
    A11 = 0,
    A12,
    A22,
    S1,
    S2,
    S3,
    S4,
    LEFTS,
    B11 = 0,
    B12,
    B21,
    B22,
    T1,
    T2,
    T3,
    T4,
    RIGHTS,
};

/* Where everything lies in at_gemm_s8.room, for m rows and k steps of a half. */
typedef struct halves {
    size_t m, k;
    size_t left, right;              // numbers from matrix to matrix
    int16_t *lefts, *rights;         // [LEFTS][m / 4][k / 4][4][4], [RIGHTS][k / 4][FOUR]
    int32_t *x, *y, *z, *partial;    // [m][NR]
    uint32_t *row_terms;             // [LEFTS][m]
    uint32_t *c11, *c12, *c21, *c22; // [m], row terms of the results
} halves;

static halves halves_in(void *room, size_t m, size_t k)
{
    halves h = {.m = m, .k = k, .left = m * k + APART, .right = k * NR + APART};
    h.lefts = room;
    h.rights = h.lefts + LEFTS * h.left;
    h.x = (int32_t *)(void *)(h.rights + RIGHTS * h.right);
    h.y = h.x + m * NR, h.z = h.y + m * NR, h.partial = h.z + m * NR;
    h.row_terms = (uint32_t *)(void *)(h.partial + m * NR);
    h.c11 = h.row_terms + LEFTS * m;
    h.c12 = h.c11 + m, h.c21 = h.c12 + m, h.c22 = h.c21 + m;
    return h;
}

INLINE void store_ints(void *to, ints v)
{
    _mm256_storeu_si256((__m256i *)to, v);
}

/* 16 steps of a row of matrix `t`; p and q are rows of the upper and the lower half. */
INLINE ints left_of(const int t, const int16_t *p, const int16_t *q, size_t k)
{
    const ints a11 = LOAD_INTS(p), a12 = LOAD_INTS(p + k), a21 = LOAD_INTS(q),
               a22 = LOAD_INTS(q + k);
    const ints s1 = _mm256_add_epi16(a21, a22), s2 = _mm256_sub_epi16(s1, a11);
    return t == A11   ? a11
           : t == A12 ? a12
           : t == A22 ? a22
           : t == S1  ? s1
           : t == S2  ? s2
           : t == S3  ? _mm256_sub_epi16(a11, a21)
                      : _mm256_sub_epi16(a12, s2);
}

/* Four rows of every left matrix, and their terms. */
static void put_lefts(const halves *h, const char *a, size_t lda, size_t i)
{
    ints terms[LEFTS];
    for (int t = 0; t < LEFTS; t++)
        terms[t] = ZERO_INTS();
    const char *low = a + h->m * lda;
    for (size_t k = 0; k < h->k; k += 16) {
#pragma GCC unroll 7
        for (int t = 0; t < LEFTS; t++) {
            ints r[HIGH];
#pragma GCC unroll 4
            for (size_t n = 0; n < HIGH; n++)
                r[n] = left_of(t, (const int16_t *)(const void *)(a + (i + n) * lda) + k,
                               (const int16_t *)(const void *)(low + (i + n) * lda) + k, h->k);
            const ints p0 = _mm256_unpacklo_epi64(r[0], r[1]),
                       p1 = _mm256_unpackhi_epi64(r[0], r[1]);
            const ints q0 = _mm256_unpacklo_epi64(r[2], r[3]),
                       q1 = _mm256_unpackhi_epi64(r[2], r[3]);
            const ints four[] = {_mm256_permute2x128_si256(p0, q0, 0x20),
                                 _mm256_permute2x128_si256(p1, q1, 0x20),
                                 _mm256_permute2x128_si256(p0, q0, 0x31),
                                 _mm256_permute2x128_si256(p1, q1, 0x31)};
            int16_t *to = h->lefts + (size_t)t * h->left + i * h->k + k * HIGH;
#pragma GCC unroll 4
            for (size_t n = 0; n < 4; n++) { // a row's two numbers of 32 bits both get its term
                store_ints(to + 16 * n, four[n]);
                terms[t] = DOT(terms[t], four[n], _mm256_shuffle_epi32(four[n], 0xb1));
            }
        }
    }
    for (size_t t = 0; t < LEFTS; t++) {
        uint32_t twice[2 * HIGH];
        memcpy(twice, &terms[t], sizeof twice);
        for (size_t n = 0; n < HIGH; n++)
            h->row_terms[t * h->m + i + n] = twice[2 * n];
    }
}

/* Every right matrix of two panels of bytes, and its columns' terms. */
static void put_rights(const halves *h, const char *one, const char *two, uint32_t (*terms)[NR])
{
    const size_t low = h->k * NR;
    for (size_t v = 0; v < 2; v++) {
        ints sum[RIGHTS];
        for (int t = 0; t < RIGHTS; t++)
            sum[t] = ZERO_INTS();
        for (size_t at = v * 2 * LANES; at < low; at += FOUR) {
            ints w[2][RIGHTS];
#pragma GCC unroll 2
            for (size_t g = 0; g < 2; g++) {
                const size_t b = at + g * 2 * NR;
                ints *t = w[g];
                t[B11] = load_weights(one + b), t[B12] = load_weights(two + b);
                t[B21] = load_weights(one + low + b), t[B22] = load_weights(two + low + b);
                t[T1] = _mm256_sub_epi16(t[B12], t[B11]);
                t[T2] = _mm256_sub_epi16(t[B22], t[T1]);
                t[T3] = _mm256_sub_epi16(t[B22], t[B12]);
                t[T4] = _mm256_sub_epi16(t[B21], t[T2]);
#pragma GCC unroll 8
                for (size_t n = 0; n < RIGHTS; n++)
                    store_ints(h->rights + n * h->right + b, t[n]);
            }
#pragma GCC unroll 8
            for (int t = 0; t < RIGHTS; t++)
                sum[t] = DOT(sum[t], w[0][t], w[1][t]);
        }
        for (int t = 0; t < RIGHTS; t++)
            store_ints(terms[t] + v * LANES, sum[t]);
    }
}

/* s0, s1 += four steps of a row (x, y: the first two, the other two) against two vectors of columns. */
#ifdef AT_SIMD_HEADER
#define SUM_OF(x, y, p, q) _mm256_madd_epi16(_mm256_add_epi16(x, q), _mm256_add_epi16(y, p))
#define ADD_INNER(s0, s1, x, y, b0, b1, b2, b3) \
    ((s0) = V(add_epi32)(s0, SUM_OF(x, y, b0, b2)), (s1) = V(add_epi32)(s1, SUM_OF(x, y, b1, b3)))
#else
#define ADD_INNER(s0, s1, x, y, b0, b1, b2, b3)                                      \
    do {                                                                             \
        ints x0_, y0_;                                                               \
        __asm__ volatile("vpaddw %[c2], %[cx], %[x0]\n\t"                            \
                         "vpaddw %[c0], %[cy], %[y0]\n\t"                            \
                         "vpaddw %[c3], %[cx], %[cx]\n\t"                            \
                         "vpaddw %[c1], %[cy], %[cy]\n\t"                            \
                         "vpmaddwd %[x0], %[y0], %[x0]\n\t"                          \
                         "vpmaddwd %[cx], %[cy], %[cx]\n\t"                          \
                         "vpaddd %[x0], %[t0], %[t0]\n\t"                            \
                         "vpaddd %[cx], %[t1], %[t1]"                                \
                         : [t0] "+x"(s0), [t1] "+x"(s1), [cx] "+x"(x), [cy] "+x"(y), \
                           [x0] "=&x"(x0_), [y0] "=&x"(y0_)                          \
                         : [c0] "x"(b0), [c1] "x"(b1), [c2] "x"(b2), [c3] "x"(b3));  \
    } while (0)
#endif

/* A left matrix against a right one. */
typedef struct half_product {
    const int16_t *a, *b;
    size_t k;
    const int32_t *from;                      // [m][NR], what sums begin with, or NULL
    int32_t *to;                              // [m][NR], or NULL; may be `from`
    const at_gemm_s8 *end;                    // whose y is written from the sums, or NULL
    const uint32_t *row_terms, *column_terms; // with end; terms and sums may wrap, results do not
} half_product;

INLINE void inner_four(const int16_t *a, const int16_t *b, ints s[TILE][2])
{
    const ints b0 = LOAD_INTS(b), b1 = LOAD_INTS(b + 2 * LANES);
    const ints b2 = LOAD_INTS(b + 4 * LANES), b3 = LOAD_INTS(b + 6 * LANES);
#pragma GCC unroll 4
    for (size_t r = 0; r < HIGH; r++) {
        ints x = load_step((const char *)(a + r * 4)), y = load_step((const char *)(a + r * 4 + 2));
        ADD_INNER(s[r][0], s[r][1], x, y, b0, b1, b2, b3);
    }
}

#define EACH                                                  \
    _Pragma("GCC unroll 4") for (size_t r = 0; r < HIGH; r++) \
        _Pragma("GCC unroll 2") for (size_t v = 0; v < 2; v++)

/* Rows [i, i + HIGH); a and b are theirs. */
static __attribute__((noinline)) void inner_tile(const half_product *p, size_t i, const int16_t *a)
{
    const int16_t *b = p->b, *end = b + p->k * NR;
    const size_t at = i * NR;
    ints s[TILE][2];
    if (p->from)
        EACH s[r][v] = LOAD_INTS(p->from + at + r * NR + v * LANES);
    else
        EACH s[r][v] = ZERO_INTS();
    for (; b < end; a += 2 * 4 * HIGH, b += 2 * FOUR) {
        inner_four(a, b, s);
        inner_four(a + 4 * HIGH, b + FOUR, s);
    }
    if (p->to) EACH store_ints(p->to + at + r * NR + v * LANES, s[r][v]);
    if (!p->end) return;
    EACH s[r][v] = V(sub_epi32)(V(sub_epi32)(s[r][v], V(set1_epi32)((int32_t)p->row_terms[i + r])),
                                LOAD_INTS(p->column_terms + v * LANES));
    end_sums(p->end, i, HIGH, 2, s);
}
#undef EACH

/* All rows, block by block of the depth. */
static void multiply_halves(const halves *h, size_t left, size_t right, half_product p)
{
    const size_t blocks = (h->k + DEEP - 1) / DEEP,
                 depth = at_round_up((h->k + blocks - 1) / blocks, 16);
    for (size_t k = 0; k < h->k; k += depth) {
        half_product part = p;
        part.k = at_min_size(depth, h->k - k);
        part.b = h->rights + right * h->right + k * NR;
        if (k) part.from = h->partial;
        if (k + part.k < h->k) part.to = h->partial, part.end = NULL;
        const int16_t *a = h->lefts + left * h->left + k * HIGH;
        for (size_t i = 0; i < h->m; i += HIGH)
            inner_tile(&part, i, a + i * h->k);
    }
}

/* Terms of the four results, of rows or columns, from those of the seven products. */
static void add_terms(size_t n, const uint32_t *p1, const uint32_t *p2, const uint32_t *p3,
                      const uint32_t *p4, const uint32_t *p5, const uint32_t *p6,
                      const uint32_t *p7, uint32_t *c11, uint32_t *c12, uint32_t *c21,
                      uint32_t *c22)
{
    for (size_t i = 0; i < n; i++) {
        const uint32_t u = p1[i] + p6[i], v = u + p7[i];
        c11[i] = p1[i] + p2[i];
        c12[i] = u + p5[i] + p3[i];
        c21[i] = v + p4[i];
        c22[i] = v + p5[i];
    }
}

/* Two whole panels. */
static void strassen_panels(const halves *h, const at_gemm_s8 *one, const at_gemm_s8 *two)
{
    enum { HEAD = NR * (sizeof(float) + sizeof(int32_t)) };
    uint32_t t[RIGHTS][NR], c11[NR], c12[NR], c21[NR], c22[NR];
    put_rights(h, (const char *)one->b + HEAD, (const char *)two->b + HEAD, t);
    add_terms(NR, t[B11], t[B21], t[B22], t[T4], t[T1], t[T2], t[T3], c11, c12, c21, c22);
    const at_gemm_s8 low_one = at_s8_rows(one, h->m, h->m), low_two = at_s8_rows(two, h->m, h->m);
    int32_t *const x = h->x, *const y = h->y, *const z = h->z;
    multiply_halves(h, A11, B11, (half_product){.to = x});
    multiply_halves(
        h, A12, B21,
        (half_product){.from = x, .end = one, .row_terms = h->c11, .column_terms = c11});
    multiply_halves(h, S2, T2, (half_product){.from = x, .to = y}); // u
    multiply_halves(h, S3, T3, (half_product){.from = y, .to = z}); // v
    multiply_halves(
        h, S1, T1,
        (half_product){
            .from = z, .to = x, .end = &low_two, .row_terms = h->c22, .column_terms = c22});
    for (size_t i = 0; i < h->m * NR; i += LANES) // u + s1 t1
        store_ints(y + i, V(add_epi32)(LOAD_INTS(y + i),
                                       V(sub_epi32)(LOAD_INTS(x + i), LOAD_INTS(z + i))));
    multiply_halves(
        h, S4, B22,
        (half_product){.from = y, .end = two, .row_terms = h->c12, .column_terms = c12});
    multiply_halves(
        h, A22, T4,
        (half_product){.from = z, .end = &low_one, .row_terms = h->c21, .column_terms = c21});
}

/* 2 * HIGH * n rows, 32 * n steps, an even number of whole panels. */
static void strassen(const at_gemm_s8 *p)
{
    const halves h = halves_in(p->room, p->m / 2, p->k / 2);
    for (size_t i = 0; i < h.m; i += HIGH)
        put_lefts(&h, p->a, p->lda, i);
    const uint32_t *t = h.row_terms;
    const size_t m = h.m;
    add_terms(m, t + A11 * m, t + A12 * m, t + S4 * m, t + A22 * m, t + S1 * m, t + S2 * m,
              t + S3 * m, h.c11, h.c12, h.c21, h.c22);
    at_gemm_s8 one, two;
    for (size_t j = 0; at_s8_panel(p, &FORM, j, &one); j += 2)
        if (at_s8_panel(p, &FORM, j + 1, &two)) strassen_panels(&h, &one, &two);
}

#endif
