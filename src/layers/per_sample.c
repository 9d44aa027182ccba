#include "per_sample.h"

#include "../device/ledger.h"

float *per_sample_begin(int n, long P)
{
    float *each = ledger_take(MEMORY_WORKSPACE, "small per-sample gradients", (size_t)(n * P) * sizeof(float));
    KERNEL(fill, each, 0.0f, n * P);
    return each;
}

void per_sample_end(float *each)
{
    ledger_release(each);
}

int per_sample_pieces(int T)
{
    int pieces = device_row_pieces();
    while (T % pieces || pieces > T / pieces) /* with few rows each there would be more to add up than it brings */
        pieces /= 2;
    return pieces;
}

void per_sample_clear(float *each, long stride, int n, long P)
{
    for (int b = 0; b < n; b++)
        KERNEL(fill, each + b * stride, 0.0f, P);
}

void per_sample_sum(const float *each, long stride, int n, long P, const float *weight, float *g, enum destination to)
{
    if (to == OVERWRITE)
        KERNEL(weighted_sum, each, stride, weight, g, n, P);
    else
        KERNEL(weighted_add, each, stride, weight, g, n, P);
}

void per_sample_sqnorm(const float *each, long stride, int n, long P, float *sq)
{
    const long chunks = (P + SQNORM_CHUNK - 1) / SQNORM_CHUNK;
    float *part = ledger_take(MEMORY_WORKSPACE, "partial sums", (size_t)(n * chunks) * sizeof(float));
    KERNEL(sqnorm_rows, each, stride, part, sq, n, P);
    ledger_release(part);
}
