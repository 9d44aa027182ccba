/* rates.h - how long a device takes for one product or kernel: what estimates of time are made of.
 *
 * A profile (profile.h) has them as they were measured by `dpsweep tune`; otherwise they are guessed from the peak
 * rates of a device.  They are of one device with one number of threads, for products in one precision. */
#ifndef RATES_H
#define RATES_H
#include "precision.h"
#include "work.h"

#include <stdbool.h>

/* A product takes   call_s + batch problem_s + 2 (k + k_half) (batch (m + m_half) (n + n_half) + c_half) / flops_per_s:
 * with m = m_half it runs at half the speed, and so for the others; c_half is of the elements of all of C. */
struct gemm_rate {
    double flops_per_s;
    double m_half, n_half, k_half, c_half;
    double problem_s, call_s;
};

/* A kernel takes   call_s + bytes / bytes_per_s.  Bytes are those of kernels/kernel_bytes.h. */
struct kernel_rate {
    char name[32];                   /* as in KERNEL(name); "": all that have none of their own */
    double call_s, bytes_per_s;
};

enum { KERNEL_RATES_MOST = 64 };
struct rates {
    char device[128];                /* as device_describe has it; "": of no device, but guessed */
    int threads;
    enum precision precision;
    char date[32];                   /* when they were measured, UTC; "": never */
    struct gemm_rate gemm[N_GEMM_OPS];
    struct kernel_rate kernel[KERNEL_RATES_MOST];  /* the first has no name */
    int n_kernels;
};

/* Guessed: of a device whose products and memory are so fast at best. */
struct peaks { bool is_gpu; double flops_per_s, bytes_per_s; };
void rates_guess(struct rates *, const struct peaks *);
/* Guessed: of a usual device that this program is built for, a CPU with so many threads or a GPU. */
void rates_default(struct rates *, int threads, enum precision);

double rates_product_s(const struct rates *, const struct product *);
double rates_kernel_s(const struct rates *, const char *name, double bytes);
double rates_call_s(const struct rates *, const struct call *);    /* of one of them */

/* What estimates in this process are made with; rates_default until it is said.  Copied. */
void rates_use(const struct rates *);
const struct rates *rates_now(void);
#endif
