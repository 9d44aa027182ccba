/* profile.h - rates in a file: what `dpsweep tune` measured, one entry for each device, number of threads and
 * precision.
 *
 *     {"profiles": [{"device", "threads", "precision", "date",
 *                    "products": {"NT": {"call": seconds, "k", ...}, "NN", "TN"},
 *                    "kernels": {"": {"call": seconds, "byte", "far", "farther"}, name: ...}}]}
 *
 * It is the file of --profile, else of DPSWEEP_PROFILE (empty: none), else dpsweep/profile.json in XDG_CACHE_HOME or
 * ~/.cache. */
#ifndef PROFILE_H
#define PROFILE_H
#include "rates.h"

#include <stdbool.h>

enum { PROFILE_MOST = 32 };
struct profile {
    struct rates entry[PROFILE_MOST];
    int n;
};

/* Where it is, if nobody names another place; "": nowhere. */
void profile_default_path(char *path, size_t bytes);

/* False: it cannot be read, is no profile, or has a time that cannot be; `error` is one line, and the profile is
 * empty. */
bool profile_read(struct profile *, const char *path, char *error, size_t error_bytes);
/* False: profile_keep would fail; `error` is one line.  Makes the folders. */
bool profile_is_writable(const char *path, char *error, size_t error_bytes);
/* Puts the entry in the place of one of the same device, threads and precision; the others stay.  False: it cannot be
 * written, or there is another file; `error` is one line. */
bool profile_keep(const char *path, const struct rates *, char *error, size_t error_bytes);

/* For this process: chooses the file that estimates are made with.  NULL: the default one; if that is not there, or
 * is wrong, which is said in a remark, there is none.  False: the file that was named is no profile, or has nothing
 * about this device; `error` is one line with the remedy.
 * device: as device_describe has it, for processes that open none; NULL: the one that is open when it is asked for. */
bool profile_choose(const char *path, const char *device, char *error, size_t error_bytes);
const char *profile_path(void);      /* of the one that was chosen; "": none */
/* Its rates for this device, or where it has none those of rates_default, which have no date. */
void profile_rates(int threads, enum precision, struct rates *);
/* Remarks that these are default rates though a profile was chosen, and the remedy: once for each precision. */
void profile_say_what_it_lacks(const struct rates *);
#endif
