#include <stdio.h>

#include "base/version.h"
#include "cli/cli.h"

Err cmd_version(int argc, char **argv) {
  if (cli_help(argc, argv, "usage: pleiad version\n\nPrints the commit this program was built from.\n")) return ERR_OK;
  TRY(cli_no_more(argc, argv, NULL));
  printf("pleiad %s\n", version_text());
  return ERR_OK;
}
