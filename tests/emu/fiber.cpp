/* fiber.cpp - makecontext gives a fiber its stack; from then on gcc's own setjmp and longjmp switch, as they cost a few
 * instructions where swapcontext costs two system calls.  Never freed: the emulator keeps its 1024 fibers. */
#include "fiber.h"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>
#include <ucontext.h>

namespace {
enum : size_t { STACK = 64 << 10, GUARD = 64 << 10 }; // a multiple of any page size
typedef intptr_t place[5]; // what __builtin_setjmp fills
}

struct fiber {
    void (*body)();
    char *stack;
    ucontext_t start;
    place at;
    bool started, returned;
    void *fake_stack; // AddressSanitizer's
};

static fiber *running;
static place resumed_at;

/* AddressSanitizer must be told which stack is in use. */
#ifdef EMU_ASAN
#include <sanitizer/common_interface_defs.h>
static void *main_fake_stack;
static const void *main_stack;
static size_t main_stack_size;
static void leave_main(fiber *to) { __sanitizer_start_switch_fiber(&main_fake_stack, to->stack, STACK); }
static void enter_main() { __sanitizer_finish_switch_fiber(main_fake_stack, nullptr, nullptr); }
static void leave_fiber() { __sanitizer_start_switch_fiber(&running->fake_stack, main_stack, main_stack_size); }
static void enter_fiber() { __sanitizer_finish_switch_fiber(running->fake_stack, &main_stack, &main_stack_size); }
#else
static void leave_main(fiber *) {}
static void enter_main() {}
static void leave_fiber() {}
static void enter_fiber() {}
#endif

static void fiber_main()
{
    enter_fiber();
    for (;;) {
        running->body();
        running->returned = true;
        fiber_yield();
    }
}

fiber *fiber_create(void (*body)())
{
    fiber *f = new fiber{};
    f->body = body;
    char *memory = static_cast<char *>(
        mmap(nullptr, GUARD + STACK, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    if (memory == MAP_FAILED || mprotect(memory + GUARD, STACK, PROT_READ | PROT_WRITE)) {
        perror("emulator: no memory for stacks");
        exit(3);
    }
    f->stack = memory + GUARD;
    getcontext(&f->start);
    f->start.uc_stack.ss_sp = f->stack;
    static unsigned created;
    f->start.uc_stack.ss_size = STACK - created++ % 16 * 256; // not all stacks in the same lines of the cache
    makecontext(&f->start, fiber_main, 0);
    return f;
}

/* gcc wants setjmp and longjmp in different functions. */
[[gnu::noinline, noreturn]] static void go_to(place there) { __builtin_longjmp(reinterpret_cast<void **>(there), 1); }

[[gnu::noinline]] bool fiber_resume(fiber *f)
{
    running = f;
    f->returned = false;
    leave_main(f);
    if (!__builtin_setjmp(reinterpret_cast<void **>(resumed_at))) {
        if (f->started) go_to(f->at);
        f->started = true;
        setcontext(&f->start);
    }
    enter_main();
    return running->returned;
}

[[gnu::noinline]] void fiber_yield()
{
    leave_fiber();
    if (!__builtin_setjmp(reinterpret_cast<void **>(running->at))) go_to(resumed_at);
    enter_fiber();
}

bool fiber_on_stack(const fiber *f, const void *address)
{
    const char *p = static_cast<const char *>(address);
    return p >= f->stack && p < f->stack + STACK;
}
