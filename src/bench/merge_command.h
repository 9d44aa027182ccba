/* merge_command.h - the command `dpsweep merge`: the results of several sweeps in one file, with its journal. */
#ifndef MERGE_COMMAND_H
#define MERGE_COMMAND_H
int merge_main(int argc, char **argv);
#endif
