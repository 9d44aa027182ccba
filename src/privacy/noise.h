/* noise.h - the Gaussian mechanism: sum + std z, z ~ N(0, I).
 *
 * z is a function of a source and of what it is drawn for, so that verification can draw it again.  The source is a
 * seed (Philox, repeatable: for measuring) or a secret key (ChaCha20 on a grid: secure_noise.h). */
#ifndef NOISE_H
#define NOISE_H
#include "../../kernels/kernels.h"
#include "secure_noise.h"

#include <stdbool.h>

enum noise_generator { NOISE_PHILOX, NOISE_CHACHA20, N_NOISE_GENERATORS };
extern const char *const noise_generator_name[N_NOISE_GENERATORS];

struct noise_source {
    enum noise_generator generator;
    uint64_t seed;              /* Philox */
    struct secure_key key;      /* ChaCha20 */
};

/* What it is drawn for: the sum of a step, the share of a rank of a group in it, or the counts of adaptive clipping;
 * ChaCha20 also for which records are sampled, and for the seed of the dropout masks. */
enum noise_use { NOISE_OF_SUM, NOISE_OF_SHARE, NOISE_OF_COUNTS, NOISE_OF_SAMPLING, NOISE_OF_DROPOUT };
struct noise_draw {
    enum noise_use use;
    uint32_t step;
    uint32_t rank;              /* of a share; ChaCha20: also of a part of a sum that each rank has a part of */
};

/* sum (n) += std z, where sum[0] is element `first` of the vector.  ChaCha20: on the grid, and z counts from sum[0]. */
void noise_add(const struct noise_source *, struct noise_draw, float *sum, long first, long n, double std, double grid);
/* A few normals for the host. */
void noise_numbers(const struct noise_source *, struct noise_draw, double *z, int n);

struct philox_stream noise_philox(uint64_t seed, struct noise_draw);
struct secure_stream noise_chacha20(const struct secure_key *, struct noise_draw);
#endif
