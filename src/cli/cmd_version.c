#include <stdio.h>

#include "base/version.h"
#include "cli/cli.h"

Err cmd_version(int argc, char **argv) {
  if (cli_help(argc, argv, "usage: pleiad version [--json]\n\nPrints the commit this program was built from.\n")) return ERR_OK;
  bool json = cli_flag(&argc, argv, "--json");
  TRY(cli_no_more(argc, argv, NULL));
  if (json) return cli_json(json_pack("{s:s}", "version", version_text()), "the version");
  printf("pleiad %s\n", version_text());
  return ERR_OK;
}
