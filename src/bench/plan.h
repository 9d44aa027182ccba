/* plan.h - the command `dpsweep plan`: what configurations will need, without running them. */
#ifndef PLAN_H
#define PLAN_H
int plan_main(int argc, char **argv);
#endif
