/* philox_avx2.h - k_philox4x32 for eight blocks at once, on CPUs with AVX2.
 *
 * Written by hand because gcc makes 19 instructions of eight 32 x 32 -> 64 bit products where 7 suffice, and that is
 * most of the cost of a random number.  The words are those of k_philox4x32 (tests/test_random.c). */
#ifndef PHILOX_AVX2_H
#define PHILOX_AVX2_H
#include "grid.h"

#include <immintrin.h>

struct product { __m256i high, low; };

DEVICE struct product multiply(__m256i a, uint32_t factor)
{
    const __m256i f = _mm256_set1_epi32((int)factor);
    const __m256i even = _mm256_mul_epu32(a, f), odd = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), f);
    struct product p;
    p.high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
    p.low = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA);
    return p;
}

/* Blocks c0 .. c0+7. */
DEVICE void philox_8(uint32_t k0, uint32_t k1, uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3, __m256i word[4])
{
    __m256i x0 = _mm256_add_epi32(_mm256_set1_epi32((int)c0), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    __m256i x1 = _mm256_set1_epi32((int)c1), x2 = _mm256_set1_epi32((int)c2), x3 = _mm256_set1_epi32((int)c3);
    for (int i = 0; i < 10; i++) {
        const struct product a = multiply(x0, 0xD2511F53u), b = multiply(x2, 0xCD9E8D57u);
        x0 = _mm256_xor_si256(_mm256_xor_si256(b.high, x1), _mm256_set1_epi32((int)k0));
        x2 = _mm256_xor_si256(_mm256_xor_si256(a.high, x3), _mm256_set1_epi32((int)k1));
        x1 = b.low;
        x3 = a.low;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    word[0] = x0; word[1] = x1; word[2] = x2; word[3] = x3;
}

/* Blocks c0 .. c0+n-1, n <= LANES; a multiple of eight is written. */
DEVICE void philox_lanes(uint32_t k0, uint32_t k1, uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3, int n,
                         uint32_t w0[LANES], uint32_t w1[LANES], uint32_t w2[LANES], uint32_t w3[LANES])
{
    for (int l = 0; l < n; l += 8) {
        __m256i word[4];
        philox_8(k0, k1, c0 + (uint32_t)l, c1, c2, c3, word);
        _mm256_storeu_si256((__m256i *)(w0 + l), word[0]);
        _mm256_storeu_si256((__m256i *)(w1 + l), word[1]);
        _mm256_storeu_si256((__m256i *)(w2 + l), word[2]);
        _mm256_storeu_si256((__m256i *)(w3 + l), word[3]);
    }
}
#endif
