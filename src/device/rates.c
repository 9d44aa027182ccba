#include "rates.h"

#include "device.h"

#include <string.h>

/* ---- guessed ------------------------------------------------------------------------------------------------- */

/* Products reach some nine tenths of the peak where they are large, and memory four fifths.  A GPU needs a result of
 * some hundred tiles of 128 x 128 before all of it works, and some microseconds for each call. */
static const struct gemm_rate cpu_gemm = {.m_half = 4, .n_half = 8, .k_half = 16, .problem_s = 5e-7, .call_s = 1e-6};
static const struct gemm_rate gpu_gemm = {.m_half = 16, .n_half = 16, .k_half = 64, .c_half = 1 << 19, .call_s = 4e-6};
static const struct kernel_rate cpu_kernel = {.call_s = 5e-7}, gpu_kernel = {.call_s = 3e-6};

void rates_guess(struct rates *r, const struct peaks *peaks)
{
    memset(r, 0, sizeof *r);
    for (int op = 0; op < N_GEMM_OPS; op++) {
        r->gemm[op] = peaks->is_gpu ? gpu_gemm : cpu_gemm;
        r->gemm[op].flops_per_s = 0.9 * peaks->flops_per_s;
    }
    r->kernel[0] = peaks->is_gpu ? gpu_kernel : cpu_kernel;
    r->kernel[0].bytes_per_s = 0.8 * peaks->bytes_per_s;
    r->n_kernels = 1;
}

/* A core with two pipes of AVX2 at 3 GHz; of memory one core has some 15 GB/s, a socket ten times that.  A GPU like an
 * A100: its ratios are those of the others. */
void rates_default(struct rates *r, int threads, enum precision precision)
{
    static const double gpu_flops_per_s[N_PRECISIONS] = {[PRECISION_FP32] = 19.5e12, [PRECISION_TF32] = 156e12,
        [PRECISION_BF16] = 312e12};
    const int n = threads > 1 ? threads : 1;
    const struct peaks cpu = {false, n * 96e9, 15e9 * (n < 10 ? n : 10)};
    const struct peaks gpu = {true, gpu_flops_per_s[precision], 1555e9};
    rates_guess(r, device_is_gpu() ? &gpu : &cpu);
    r->threads = n;
    r->precision = precision;
}

/* ---- seconds ------------------------------------------------------------------------------------------------- */

double rates_product_s(const struct rates *r, const struct product *p)
{
    const struct gemm_rate *g = &r->gemm[p->op];
    const double m = (double)p->m, n = (double)p->n, k = (double)p->k, batch = p->batch;
    const double elements = batch * (m + g->m_half) * (n + g->n_half) + g->c_half;
    return g->call_s + batch * g->problem_s + 2 * (k + g->k_half) * elements / g->flops_per_s;
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
    const struct kernel_rate *rate = rate_of(r, name);
    return rate->call_s + bytes / rate->bytes_per_s;
}

double rates_call_s(const struct rates *r, const struct call *c)
{
    return c->product.batch ? rates_product_s(r, &c->product) : rates_kernel_s(r, c->name, c->bytes);
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
