#include "secure_noise.h"

#include "../base/check.h"
#include "../device/device.h"
#include "../device/ledger.h"
#include "poisson.h"

#include <math.h>
#include <sodium.h>
#include <stdlib.h>

enum { CHUNK = 1 << 20, CHACHA_BLOCK_BYTES = 64 };

struct secure_key secure_key_new(void)
{
    struct secure_key key;
    if (sodium_init() < 0) /* 1: it was already */
        die(EXIT_ENVIRONMENT, "libsodium finds no source of random numbers");
    randombytes_buf(key.byte, sizeof key.byte);
    return key;
}

double secure_noise_grid(double max_grad_norm, double noise_multiplier, long P, int sums)
{
    const double by_noise = 0x1p-20 * max_grad_norm * fmin(1.0, noise_multiplier);
    const double by_sensitivity = max_grad_norm / (1000.0 * sums * sqrt((double)P));
    return exp2(floor(log2(fmin(by_noise, by_sensitivity))));
}

double secure_noise_sensitivity(double max_grad_norm, double grid, long P, int sums)
{
    return max_grad_norm + sums * grid * sqrt((double)P);
}

/* in (0, 1), never 0 */
static double uniform(uint64_t word)
{
    return ((double)(word >> 11) + 0.5) * 0x1p-53;
}

/* Box and Muller 1958: two uniforms become two normals. */
static void normal_pair(const uint64_t word[2], double z[2])
{
    const double radius = sqrt(-2.0 * log(uniform(word[0]))), angle = 2.0 * M_PI * uniform(word[1]);
    z[0] = radius * cos(angle);
    z[1] = radius * sin(angle);
}

/* Words first..first+n of the key stream: zeros enciphered. */
static void words(uint64_t *word, long first, long n, const struct secure_key *key, uint64_t nonce)
{
    unsigned char nonce_bytes[crypto_stream_chacha20_NONCEBYTES];
    memcpy(nonce_bytes, &nonce, sizeof nonce);
    memset(word, 0, (size_t)n * sizeof *word);
    const uint64_t block = (uint64_t)first * sizeof *word / CHACHA_BLOCK_BYTES;
    crypto_stream_chacha20_xor_ic((unsigned char *)word, (unsigned char *)word, (size_t)n * sizeof *word, nonce_bytes,
        block, key->byte);
}

uint64_t secure_word(const struct secure_stream *s, long i)
{
    enum { WORDS = CHACHA_BLOCK_BYTES / sizeof(uint64_t) };
    uint64_t word[WORDS];
    words(word, i - i % WORDS, WORDS, &s->key, s->nonce);
    return word[i % WORDS];
}

double secure_uniform(const void *stream, long i)
{
    return uniform(secure_word(stream, i));
}

/* Element i takes words i and i+1 with its neighbour, so that a block of elements is a block of words. */
static void block_of_normals(double *z, long first, long n, const struct secure_key *key, uint64_t nonce)
{
    uint64_t word[SECURE_BLOCK];
    double pair[2];
    words(word, first, SECURE_BLOCK, key, nonce);
    for (long i = 0; i < n; i += 2) {
        normal_pair(word + i, pair);
        z[i] = pair[0];
        if (i + 1 < n)
            z[i + 1] = pair[1];
    }
}

void secure_normals(double *z, long first, long n, const struct secure_key *key, uint64_t nonce)
{
    CHECK(first % SECURE_BLOCK == 0);
    for (long i = 0; i < n; i += SECURE_BLOCK)
        block_of_normals(z + i, first + i, n - i < SECURE_BLOCK ? n - i : SECURE_BLOCK, key, nonce);
}

/* x (n) = rounded x + rounded noise, elements `first` on */
static void add_to_block(float *x, long first, long n, double std, double grid, const struct secure_key *key,
                         uint64_t nonce)
{
    double z[SECURE_BLOCK];
    block_of_normals(z, first, n, key, nonce);
    for (long i = 0; i < n; i++)
        x[i] = (float)(grid * (rint(x[i] / grid) + rint(std * z[i] / grid)));
}

static void add_to_chunk(float *x, long first, long n, double std, double grid, const struct secure_key *key,
                         uint64_t nonce)
{
#pragma omp parallel for schedule(static)
    for (long i = 0; i < n; i += SECURE_BLOCK)
        add_to_block(x + i, first + i, n - i < SECURE_BLOCK ? n - i : SECURE_BLOCK, std, grid, key, nonce);
}

void secure_noise_add(float *sum, long P, double std, double grid, const struct secure_key *key, uint64_t nonce)
{
    if (ledger_is_dry() || ledger_is_rehearsing())
        return;
    float *host = malloc(CHUNK * sizeof *host);
    if (!host)
        die(EXIT_ENVIRONMENT, "out of host memory");
    for (long i = 0; i < P; i += CHUNK) {
        const long n = P - i < CHUNK ? P - i : CHUNK;
        device_copy_out(host, sum + i, (size_t)n * sizeof *host);
        add_to_chunk(host, i, n, std, grid, key, nonce);
        device_copy_in(sum + i, host, (size_t)n * sizeof *host);
    }
    free(host);
}
