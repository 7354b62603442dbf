/* resize_avx512.c - a resize of bytes, eight rows or 64 bytes at a time. */
#define AT_VEC_512
#include "kernels/x86/resize_down.h"

/* Rounded pixels of the two rows in the halves of a register. */
static inline __m128i two_pixels(__m512i s)
{
    return _mm_packs_epi32(rounded(_mm512_castsi512_si256(s)),
                           rounded(_mm512_extracti64x4_epi64(s, 1)));
}

static void across_eight(const at_resize_across *p, size_t row)
{
    const __m512i order = _mm512_broadcast_i64x4(order_of_taps());
    const size_t ld = p->ld_src;
    uint8_t *dst = p->dst + row * p->ld_dst;
    for (size_t x = 0; x < p->n; x++, dst += 3) {
        const uint8_t *src = p->src + row * ld + 3 * (size_t)p->first[x];
        const int32_t *k = p->k + x * p->taps;
        __m512i low[4], high[4]; // rows 0 1, 2 3, 4 5, 6 7
#pragma GCC unroll 4
        for (int r = 0; r < 4; r++)
            low[r] = high[r] = _mm512_setzero_si512();
        for (int32_t t = 0; t < p->count[x]; t += 4, src += 12) {
            const __m256i halves = halves_of(k + t);
            const __m512i k_low = _mm512_broadcast_i64x4(low_of(halves)),
                          k_high = _mm512_broadcast_i64x4(high_of(halves));
#pragma GCC unroll 4
            for (int r = 0; r < 4; r++) {
                const uint8_t *at = src + 2 * (size_t)r * ld;
                const __m128i a = _mm_loadu_si128((const __m128i *)at),
                              b = _mm_loadu_si128((const __m128i *)(at + ld));
                const __m512i both = _mm512_mask_broadcast_i32x4(_mm512_broadcast_i32x4(a), 0xff00,
                                                                 b);
                const __m512i v = _mm512_shuffle_epi8(both, order);
                low[r] = _mm512_add_epi32(low[r], _mm512_madd_epi16(v, k_low));
                high[r] = _mm512_add_epi32(high[r], _mm512_madd_epi16(v, k_high));
            }
        }
#pragma GCC unroll 2
        for (int r = 0; r < 4; r += 2)
            store_pixels(dst + 2 * (size_t)r * p->ld_dst, p->ld_dst, 4,
                         two_pixels(join(low[r], high[r])),
                         two_pixels(join(low[r + 1], high[r + 1])));
    }
}

void at_resize_across_avx512(const at_resize_across *p)
{
    const size_t whole = p->rows / 8 * 8;
    for (size_t row = 0; row < whole; row += 8)
        across_eight(p, row);
    at_resize_across rest = *p;
    rest.rows -= whole;
    rest.src += whole * p->ld_src;
    rest.dst += whole * p->ld_dst;
    at_resize_across_avx2(&rest);
}

void at_resize_down_avx512(const at_resize_down *p)
{
    resize_down(p);
}
