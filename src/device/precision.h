/* precision.h - how matrix products round what they multiply.  Their sums, and all that is not a matrix product, are
 * fp32 in every precision, and so is everything that stays in memory: weights, activations, gradients.
 *   X(NAME, name, bits)     significant bits of a factor, the leading one counted */
#ifndef PRECISION_H
#define PRECISION_H

#define PRECISION_LIST(X) X(FP32, fp32, 24) X(TF32, tf32, 11) X(BF16, bf16, 8)

#define PRECISION_ENUM(NAME, name, bits) PRECISION_##NAME,
enum precision { PRECISION_LIST(PRECISION_ENUM) N_PRECISIONS };
extern const char *const precision_name[N_PRECISIONS];

void precision_set(enum precision);   /* of all products from now on; fp32 at first */
enum precision precision_now(void);
double precision_rounding(void);      /* of one factor: relative error at most, 2^-bits */

/* For the devices alone: the factors of a product as the library is to read them.  In bf16 they are packed copies: that
 * of b may exist already (gemm.b_bf16), for others the ledger gives workspace.  Otherwise they are where they were. */
struct gemm;
struct factors {
    const void *a, *b;
    long lda, ldb, stride_a, stride_b;
    void *copy_a, *copy_b;            /* NULL: none */
};
struct factors factors_of(const struct gemm *);   /* lengths; addresses unless they will be copies */
void factors_round(struct factors *, const struct gemm *); /* makes the copies; of an empty product none */
void factors_release(struct factors *);
#endif
