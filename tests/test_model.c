/* test_model.c - the passes of every architecture: finite differences of the loss, and what must not change it. */
#include "random_model.h"

/* ---- a model and room for results, on the device --------------------------------------------------------------- */

enum { MOST = 5 };
struct rig {
    struct model *m;
    long P;
    float *g, *loss, *weight;     /* (P), (MOST), (MOST) */
};

static void loss_program(struct rig *r, const struct batch *x)
{
    ledger_start(PROGRAM_STEP);
    model_forward(r->m, x);
    model_loss(r->m, r->loss);
    ledger_finish();
}

/* The gradient by the second of two backward passes over one forward pass. */
static void second_pass_program(struct rig *r, const struct batch *x)
{
    ledger_start(PROGRAM_FIGURES);
    model_forward(r->m, x);
    model_backward(r->m, r->weight, add_gradient, r->g, NULL, NOT_LAST_PASS);
    KERNEL(fill, r->g, 0.0f, r->P);
    model_backward(r->m, NULL, add_gradient, r->g, r->loss, LAST_PASS);
    ledger_finish();
}

static struct rig rig_open(int arch)
{
    const struct model_shape shape = {(enum arch)arch, .vocab = 11, .dim = 12, .layers = 2, .heads = 3, .max_seq = 19};
    ledger_open(LEDGER_REAL, 0);
    struct rig r = {.m = random_model(shape)};
    r.P = r.m->n_params;
    r.g = send(zeros(r.P), r.P);
    r.loss = send(zeros(MOST), MOST);
    r.weight = send(numbers(MOST, 1, 2), MOST);
    return r;
}

/* For all batches that follow, and each of their samples alone. */
static void rehearse(struct rig *r, const struct batch *x, int n_batches)
{
    ledger_rehearse_begin();
    for (int i = 0; i < n_batches; i++)
        for (int one = 0; one < 2; one++) {
            const struct batch slice = batch_slice(&x[i], 0, one && x[i].n ? 1 : x[i].n);
            loss_program(r, &slice);
            gradient_program(r->m, &slice, NULL, r->g, r->loss);
            second_pass_program(r, &slice);
        }
    ledger_rehearse_end();
    assert_true(ledger_commit());
}

static void rig_close(struct rig *r)
{
    ledger_retire();
    drop_all();
    model_free(r->m);
    ledger_close();
}

static float *gradient(struct rig *r, const struct batch *x, const float *weight)
{
    gradient_program(r->m, x, weight, r->g, r->loss);
    return fetch(r->g, r->P);
}

static double length_of(const float *x, long n)
{
    double sq = 0;
    for (long i = 0; i < n; i++) sq += (double)x[i] * x[i];
    return sqrt(sq);
}

/* |got - sum_k factor_k part_k| <= rel_limit sum_k |factor_k part_k| */
struct part { double factor; const float *g; };
static void check_sum(const char *what, const float *got, long P, const struct part *part, int n, double rel_limit)
{
    double sq = 0, size = 0;
    for (int k = 0; k < n; k++) size += fabs(part[k].factor) * length_of(part[k].g, P);
    for (long i = 0; i < P; i++) {
        double want = 0;
        for (int k = 0; k < n; k++) want += part[k].factor * part[k].g[i];
        sq += (got[i] - want) * (got[i] - want);
    }
    near(what, 0, sqrt(sq), 0, rel_limit * size);
}

/* Two ways to sum the same terms in fp32 through a dozen layers. */
#define ROUNDING 1e-5

#define FOR_EACH_ARCH(arch) for (int arch = 0; arch < N_ARCHS; arch++, free_arrays(NULL))

/* ---- finite differences ---------------------------------------------------------------------------------------- */

/* The change E(h) = (L(w+hr) - L(w-hr))/2h - <g,r> is c h^2 + O(h^4) and a rounding error of at most LOSS_ERROR/h, so
 * that E(2h) - E(h), in which a wrong gradient cancels, is three times the first part of E(h).  Twice that is allowed
 * for the terms left out.  <g,r> is taken along the step that rounded weights really make. */
#define STEP       0.004
#define LOSS_ERROR 2e-6  /* of a sum of three losses of about 3, each through a dozen layers */

static double total_loss(struct rig *r, const struct batch *x, const float *params)
{
    double sum = 0;
    device_copy_in(r->m->params, params, (size_t)r->P * sizeof *params);
    loss_program(r, x);
    const float *loss = fetch(r->loss, x->n);
    for (int b = 0; b < x->n; b++) sum += loss[b];
    return sum;
}

/* The point at which the derivative is taken: weights, and the gradient that the model says it has there. */
struct point { struct rig *r; const struct batch *x; const float *params, *g; };

/* E(h) along the unit vector `direction` of one tensor */
static double excess(const struct point *at, const struct tensor *t, const double *direction, double h)
{
    float *up = copy(at->params, at->r->P), *down = copy(at->params, at->r->P);
    double change = 0;
    for (long i = 0; i < t->size; i++) {
        up[t->offset + i] += (float)(h * direction[i]);
        down[t->offset + i] -= (float)(h * direction[i]);
        change += at->g[t->offset + i] * ((double)up[t->offset + i] - down[t->offset + i]);
    }
    return (total_loss(at->r, at->x, up) - total_loss(at->r, at->x, down) - change) / (2 * h);
}

/* Direction 0: of the gradient itself; the others: random. */
static double *direction_of(const struct tensor *t, const float *g, int number)
{
    double *direction = array((size_t)t->size, sizeof *direction), sq = 0;
    const float *random = numbers(t->size, 0, 1);
    const bool along = number == 0 && length_of(g + t->offset, t->size) > 1e-3;
    for (long i = 0; i < t->size; i++) {
        direction[i] = along ? g[t->offset + i] : random[i];
        sq += direction[i] * direction[i];
    }
    for (long i = 0; i < t->size; i++) direction[i] /= sqrt(sq);
    return direction;
}

static void check_tensor(const struct point *at, const struct tensor *t)
{
    enum { DIRECTIONS = 4 };
    for (int k = 0; k < DIRECTIONS; k++) {
        const double *direction = direction_of(t, at->g, k);
        const double e1 = excess(at, t, direction, STEP), e2 = excess(at, t, direction, 2 * STEP);
        const double limit = 2 * fabs(e2 - e1) / 3 + LOSS_ERROR / STEP;
        near(t->name, k, e1, 0, limit);
        assert_true(limit <= 1e-3 * fmax(1, length_of(at->g + t->offset, t->size))); /* a limit that says something */
    }
}

/* ReLU has no derivative at 0.  Its inputs are moved away from there, half of them up and half down. */
static void keep_off_kinks(struct model *m, float *params)
{
    for (int p = 0; p < m->n_tensors; p++)
        for (long i = 0; i < m->tensor[p].size && strstr(m->tensor[p].name, "mlp.up.bias"); i++)
            params[m->tensor[p].offset + i] = i % 2 ? 5 : -5;
}

static void check_finite_differences(int arch, double dropout)
{
    static const enum arch with_relu[] = {ARCH_POSTLN};
    struct rig r = rig_open(arch);
    const struct batch_wish wish = {.n = 3, .T = 7, .fill = 1, .position = STRIDED};
    const struct batch x = random_batch(&r.m->shape, wish);
    r.m->dropout = (struct dropout){dropout, 3, 1}; /* the same masks in all passes */
    rehearse(&r, &x, 1);
    float *params = fetch(r.m->params, r.P);
    for (int i = 0; i < COUNT(with_relu); i++)
        if (with_relu[i] == (enum arch)arch)
            keep_off_kinks(r.m, params);
    device_copy_in(r.m->params, params, (size_t)r.P * sizeof *params);
    const struct point at = {&r, &x, params, gradient(&r, &x, NULL)};
    for (int p = 0; p < r.m->n_tensors; p++) check_tensor(&at, &r.m->tensor[p]);
    rig_close(&r);
}

static void gradients_are_finite_differences_of_the_loss(void **state)
{
    (void)state;
    FOR_EACH_ARCH(arch) check_finite_differences(arch, 0);
}

static void so_they_are_with_dropout(void **state)
{
    (void)state;
    FOR_EACH_ARCH(arch) check_finite_differences(arch, 0.3);
}

/* ---- sums over samples ----------------------------------------------------------------------------------------- */

static void the_gradient_of_a_weighted_loss_is_the_weighted_sum_of_gradients(void **state)
{
    (void)state;
    FOR_EACH_ARCH(arch) {
        struct rig r = rig_open(arch);
        const struct batch_wish wish = {.n = MOST, .T = 9, .fill = 2, .token = STRIDED};
        const struct batch x = random_batch(&r.m->shape, wish);
        rehearse(&r, &x, 1);
        const float *weight = fetch(r.weight, MOST);
        struct part weighted[MOST], plain[MOST];
        for (int b = 0; b < MOST; b++) {
            const struct batch one = batch_slice(&x, b, 1);
            plain[b] = (struct part){1, gradient(&r, &one, NULL)};
            weighted[b] = (struct part){weight[b], plain[b].g};
        }
        check_sum("sum", gradient(&r, &x, NULL), r.P, plain, MOST, ROUNDING);
        check_sum("weighted sum", gradient(&r, &x, r.weight), r.P, weighted, MOST, ROUNDING);
        rig_close(&r);
    }
}

static void the_loss_comes_with_a_gradient_or_alone(void **state)
{
    (void)state;
    FOR_EACH_ARCH(arch) {
        struct rig r = rig_open(arch);
        const struct batch x = random_batch(&r.m->shape, (struct batch_wish){.n = MOST, .T = 9, .fill = 1});
        rehearse(&r, &x, 1);
        loss_program(&r, &x);
        const float *alone = fetch(r.loss, MOST);
        gradient(&r, &x, r.weight); /* the loss is not weighted */
        const float *beside = fetch(r.loss, MOST);
        for (int b = 0; b < MOST; b++) {
            assert_true(alone[b] > 0.1f);
            near("loss", b, beside[b], alone[b], ROUNDING * alone[b]);
        }
        rig_close(&r);
    }
}

static void a_second_backward_pass_finds_what_the_first_found(void **state)
{
    (void)state;
    FOR_EACH_ARCH(arch) {
        struct rig r = rig_open(arch);
        const struct batch x = random_batch(&r.m->shape, (struct batch_wish){.n = 3, .T = 9, .fill = 1});
        rehearse(&r, &x, 1);
        const float *g = gradient(&r, &x, NULL), *loss = fetch(r.loss, 3);
        second_pass_program(&r, &x);
        same("gradient", fetch(r.g, r.P), g, r.P);
        same("loss", fetch(r.loss, 3), loss, 3);
        rig_close(&r);
    }
}

static void an_empty_batch_has_no_gradient(void **state)
{
    (void)state;
    FOR_EACH_ARCH(arch) {
        struct rig r = rig_open(arch);
        const struct batch x = random_batch(&r.m->shape, (struct batch_wish){.n = 2, .T = 9});
        const struct batch empty = batch_slice(&x, 0, 0);
        rehearse(&r, &x, 1);
        same("gradient", gradient(&r, &empty, NULL), zeros(r.P), r.P);
        rig_close(&r);
    }
}

/* ---- what is kept ---------------------------------------------------------------------------------------------- */

static void note_most_kept(struct layer *l, struct span s, void *most)
{
    (void)l, (void)s;
    const size_t now = ledger_live(MEMORY_ACTIVATIONS);
    *(size_t *)most = now > *(size_t *)most ? now : *(size_t *)most;
}

/* Floats of a token that a forward pass leaves, and the most that a backward pass over it sees at a hook. */
struct kept { long after_forward, most; };
static struct kept kept_by(int arch, int layers, enum recompute recompute)
{
    enum { T = 64 }; /* so that no array is rounded up */
    const struct model_shape shape = {(enum arch)arch, .vocab = 11, .dim = 12, .layers = layers, .heads = 3, T};
    const struct batch x = {.n = 1, .T = T};
    size_t most = 0;
    ledger_open(LEDGER_DRY, 0);
    struct model *m = model_create(&shape);
    m->recompute = recompute;
    ledger_rehearse_begin();
    ledger_start(PROGRAM_STEP);
    model_forward(m, &x);
    const size_t forward = ledger_live(MEMORY_ACTIVATIONS);
    model_backward(m, NULL, note_most_kept, &most, NULL, LAST_PASS);
    assert_int_equal(ledger_live(MEMORY_ACTIVATIONS), 0);
    ledger_finish();
    ledger_rehearse_end();
    model_free(m);
    ledger_close();
    return (struct kept){(long)(forward / T / sizeof(float)), (long)(most / T / sizeof(float))};
}

static void recomputation_keeps_the_inputs_of_blocks_and_one_block(void **state)
{
    (void)state;
    const long D = 12, block = 10 * D + 3 + 4, top = 2 * D + 2;
    FOR_EACH_ARCH(arch)
        for (long L = 1; L < 6; L++) {
            const struct kept all = kept_by(arch, (int)L, RECOMPUTE_NONE);
            const struct kept inputs = kept_by(arch, (int)L, RECOMPUTE_BLOCK);
            assert_int_equal(all.after_forward, L * block + top);
            assert_int_equal(inputs.after_forward, L * D + top);
            assert_in_range(inputs.most, (L - 1) * D + block, L * D + block);
        }
}

/* ---- what does not count --------------------------------------------------------------------------------------- */

/* One sample of random tokens, with targets but for position 2, padded with `padding` to T. */
enum { LENGTH = 6, PADDED = 13 };
struct sample { int token[LENGTH], target[LENGTH], length, targets; };

static struct sample random_sample(const struct model *m, bool with_targets)
{
    struct sample s = {.length = LENGTH};
    for (int t = 0; t < LENGTH; t++) {
        s.token[t] = random_int(0, m->shape.vocab - 1);
        s.target[t] = t == 2 || !with_targets ? -1 : random_int(0, m->shape.vocab - 1);
        s.targets += s.target[t] >= 0;
    }
    return s;
}

static struct batch batch_of(const struct sample *s, int n, int T, int padding)
{
    int *token = array((size_t)(n * T), sizeof *token), *target = array((size_t)(n * T), sizeof *target);
    int *position = array((size_t)T, sizeof *position), *length = array((size_t)n, sizeof *length);
    float *loss_scale = zeros(n);
    for (int t = 0; t < T; t++) position[t] = t;
    for (int b = 0; b < n; b++) {
        for (int t = 0; t < T; t++) {
            token[b * T + t] = t < LENGTH ? s[b].token[t] : padding;
            target[b * T + t] = t < LENGTH ? s[b].target[t] : -1;
        }
        length[b] = s[b].length;
        loss_scale[b] = s[b].targets ? 1.0f / (float)s[b].targets : 0;
    }
    return (struct batch){.n = n, .T = T, .token = {send(token, (long)n * T), T, 1},
        .position = {send(position, T), 0, 1}, .target = send(target, (long)n * T), .length = send(length, n),
        .loss_scale = send(loss_scale, n)};
}

static void padding_changes_nothing_of_a_sample(void **state)
{
    (void)state;
    FOR_EACH_ARCH(arch) {
        struct rig r = rig_open(arch);
        const struct sample s = random_sample(r.m, true);
        const struct batch x[] = {batch_of(&s, 1, LENGTH, 0), batch_of(&s, 1, PADDED, 0), batch_of(&s, 1, PADDED, 7)};
        rehearse(&r, x, COUNT(x));
        const struct part bare = {1, gradient(&r, &x[0], NULL)};
        const float loss = fetch(r.loss, 1)[0], *padded = gradient(&r, &x[1], NULL);
        check_sum("gradient", padded, r.P, &bare, 1, ROUNDING);
        near("loss", 0, fetch(r.loss, 1)[0], loss, ROUNDING * loss);
        const float *other = gradient(&r, &x[2], NULL); /* nor does what it is padded with */
        for (long i = 0; i < r.P; i++) near("gradient", i, other[i], padded[i], 0);
        rig_close(&r);
    }
}

static void a_token_without_a_target_adds_no_loss(void **state)
{
    (void)state;
    FOR_EACH_ARCH(arch) { /* with one target less, the sum of the others is what it was */
        struct rig r = rig_open(arch);
        struct sample s = random_sample(r.m, true), only = s, rest = s;
        for (int t = 0; t < LENGTH; t++) (t == 4 ? &rest : &only)->target[t] = -1;
        only.targets = 1, rest.targets = s.targets - 1;
        const struct batch x[] = {
            batch_of(&s, 1, LENGTH, 0), batch_of(&only, 1, LENGTH, 0), batch_of(&rest, 1, LENGTH, 0)};
        rehearse(&r, x, COUNT(x));
        double loss[3];
        const float *g[3];
        for (int k = 0; k < 3; k++) {
            g[k] = gradient(&r, &x[k], NULL);
            loss[k] = fetch(r.loss, 1)[0];
        }
        const double share = 1.0 / s.targets;
        const struct part parts[] = {{share, g[1]}, {1 - share, g[2]}};
        check_sum("gradient", g[0], r.P, parts, 2, ROUNDING);
        near("loss", 0, loss[0], share * loss[1] + (1 - share) * loss[2], ROUNDING * loss[0]);
        rig_close(&r);
    }
}

static void a_sample_without_a_target_adds_nothing(void **state)
{
    (void)state;
    FOR_EACH_ARCH(arch) {
        struct rig r = rig_open(arch);
        const struct sample s[] = {random_sample(r.m, true), random_sample(r.m, false), random_sample(r.m, true)};
        const struct batch x = batch_of(s, 3, LENGTH, 0);
        rehearse(&r, &x, 1);
        struct part part[3];
        for (int b = 0; b < 3; b++) {
            const struct batch one = batch_slice(&x, b, 1);
            part[b] = (struct part){b == 1 ? 0 : 1, gradient(&r, &one, NULL)};
            assert_int_equal(fetch(r.loss, 1)[0] == 0, b == 1);
        }
        for (long i = 0; i < r.P; i++) near("gradient", i, part[1].g[i], 0, 0);
        check_sum("sum", gradient(&r, &x, NULL), r.P, part, 3, ROUNDING);
        rig_close(&r);
    }
}

/* ---- the list of parameters ------------------------------------------------------------------------------------ */

static void parameters_fill_the_flat_vector_without_gaps(void **state)
{
    (void)state;
    for (int arch = 0; arch < N_ARCHS; arch++)
        for (int layers = 1; layers <= 3; layers++) {
            const struct model_shape shape = {
                (enum arch)arch, random_int(1, 50), 5 * layers, layers, 5, random_int(1, 9)};
            ledger_open(LEDGER_DRY, 0);
            struct model *m = model_create(&shape);
            long next = 0;
            for (int p = 0; p < m->n_tensors; p++) {
                assert_int_equal(m->tensor[p].offset, next);
                assert_int_equal(m->tensor[p].size, (long)m->tensor[p].rows * m->tensor[p].cols);
                for (int q = 0; q < p; q++) assert_string_not_equal(m->tensor[p].name, m->tensor[q].name);
                next += m->tensor[p].size;
            }
            assert_int_equal(m->n_params, next);
            assert_int_equal(model_shape_params(&shape), next);
            assert_int_equal(model_shape_tensors(&shape), m->n_tensors);
            model_free(m);
            ledger_close();
        }
}

static void presets_are_possible_and_found_by_name(void **state)
{
    (void)state;
    for (int i = 0; model_size_at(i); i++) {
        assert_null(model_shape_error(&model_size_at(i)->shape));
        assert_ptr_equal(model_size_find(model_size_at(i)->name), model_size_at(i));
    }
    assert_null(model_size_find("nonesuch"));
}

static void impossible_shapes_are_refused_with_the_option_to_change(void **state)
{
    (void)state;
    static const struct { struct model_shape shape; const char *says; } wrong[] = {
        {{ARCH_POSTLN, 10, 12, 0, 3, 8}, "--layers 0"},    {{ARCH_POSTLN, 10, 0, 1, 3, 8}, "--dim 0"},
        {{ARCH_POSTLN, 10, 12, 1, -1, 8}, "--heads -1"},   {{ARCH_POSTLN, 0, 12, 1, 3, 8}, "--vocab 0"},
        {{ARCH_POSTLN, 10, 12, 1, 3, 0}, "--max-seq 0"},   {{ARCH_POSTLN, 10, 12, 1, 5, 8}, "--dim 12 --heads 5"},
        {{ARCH_POSTLN, 10, 1 << 20, 1, 1, 8}, "2^40"},
    };
    for (int i = 0; i < COUNT(wrong); i++) {
        const char *why = model_shape_error(&wrong[i].shape);
        if (!why || !strstr(why, wrong[i].says))
            fail_msg("\"%s\" does not say \"%s\"", why ? why : "(no error)", wrong[i].says);
    }
}

int main(void)
{
    open_strict_device(1);
    const struct CMUnitTest tests[] = {
        TEST(gradients_are_finite_differences_of_the_loss),
        TEST(so_they_are_with_dropout),
        TEST(the_gradient_of_a_weighted_loss_is_the_weighted_sum_of_gradients),
        TEST(the_loss_comes_with_a_gradient_or_alone),
        TEST(a_second_backward_pass_finds_what_the_first_found),
        TEST(an_empty_batch_has_no_gradient),
        TEST(recomputation_keeps_the_inputs_of_blocks_and_one_block),
        TEST(padding_changes_nothing_of_a_sample),
        TEST(a_token_without_a_target_adds_no_loss),
        TEST(a_sample_without_a_target_adds_nothing),
        TEST(parameters_fill_the_flat_vector_without_gaps),
        TEST(presets_are_possible_and_found_by_name),
        TEST(impossible_shapes_are_refused_with_the_option_to_change),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    device_close();
    return failed;
}
