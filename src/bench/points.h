/* points.h - from comma lists to the points of a sweep. */
#ifndef POINTS_H
#define POINTS_H
#include "config.h"

/* One list for each field, as a section of a .sweep file or the command line gives them.  Their points are the cross
 * product: the first field varies slowest, the trainer fastest, so that trainers of equal shape are neighbours. */
struct axes {
    char *list[N_CONFIG_FIELDS]; /* owned; NULL: the default */
    int line[N_CONFIG_FIELDS];   /* of the file; 0: from the command line */
    char *file;                  /* owned; NULL: the command line */
    int first_line;
};
void axes_set(struct axes *, int field, const char *list, int line);
void axes_clear(struct axes *);

/* The axes of a sweep: files and command lines, one after another. */
struct sweep_points {
    struct config *config; /* resolved */
    long *records;         /* (n): records of the data; NULL before points_check_data */
    size_t n;
    char *text;            /* the sweep as files and options said it */
};
enum { POINTS_MOST = 100000 };

/* Appends the points of the axes.  False: one of them is impossible, `error` is one line with place and remedy. */
bool points_append(struct sweep_points *, const struct axes *, char *error, size_t error_bytes);
size_t points_remove_repeated(struct sweep_points *); /* keeps the first of equal points; how many went */
/* Opens every data set once: refuses what cannot be read, does not fit the model, or is too small, and chooses the
 * noise for --target-epsilon. */
bool points_check_data(struct sweep_points *, char *error, size_t error_bytes);
void points_add_text(struct sweep_points *, const char *text);
void sweep_points_clear(struct sweep_points *);
#endif
