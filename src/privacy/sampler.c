/* sampler.c - a keyed permutation of 0..n-1 in constant memory.
 *
 * A Feistel network permutes the numbers of 2k bits, 2^2k >= n: halves (l, r) become (r, l ^ f(r)), with Philox as f.
 * From a number below n it is applied until it lands below n again, which is a permutation of those ("cycle walking";
 * Black and Rogaway, Ciphers with arbitrary finite domains, 2002).  At most 4 tries on average. */
#include "sampler.h"

#include "../base/check.h"
#include "../device/device.h"

enum { ROUNDS = 8 };

static uint32_t round_word(uint64_t seed, uint32_t epoch, int round, uint32_t half)
{
    uint32_t word[4];
    k_philox((struct philox_stream){seed, STREAM_OF(SAMPLING, round), epoch, 0}, half, word);
    return word[0];
}

long sampler_shuffle(uint64_t seed, uint32_t epoch, long i, long n)
{
    CHECK(0 <= i && i < n && n <= 1L << 31);
    int half_bits = 1;
    while (1L << 2 * half_bits < n)
        half_bits++;
    const uint32_t mask = (1u << half_bits) - 1;
    do {
        uint32_t left = (uint32_t)i >> half_bits, right = (uint32_t)i & mask;
        for (int round = 0; round < ROUNDS; round++) {
            uint32_t mixed = left ^ (round_word(seed, epoch, round, right) & mask);
            left = right;
            right = mixed;
        }
        i = (long)left << half_bits | right;
    } while (i >= n);
    return i;
}
