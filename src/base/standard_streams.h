/* standard_streams.h - stdin, stdout and stderr at the beginning and at the end of the program. */
#ifndef STANDARD_STREAMS_H
#define STANDARD_STREAMS_H

/* Before any file is opened.  A stream that was closed by whoever started the program is one that cannot be written:
 * otherwise the next file, a journal say, gets its number and what is printed. */
void streams_open(void);

/* Last of all: the exit code, or EXIT_ENVIRONMENT and a line on stderr if all was well but for stdout, which did not
 * take all that was printed. */
int streams_close(int exit_code);
#endif
