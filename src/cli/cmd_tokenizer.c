#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/tokenizer.h"

static const char help[] =
    "pleiad tokenizer: making tokenizers\n"
    "\n"
    "usage: pleiad tokenizer train --input TEXT... --vocab N --output F   learn one from text\n"
    "\n"
    "`pleiad tokenizer train --help` says more. To use one: pleiad tokenize, detokenize, data build.\n";

Err cmd_tokenizer(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "train") == 0) return tokenizer_train_command(argc - 1, argv + 1);
  if (cli_help(argc, argv, help)) return ERR_OK;
  CHECK(argc > 1, ERR_ARG, "tokenizer: what? train; see pleiad tokenizer --help");
  FAIL(ERR_ARG, "tokenizer: no \"%s\"; there is train", argv[1]);
}
