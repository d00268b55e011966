#include <stdio.h>

#include "cli/cli.h"

Err cmd_help(int argc, char **argv) {
  (void)argc, (void)argv;
  printf(
      "pleiad: text, training, measuring and talking with language models of many small experts\n\nusage: pleiad COMMAND "
      "[--help]\n\n");
#define COMMAND(name, about) printf("  %-12s %s\n", #name, about);
#include "cli/commands.inc"
#undef COMMAND
  return ERR_OK;
}
