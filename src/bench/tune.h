/* tune.h - the command `dpsweep tune`: measures how fast products and kernels are here. */
#ifndef TUNE_H
#define TUNE_H
int tune_main(int argc, char **argv);
#endif
