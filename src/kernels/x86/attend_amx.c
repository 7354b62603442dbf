/* attend_amx.c - a head of attention in AMX tiles of bfloat16, sums and softmax in float32. Blocks of 32
 * queries, two tiles high:
 *
 *   Q [32, dim] . K^T      keys in tiles [dim / 2][16 keys][2], S in the room, which stays in L1
 *   softmax of S's rows    2^(s - most), cubic: a power is rounded to 8 bits anyway; P lies over S
 *   P [32, n_k] . V        values in tiles [n_k / 2][16 channels][2]; rows are divided by their sums
 *
 * Bound: a head of Swin (144 x 144 x 32) is 171 tile products of 16 cycles, 1,296 vectors of powers of
 * some 8 cycles. A row's bits do not depend on the rows beside it. */
#define AT_VEC_512
#include "kernels/x86/simd.h"
#define AMX_DOT(sum, a, b) _tile_dpbf16ps(sum, a, b)
#include "kernels/x86/amx.h"

enum { TILE_BYTES = 1024, HIGH = 32 }; // bytes of a tile; queries of a block

typedef struct shape {
    size_t key_tiles, key_pairs; // of 16 and of 32 keys
    size_t dim_tiles, dim_pairs; // of 16 and of 32 channels
    size_t ld;                   // of scores, floats
    char *keys, *values, *queries;
    float *scores, *sums, *out;
} shape;

static shape shape_of(const at_attend_head *p)
{
    shape s = {.key_tiles = (p->n_k + 15) / 16,
               .key_pairs = (p->n_k + 31) / 32,
               .dim_tiles = (p->dim + 15) / 16,
               .dim_pairs = (p->dim + 31) / 32};
    s.ld = s.key_pairs * 32;
    s.keys = p->room;
    s.values = s.keys + s.key_pairs * 2 * s.dim_pairs * TILE_BYTES;
    s.queries = s.values + s.key_pairs * s.dim_pairs * 2 * TILE_BYTES;
    s.scores = (float *)(void *)(s.queries + HIGH * s.dim_pairs * 64);
    s.out = s.scores + HIGH * s.ld;
    s.sums = s.out + HIGH * s.dim_pairs * 32;
    return s;
}

static size_t row_of(const int32_t *rows, size_t i)
{
    return rows ? (size_t)rows[i] : i;
}

/* 32 bfloat16 of x, `n` of them there, the first in the low half. */
INLINE __m512i narrow(const float *x, size_t n, __m512 scale)
{
    const __m512 a = n < 16 ? load_first(x, n) : _mm512_loadu_ps(x);
    const __m512 b = n >= 32  ? _mm512_loadu_ps(x + 16)
                     : n > 16 ? load_first(x + 16, n - 16)
                              : _mm512_setzero_ps();
    return (__m512i)_mm512_cvtne2ps_pbh(_mm512_mul_ps(b, scale), _mm512_mul_ps(a, scale));
}

INLINE void transpose(__m512i *r)
{
    __m512i t[16];
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) { // r[i + c]: column c of each 128 bits, rows i to i + 3
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
        const __m512i even0 = _mm512_shuffle_i32x4(r[c], r[4 + c], 0x88);
        const __m512i even1 = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0x88);
        const __m512i odd0 = _mm512_shuffle_i32x4(r[c], r[4 + c], 0xdd);
        const __m512i odd1 = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0xdd);
        t[c] = _mm512_shuffle_i32x4(even0, even1, 0x88);
        t[8 + c] = _mm512_shuffle_i32x4(even0, even1, 0xdd);
        t[4 + c] = _mm512_shuffle_i32x4(odd0, odd1, 0x88);
        t[12 + c] = _mm512_shuffle_i32x4(odd0, odd1, 0xdd);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++)
        r[i] = t[i];
}

/* Pairs of channels of 16 keys become rows of a tile. */
static void pack_keys(const at_attend_head *p, const shape *s)
{
    const __m512 one = _mm512_set1_ps(1.0f);
    for (size_t t = 0; t < s->key_tiles; t++)
        for (size_t d = 0; d < s->dim_pairs; d++) {
            __m512i r[16];
#pragma GCC unroll 16
            for (size_t i = 0; i < 16; i++) {
                const size_t j = 16 * t + i;
                r[i] = j < p->n_k ? narrow(p->k + row_of(p->k_rows, j) * p->ldkv + 32 * d,
                                           p->dim - 32 * d, one)
                                  : _mm512_setzero_si512();
            }
            transpose(r);
            char *to = s->keys + (t * s->dim_pairs + d) * TILE_BYTES;
#pragma GCC unroll 16
            for (size_t i = 0; i < 16; i++)
                _mm512_store_si512(to + 64 * i, r[i]);
        }
}

/* Two keys' channels alternate in a row of a tile. */
static void pack_values(const at_attend_head *p, const shape *s)
{
    static const uint16_t pairs[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                       21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                       11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    const __m512i order = _mm512_loadu_si512(pairs);
    for (size_t j = 0; j < 32 * s->key_pairs; j += 2) {
        const float *row[2] = {NULL, NULL};
        for (size_t i = 0; i < 2; i++)
            if (j + i < p->n_k) row[i] = p->v + row_of(p->k_rows, j + i) * p->ldkv;
        char *to = s->values + j / 32 * s->dim_tiles * TILE_BYTES + j % 32 / 2 * 64;
        for (size_t c = 0; c < p->dim; c += 16, to += TILE_BYTES) {
            const __mmask16 lanes = first_lanes(p->dim - c < 16 ? p->dim - c : 16);
            __m512 v[2];
            for (size_t i = 0; i < 2; i++)
                v[i] = row[i] ? _mm512_maskz_loadu_ps(lanes, row[i] + c) : _mm512_setzero_ps();
            const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(v[1], v[0]);
            _mm512_store_si512(to, _mm512_permutexvar_epi16(order, both));
        }
    }
}

/* C [32, 32] = A [32, depth * 32] B, of it the tiles that are there. A's rows lie `lda` bytes apart, B's
 * tiles `step` bytes, the right ones `right` bytes behind the left. */
INLINE void tiles_product(const char *a, size_t lda, const char *b, size_t step, size_t right,
                          size_t depth, float *c, size_t ldc, bool low, bool wide)
{
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (size_t t = 0; t < depth; t++, a += 64, b += step) {
        _tile_loadd(4, a, lda);
        _tile_loadd(6, b, 64);
        AMX_DOT(0, 4, 6);
        if (wide) {
            _tile_loadd(7, b + right, 64);
            AMX_DOT(1, 4, 7);
        }
        if (low) {
            _tile_loadd(5, a + 16 * lda, lda);
            AMX_DOT(2, 5, 6);
            if (wide) AMX_DOT(3, 5, 7);
        }
    }
    _tile_stored(0, c, ldc * sizeof *c);
    if (wide) _tile_stored(1, c + 16, ldc * sizeof *c);
    if (low) _tile_stored(2, c + 16 * ldc, ldc * sizeof *c);
    if (low && wide) _tile_stored(3, c + 16 * ldc + 16, ldc * sizeof *c);
}

#define LOG2_E 1.44269504f

/* Scores [j, j + 16) of row i, in powers of two. */
INLINE __m512 score(const at_attend_head *p, size_t i, size_t j, __m512 s, __mmask16 lanes)
{
    const __m512 log2_e = _mm512_set1_ps(LOG2_E);
    if (p->bias)
        s = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(lanes, p->bias + i * p->ld_bias + j), log2_e, s);
    if (p->region) {
        const __m512i region = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(lanes, p->region + j));
        const __mmask16 other = (__mmask16)~_mm512_cmpeq_epi32_mask(region,
                                                                    _mm512_set1_epi32(p->own[i]));
        s = _mm512_mask_sub_ps(s, other, s, _mm512_set1_ps(100.0f * LOG2_E));
    }
    if (p->mask) s = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(lanes, p->mask + j), log2_e, s);
    return _mm512_mask_mov_ps(_mm512_set1_ps(-__builtin_inff()), lanes, s);
}

/* 2^x for x <= 0, 2^-125 below that; relative error 7.5e-5; NaN stays. */
INLINE __m512 power(__m512 x)
{
    const __m512 magic = _mm512_set1_ps(0x1.8p23f);
    x = _mm512_max_ps(_mm512_set1_ps(-125.0f), x);
    const __m512 t = _mm512_add_ps(x, magic);
    const __m512 f = _mm512_sub_ps(x, _mm512_sub_ps(t, magic));
    __m512 e = _mm512_fmadd_ps(_mm512_set1_ps(0.05517167f), f, _mm512_set1_ps(0.24261112f));
    e = _mm512_fmadd_ps(e, f, _mm512_set1_ps(0.69326099f));
    e = _mm512_fmadd_ps(e, f, _mm512_set1_ps(0.99992807f));
    return _mm512_castsi512_ps(
        _mm512_add_epi32(_mm512_castps_si512(e), _mm512_slli_epi32(_mm512_castps_si512(t), 23)));
}

/* Each row's lanes combined: lane i of the result is row i's. */
#define COMBINED(rows, op)                                \
    transpose((__m512i *)(rows));                         \
    _Pragma("GCC unroll 4") for (int w_ = 8; w_; w_ /= 2) \
        _Pragma("GCC unroll 8") for (int i_ = 0; i_ < w_; \
                                     i_++)(rows)[i_] = op((rows)[i_], (rows)[i_ + w_])

/* Rows [0, n), 16 at most, of scores of queries [first, ..) become P; sums[i] what to divide row i by. */
static void softmax(const at_attend_head *p, const shape *s, size_t first, size_t n, float *scores,
                    float *sums)
{
    __m512 most[16], sum[16];
    const size_t end = p->n_k / 16 * 16;
    const __mmask16 rest = first_lanes(p->n_k - end);
    for (size_t i = 0; i < 16; i++) {
        most[i] = _mm512_set1_ps(-__builtin_inff());
        if (i >= n) continue;
        float *x = scores + i * s->ld;
        for (size_t j = 0; j < end; j += 16) {
            const __m512 t = score(p, first + i, j, _mm512_load_ps(x + j), 0xffff);
            _mm512_store_ps(x + j, t);
            most[i] = _mm512_max_ps(t, most[i]);
        }
        if (rest) {
            const __m512 t = score(p, first + i, end, _mm512_load_ps(x + end), rest);
            _mm512_store_ps(x + end, t);
            most[i] = _mm512_max_ps(t, most[i]);
        }
        if (s->key_tiles % 2)
            _mm512_store_ps(x + 16 * s->key_tiles, _mm512_set1_ps(-__builtin_inff()));
    }
    float each[16];
    COMBINED(most, _mm512_max_ps);
    _mm512_storeu_ps(each, most[0]);
    for (size_t i = 0; i < 16; i++) {
        sum[i] = _mm512_setzero_ps();
        if (i >= n) continue;
        float *x = scores + i * s->ld;
        char *to = (char *)x;
        const __m512 less = _mm512_set1_ps(each[i]);
        for (size_t j = 0; j < s->ld; j += 32, to += 64) {
            const __m512 a = power(_mm512_sub_ps(_mm512_load_ps(x + j), less));
            const __m512 b = power(_mm512_sub_ps(_mm512_load_ps(x + j + 16), less));
            sum[i] = _mm512_add_ps(sum[i], _mm512_add_ps(a, b));
            _mm512_store_si512(to, (__m512i)_mm512_cvtne2ps_pbh(b, a));
        }
    }
    COMBINED(sum, _mm512_add_ps);
    _mm512_storeu_ps(sums, sum[0]);
}

void at_attend_bf16_amx(const at_attend_head *p)
{
    const shape s = shape_of(p);
    const __m512 scale = _mm512_set1_ps(p->scale * LOG2_E);
    const size_t ldq = s.dim_pairs * 64, ldo = s.dim_pairs * 32;
    tiles_begin();
    pack_keys(p, &s);
    pack_values(p, &s);
    for (size_t first = 0; first < p->n_q; first += HIGH) {
        const size_t n = at_min_size(HIGH, p->n_q - first);
        const bool low = n > 16;
        for (size_t i = 0; i < n; i++)
            for (size_t d = 0; d < s.dim_pairs; d++)
                _mm512_store_si512(s.queries + i * ldq + 64 * d,
                                   narrow(p->q + row_of(p->q_rows, first + i) * p->ldq + 32 * d,
                                          p->dim - 32 * d, scale));
        for (size_t t = 0; t < s.key_tiles; t += 2)
            tiles_product(s.queries, ldq, s.keys + t * s.dim_pairs * TILE_BYTES, TILE_BYTES,
                          s.dim_pairs * TILE_BYTES, s.dim_pairs, s.scores + 16 * t, s.ld, low,
                          t + 1 < s.key_tiles);
        softmax(p, &s, first, at_min_size(n, 16), s.scores, s.sums);
        if (low) softmax(p, &s, first + 16, n - 16, s.scores + 16 * s.ld, s.sums + 16);
        for (size_t c = 0; c < s.dim_tiles; c += 2)
            tiles_product((const char *)s.scores, s.ld * sizeof(float), s.values + c * TILE_BYTES,
                          s.dim_tiles * TILE_BYTES, TILE_BYTES, s.key_pairs, s.out + 16 * c, ldo,
                          low, c + 1 < s.dim_tiles);
        for (size_t i = 0; i < n; i++) {
            const __m512 r = _mm512_set1_ps(1.0f / s.sums[i]);
            float *to = p->out + row_of(p->q_rows, first + i) * p->ldo;
            for (size_t c = 0; c < p->dim; c += 16)
                _mm512_mask_storeu_ps(to + c, first_lanes(p->dim - c < 16 ? p->dim - c : 16),
                                      _mm512_mul_ps(_mm512_load_ps(s.out + i * ldo + c), r));
        }
    }
    tiles_end();
}
