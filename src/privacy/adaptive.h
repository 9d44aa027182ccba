/* adaptive.h - a clipping threshold that follows a quantile of the norms (Andrew et al. 2021, "Differentially private
 * learning with adaptive clipping", Algorithm 1).
 *
 *     b_i  = 1 if sample i is not clipped, else 0
 *     b~   = 1/2 + (sum_i (b_i - 1/2) + N(0, count_noise^2)) / expected batch size
 *     R   <- R exp(-learning_rate (b~ - quantile))
 *
 * Clipping per layer has a count and a threshold for each of its L tensors.  Sum and counts together are one Gaussian
 * mechanism of the stated noise multiplier z: the centred counts move by sqrt(L)/2 at most with one sample, so that the
 * sum needs the multiplier  z_sum = (z^-2 - L/(2 count_noise)^2)^(-1/2). */
#ifndef ADAPTIVE_H
#define ADAPTIVE_H
struct adaptive {
    double quantile;         /* share of samples that shall not be clipped; 0: the threshold is fixed */
    double learning_rate;
    double count_noise;      /* standard deviation */
};

/* A count noise that leaves the sum a multiplier at most 1.021 z, and is no less than the paper's batch size/20. */
double adaptive_usual_count_noise(double noise_multiplier, int counts, double expected_batch_size);
/* z_sum; infinite where the counts alone are less noisy than z allows */
double adaptive_sum_multiplier(const struct adaptive *, double noise_multiplier, int counts);
#define COUNT_GRID 0x1p-20
/* count_noise z, rounded to a grid that centred counts are on: then digits of the sum tell nothing (secure_noise.h). */
double adaptive_noise_of_count(const struct adaptive *, double z);
/* Moves threshold[0 .. counts) by how many of n samples were not clipped; z (counts): standard normals. */
void adaptive_move(const struct adaptive *, double *threshold, const double *unclipped, const double *z, int counts,
    double n, double expected_batch_size);
#endif
