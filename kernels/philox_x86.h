/* philox_x86.h - k_philox4x32 for many blocks at once, by the instructions that the processor has at run time.
 *
 * Written by hand because gcc makes many instructions of a vector of 32 x 32 -> 64 bit products where one suffices, and
 * that is most of the cost of a random number.  A block has a lane of 64 bits, of which the lower 32 count: a product
 * reads no others of its factors.  The words are those of k_philox4x32 (tests/test_random.c). */
#ifndef PHILOX_X86_H
#define PHILOX_X86_H
#include "kmath.h"

#include <immintrin.h>

/* Blocks c0 .. c0+n-1, n <= LANES; a multiple of groups x width is written.  Groups hide each other's latencies. */
#define EACH_GROUP(groups) _Pragma("GCC unroll 4") for (int g = 0; g < (groups); g++)
#define PHILOX_LANES(name, isa, groups, width, type, multiply)                                                         \
    __attribute__((target(isa))) static void name(uint32_t key0, uint32_t key1, uint32_t c0, uint32_t c1, uint32_t c2, \
                                                  uint32_t c3, int n, uint32_t *w0, uint32_t *w1, uint32_t *w2,        \
                                                  uint32_t *w3)                                                        \
    {                                                                                                                  \
        typedef uint64_t lanes __attribute__((vector_size(8 * (width))));                                              \
        typedef uint32_t words __attribute__((vector_size(4 * (width)), aligned(4), may_alias));                       \
        const lanes zero = {0};                                                                                        \
        const type factor0 = (type)(zero + 0xD2511F53u), factor2 = (type)(zero + 0xCD9E8D57u);                         \
        lanes block = zero, x0[groups], x1[groups], x2[groups], x3[groups];                                            \
        for (int i = 0; i < (width); i++) block[i] = c0 + (uint32_t)i;                                                 \
        for (int l = 0; l < n; l += (groups) * (width)) {                                                              \
            uint32_t k0 = key0, k1 = key1;                                                                             \
            EACH_GROUP(groups) {                                                                                       \
                x0[g] = block;                                                                                         \
                x1[g] = zero + c1;                                                                                     \
                x2[g] = zero + c2;                                                                                     \
                x3[g] = zero + c3;                                                                                     \
                block += (width);                                                                                      \
            }                                                                                                          \
            _Pragma("GCC unroll 10") for (int i = 0; i < 10; i++) {                                                    \
                EACH_GROUP(groups) {                                                                                   \
                    const lanes a = (lanes)multiply((type)x0[g], factor0), b = (lanes)multiply((type)x2[g], factor2);  \
                    x0[g] = (b >> 32) ^ x1[g] ^ k0;                                                                    \
                    x2[g] = (a >> 32) ^ x3[g] ^ k1;                                                                    \
                    x1[g] = b;                                                                                         \
                    x3[g] = a;                                                                                         \
                }                                                                                                      \
                k0 += 0x9E3779B9u;                                                                                     \
                k1 += 0xBB67AE85u;                                                                                     \
            }                                                                                                          \
            EACH_GROUP(groups) {                                                                                       \
                *(words *)(w0 + l + g * (width)) = __builtin_convertvector(x0[g], words);                              \
                *(words *)(w1 + l + g * (width)) = __builtin_convertvector(x1[g], words);                              \
                *(words *)(w2 + l + g * (width)) = __builtin_convertvector(x2[g], words);                              \
                *(words *)(w3 + l + g * (width)) = __builtin_convertvector(x3[g], words);                              \
            }                                                                                                          \
        }                                                                                                              \
    }
PHILOX_LANES(philox_lanes_avx512, "avx512f", 4, 8, __m512i, _mm512_mul_epu32)
PHILOX_LANES(philox_lanes_avx2, "avx2", 2, 4, __m256i, _mm256_mul_epu32)

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
