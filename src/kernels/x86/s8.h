/* s8.h - products of bytes, for every level; s8_<level>.c says which tiles there are.
 *
 * As in gemm_tile.h a tile is rows x 2 vectors of columns, but over the whole depth: sums are exact, so
 * their order is free. Without VNNI (AT_S8_PAIRS) weights are widened to 16 bits and two steps of k are
 * multiplied at once by vpmaddwd: 127 * 127 * 2 fits. Unsigned bytes (vpmaddubsw) would saturate; with
 * the sign moved from one side to the other first they do not, and were as quick (142 beside 145
 * GFLOP/s, f32 90), for more instructions. With VNNI four steps at once: activations are 128 too large
 * to be unsigned, and a sum begins at -128 times the column's sum.
 * Bound on AVX2: 12 vpmaddwd, 12 vpaddd, 2 conversions for 192 products, 6.5 cycles of four ports. */
#ifndef AT_KERNELS_X86_S8_H
#define AT_KERNELS_X86_S8_H

#include "kernels/x86/gemm_tile.h"

#ifdef AT_VEC_512
typedef __m512i ints;
#define LOAD_INTS(p)   _mm512_loadu_si512(p)
#define ZERO_INTS()    _mm512_setzero_si512()
#define DOT(sum, x, b) _mm512_dpbusd_epi32(sum, x, b)
#else
typedef __m256i ints;
#define LOAD_INTS(p) _mm256_loadu_si256((const __m256i *)(const void *)(p))
#define ZERO_INTS()  _mm256_setzero_si256()
#ifdef AT_S8_PAIRS
#define DOT(sum, x, b) _mm256_add_epi32(sum, _mm256_madd_epi16(x, b))
#else
#define DOT(sum, x, b) _mm256_dpbusd_avx_epi32(sum, x, b)
#endif
#endif

#ifdef AT_S8_PAIRS
enum { GROUP = 2 };
#define FORM at_s8_form_pairs
INLINE ints load_weights(const char *b)
{
    return _mm256_cvtepi8_epi16(_mm_load_si128((const __m128i *)(const void *)b));
}
#else
enum { GROUP = 4 };
#ifdef AT_VEC_512
#define FORM at_s8_form_512
#else
#define FORM at_s8_form_256
#endif
INLINE ints load_weights(const char *b)
{
    return LOAD_INTS(b);
}
#endif

/* sum += x . b, in this form and order: left to itself gcc spreads the steps of k over each other and
 * spills sums. */
#ifdef AT_SIMD_HEADER
#define ADD_DOT(sum, x, b) ((sum) = DOT(sum, x, b))
#elif defined AT_S8_PAIRS
#define ADD_DOT(sum, x, b)                          \
    do {                                            \
        ints pairs_;                                \
        __asm__ volatile("vpmaddwd %3, %2, %1\n\t"  \
                         "vpaddd %1, %0, %0"        \
                         : "+x"(sum), "=&x"(pairs_) \
                         : "x"(x), "x"(b));         \
    } while (0)
#else
#define ADD_DOT(sum, x, b)                \
    do {                                  \
        (sum) = DOT(sum, x, b);           \
        __asm__ volatile("" : "+v"(sum)); \
    } while (0)
#endif

/* Every sum of a tile. */
#define EACH                                                   \
    _Pragma("GCC unroll 14") for (size_t r = 0; r < rows; r++) \
        _Pragma("GCC unroll 2") for (size_t v = 0; v < vecs; v++)

/* y of rows [i, i + rows) from their sums. */
INLINE void end_sums(const at_gemm_s8 *p, size_t i, const size_t rows, const size_t vecs,
                     ints s[TILE][2])
{
    const float *scale = p->b;
    vec f[TILE][2];
    const vec by[2] = {V(loadu_ps)(scale), V(loadu_ps)(scale + LANES)};
    const float *a_scale = p->a_scale + i;
    EACH f[r][v] = V(mul_ps)(V(mul_ps)(V(cvtepi32_ps)(s[r][v]), V(set1_ps)(a_scale[r])), by[v]);
    end_tile(at_gemm_end_at(p->end, i, 0), rows, vecs, p->n, f);
}

/* A step of k, GROUP products: four bytes of a row. */
INLINE ints load_step(const char *a)
{
    int32_t four;
    memcpy(&four, a, sizeof four);
    return V(set1_epi32)(four);
}

INLINE void s8_tile(const at_gemm_s8 *p, size_t i, const size_t rows, const size_t vecs)
{
    const size_t lda = p->lda;
    const char *a = (const char *)p->a + i * lda;
    const int32_t *fix = (const int32_t *)((const float *)p->b + NR);
    const char *b = (const char *)(fix + NR), *end = b + p->k * NR;
    ints s[TILE][2];
#ifdef AT_S8_PAIRS
    EACH s[r][v] = ZERO_INTS();
#else
    EACH s[r][v] = LOAD_INTS(fix + v * LANES);
#endif
    const char *a3 = a + 3 * lda;
    const char *a6 = a + 6 * lda;
    const char *a9 = a + 9 * lda;
    const char *a12 = a + 12 * lda;
    while (b < end) {
#pragma GCC unroll 2
        for (size_t u = 0; u < AT_S8_PAD / GROUP; u++) {
            const ints b0 = load_weights(b + u * NR * GROUP);
            const ints b1 = vecs > 1 ? load_weights(b + (u * NR + LANES) * GROUP) : b0;
#pragma GCC unroll 14
            for (size_t r = 0; r < rows; r++) {
                const char *row = r < 3 ? a : r < 6 ? a3 : r < 9 ? a6 : r < 12 ? a9 : a12;
                const ints x = load_step(row + r % 3 * lda + u * 4);
                ADD_DOT(s[r][0], x, b0);
                if (vecs > 1) ADD_DOT(s[r][1], x, b1);
            }
        }
        const size_t step = 4 * (AT_S8_PAD / GROUP);
        a += step, a3 += step, a6 += step, a9 += step, a12 += step;
        b += AT_S8_PAD * NR;
    }
    end_sums(p, i, rows, vecs, s);
}
#undef EACH

typedef struct s8_tiles {
    size_t rows; // from the highest down to 1
    void (*run)(const at_gemm_s8 *p, size_t i);
} s8_tiles;

#define S8_TILE(name, rows, vecs)                                                      \
    static __attribute__((noinline)) void name##_##rows(const at_gemm_s8 *p, size_t i) \
    {                                                                                  \
        s8_tile(p, i, rows, vecs);                                                     \
    }
#define S8_ROWS(name, rows) \
    {                       \
        rows, name##_##rows \
    }

INLINE void s8_run(const at_gemm_s8 *p, const s8_tiles *t)
{
    for (size_t i = 0; i < p->m; t++)
        for (; p->m - i >= t->rows; i += t->rows)
            t->run(p, i);
}

/* --- rows of activations ------------------------------------------------------------------------- */

#ifdef AT_VEC_512
#define MAX_BITS(a, b) _mm512_max_epi32(a, b)
#define BITS_OF(v)     _mm512_and_si512(_mm512_castps_si512(v), _mm512_set1_epi32(0x7fffffff))
#else
#define MAX_BITS(a, b) _mm256_max_epi32(a, b)
#define BITS_OF(v)     _mm256_and_si256(_mm256_castps_si256(v), _mm256_set1_epi32(0x7fffffff))
#endif

/* The largest magnitude's bits, whose order is the floats'; NaN is above infinity. */
INLINE uint32_t most_bits(size_t n, const float *x)
{
    ints most[4] = {ZERO_INTS(), ZERO_INTS(), ZERO_INTS(), ZERO_INTS()};
    size_t i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES)
#pragma GCC unroll 4
        for (size_t v = 0; v < 4; v++)
            most[v] = MAX_BITS(most[v], BITS_OF(V(loadu_ps)(x + i + v * LANES)));
    for (; i < n; i += LANES)
        most[0] = MAX_BITS(most[0], BITS_OF(load_first(x + i, at_min_size(n - i, LANES))));
    const ints m = MAX_BITS(MAX_BITS(most[0], most[1]), MAX_BITS(most[2], most[3]));
#if defined AT_VEC_512 && !defined AT_SIMD_HEADER
    return (uint32_t)_mm512_reduce_max_epi32(m);
#endif
    uint32_t lanes[LANES], all = 0;
    memcpy(lanes, &m, sizeof lanes);
    for (size_t l = 0; l < LANES; l++)
        all = lanes[l] > all ? lanes[l] : all;
    return all;
}

/* Stores LANES whole numbers, or the first `count`, in the level's form. */
INLINE void put_quantised(char *q, ints v, size_t count)
{
    int32_t all[LANES];
    memcpy(all, &v, sizeof all);
    for (size_t l = 0; l < count; l++) {
#ifdef AT_S8_PAIRS
        const int16_t one = (int16_t)all[l];
        memcpy(q + 2 * l, &one, 2);
#else
        q[l] = (char)(uint8_t)(all[l] + 128);
#endif
    }
}

/* Four vectors at once, in order. */
INLINE void put_four(char *q, const ints *v)
{
#ifdef AT_S8_PAIRS
    for (int h = 0; h < 2; h++) {
        const __m256i pair = _mm256_packs_epi32(v[2 * h], v[2 * h + 1]);
        _mm256_storeu_si256((__m256i *)(void *)(q + 32 * h), _mm256_permute4x64_epi64(pair, 0xd8));
    }
#elif defined AT_VEC_512
    for (int h = 0; h < 4; h++) {
        const __m128i bytes = _mm512_cvtepi32_epi8(v[h]);
        _mm_storeu_si128((__m128i *)(void *)(q + 16 * h),
                         _mm_xor_si128(bytes, _mm_set1_epi8((char)0x80)));
    }
#else
    const __m256i low = _mm256_packs_epi32(v[0], v[1]), high = _mm256_packs_epi32(v[2], v[3]);
    const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high),
                                                      _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    _mm256_storeu_si256((__m256i *)(void *)q,
                        _mm256_xor_si256(bytes, _mm256_set1_epi8((char)0x80)));
#endif
}

INLINE void quantize(size_t n, const float *x, char *q, float *scale)
{
    enum { SIZE = 4 / GROUP };
    const uint32_t most = most_bits(n, x);
    float max;
    memcpy(&max, &most, sizeof max);
    const bool whole = most < 0x7f800000, zero = !whole || max < 1e-30f;
    *scale = !whole ? __builtin_nanf("") : zero ? 0.0f : max / 127.0f;
    const size_t padded = at_round_up(n, AT_S8_PAD);
    if (zero) {
        for (size_t i = 0; i < padded; i++)
            put_quantised(q + i * SIZE, ZERO_INTS(), 1);
        return;
    }
    const vec by = V(set1_ps)(127.0f / max);
    size_t i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES) {
        ints v[4];
#pragma GCC unroll 4
        for (size_t l = 0; l < 4; l++)
            v[l] = V(cvtps_epi32)(V(mul_ps)(V(loadu_ps)(x + i + l * LANES), by));
        put_four(q + i * SIZE, v);
    }
    for (; i < n; i += LANES) {
        const vec f = load_first(x + i, at_min_size(n - i, LANES)); // zeros behind
        put_quantised(q + i * SIZE, V(cvtps_epi32)(V(mul_ps)(f, by)),
                      at_min_size(padded - i, LANES));
    }
}

/* A panel, in tiles `high` rows by two vectors, or `tall` rows by one if it is narrow. */
#define S8_PANEL(high, tall)                                                                     \
    S8_TILE(wide, high, 2)                                                                       \
    S8_TILE(wide, 4, 2)                                                                          \
    S8_TILE(wide, 2, 2)                                                                          \
    S8_TILE(wide, 1, 2)                                                                          \
    S8_TILE(narrow, tall, 1)                                                                     \
    S8_TILE(narrow, 4, 1)                                                                        \
    S8_TILE(narrow, 1, 1)                                                                        \
    static void s8_one_panel(const at_gemm_s8 *p)                                                \
    {                                                                                            \
        static const s8_tiles wide[] = {S8_ROWS(wide, high), S8_ROWS(wide, 4), S8_ROWS(wide, 2), \
                                        S8_ROWS(wide, 1)};                                       \
        static const s8_tiles narrow[] = {S8_ROWS(narrow, tall), S8_ROWS(narrow, 4),             \
                                          S8_ROWS(narrow, 1)};                                   \
        s8_run(p, p->n > LANES ? wide : narrow);                                                 \
    }
#define S8_GEMM(level)                                          \
    void at_gemm_s8_##level(const at_gemm_s8 *p)                \
    {                                                           \
        at_gemm_s8 one;                                         \
        for (size_t j = 0; at_s8_panel(p, &FORM, j, &one); j++) \
            s8_one_panel(&one);                                 \
    }
#define S8_QUANTIZE(level)                                                        \
    void at_quantize_row_##level(size_t n, const float *x, void *q, float *scale) \
    {                                                                             \
        quantize(n, x, q, scale);                                                 \
    }

#endif
