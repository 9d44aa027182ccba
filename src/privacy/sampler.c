/* sampler.c - batches by shuffling or by Poisson sampling.
 *
 * A shuffle is a keyed permutation of 0..n-1 in constant memory.  A Feistel network permutes the numbers of 2k bits,
 * 2^2k >= n: halves (l, r) become (r, l ^ f(r)), with Philox as f.  From a number below n it is applied until it lands
 * below n again, which is a permutation of those ("cycle walking"; Black and Rogaway, Ciphers with arbitrary finite
 * domains, 2002).  At most 4 tries on average. */
#include "sampler.h"

#include "../base/check.h"
#include "../device/device.h"
#include "noise.h"
#include "poisson.h"

enum { ROUNDS = 8, POISSON_STREAM = 255 }; /* streams 0 to ROUNDS-1 are the shuffle's */

const char *const sampling_name[N_SAMPLINGS] = {"shuffle", "poisson"};

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

static long draw_shuffled(const struct sampler *s, uint32_t step, long *record)
{
    const long batches = s->n / s->batch_size; /* of an epoch */
    CHECK(batches > 0 && s->batch_size <= s->capacity);
    for (long i = 0; i < s->batch_size; i++)
        record[i] = sampler_shuffle(s->seed, (uint32_t)(step / batches), step % batches * s->batch_size + i, s->n);
    return s->batch_size;
}

static long draw_poisson(const struct sampler *s, uint32_t step, long *record)
{
    const double q = (double)s->batch_size / (double)s->n;
    if (s->key) {
        const struct secure_stream stream = noise_chacha20(s->key, (struct noise_draw){NOISE_OF_SAMPLING, step, 0});
        return poisson_draw(secure_uniform, &stream, q, s->n, record, s->capacity);
    }
    const struct philox_stream stream = {s->seed, STREAM_OF(SAMPLING, POISSON_STREAM), step, 0};
    return poisson_draw(philox_uniform, &stream, q, s->n, record, s->capacity);
}

long sampler_draw(const struct sampler *s, uint32_t step, long *record)
{
    return s->sampling == SAMPLING_POISSON ? draw_poisson(s, step, record) : draw_shuffled(s, step, record);
}
