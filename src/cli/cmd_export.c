// pleiad export: a model as a Hugging Face folder.
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/opened.h"
#include "model/hf_files.h"

static const char help[] =
    "usage: pleiad export RUN_OR_CHECKPOINT DIR [options]\n"
    "\n"
    "Writes DIR as the transformers library reads it: config.json, generation_config.json, safetensors with the released "
    "names, the tokenizer's\n"
    "files. DIR must not exist, or be empty.\n"
    "\n"
    "  --store fp32|bf16   type of the weights in the files (fp32)\n"
    "  --tokenizer F       a tokenizer file, or a folder of them, to copy\n"
    "  --allow-nan         write weights that are not finite\n";

static Err run(Opened *m, int argc, char **argv) {
  OpenOptions open = {.dtype = "fp32", .positions = 1};
  HfSave save = {.type = DT_F32};
  const char *store = "fp32";
  TRY(cli_value(&argc, argv, "--store", &store));
  TRY(cli_value(&argc, argv, "--tokenizer", &save.tokenizer));
  save.allow_nan = cli_flag(&argc, argv, "--allow-nan");
  CHECK(strcmp(store, "fp32") == 0 || strcmp(store, "bf16") == 0, ERR_ARG, "--store %s: want fp32 or bf16", store);
  if (strcmp(store, "bf16") == 0) save.type = DT_BF16;
  CHECK(argc == 3 && argv[1][0] != '-' && argv[2][0] != '-', ERR_ARG,
        "export needs a model and a folder; see pleiad export --help");
  open.path = argv[1];
  TRY(opened_open(m, &open));
  TRY(hf_save(argv[2], &m->model.config, &m->model.params, &save));
  printf("%s: written from %s\n", argv[2], m->from[0] ? m->from : argv[1]);
  return ERR_OK;
}

Err cmd_export(int argc, char **argv) {
  if (cli_help(argc, argv, help)) return ERR_OK;
  static Opened m;  // its model may not move
  Err err = run(&m, argc, argv);
  opened_close(&m);
  return err;
}
