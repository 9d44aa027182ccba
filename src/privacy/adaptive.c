#include "adaptive.h"

#include <math.h>

double adaptive_usual_count_noise(double noise_multiplier, int counts, double expected_batch_size)
{
    const double little = 2.5 * noise_multiplier * sqrt(counts); /* z_sum = z/sqrt(1 - 1/25) */
    return noise_multiplier > 0.0 ? fmax(little, expected_batch_size / 20.0) : 0.0;
}

double adaptive_sum_multiplier(const struct adaptive *a, double noise_multiplier, int counts)
{
    const double z = noise_multiplier;
    if (a->quantile == 0.0 || z == 0.0)
        return z;
    const double left = 1.0 / (z * z) - counts / (4.0 * a->count_noise * a->count_noise);
    return left > 0.0 ? 1.0 / sqrt(left) : INFINITY;
}

double adaptive_noise_of_count(const struct adaptive *a, double z)
{
    return COUNT_GRID * rint(a->count_noise * z / COUNT_GRID);
}

void adaptive_move(const struct adaptive *a, double *threshold, const double *unclipped, const double *z, int counts,
                   double n, double expected_batch_size)
{
    for (int i = 0; i < counts; i++) {
        const double centred = unclipped[i] - n / 2.0 + adaptive_noise_of_count(a, z[i]);
        threshold[i] *= exp(-a->learning_rate * (0.5 + centred / expected_batch_size - a->quantile));
    }
}
