/* emulator.h - what the parts of the emulator tell one another. */
#ifndef EMULATOR_H
#define EMULATOR_H
#include <cstdint>

struct emu_moment {
    const char *kernel;
    int thread;      // -1: the host
    unsigned block;
    unsigned epoch;  // barriers that the block has passed
};
extern emu_moment now;

/* Ends the program with one line: kernel, block and the text. */
[[noreturn, gnu::format(printf, 1, 2)]] void emu_violation(const char *format, ...);

bool emu_is_private(const void *); // on the stack of the running thread, or threadIdx and its like
bool emu_is_shared(const void *);  // in a __shared__ array

/* checker.cpp: only in the checker's build. */
#ifdef EMU_CHECKER
void checker_begin_launch();
void checker_end_block();
#else
inline void checker_begin_launch() {}
inline void checker_end_block() {}
#endif

/* requests.cpp, called by the checker: an access by the running thread from the code at `from`. */
struct memory_access { const void *from; uintptr_t address; int bytes; bool writes, shared; };
void requests_add(const memory_access &);
void requests_end_block();
#endif
