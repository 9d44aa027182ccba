/* validate_command.h - the command `dpsweep validate`: is a results file sound? */
#ifndef VALIDATE_COMMAND_H
#define VALIDATE_COMMAND_H
int validate_main(int argc, char **argv);
#endif
