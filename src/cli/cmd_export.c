// pleiad export: a model as others read it.
#include <stdio.h>

#include "cli/cli.h"
#include "cli/convert.h"

static const char help[] =
    "usage: pleiad export MODEL DIR [options]\n"
    "\n"
    "MODEL is " FORMATS_TEXT
    ".\n"
    "Writes DIR as the transformers library reads it: config.json, generation_config.json, safetensors with the released\n"
    "names, the tokenizer's files and chat template. DIR must not exist, or be empty. Weights stream through: memory is "
    "needed\n"
    "for a piece of one of them. A folder that was imported goes out with the same bytes, files and names.\n"
    "\n"
    "  --format hf         what to write (hf)\n"
    "  --dtype T           type of the weights in the files: fp32, bf16, fp16 (as the model has them)\n"
    "  --tokenizer F       a tokenizer file, or a folder of them, to copy (the model's own); none: no tokenizer\n"
    "  --shard-bytes N     weights in one file at most (5 GB, or as they were imported)\n"
    "  --allow-nan         write weights that are not finite\n"
    "  --json              ends with one JSON object\n";

static Err run(int argc, char **argv) {
  static const char *const known[] = {"--format", "--dtype", "--tokenizer", "--shard-bytes", "--allow-nan", "--json", NULL};
  Conversion c = {.to = "hf"};
  TRY(cli_value(&argc, argv, "--format", &c.to));
  TRY(conversion_options(&c, &argc, argv));
  int64_t shard_bytes = 0;
  TRY(cli_int(&argc, argv, "--shard-bytes", 1, INT64_MAX / 2, &shard_bytes));
  c.save.shard_bytes = (size_t)shard_bytes;
  CHECK(argc >= 3 && argv[1][0] != '-' && argv[2][0] != '-', ERR_ARG,
        "export needs a model and a folder; see pleiad export --help");
  c.from = argv[1], c.out = argv[2];
  argv[2] = argv[0], argc -= 2, argv += 2;
  TRY(cli_no_more(argc, argv, known));
  return convert(&c);
}

Err cmd_export(int argc, char **argv) { return cli_help(argc, argv, help) ? ERR_OK : run(argc, argv); }
