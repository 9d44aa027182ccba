/* accountant_fft.c - radix 2: decimation in frequency forwards, in time backwards, so that nothing is permuted.
 *
 * Depth first: below 2^CACHED numbers all levels of a block are done while it is in the cache. */
#include "accountant_fft.h"

#include "../base/check.h"

#include <math.h>
#include <stdlib.h>

enum { CACHED = 1 << 12 };

void fft_create(struct fft *fft, size_t n)
{
    CHECK(n >= 4 && (n & (n - 1)) == 0);
    *fft = (struct fft){.n = n, .cosine = malloc(n * sizeof(double)), .sine = malloc(n * sizeof(double))};
    CHECK(fft->cosine && fft->sine);
    for (size_t j = 0; j < n / 2; j++)
        sincos(-2 * M_PI * (double)j / (double)n, &fft->sine[n / 2 + j], &fft->cosine[n / 2 + j]);
    for (size_t place = n / 2; place-- > 1;) { /* e^(-2 pi i j/m) of a level is every other of the next */
        fft->cosine[place] = fft->cosine[2 * place];
        fft->sine[place] = fft->sine[2 * place];
    }
}

void fft_free(struct fft *fft)
{
    free(fft->cosine);
    free(fft->sine);
    *fft = (struct fft){0};
}

/* (a, b) -> (a + b, (a - b) w), m butterflies */
static void split(const struct fft *fft, double *restrict re, double *restrict im, size_t m)
{
    const double *restrict c = fft->cosine + m, *restrict s = fft->sine + m;
    double *restrict re_b = re + m, *restrict im_b = im + m;
    for (size_t j = 0; j < m; j++) {
        const double x = re[j] - re_b[j], y = im[j] - im_b[j];
        re[j] += re_b[j];
        im[j] += im_b[j];
        re_b[j] = x * c[j] - y * s[j];
        im_b[j] = x * s[j] + y * c[j];
    }
}

/* (a, b) -> (a + b/w, a - b/w) */
static void join(const struct fft *fft, double *restrict re, double *restrict im, size_t m)
{
    const double *restrict c = fft->cosine + m, *restrict s = fft->sine + m;
    double *restrict re_b = re + m, *restrict im_b = im + m;
    for (size_t j = 0; j < m; j++) {
        const double x = re_b[j] * c[j] + im_b[j] * s[j], y = im_b[j] * c[j] - re_b[j] * s[j];
        re_b[j] = re[j] - x;
        im_b[j] = im[j] - y;
        re[j] += x;
        im[j] += y;
    }
}

static void forward(const struct fft *fft, double *re, double *im, size_t n)
{
    if (n > CACHED) {
        split(fft, re, im, n / 2);
        forward(fft, re, im, n / 2);
        forward(fft, re + n / 2, im + n / 2, n / 2);
        return;
    }
    for (size_t m = n / 2; m >= 1; m /= 2)
        for (size_t block = 0; block < n; block += 2 * m)
            split(fft, re + block, im + block, m);
}

static void inverse(const struct fft *fft, double *re, double *im, size_t n)
{
    if (n > CACHED) {
        inverse(fft, re, im, n / 2);
        inverse(fft, re + n / 2, im + n / 2, n / 2);
        join(fft, re, im, n / 2);
        return;
    }
    for (size_t m = 1; m < n; m *= 2)
        for (size_t block = 0; block < n; block += 2 * m)
            join(fft, re + block, im + block, m);
}

void fft_forward(const struct fft *fft, double *re, double *im) { forward(fft, re, im, fft->n); }
void fft_inverse(const struct fft *fft, double *re, double *im) { inverse(fft, re, im, fft->n); }

size_t fft_place(size_t n, size_t frequency)
{
    size_t place = 0;
    for (; n > 1; n /= 2, frequency /= 2)
        place = 2 * place + (frequency & 1);
    return place;
}

/* n - f keeps the lowest set bit of f and flips those above; reversed: keeps the highest, flips those below. */
size_t fft_mirror(size_t place)
{
    return place < 2 ? place : place ^ ((1UL << (63 - __builtin_clzl(place))) - 1);
}
