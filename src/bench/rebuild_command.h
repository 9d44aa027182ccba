/* rebuild_command.h - the command `dpsweep rebuild`: the HDF5 file once more, from its journal. */
#ifndef REBUILD_COMMAND_H
#define REBUILD_COMMAND_H
int rebuild_main(int argc, char **argv);
#endif
