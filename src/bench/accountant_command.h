/* accountant_command.h - the command `dpsweep accountant`: the epsilon of a training run, or what gives one. */
#ifndef ACCOUNTANT_COMMAND_H
#define ACCOUNTANT_COMMAND_H
int accountant_main(int argc, char **argv);
#endif
