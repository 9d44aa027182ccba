/* kmath.h - float functions made of IEEE + - * / sqrt fma and bit moves only.
 *
 * Built with nvcc -fmad=false and gcc -ffp-contract=off they give the SAME BITS on every GPU and CPU; libm and CUDA's
 * expf, logf, sincosf do not.  -ffast-math or -fassociative-math would break the rounding trick of k_exp.
 * Errors: exp 1.0 ulp, log 0.8 ulp, cos and sin 1.2e-7 absolute (tests/test_random.c). */
#ifndef KMATH_H
#define KMATH_H
#include "grid.h"

DEVICE float k_bits_float(uint32_t u) { float f; memcpy(&f, &u, 4); return f; }
DEVICE uint32_t k_float_bits(float f) { uint32_t u; memcpy(&u, &f, 4); return u; }

/* exp: 2^n e^r with r within +-ln(2)/2.  0 below -87.3, finite (about 2^127.4) above 88.3; NaN stays NaN. */
DEVICE float k_exp(float x)
{
    const float c = x > 88.3f ? 88.3f : x < -87.3f ? -87.3f : x;
    const float shifted = c * 1.44269504f + 12582912.0f; /* rounds to an integer, which its last bits hold */
    const float n = shifted - 12582912.0f;
    float r = fmaf(n, -0.693145752f, c);
    r = fmaf(n, -1.42860677e-6f, r);
    float p = fmaf(r, 1.98756910e-4f, 1.39819994e-3f);
    p = fmaf(p, r, 8.33345200e-3f);
    p = fmaf(p, r, 4.16657962e-2f);
    p = fmaf(p, r, 1.66666657e-1f);
    p = fmaf(p, r, 5.00000000e-1f);
    p = fmaf(p, r * r, r) + 1.0f;
    p = p * k_bits_float((k_float_bits(shifted) - k_float_bits(12582912.0f) + 127) << 23);
    return x < -87.3f ? 0.0f : p;
}

/* Natural logarithm of a normal positive float; polynomial of Cephes' logf. */
DEVICE float k_log(float x)
{
    const uint32_t u = k_float_bits(x) - 0x3f3504f3u; /* exponent, counted from sqrt(1/2) */
    const float e = (float)((int32_t)u >> 23);
    const float m = k_bits_float((u & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
    const float z = m * m;
    float p = fmaf(7.0376836292e-2f, m, -1.1514610310e-1f);
    p = fmaf(p, m, 1.1676998740e-1f);
    p = fmaf(p, m, -1.2420140846e-1f);
    p = fmaf(p, m, 1.4249322787e-1f);
    p = fmaf(p, m, -1.6668057665e-1f);
    p = fmaf(p, m, 2.0000714765e-1f);
    p = fmaf(p, m, -2.4999993993e-1f);
    p = fmaf(p, m, 3.3333331174e-1f);
    p = p * m * z;
    p = fmaf(e, -2.12194440e-4f, p);
    p = fmaf(z, -0.5f, p);
    return fmaf(e, 0.693359375f, m + p);
}

/* cos and sin of the angle u / 2^32 of a full turn; Cephes' polynomials on the nearest quarter turn. */
DEVICE float k_poly_sin(float a)
{
    const float z = a * a;
    const float p = fmaf(fmaf(-1.9515295891e-4f, z, 8.3321608736e-3f), z, -1.6666654611e-1f);
    return fmaf(p * z, a, a);
}
DEVICE float k_poly_cos(float a)
{
    const float z = a * a;
    const float p = fmaf(fmaf(2.443315711809948e-5f, z, -1.388731625493765e-3f), z, 4.166664568298827e-2f);
    return fmaf(p * z, z, fmaf(z, -0.5f, 1.0f));
}
DEVICE void k_cos_sin_turn(uint32_t u, float *cosine, float *sine)
{
    const uint32_t quarter = (u + 0x20000000u) >> 30;
    const float a = (float)(int32_t)(u - (quarter << 30)) * 1.46291807926715968e-9f; /* 2 pi / 2^32 */
    const float s = k_poly_sin(a), c = k_poly_cos(a);
    const float x = quarter & 1 ? s : c, y = quarter & 1 ? c : s;
    *cosine = k_bits_float(k_float_bits(x) ^ ((quarter + 1) & 2) << 30); /* negative in quarters 1 and 2 */
    *sine = k_bits_float(k_float_bits(y) ^ (quarter & 2) << 30);         /* negative in quarters 2 and 3 */
}

/* Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3; SC 2011). */
DEVICE void k_philox4x32(uint32_t k0, uint32_t k1, uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3,
                         uint32_t *w0, uint32_t *w1, uint32_t *w2, uint32_t *w3)
{
    for (int i = 0; i < 10; i++) {
        const uint64_t a = (uint64_t)0xD2511F53u * c0, b = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
        c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)b;
        c3 = (uint32_t)a;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    *w0 = c0; *w1 = c1; *w2 = c2; *w3 = c3;
}

/* Box-Muller: two words to two independent standard normals.  The radius has 2^32 values, so |z| <= 6.8. */
DEVICE void k_normal_pair(uint32_t a, uint32_t b, float *z0, float *z1)
{
    const float u = fmaf((float)a, 2.32830644e-10f, 1.16415322e-10f); /* (0,1] */
    const float l = -2.0f * k_log(u), radius = sqrtf(l > 0.0f ? l : 0.0f);
    float c, s;
    k_cos_sin_turn(b, &c, &s);
    *z0 = radius * c;
    *z1 = radius * s;
}
#endif
