/* export_command.h - the command `dpsweep export`: results in the formats of other programs. */
#ifndef EXPORT_COMMAND_H
#define EXPORT_COMMAND_H
int export_main(int argc, char **argv);
#endif
