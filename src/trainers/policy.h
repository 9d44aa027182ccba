/* policy.h - how trainer auto takes a step: how many samples at a time, and what each layer keeps until the
 * coefficients are known.
 *
 *     store        the gradient of each sample, m P_l numbers: norm and weighted sum are sweeps over memory
 *     gram,        book-keeping: the output gradient dy (m,T,O), and the activations of blocks.  The norm takes Gram
 *     instantiate  matrices or a product, the weighted sum another product.  The head's dy is kept or formed again
 *     twice        nothing is kept of what is not stored: a second backward pass forms dy again
 *
 * Layernorms, which have few parameters, are always stored. */
#ifndef POLICY_H
#define POLICY_H
#include "../model/model.h"

/* Layers that are alike, by the last word of their names. */
#define LAYER_KIND_LIST(X)                                                                          \
    X(WTE, wte) X(WPE, wpe) X(Q, q) X(K, k) X(V, v) X(O, o) X(UP, up) X(DOWN, down) X(HEAD, lm_head)
#define LAYER_KIND_ENUM(NAME, name) KIND_##NAME,
enum layer_kind { LAYER_KIND_LIST(LAYER_KIND_ENUM) N_LAYER_KINDS };
extern const char *const layer_kind_name[N_LAYER_KINDS];

struct policy {
    int samples;                           /* m; 0: none is chosen, the trainer takes policy_default */
    int stored[N_LAYER_KINDS];             /* so many of a kind store: the first blocks, which come last */
    enum norm_mode norm[N_LAYER_KINDS];    /* of the others; means nothing to embeddings */
    bool keeps_logits;                     /* of a head that does not store, dy is kept too */
    bool twice;
};

bool policy_is(const struct policy *, const struct policy *);     /* the same */
int policy_layers(const struct model_shape *, enum layer_kind);   /* of a kind: L, or 1 */
bool policy_stores(const struct policy *, const struct layer *);
enum norm_mode policy_norm(const struct policy *, const struct layer *);
bool policy_stores_blocks(const struct policy *, int layers);     /* all linear layers of all blocks */

/* What is usually quick: about 512 rows at a time, and linear layers store unless T is small against their input, where
 * Gram matrices cost next to nothing. */
struct policy policy_default(const struct model_shape *, int T);
/* "m=1: store q,k,v,o,up 5/8,down; gram up,lm_head; dy wte,wpe" */
void policy_text(const struct policy *, const struct model_shape *, char *text, size_t bytes);
bool policy_read(const char *text, const struct model_shape *, struct policy *);    /* false: no such text */
#endif
