#include "rates.h"

#include "device.h"

#include <math.h>
#include <string.h>

#define FAR_BYTES 0x1p20
#define FARTHER_BYTES 0x1p24

/* ---- terms --------------------------------------------------------------------------------------------------- */

void rates_product_terms(const struct product *p, double x[N_PRODUCT_TERMS])
{
    const double m = (double)p->m, n = (double)p->n, k = (double)p->k, batch = p->batch;
    x[PRODUCT_CALL] = 1;
    x[PRODUCT_K] = k;
    x[PRODUCT_PROBLEM] = batch;
    x[PRODUCT_MN] = batch * m * n;
    x[PRODUCT_MK] = batch * m * k;
    x[PRODUCT_NK] = batch * n * k;
    x[PRODUCT_MNK] = batch * m * n * k;
}

void rates_kernel_terms(double bytes, double x[N_KERNEL_TERMS])
{
    x[KERNEL_CALL] = 1;
    x[KERNEL_BYTE] = bytes;
    x[KERNEL_FAR] = fmax(0, bytes - FAR_BYTES);
    x[KERNEL_FARTHER] = fmax(0, bytes - FARTHER_BYTES);
}

static double sum_of(const double *s, const double *x, int n)
{
    double sum = 0.0;
    for (int i = 0; i < n; i++)
        sum += s[i] * x[i];
    return sum;
}

/* ---- seconds ------------------------------------------------------------------------------------------------- */

double rates_product_s(const struct rates *r, const struct product *p)
{
    double x[N_PRODUCT_TERMS];
    rates_product_terms(p, x);
    return sum_of(r->product_s[p->op], x, N_PRODUCT_TERMS);
}

static const struct kernel_rate *rate_of(const struct rates *r, const char *name)
{
    for (int i = 1; i < r->n_kernels; i++)
        if (strcmp(r->kernel[i].name, name) == 0)
            return &r->kernel[i];
    return &r->kernel[0];
}

double rates_kernel_s(const struct rates *r, const char *name, double bytes)
{
    double x[N_KERNEL_TERMS];
    rates_kernel_terms(bytes, x);
    return sum_of(rate_of(r, name)->s, x, N_KERNEL_TERMS);
}

double rates_call_s(const struct rates *r, const struct call *c)
{
    return c->product.batch ? rates_product_s(r, &c->product) : rates_kernel_s(r, c->name, c->bytes);
}

/* ---- guessed ------------------------------------------------------------------------------------------------- */

/* Products reach some nine tenths of the peak where they are large, and memory four fifths.  The sizes at which a
 * product has half of its speed; c: of all elements of C, of which a GPU needs some hundred tiles of 128 x 128. */
struct guess { double call_s, problem_s, m_half, n_half, k_half, c_half; };
static const struct guess cpu_guess = {1e-6, 5e-7, 4, 8, 16, 0}, gpu_guess = {4e-6, 0, 16, 16, 64, 1 << 19};

void rates_guess(struct rates *r, const struct peaks *peaks)
{
    const struct guess *guess = peaks->is_gpu ? &gpu_guess : &cpu_guess;
    const double s = 2 / (0.9 * peaks->flops_per_s), byte_s = 1 / (0.8 * peaks->bytes_per_s);
    *r = (struct rates){.n_kernels = 1, .kernel = {{"", {guess->call_s, byte_s}}}};
    for (int op = 0; op < N_GEMM_OPS; op++) {
        double *term = r->product_s[op];
        term[PRODUCT_CALL] = guess->call_s;
        term[PRODUCT_PROBLEM] = guess->problem_s;
        term[PRODUCT_K] = s * guess->c_half;
        term[PRODUCT_MN] = s * guess->k_half;
        term[PRODUCT_MK] = s * guess->n_half;
        term[PRODUCT_NK] = s * guess->m_half;
        term[PRODUCT_MNK] = s;
    }
}

/* A core with two pipes of AVX2 at 3 GHz; of memory one core has some 15 GB/s, a socket ten times that.  A GPU like an
 * A100: its ratios are those of others. */
void rates_default(struct rates *r, int threads, enum precision precision)
{
    static const double gpu_flops_per_s[N_PRECISIONS] = {[PRECISION_FP32] = 19.5e12, [PRECISION_TF32] = 156e12,
        [PRECISION_BF16] = 312e12};
    const int n = threads > 1 ? threads : 1;
    const struct peaks cpu = {false, n * 96e9, 15e9 * (n < 10 ? n : 10)};
    const struct peaks gpu = {true, gpu_flops_per_s[precision], 1555e9};
    rates_guess(r, device_is_gpu() ? &gpu : &cpu);
    r->threads = device_is_gpu() ? 0 : n;
    r->precision = precision;
}

/* ---- of this process ----------------------------------------------------------------------------------------- */

static struct rates now;
static bool is_set;

void rates_use(const struct rates *r)
{
    now = *r;
    is_set = true;
}

const struct rates *rates_now(void)
{
    if (!is_set) {
        struct device_info info;
        device_describe(&info);
        rates_default(&now, info.threads, precision_now());
    }
    return &now;
}
