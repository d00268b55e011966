#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/data.h"

static const char help[] =
    "pleiad data: text to token files for training, and what is in them\n"
    "\n"
    "usage: pleiad data build INPUT... --tokenizer F --output PREFIX   text to PREFIX.bin and PREFIX.idx\n"
    "       pleiad data build DIALOGS... --sft RECIPE ...             dialogs to samples with masks, to learn answers\n"
    "       pleiad data info PREFIX                                   counts, lengths, checks\n"
    "       pleiad data show PREFIX --doc N [--tokenizer F]           one document: its text and tokens\n"
    "\n"
    "`pleiad data build --help` and so on say more. The files are Megatron's .bin/.idx: Megatron-LM and MindFormers read "
    "them,\n"
    "and theirs are read here.\n";

Err cmd_data(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "build") == 0) return data_build_command(argc - 1, argv + 1);
  if (argc > 1 && strcmp(argv[1], "info") == 0) return data_info_command(argc - 1, argv + 1);
  if (argc > 1 && strcmp(argv[1], "show") == 0) return data_show_command(argc - 1, argv + 1);
  if (cli_help(argc, argv, help)) return ERR_OK;
  CHECK(argc > 1, ERR_ARG, "data: what? build, info or show; see pleiad data --help");
  FAIL(ERR_ARG, "data: no \"%s\"; there are build, info and show", argv[1]);
}
