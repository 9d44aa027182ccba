/* fiber.h - functions that stop half-way and go on later, all on one operating-system thread. */
#ifndef FIBER_H
#define FIBER_H

struct fiber;

/* A fiber that calls body() each time it is resumed after the last call has returned. */
fiber *fiber_create(void (*body)());

/* Runs the fiber until it yields or its body returns: true once it has returned. */
bool fiber_resume(fiber *);

/* Goes back to the caller of fiber_resume. */
void fiber_yield();

bool fiber_on_stack(const fiber *, const void *address);
#endif
