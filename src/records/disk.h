/* disk.h - writing that is on the disk afterwards.  False: errno says why. */
#ifndef DISK_H
#define DISK_H
#include <stdbool.h>
#include <stddef.h>

bool disk_write(int fd, const void *data, size_t bytes);    /* all of it, in one call where the kernel takes it */
/* The directory that the path ends in, "." if none: text before its last slash. */
void disk_directory_of(const char *path, char *directory, size_t bytes);
bool disk_sync_directory(const char *path);                 /* makes the name of a new or renamed file durable */
#endif
