/* philox_x86.h - k_philox4x32 for many blocks at once, by the instructions that the processor has at run time.
 *
 * Written by hand because gcc makes many instructions of a vector of 32 x 32 -> 64 bit products where one suffices, and
 * that is most of the cost of a random number.  A block has a lane of 64 bits, of which the lower 32 count: a product
 * reads no others of its factors.  The words are those of k_philox4x32 (tests/test_random.c). */
#ifndef PHILOX_X86_H
#define PHILOX_X86_H
#include "kmath.h"

#include <immintrin.h>

/* Blocks c0 .. c0+n-1, n <= LANES; a multiple of `width` is written. */
#define PHILOX_LANES(name, isa, width, type, multiply)                                                                 \
    __attribute__((target(isa))) static void name(uint32_t key0, uint32_t key1, uint32_t c0, uint32_t c1, uint32_t c2, \
                                                  uint32_t c3, int n, uint32_t *w0, uint32_t *w1, uint32_t *w2,        \
                                                  uint32_t *w3)                                                        \
    {                                                                                                                  \
        typedef uint64_t lanes __attribute__((vector_size(8 * (width))));                                              \
        typedef uint32_t words __attribute__((vector_size(4 * (width)), aligned(4), may_alias));                       \
        const lanes zero = {0};                                                                                        \
        const type factor0 = (type)(zero + 0xD2511F53u), factor2 = (type)(zero + 0xCD9E8D57u);                         \
        lanes block = zero;                                                                                            \
        for (int i = 0; i < (width); i++) block[i] = c0 + (uint32_t)i;                                                 \
        for (int l = 0; l < n; l += (width), block += (width)) {                                                       \
            lanes x0 = block, x1 = zero + c1, x2 = zero + c2, x3 = zero + c3;                                          \
            uint32_t k0 = key0, k1 = key1;                                                                             \
            for (int i = 0; i < 10; i++) {                                                                             \
                const lanes a = (lanes)multiply((type)x0, factor0), b = (lanes)multiply((type)x2, factor2);            \
                x0 = (b >> 32) ^ x1 ^ k0;                                                                              \
                x2 = (a >> 32) ^ x3 ^ k1;                                                                              \
                x1 = b;                                                                                                \
                x3 = a;                                                                                                \
                k0 += 0x9E3779B9u;                                                                                     \
                k1 += 0xBB67AE85u;                                                                                     \
            }                                                                                                          \
            *(words *)(w0 + l) = __builtin_convertvector(x0, words);                                                   \
            *(words *)(w1 + l) = __builtin_convertvector(x1, words);                                                   \
            *(words *)(w2 + l) = __builtin_convertvector(x2, words);                                                   \
            *(words *)(w3 + l) = __builtin_convertvector(x3, words);                                                   \
        }                                                                                                              \
    }
PHILOX_LANES(philox_lanes_avx512, "avx512f", 8, __m512i, _mm512_mul_epu32)
PHILOX_LANES(philox_lanes_avx2, "avx2", 4, __m256i, _mm256_mul_epu32)

DEVICE void philox_lanes(uint32_t k0, uint32_t k1, uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3, int n,
                         uint32_t *w0, uint32_t *w1, uint32_t *w2, uint32_t *w3)
{
    if (__builtin_cpu_supports("avx512f"))
        philox_lanes_avx512(k0, k1, c0, c1, c2, c3, n, w0, w1, w2, w3);
    else if (__builtin_cpu_supports("avx2"))
        philox_lanes_avx2(k0, k1, c0, c1, c2, c3, n, w0, w1, w2, w3);
    else
        for (int l = 0; l < n; l++)
            k_philox4x32(k0, k1, c0 + (uint32_t)l, c1, c2, c3, w0 + l, w1 + l, w2 + l, w3 + l);
}
#endif
