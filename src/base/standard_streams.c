#include "standard_streams.h"

#include "check.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void streams_open(void)
{
    int fd;
    do
        CHECK_SYS(fd = open("/dev/null", O_RDONLY)); /* the lowest number that is free */
    while (fd <= STDERR_FILENO);
    close(fd);
}

int streams_close(int exit_code)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return exit_code;
    log_error("cannot write to standard output: %s", errno ? strerror(errno) : "an earlier part of it is missing");
    return exit_code == EXIT_OK ? EXIT_ENVIRONMENT : exit_code;
}
