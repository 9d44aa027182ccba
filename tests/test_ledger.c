/* test_ledger.c - the ledger's promises on random programs, checked by brute force. */
#include "../src/device/timer.h"
#include "on_device.h"

/* ---- random programs ------------------------------------------------------------------------------------------- */

/* A program is made up while it runs, from a seed: the same seed is the same program, rehearsed or not. */
enum { MOST_ALIVE = 64, MOST_BYTES = 5000, DEPTH = 3, ALIGNMENT = 256, MARK_BYTES = 16 };
struct taken { unsigned char *address; size_t bytes; enum memory_kind kind; unsigned char mark; };
static struct {
    uint64_t seed;
    bool same_sizes;                 /* in all turns of a loop */
    unsigned size_word;              /* if not, sizes come from here, which goes on from turn to turn */
    struct taken alive[MOST_ALIVE];
    int n;
    size_t live, peak, live_of[N_MEMORY_KINDS], peak_of[N_MEMORY_KINDS];
    unsigned char *lowest, *highest;
} p;

static unsigned some(unsigned n) /* 0..n-1 */
{
    p.seed = p.seed * 6364136223846793005 + 1442695040888963407;
    return (unsigned)(p.seed >> 33) % n;
}

static size_t rounded(size_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* Real memory holds a mark of its block at both ends, which nobody else may touch while it is alive. */
static void mark_ends(const struct taken *t)
{
    unsigned char mark[MARK_BYTES];
    memset(mark, t->mark, sizeof mark);
    device_copy_in(t->address, mark, sizeof mark);
    device_copy_in(t->address + t->bytes - sizeof mark, mark, sizeof mark);
}

static void check_ends(const struct taken *t)
{
    unsigned char end[2][MARK_BYTES];
    if (ledger_is_dry() || ledger_is_rehearsing())
        return;
    device_copy_out(end[0], t->address, MARK_BYTES);
    device_copy_out(end[1], t->address + t->bytes - MARK_BYTES, MARK_BYTES);
    for (int i = 0; i < 2 * MARK_BYTES; i++) assert_int_equal(end[i / MARK_BYTES][i % MARK_BYTES], t->mark);
}

static void check_apart(const struct taken *t)
{
    assert_int_equal((size_t)t->address % 64, 0);
    for (int i = 0; i < p.n; i++)
        assert_true(t->address + t->bytes <= p.alive[i].address || p.alive[i].address + p.alive[i].bytes <= t->address);
}

static void check_live(void)
{
    for (int k = 0; k < N_MEMORY_KINDS; k++) /* a loop's block is as large as in its largest turn */
        if (p.same_sizes)
            assert_int_equal(ledger_live((enum memory_kind)k), p.live_of[k]);
        else
            assert_true(ledger_live((enum memory_kind)k) >= p.live_of[k]);
}

static void note_peak(void)
{
    if (p.live <= p.peak)
        return;
    p.peak = p.live;
    memcpy(p.peak_of, p.live_of, sizeof p.peak_of);
}

static void take(size_t bytes)
{
    static unsigned char mark;
    struct taken t = {.bytes = MARK_BYTES + bytes, .kind = (enum memory_kind)some(N_MEMORY_KINDS), .mark = ++mark};
    t.address = ledger_take(t.kind, "block", t.bytes);
    if (!ledger_is_rehearsing()) {
        check_apart(&t);
        p.lowest = !p.lowest || t.address < p.lowest ? t.address : p.lowest;
        p.highest = t.address + t.bytes > p.highest ? t.address + t.bytes : p.highest;
    }
    if (!ledger_is_dry() && !ledger_is_rehearsing())
        mark_ends(&t);
    p.alive[p.n++] = t;
    p.live += rounded(t.bytes);
    p.live_of[t.kind] += rounded(t.bytes);
    note_peak();
    check_live();
}

static void release(int i)
{
    const struct taken t = p.alive[i];
    check_ends(&t);
    ledger_release(t.address);
    p.alive[i] = p.alive[--p.n];
    p.live -= rounded(t.bytes);
    p.live_of[t.kind] -= rounded(t.bytes);
    check_live();
}

/* Turns differ in sizes only.  A body releases what it takes, in any order, and not what was there before it. */
static void body(int depth);
static void turns(int depth)
{
    const size_t mark = ledger_mark();
    const uint64_t seed = p.seed;
    const unsigned n = 1 + some(4);
    for (unsigned turn = 0; turn < n; turn++) {
        ledger_rewind(mark);
        p.seed = seed;
        body(depth + 1);
    }
}

static void body(int depth)
{
    const int before = p.n;
    for (unsigned step = 5 + some(15); step; step--) {
        const unsigned what = some(5);
        const size_t bytes = some(4) ? some(MOST_BYTES) : 0;
        p.size_word = p.size_word * 1664525 + 1013904223;
        if (what < 3 && p.n < MOST_ALIVE)
            take(p.same_sizes || depth == 0 ? bytes : bytes / (1 + (p.size_word >> 16) % 3));
        else if (what == 3 && p.n > before)
            release(before + (int)some((unsigned)(p.n - before)));
        else if (what == 4 && depth < DEPTH)
            turns(depth);
    }
    while (p.n > before) release(p.n - 1);
}

static void run_program(enum program program, uint64_t seed)
{
    p.seed = seed;
    p.size_word = 1;
    ledger_start(program);
    body(0);
    ledger_finish();
}

static void rehearse_all(uint64_t seed)
{
    ledger_rehearse_begin();
    for (int i = 0; i < N_PROGRAMS; i++) run_program((enum program)i, seed + (uint64_t)i);
    ledger_rehearse_end();
}

/* ---- what holds for every program ------------------------------------------------------------------------------ */

static void begin(enum ledger_mode mode, size_t limit, bool same_sizes)
{
    memset(&p, 0, sizeof p);
    p.same_sizes = same_sizes;
    ledger_open(mode, limit);
}

static void assert_nothing_is_live(void)
{
    for (int k = 0; k < N_MEMORY_KINDS; k++) assert_int_equal(ledger_live((enum memory_kind)k), 0);
}

static size_t peak_sum(void)
{
    size_t sum = 0;
    for (int k = 0; k < N_MEMORY_KINDS; k++) sum += ledger_peak((enum memory_kind)k);
    return sum;
}

static void blocks_alive_together_never_overlap(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        begin(LEDGER_REAL, 0, seed % 2);
        rehearse_all(seed);
        assert_true(ledger_commit());
        const size_t arena = ledger_allocated(), peak = p.peak;
        for (int turn = 0; turn < 2; turn++) /* take() looks at every pair of blocks, release() at their contents */
            for (int i = 0; i < N_PROGRAMS; i++) run_program((enum program)i, seed + (uint64_t)i);
        assert_true(arena >= peak);
        assert_true((size_t)(p.highest - p.lowest) <= arena);
        assert_int_equal(ledger_allocated(), arena); /* a step allocates nothing */
        assert_nothing_is_live();
        ledger_close();
    }
}

static void a_dry_run_has_the_peaks_of_a_real_one(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        size_t reserved[2], kinds[2][N_MEMORY_KINDS];
        for (int mode = 0; mode < 2; mode++) {
            begin((enum ledger_mode)mode, 0, true);
            void *weights = ledger_alloc(MEMORY_PARAMETERS, "weights", 1000 * seed);
            p.live = p.live_of[MEMORY_PARAMETERS] = rounded(1000 * seed);
            rehearse_all(seed);
            assert_true(ledger_commit());
            if (mode == LEDGER_REAL)
                for (int i = 0; i < N_PROGRAMS; i++) run_program((enum program)i, seed + (uint64_t)i);
            reserved[mode] = ledger_reserved_peak();
            for (int k = 0; k < N_MEMORY_KINDS; k++) {
                kinds[mode][k] = ledger_peak((enum memory_kind)k);
                assert_int_equal(kinds[mode][k], p.peak_of[k]);
            }
            assert_int_equal(peak_sum(), p.peak);
            assert_true(reserved[mode] >= p.peak);
            ledger_free(weights);
            ledger_close();
        }
        assert_int_equal(reserved[LEDGER_DRY], reserved[LEDGER_REAL]);
        assert_memory_equal(kinds[LEDGER_DRY], kinds[LEDGER_REAL], sizeof kinds[0]);
    }
}

static void the_peak_knows_its_phase(void **state)
{
    (void)state;
    begin(LEDGER_DRY, 0, true);
    ledger_rehearse_begin();
    ledger_start(PROGRAM_STEP);
    PHASE(FORWARD) ledger_release(ledger_take(MEMORY_ACTIVATIONS, "a", 1000));
    PHASE(BACKWARD) {
        void *g = ledger_take(MEMORY_OUTPUT_GRADIENTS, "b", 1000);
        PHASE(NORM) ledger_release(ledger_take(MEMORY_WORKSPACE, "c", 10));
        ledger_release(g);
    }
    ledger_finish();
    ledger_rehearse_end();
    assert_string_equal(ledger_peak_phase(), "norm");
    ledger_close();
}

/* ---- allocations and limits ------------------------------------------------------------------------------------ */

static void allocations_are_counted_until_they_are_freed(void **state)
{
    (void)state;
    ledger_open(LEDGER_REAL, 0);
    void *a = ledger_alloc(MEMORY_PARAMETERS, "a", 1000), *b = ledger_alloc(MEMORY_OPTIMIZER, "b", 0);
    assert_int_equal(ledger_live(MEMORY_PARAMETERS), 1024);
    assert_int_equal(ledger_live(MEMORY_OPTIMIZER), ALIGNMENT);
    assert_int_equal(ledger_allocated(), 1024 + ALIGNMENT);
    ledger_free(a);
    ledger_free(NULL);
    assert_int_equal(ledger_allocated(), ALIGNMENT);
    assert_int_equal(ledger_reserved_peak(), 1024 + ALIGNMENT);
    ledger_free(b);
    assert_nothing_is_live();
    assert_int_equal(ledger_allocated(), 0);
    ledger_close();
}

static void assert_says(const char *text)
{
    if (!strstr(ledger_message(), text))
        fail_msg("\"%s\" does not say \"%s\"", ledger_message(), text);
    assert_null(strchr(ledger_message(), '\n'));
}

/* Both modes, because `plan` and `run` must refuse alike. */
static void more_than_the_limit_is_refused_with_the_amount_and_the_purpose(void **state)
{
    (void)state;
    const size_t MiB = 1 << 20;
    for (int mode = 0; mode < 2; mode++) {
        ledger_open((enum ledger_mode)mode, 3 * MiB);
        void *half = ledger_alloc(MEMORY_PARAMETERS, "weights", 2 * MiB);
        assert_non_null(half);
        assert_null(ledger_alloc(MEMORY_OPTIMIZER, "momentum", 3 * MiB / 2));
        assert_says("'momentum'"), assert_says("optimizer"), assert_says("1.5 MiB"), assert_says("2.0 MiB");
        assert_says("0.5 MiB more than the memory limit of 3.0 MiB");
        void *rest = ledger_alloc(MEMORY_OPTIMIZER, "momentum", MiB); /* to the byte */
        assert_non_null(rest);
        assert_null(ledger_alloc(MEMORY_DATA, "batch", 1));
        ledger_free(half);
        ledger_free(rest);
        ledger_close();
    }
}

/* Bytes of the arena; 0: refused. */
static size_t arena_under(enum ledger_mode mode, size_t limit)
{
    begin(mode, limit, true);
    rehearse_all(7);
    const bool committed = ledger_commit();
    const size_t bytes = ledger_allocated();
    ledger_close();
    assert_int_equal(committed, bytes > 0);
    return bytes;
}

static void a_step_that_does_not_fit_the_limit_is_refused(void **state)
{
    (void)state;
    for (int mode = 0; mode < 2; mode++) {
        const size_t needed = arena_under((enum ledger_mode)mode, 0);
        assert_true(needed > 0);
        assert_int_equal(arena_under((enum ledger_mode)mode, needed), needed);
        assert_int_equal(arena_under((enum ledger_mode)mode, needed - 1), 0);
        begin((enum ledger_mode)mode, needed - 1, true);
        PHASE(CLIP) rehearse_all(7);
        assert_false(ledger_commit());
        assert_says("a step (at its peak, in clip) needs"), assert_says("more than the memory limit of");
        ledger_close();
    }
}

static void more_than_the_machine_has_is_refused(void **state)
{
    (void)state;
    ledger_open(LEDGER_REAL, 0);
    assert_null(ledger_alloc(MEMORY_PARAMETERS, "weights", (size_t)1 << 50));
    assert_says("'weights' needs 1073741824.0 MiB"), assert_says("this machine has");
    assert_int_equal(ledger_allocated(), 0);
    ledger_close();
}

int main(void)
{
    open_strict_device(1);
    const struct CMUnitTest tests[] = {
        TEST(blocks_alive_together_never_overlap),
        TEST(a_dry_run_has_the_peaks_of_a_real_one),
        TEST(the_peak_knows_its_phase),
        TEST(allocations_are_counted_until_they_are_freed),
        TEST(more_than_the_limit_is_refused_with_the_amount_and_the_purpose),
        TEST(a_step_that_does_not_fit_the_limit_is_refused),
        TEST(more_than_the_machine_has_is_refused),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    device_close();
    return failed;
}
