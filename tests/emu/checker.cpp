/* checker.cpp - finds races in global and shared memory, exactly, and reads of shared memory that nobody wrote.
 *
 * Kernels are compiled with g++ -fsanitize=thread, but libtsan is not linked: the calls that gcc plants at each access
 * come here.  The one thing that orders accesses of different threads is the barrier of a block.  So two accesses to a
 * word, one of them a write, race if they come from two blocks of one launch, or from two threads of a block between
 * the same barriers.  To keep the last write and two readers of each word is enough to find every such pair in what
 * was run, whatever the order of threads it was run in. */
#include "emulator.h"

#include <cstddef>
#include <cstdio>
#include <dlfcn.h>
#include <unordered_map>
#include <vector>

/* What the running launch did to 4 bytes. */
struct word {
    unsigned launch;
    bool written, read, read_by_blocks;
    unsigned write_block, write_epoch, read_block, read_epoch;
    int writer, reader, other_reader; // the readers since the last barrier; -1: only one
};

static unsigned launch;
void checker_begin_launch() { launch++; }
void checker_end_block() { requests_end_block(); }

enum { PAGE = 4096, WORD = 4, RECENT = 256 };
static word &word_at(uintptr_t address)
{
    static std::unordered_map<uintptr_t, std::vector<word>> pages;
    static struct { uintptr_t page; std::vector<word> *words; } recent[RECENT];
    const uintptr_t page = address / PAGE;
    auto &hit = recent[page % RECENT];
    if (hit.page != page || !hit.words) {
        hit = {page, &pages[page]};
        hit.words->resize(PAGE / WORD);
    }
    return (*hit.words)[address % PAGE / WORD];
}

[[noreturn]] static void report(const memory_access &a, const char *why, unsigned who)
{
    Dl_info d = {};
    dladdr(a.from, &d);
    emu_violation("thread %d %s %s memory: %s %u (addr2line -ie %s 0x%lx)", now.thread, a.writes ? "writes" : "reads",
                  a.shared ? "shared" : "global", why, who, d.dli_fname,
                  (unsigned long)((const char *)a.from - 1 - (const char *)d.dli_fbase));
}

/* A read, or a write, after another's write. */
static void check_last_write(const memory_access &a, const word &w)
{
    if (!w.written) return;
    if (w.write_block != now.block) report(a, "race with block", w.write_block);
    if (w.write_epoch == now.epoch && w.writer != now.thread) report(a, "race with thread", (unsigned)w.writer);
}
/* A write after others' reads. */
static void check_reads(const memory_access &a, const word &w)
{
    if (!w.read) return;
    if (w.read_by_blocks || w.read_block != now.block) report(a, "race with block", w.read_block);
    const int other = w.reader != now.thread ? w.reader : w.other_reader;
    if (w.read_epoch == now.epoch && other >= 0) report(a, "race with thread", (unsigned)other);
}

static void keep_write(word &w)
{
    w.written = true;
    w.write_block = now.block;
    w.write_epoch = now.epoch;
    w.writer = now.thread;
}
static void keep_read(word &w)
{
    if (w.read && w.read_block != now.block) w.read_by_blocks = true;
    if (!w.read || w.read_block != now.block || w.read_epoch != now.epoch) {
        w.reader = now.thread;
        w.other_reader = -1;
    } else if (w.reader != now.thread) {
        w.other_reader = now.thread;
    }
    w.read = true;
    w.read_block = now.block;
    w.read_epoch = now.epoch;
}

static void check_word(const memory_access &a, word &w)
{
    const bool of_another_block = (w.written && w.write_block != now.block) || (w.read && w.read_block != now.block);
    if (w.launch != launch || (a.shared && of_another_block)) w = word{};
    w.launch = launch;
    if (a.shared && !a.writes && !w.written) report(a, "never written in block", now.block);
    check_last_write(a, w);
    if (a.writes) check_reads(a, w);
    if (a.writes) keep_write(w);
    else keep_read(w);
}

static void on_access(void *address, size_t bytes, bool writes, const void *from)
{
    if (now.thread < 0 || emu_is_private(address)) return;
    const uintptr_t begin = (uintptr_t)address;
    const memory_access a = {from, begin, (int)bytes, writes, emu_is_shared(address)};
    for (uintptr_t at = begin / WORD * WORD; at < begin + bytes; at += WORD) check_word(a, word_at(at));
    requests_add(a);
}

#define FROM __builtin_return_address(0)
#define HOOKS(n)                                                                                 \
    extern "C" void __tsan_read##n(void *p) { on_access(p, n, false, FROM); }                    \
    extern "C" void __tsan_write##n(void *p) { on_access(p, n, true, FROM); }                    \
    extern "C" void __tsan_unaligned_read##n(void *p) { on_access(p, n, false, FROM); }          \
    extern "C" void __tsan_unaligned_write##n(void *p) { on_access(p, n, true, FROM); }
HOOKS(1) HOOKS(2) HOOKS(4) HOOKS(8) HOOKS(16)
extern "C" void __tsan_read_range(void *p, size_t n) { on_access(p, n, false, FROM); }
extern "C" void __tsan_write_range(void *p, size_t n) { on_access(p, n, true, FROM); }
extern "C" void __tsan_init() {}
extern "C" void __tsan_func_entry(void *) {}
extern "C" void __tsan_func_exit() {}
