/* report_command.h - the command `dpsweep report`: prints the results of a sweep, also while it is running. */
#ifndef REPORT_COMMAND_H
#define REPORT_COMMAND_H
int report_main(int argc, char **argv);
#endif
