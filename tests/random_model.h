/* random_model.h - small models with random weights, batches with everything that a data set may hold, and the gradient
 * of each sample alone. */
#ifndef RANDOM_MODEL_H
#define RANDOM_MODEL_H
#include "../src/model/model.h"
#include "on_device.h"

static inline int random_int(int low, int high) /* both included */
{
    return low + (int)(next_word() % (unsigned)(high - low + 1));
}

/* Weights of a size that makes gradients large and softmaxes and activations nonlinear. */
static inline struct model *random_model(struct model_shape shape)
{
    assert_null(model_shape_error(&shape));
    struct model *m = model_create(&shape);
    assert_non_null(m);
    float *params = numbers(m->n_params, 0, 0.5f);
    for (int p = 0; p < m->n_tensors; p++)
        for (long i = 0; i < m->tensor[p].size && m->tensor[p].rows == 1; i++)
            params[m->tensor[p].offset + i] = 0.3f * params[m->tensor[p].offset + i] +
                (strstr(m->tensor[p].name, "ln_") && strstr(m->tensor[p].name, "weight") ? 1 : 0);
    device_copy_in(m->params, params, (size_t)m->n_params * sizeof *params);
    model_weights_changed(m);
    return m;
}

/* Layouts of ids: one row for each sample, strided, one row for all samples, one id for each sample. */
enum id_layout { CONTIGUOUS, STRIDED, BROADCAST, CONSTANT, N_ID_LAYOUTS };
static inline struct ids random_ids(enum id_layout layout, int n, int T, int below)
{
    const long stride[N_ID_LAYOUTS][2] = {{T, 1}, {3 * T + 1, 3}, {0, 1}, {1, 0}};
    const long size = n * (3L * T + 1) + T;
    int *id = array((size_t)size, sizeof *id);
    for (long i = 0; i < size; i++) id[i] = random_int(0, below - 1);
    return (struct ids){send(id, size), stride[layout][0], stride[layout][1]};
}

/* n > 0 samples.  fill: 0: every position has a target; 1: lengths differ, some positions have no target;
 * 2: besides, sample 0 has none at all. */
struct batch_wish { int n, T, fill; enum id_layout token, position; };
static inline struct batch random_batch(const struct model_shape *shape, struct batch_wish w)
{
    const int n = w.n;
    int *target = array((size_t)(n * w.T), sizeof *target), *length = array((size_t)n, sizeof *length);
    float *loss_scale = zeros(n);
    for (int b = 0; b < n; b++) {
        int targets = 0;
        length[b] = w.fill ? random_int(1, w.T) : w.T;
        for (int t = 0; t < w.T; t++) {
            const bool masked = t >= length[b] || (w.fill == 2 && b == 0) || (w.fill && t && random_int(0, 3) == 0);
            target[b * w.T + t] = masked ? -1 : random_int(0, shape->vocab - 1);
            targets += !masked;
        }
        loss_scale[b] = targets ? 1.0f / (float)targets : 0.0f;
    }
    struct batch x = {.n = n, .T = w.T, .token = random_ids(w.token, n, w.T, shape->vocab),
        .position = random_ids(w.position, n, w.T, shape->max_seq)};
    x.target = send(target, (long)n * w.T);
    x.length = send(length, n);
    x.loss_scale = send(loss_scale, n);
    return x;
}

/* Hook: adds the layer's gradient to the vector ctx (P). */
static inline void add_gradient(struct layer *l, struct span s, void *g)
{
    l->ops->grad(l, s, UNWEIGHTED, (float *)g + l->offset, ADD);
}

/* g (P) = gradient of sum_b weight[b] loss[b], loss (n), as PROGRAM_REFERENCE; weight NULL: all 1 */
static inline void gradient_program(struct model *m, const struct batch *x, const float *weight, float *g, float *loss)
{
    ledger_start(PROGRAM_REFERENCE);
    KERNEL(fill, g, 0.0f, m->n_params);
    model_forward(m, x);
    model_backward(m, weight, add_gradient, g, loss, LAST_PASS);
    ledger_finish();
}
#endif
