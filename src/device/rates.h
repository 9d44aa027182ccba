/* rates.h - how long a device takes for one product or kernel: what estimates of time are made of.
 *
 *   product    call + k K + batch (problem + MN mn + MK mk + NK nk + MNK mnk)
 *   kernel     call + bytes byte + (bytes beyond 1 MiB) far + (bytes beyond 16 MiB) farther: out of a core's cache,
 *              and out of that of all cores
 *
 * The terms are seconds, none below 0: MNK is the time of two FLOPs, MN, MK and NK are what an element of C, A or B
 * costs besides, K is for a long sum that few work on.  `dpsweep tune` measures them into a profile (profile.h);
 * otherwise they are guessed from the peak rates of a device. */
#ifndef RATES_H
#define RATES_H
#include "precision.h"
#include "work.h"

#define PRODUCT_TERM_LIST(X) X(CALL, call) X(K, k) X(PROBLEM, problem) X(MN, mn) X(MK, mk) X(NK, nk) X(MNK, mnk)
#define KERNEL_TERM_LIST(X) X(CALL, call) X(BYTE, byte) X(FAR, far) X(FARTHER, farther)
#define PRODUCT_TERM_ENUM(NAME, name) PRODUCT_##NAME,
#define KERNEL_TERM_ENUM(NAME, name) KERNEL_##NAME,
enum { PRODUCT_TERM_LIST(PRODUCT_TERM_ENUM) N_PRODUCT_TERMS };
enum { KERNEL_TERM_LIST(KERNEL_TERM_ENUM) N_KERNEL_TERMS };

struct kernel_rate {
    char name[32];                   /* as in KERNEL(name); "": all that have none of their own */
    double s[N_KERNEL_TERMS];
};

/* Of one device with a number of threads, for products in one precision. */
enum { KERNEL_RATES_MOST = 64 };
struct rates {
    char device[128];                /* as device_describe has it */
    int threads;                     /* of a CPU; a GPU has 0 */
    enum precision precision;
    char date[32];                   /* when they were measured, UTC; "": never, they are guessed */
    double product_s[N_GEMM_OPS][N_PRODUCT_TERMS];
    struct kernel_rate kernel[KERNEL_RATES_MOST];  /* the first has no name */
    int n_kernels;
};

/* Guessed: of a device whose products and memory are so fast at best. */
struct peaks { bool is_gpu; double flops_per_s, bytes_per_s; };
void rates_guess(struct rates *, const struct peaks *);
/* Guessed: of a usual device that this program is built for, a GPU or a CPU with so many threads. */
void rates_default(struct rates *, int threads, enum precision);

double rates_product_s(const struct rates *, const struct product *);
double rates_kernel_s(const struct rates *, const char *name, double bytes);
double rates_call_s(const struct rates *, const struct call *);    /* of one of them */
/* What the terms are multiplied with. */
void rates_product_terms(const struct product *, double x[N_PRODUCT_TERMS]);
void rates_kernel_terms(double bytes, double x[N_KERNEL_TERMS]);

/* What estimates in this process are made with; rates_default until it is said.  Copied. */
void rates_use(const struct rates *);
const struct rates *rates_now(void);
#endif
