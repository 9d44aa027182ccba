/* preflight.h - `dpsweep info --mpi`: is this launch what it should be?  All ranks call it; the first prints. */
#ifndef PREFLIGHT_H
#define PREFLIGHT_H
#include <cjson/cJSON.h>

/* Between world_open and world_close.  *report becomes an object of sections for the first rank to print (the
 * caller's), NULL on the others.  Returns the exit code. */
int preflight(cJSON **report);
#endif
