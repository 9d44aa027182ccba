/* golden_case.h - the contents of a golden file, read and looked over. */
#ifndef GOLDEN_CASE_H
#define GOLDEN_CASE_H
#include "../model/model.h"
#include "../privacy/clip.h"

struct golden_case {
    struct model_shape shape;
    int B, T, n_tensors;
    long n_params;
    double max_grad_norm;            /* R */
    int *token, *length;             /* (B,T), (B) = T */
    float *params;                   /* (P) */
    double *loss, *norm, *norm_total; /* (B), (tensors, B), (B) */
    double *sum[N_CLIPPINGS];        /* (P): clipped sums; none: the mean times B */
};

/* False: `error` is one line. */
bool golden_case_read(struct golden_case *, const char *path, char *error, size_t error_bytes);
void golden_case_free(struct golden_case *);
#endif
