/* large_copies.c - copies to the device and back that do not fit into staging memory at once, or end just there.
 *
 *   large_copies
 *
 * For each size: a pattern goes in, that of the next size right behind it, as two arguments of a step would; both come
 * back whole.  Ends with 1 if a word differs. */
#include "../../src/base/check.h"
#include "../../src/device/device.h"
#include "../../src/device/ledger.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { MIB = 1 << 20, STAGING = 4 * MIB / (int)sizeof(uint32_t) }; /* words that device_cuda.c has room for */
static const size_t words_of[] = {1, STAGING - 1, STAGING, STAGING + 1, 2 * STAGING + 12345, 5 * STAGING};
enum { N_SIZES = sizeof words_of / sizeof *words_of };

static uint32_t *host_words(size_t n)
{
    uint32_t *x = malloc(n * sizeof *x);
    CHECK(x);
    return x;
}

/* Word i of pattern k; no two words of one are the same. */
static uint32_t word_at(int k, size_t i) { return (uint32_t)(2654435761u * (i + 1)) ^ (uint32_t)k << 28; }

static uint32_t *copy_in(int k)
{
    const size_t n = words_of[k], bytes = n * sizeof(uint32_t);
    uint32_t *host = host_words(n), *device = ledger_alloc(MEMORY_DATA, "words", bytes);
    if (!device)
        die(EXIT_ENVIRONMENT, "out of memory: %s", ledger_message());
    for (size_t i = 0; i < n; i++)
        host[i] = word_at(k, i);
    device_copy_in(device, host, bytes);
    memset(host, 0, bytes); /* whoever called may do so at once */
    free(host);
    return device;
}

/* Words that differ. */
static size_t wrong_after_copy_out(int k, uint32_t *device)
{
    const size_t n = words_of[k];
    size_t wrong = 0;
    uint32_t *host = host_words(n);
    device_copy_out(host, device, n * sizeof *host);
    for (size_t i = 0; i < n; i++)
        wrong += host[i] != word_at(k, i);
    ledger_free(device);
    free(host);
    printf("%9zu words came back", n);
    if (wrong)
        printf(": %zu WRONG", wrong);
    putchar('\n');
    return wrong;
}

int main(void)
{
    size_t wrong = 0;
    device_open(1);
    ledger_open(LEDGER_REAL, 0);
    for (int k = 0; k < N_SIZES; k++) {
        uint32_t *one = copy_in(k), *other = copy_in((k + 1) % N_SIZES);
        wrong += wrong_after_copy_out(k, one);
        wrong += wrong_after_copy_out((k + 1) % N_SIZES, other);
    }
    ledger_close();
    device_close();
    return wrong > 0;
}
