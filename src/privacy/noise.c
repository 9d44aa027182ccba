#include "noise.h"

#include "../device/device.h"
#include "poisson.h"

#include <math.h>

const char *const noise_generator_name[N_NOISE_GENERATORS] = {"philox", "chacha20"};

struct philox_stream noise_philox(uint64_t seed, struct noise_draw d)
{
    if (d.use == NOISE_OF_SHARE)
        return (struct philox_stream){seed, STREAM_OF(NOISE_SHARE, 0), d.step, d.rank};
    return (struct philox_stream){seed, STREAM_OF(NOISE, d.use == NOISE_OF_COUNTS), d.step, 0};
}

struct secure_stream noise_chacha20(const struct secure_key *key, struct noise_draw d)
{
    return (struct secure_stream){*key, (uint64_t)d.use << 56 | (uint64_t)d.rank << 32 | d.step};
}

void noise_add(const struct noise_source *s, struct noise_draw d, float *sum, long first, long n, double std,
               double grid)
{
    if (std == 0.0 || n == 0)
        return;
    if (s->generator == NOISE_CHACHA20)
        secure_noise_add(sum, n, std, grid, &s->key, noise_chacha20(&s->key, d).nonce);
    else
        KERNEL(noise_add, sum, (float)std, noise_philox(s->seed, d), first, n);
}

/* Box and Muller 1958, of two uniforms each. */
void noise_numbers(const struct noise_source *s, struct noise_draw d, double *z, int n)
{
    const bool secure = s->generator == NOISE_CHACHA20;
    const struct philox_stream philox = noise_philox(s->seed, d);
    const struct secure_stream chacha20 = noise_chacha20(&s->key, d);
    const void *stream = secure ? (const void *)&chacha20 : &philox;
    uniform_at *uniform = secure ? secure_uniform : philox_uniform;
    for (long i = 0; i < n; i++)
        z[i] = sqrt(-2.0 * log(uniform(stream, 2 * i))) * cos(2.0 * M_PI * uniform(stream, 2 * i + 1));
}
