// pleiad import: a model of others as a checkpoint.
#include <stdio.h>

#include "cli/cli.h"
#include "cli/convert.h"
#include "cli/formats.h"

static const char help[] =
    "usage: pleiad import MODEL --out DIR [options]\n"
    "       pleiad import MODEL --dry-run [--json]\n"
    "\n"
    "Reads a model that others made (a Hugging Face folder: config.json, safetensors in one or many files, tokenizer; or a\n"
    "GGUF file with all of that in it) into DIR: a checkpoint, the tokenizer's files and a run file, which generate, chat,\n"
    "eval, export and train take. " FORMATS_LINE
    "Weights stream through, and are stored in the type they have; nothing is rounded unless --dtype says so. After a kill\n"
    "the same command begins anew; DIR is there only when it is whole.\n"
    "\n"
    "  --dry-run           only says what would be loaded from where, what is missing and what is left over\n"
    "  --dtype T           type of the weights in the checkpoint: fp32, bf16, fp16 (as they are; 8-bit codes become fp32)\n"
    "  --tokenizer F       a tokenizer file, or a folder of them (the model's own); none: no tokenizer\n"
    "  --allow-nan         take weights that are not finite\n"
    "  --json              ends with one JSON object\n"
    "\n"
    "  pleiad import ~/models/SmolLM2 --out models/smol\n"
    "  pleiad chat --model models/smol\n"
    "  pleiad train models/smol/config.yaml --data.train data/corpus --train.steps 500 --train.output runs/on\n";

static Err run(int argc, char **argv) {
  static const char *const known[] = {"--out", "--dry-run", "--dtype", "--tokenizer", "--allow-nan", "--json", NULL};
  Conversion c = {.to = "pleiad"};
  TRY(cli_value(&argc, argv, "--out", &c.out));
  c.dry = cli_flag(&argc, argv, "--dry-run");
  TRY(conversion_options(&c, &argc, argv));
  CHECK(argc >= 2 && argv[1][0] != '-', ERR_ARG, "import needs a model; see pleiad import --help");
  CHECK(c.out || c.dry, ERR_ARG, "import needs --out DIR, or --dry-run");
  c.from = argv[1];
  argv[1] = argv[0], argc--, argv++;
  TRY(cli_no_more(argc, argv, known));
  return convert(&c);
}

Err cmd_import(int argc, char **argv) { return cli_help(argc, argv, help) ? ERR_OK : run(argc, argv); }
