/* target.c - the table of devices.
 *
 * Memory is what nvidia-smi shows as total.  Rates are NVIDIA's for the boost clock, without sparsity: fp32 of the CUDA
 * cores, tf32 and bf16 (fp32 accumulation) of the tensor cores; from the data sheets
 *     A100      "NVIDIA A100 Tensor Core GPU", 2021: SXM4
 *     H100      "NVIDIA H100 Tensor Core GPU", 2023: SXM5        H200   "NVIDIA H200 Tensor Core GPU", 2024: SXM
 *     B200      "NVIDIA DGX B200", 2024, an eighth of it
 *     L40S      "NVIDIA L40S", 2023                              A10    "NVIDIA A10", 2021
 *     RTX       "NVIDIA Ada GPU Architecture", 2023; "NVIDIA Ampere GA102", 2021
 * KEPT is an allowance for the CUDA context, the code of kernels and libraries and the display. */
#include "target.h"

#include "../base/host_memory.h"
#include "../base/text.h"
#include "../device/device.h"
#include "../device/profile.h"
#include "../trainers/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB 0x1p20
#define KEPT (1024 * MIB)
#define GPU(name, mib, fp32, tf32, bf16, gb_per_s) \
    {name, "cuda", (mib) * MIB, KEPT, (fp32) * 1e12, (tf32) * 1e12, (bf16) * 1e12, (gb_per_s) * 1e9, \
     false}

static const struct target gpus[] = {
    GPU("a10-24g", 23028, 31.2, 62.5, 125, 600),
    GPU("rtx3090-24g", 24576, 35.6, 35.6, 71.2, 936),
    GPU("rtx4090-24g", 24564, 82.6, 82.6, 165.2, 1008),
    GPU("a100-40g", 40960, 19.5, 156, 312, 1555),
    GPU("l40s-48g", 46068, 91.6, 183, 362, 864),
    GPU("a100-80g", 81920, 19.5, 156, 312, 2039),
    GPU("h100-80g", 81559, 67, 494.7, 989.4, 3350),
    GPU("h200-141g", 143771, 67, 494.7, 989.4, 4800),
    GPU("b200-180g", 183359, 75, 1125, 2250, 8000),
};
enum { N_GPUS = sizeof gpus / sizeof *gpus };

/* ---- CPUs ---------------------------------------------------------------------------------------------------- */

/* A core with two pipes of AVX2 does 96 GFLOP/s at 3 GHz; one alone moves some 15 GB/s, a socket ten times that.  No
 * table knows the processors that are about: `cpu` stands for a usual one. */
#define CORE_FLOPS_PER_S   96e9
#define CORE_BYTES_PER_S   15e9
#define SOCKET_BYTES_PER_S 150e9
#define CPU_KEPT           (512 * MIB)    /* operating system, and the process beside its device memory */

static struct target cpu_target(const char *name, double memory_bytes, int threads)
{
    struct target t = {.device = "cpu", .memory_bytes = memory_bytes, .kept_bytes = CPU_KEPT,
        .fp32_flops_per_s = threads * CORE_FLOPS_PER_S, .tf32_flops_per_s = threads * CORE_FLOPS_PER_S,
        .bf16_flops_per_s = threads * CORE_FLOPS_PER_S,
        .bytes_per_s = fmin(threads * CORE_BYTES_PER_S, SOCKET_BYTES_PER_S)};
    snprintf(t.name, sizeof t.name, "%s", name);
    return t;
}

static bool parse_cpu(const char *name, int threads, struct target *t)
{
    char size[32];
    uint64_t bytes;
    if (strncmp(name, "cpu:", 4) != 0)
        return false;
    snprintf(size, sizeof size, "%s", name + 4);
    for (char *c = size; (c = strpbrk(c, "kmg")); c++)
        *c -= 'a' - 'A';           /* "24g" as in the names of GPUs */
    *t = cpu_target(name, 0, threads);
    if (!text_to_bytes(size, &bytes) || bytes <= t->kept_bytes)
        return false;
    t->memory_bytes = (double)bytes;
    return true;
}

/* ---- this machine -------------------------------------------------------------------------------------------- */

/* A GPU tells its memory only when it is opened, which costs some of it: plan is not a parent of runs. */
static struct target local_gpu(void)
{
    struct target t = {.name = "local", .device = "cuda", .memory_bytes = NAN, .kept_bytes = KEPT,
        .fp32_flops_per_s = NAN, .tf32_flops_per_s = NAN, .bf16_flops_per_s = NAN, .bytes_per_s = NAN};
    struct device_info info;
    if (device_absent())
        return t;
    device_open(0);
    device_describe(&info);
    device_close();
    t.memory_bytes = (double)info.memory_bytes;
    return t;
}

static struct target local_target(int threads)
{
    return device_is_gpu() ? local_gpu() : cpu_target("local", (double)host_memory_bytes(""), threads);
}

double target_local_share(int ranks)
{
    return device_is_gpu() ? 0.0 : (double)host_memory_bytes("") / ranks - CPU_KEPT;
}

/* ---- finding ------------------------------------------------------------------------------------------------- */

static bool find(const char *name, int threads, struct target *t)
{
    for (int i = 0; i < N_GPUS; i++)
        if (strcmp(name, gpus[i].name) == 0)
            return *t = gpus[i], true;
    if (strcmp(name, "local") == 0)
        return *t = local_target(threads), t->is_here = true;
    return parse_cpu(name, threads, t);
}

bool targets_find(const char *list, int threads, struct target *target, int *n, char *error, size_t error_bytes)
{
    char words[1024];
    snprintf(words, sizeof words, "%s", list ? list : "local");
    *n = 0;
    for (char *rest = words, *word; (word = strsep(&rest, ","));) {
        if (*n == TARGETS_MOST || !find(word, threads, &target[*n])) {
            snprintf(error, error_bytes, "--target: '%s' is not one of local, cpu:SIZE (cpu:24g)", word);
            for (int i = 0; i < N_GPUS; i++)
                text_append(error, error_bytes, ", %s", gpus[i].name);
            return false;
        }
        ++*n;
    }
    return true;
}

static double peak_flops_per_s(const struct target *t, const char *precision)
{
    if (strcmp(precision, "tf32") == 0)
        return t->tf32_flops_per_s;
    return strcmp(precision, "bf16") == 0 ? t->bf16_flops_per_s : t->fp32_flops_per_s;
}

void target_rates(const struct target *t, const struct config *c, struct rates *rates)
{
    struct device_info info;
    device_describe(&info);
    if (t->is_here)
        profile_rates(info.threads, precision_now(), rates);
    if (t->is_here && rates->date[0])
        return;
    const struct peaks peaks = {strcmp(t->device, "cuda") == 0, peak_flops_per_s(t, c->precision), t->bytes_per_s};
    rates_guess(rates, &peaks);
}

double target_usable_bytes(const struct target *t, const struct config *c)
{
    const double usable = t->memory_bytes - t->kept_bytes;
    const uint64_t most = config_memory(c);
    return most ? fmin(usable, (double)most) : usable; /* fmin leaves out NaN */
}

bool target_refuses(const struct config *c, double peak_bytes, double share_bytes, char *why, size_t why_bytes)
{
    const uint64_t most = config_memory(c);
    const bool over_limit = most && peak_bytes > (double)most;
    char needed[32], left[32];
    if (!over_limit && (share_bytes <= 0 || peak_bytes <= share_bytes))
        return false;
    text_from_bytes(peak_bytes, needed, sizeof needed);
    text_from_bytes(over_limit ? (double)most : share_bytes, left, sizeof left);
    const char *whose = !over_limit ? "the rank's share of memory," : most == c->memory_limit ? "the memory limit of"
                                                                                            : "the memory budget of";
    snprintf(why, why_bytes, "needs %s%s, more than %s %s; --try-anyway starts it all the same", needed,
             trainer_find(c->trainer)->chooses ? " at least" : "", whose, left);
    return true;
}
