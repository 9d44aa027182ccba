/* info.h - the command `dpsweep info`: this program, its libraries, this machine. */
#ifndef INFO_H
#define INFO_H
int info_main(int argc, char **argv);
#endif
