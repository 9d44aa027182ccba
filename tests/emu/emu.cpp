/* emu.cpp - runs thread blocks: the order of threads, barriers, shuffles, launches.
 *
 *   EMU_SCHED=inorder|reverse|random  order in which blocks, and threads between barriers, run; inorder if not set
 *   EMU_SEED=n                        of the random order
 *   EMU_GRID=n                        launches at most n blocks, so that grid-stride loops turn
 *
 * Results must not depend on any of them.  A block of n threads costs about n times 0.1 us beside its arithmetic. */
#include "emu.h"
#include "emulator.h"
#include "fiber.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <string>
#include <unistd.h>
#include <unordered_map>
#include <vector>

enum { MAX_THREADS = 1024, WARP = 32, VIOLATION = 99, INVALID_CONFIGURATION = 9 };

emu_indices emu;
emu_moment now = {"", -1, 0, 0};

struct emu_thread { fiber *run; bool returned; const char *file; int line; /* where it waits */ };
struct emu_warp { uint32_t mask, arrived; unsigned turn; uint32_t value[2][WARP]; };

static emu_thread threads[MAX_THREADS];
static emu_warp warps[MAX_THREADS / WARP];
static std::deque<int> ready; // threads that can go on
static int n_threads, n_live, n_at_barrier;
static const emu_kernel *kernel;
static void **kernel_arguments;

void emu_violation(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fflush(stdout);
    fprintf(stderr, "emulator: kernel %s, block %u: ", now.kernel, now.block);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    fflush(stderr);
    _exit(VIOLATION);
}

/* ---- order ------------------------------------------------------------------------------------------------------ */

enum order { INORDER, REVERSE, RANDOM };
static order order_wanted()
{
    const char *names[] = {"inorder", "reverse", "random"}, *name = getenv("EMU_SCHED");
    for (int i = 0; i < 3; i++)
        if (!name || !strcmp(name, names[i])) return (order)i;
    fprintf(stderr, "emulator: EMU_SCHED=%s: the orders are inorder, reverse, random\n", name);
    exit(2);
}

static long number_from(const char *variable, long otherwise)
{
    const char *text = getenv(variable);
    return text ? atol(text) : otherwise;
}
static const order order_now = order_wanted();

static size_t random_below(size_t n)
{
    static uint64_t x = 2 * (uint64_t)number_from("EMU_SEED", 1) + 1;
    x = x * 6364136223846793005 + 1442695040888963407; // Knuth's MMIX generator
    return (x >> 33) % n;
}

static int next_ready()
{
    if (order_now == RANDOM) std::swap(ready.front(), ready[random_below(ready.size())]);
    const int thread = order_now == REVERSE ? ready.back() : ready.front();
    if (order_now == REVERSE) ready.pop_back();
    else ready.pop_front();
    return thread;
}

static std::vector<unsigned> order_of_blocks(unsigned n)
{
    std::vector<unsigned> blocks(n);
    for (unsigned i = 0; i < n; i++) blocks[i] = i;
    if (order_now == REVERSE) std::reverse(blocks.begin(), blocks.end());
    for (size_t i = n; order_now == RANDOM && i > 1; i--) std::swap(blocks[i - 1], blocks[random_below(i)]);
    return blocks;
}

/* ---- barriers and shuffles -------------------------------------------------------------------------------------- */

static void wait_at(const char *file, int line)
{
    threads[now.thread].file = file;
    threads[now.thread].line = line;
}

void emu_barrier(const char *file, int line)
{
    wait_at(file, line);
    if (++n_at_barrier == n_threads) {
        for (int t = 0; t < n_threads; t++) {
            const emu_thread &other = threads[t];
            if (other.line != line || strcmp(other.file, file))
                emu_violation("divergent barriers: thread %d at %s:%d, thread %d at %s:%d", now.thread, file, line, t,
                              other.file, other.line);
            ready.push_back(t);
        }
        n_at_barrier = 0;
        now.epoch++;
    }
    fiber_yield();
}

/* Values of two turns, as the first lanes may be in the next shuffle while the last ones still read this one's. */
uint32_t emu_shuffle_xor(unsigned mask, uint32_t value, int lane_mask, const char *file, int line)
{
    emu_warp &warp = warps[now.thread / WARP];
    const int lane = now.thread % WARP, from = lane ^ lane_mask, first = now.thread - lane;
    const unsigned turn = warp.turn % 2;
    wait_at(file, line);
    if (!(mask >> lane & 1) || from < 0 || from >= WARP || !(mask >> from & 1))
        emu_violation("%s:%d: lane %d shuffles with lane %d, mask %08x", file, line, lane, from, mask);
    if (warp.arrived && warp.mask != mask)
        emu_violation("%s:%d: masks of one shuffle differ: %08x, %08x", file, line, warp.mask, mask);
    warp.mask = mask;
    warp.value[turn][lane] = value;
    warp.arrived |= 1u << lane;
    if (warp.arrived == mask) {
        warp.arrived = 0;
        warp.turn++;
        for (int l = 0; l < WARP; l++)
            if (mask >> l & 1) ready.push_back(first + l);
    }
    fiber_yield();
    return warp.value[turn][from];
}

/* ---- blocks and launches ---------------------------------------------------------------------------------------- */

/* Bounds of the section that holds all __shared__ arrays, from the linker. */
#define LINKER_SYMBOL extern "C" [[gnu::weak, gnu::visibility("hidden")]]
LINKER_SYMBOL uint32_t __start_emu_shared[];
LINKER_SYMBOL uint32_t __stop_emu_shared[];

bool emu_is_shared(const void *p) { return p >= __start_emu_shared && p < __stop_emu_shared; }
bool emu_is_private(const void *p)
{
    return (p >= &emu && p < &emu + 1) || fiber_on_stack(threads[now.thread].run, p);
}

static void fill_shared_with_nan()
{
    // not memset, which AddressSanitizer would watch: the section has its red zones in it
    for (volatile uint32_t *p = __start_emu_shared; p < __stop_emu_shared; p++) *p = ~0u;
}

static void run_kernel() { kernel->call(kernel_arguments); }

static void resume(int t)
{
    now.thread = t;
    emu.thread.x = (unsigned)t;
    if (fiber_resume(threads[t].run)) {
        threads[t].returned = true;
        n_live--;
    }
    now.thread = -1;
}

static void check_all_returned()
{
    int t = 0;
    while (t < n_threads && threads[t].returned) t++;
    if (t < n_threads)
        emu_violation("deadlock: %d of %d threads returned, thread %d waits at %s:%d", n_threads - n_live, n_threads, t,
                      threads[t].file, threads[t].line);
}

static void run_block(unsigned block)
{
    now.block = emu.block.x = block;
    now.epoch = 0;
    n_live = n_threads;
    n_at_barrier = 0;
    memset(warps, 0, sizeof warps);
    fill_shared_with_nan();
    ready.clear();
    for (int t = 0; t < n_threads; t++) {
        threads[t].returned = false;
        if (!threads[t].run) threads[t].run = fiber_create(run_kernel);
        ready.push_back(t);
    }
    while (!ready.empty()) resume(next_ready());
    check_all_returned();
    checker_end_block();
}

static std::unordered_map<const void *, emu_kernel> &table()
{
    static std::unordered_map<const void *, emu_kernel> t;
    return t;
}
const emu_kernel *emu_enter(emu_kernel k)
{
    std::string name = strrchr(k.name, ' ') + 1;
    name.pop_back();
    k.name = strdup(name.c_str());
    return &table().emplace(k.function, k).first->second; // which stays where it is
}
const emu_kernel *emu_kernel_of(const void *function)
{
    const auto found = table().find(function);
    return found == table().end() ? nullptr : &found->second;
}

int emu_launch(const emu_kernel *k, long grid, int block, void **arguments)
{
    if (grid < 1 || grid > 0x7fffffff || block < 1 || block > MAX_THREADS) return INVALID_CONFIGURATION;
    grid = std::min(grid, number_from("EMU_GRID", grid));
    kernel = k;
    kernel_arguments = arguments;
    n_threads = block;
    now.kernel = k->name;
    emu.block_dim.x = (unsigned)block;
    emu.grid_dim.x = (unsigned)grid;
    if (block % WARP) emu_violation("a block of %d threads, which is no multiple of %d", block, WARP);
    checker_begin_launch();
    for (unsigned b : order_of_blocks((unsigned)grid)) run_block(b);
    return 0;
}
