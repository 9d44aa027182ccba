/* optimizer.h - from the sum to new weights; g = (sum + noise) / expected batch size.
 *
 *   sgd      m = momentum m + g;  w -= lr m
 *   adamw    m = beta1 m + (1-beta1) g;  v = beta2 v + (1-beta2) g^2;
 *            w -= lr (m/(1-beta1^t) / (sqrt(v/(1-beta2^t)) + eps) + weight_decay w)       Loshchilov & Hutter 2019 */
#ifndef OPTIMIZER_H
#define OPTIMIZER_H
#include "../privacy/noise.h"

#include <stdbool.h>

enum optimizer_kind { OPTIMIZER_SGD, OPTIMIZER_ADAMW, N_OPTIMIZERS };
extern const char *const optimizer_name[N_OPTIMIZERS];

struct optimizer_config {
    enum optimizer_kind kind;
    double learning_rate;
    double momentum;                            /* sgd */
    double beta1, beta2, eps, weight_decay;     /* adamw */
};

struct optimizer {
    struct optimizer_config config;
    long n;                                     /* of the vector's elements, those that it updates */
    float *m, *v;                               /* (n); v: adamw only */
    int step;                                   /* updates so far */
};

/* room >= n: elements that memory is taken for.  False: out of memory. */
bool optimizer_create(struct optimizer *, const struct optimizer_config *, long n, long room);
void optimizer_free(struct optimizer *);
void optimizer_reset(struct optimizer *);       /* state 0, step 0 */
void optimizer_set(struct optimizer *, double m, double v, int steps); /* after so many steps, in all elements */
/* Noise that an update draws and adds to the sum as it reads it: std z, as k_noise_add.  std 0: none. */
struct drawn_noise { double std; struct philox_stream stream; long first; };
/* w, sum (n); g = scale (sum + noise).  The sum keeps what it holds.  It may be m itself (sgd): then the old momentum
 * is in it already. */
void optimizer_update(struct optimizer *, float *w, const float *sum, double scale, struct drawn_noise);
/* Of an update  m = kept m + added g,  rounded as the kernels do. */
struct moment_factors { double kept, added; };
struct moment_factors optimizer_moment_factors(const struct optimizer_config *);
#endif
