// The parts of `pleiad data`, a file each.
#ifndef CLI_DATA_H
#define CLI_DATA_H

#include "base/err.h"

Err data_build_command(int argc, char **argv);
// recipe: the value of --sft.
Err data_sft_command(int argc, char **argv, const char *recipe);
Err data_info_command(int argc, char **argv);
Err data_show_command(int argc, char **argv);

#endif
