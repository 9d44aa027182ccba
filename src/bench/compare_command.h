/* compare_command.h - the command `dpsweep compare`: what became slower, larger or worse from one sweep to another? */
#ifndef COMPARE_COMMAND_H
#define COMPARE_COMMAND_H
int compare_main(int argc, char **argv);
#endif
