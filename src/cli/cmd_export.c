// pleiad export: a model as others read it.
#include <stdbool.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/convert.h"
#include "cli/formats.h"

static const char help[] =
    "usage: pleiad export MODEL DIR [options]\n"
    "       pleiad export MODEL FILE.gguf [options]\n"
    "\n" FORMATS_LINE
    "Writes DIR as the transformers library reads it: config.json, generation_config.json, safetensors with the released\n"
    "names, the tokenizer's files and chat template. DIR must not exist, or be empty. A folder that was imported goes out\n"
    "with the same bytes, files and names. Or writes FILE.gguf as llama.cpp reads it (families llama, telechat3, qwen2,\n"
    "qwen3, deepseek_v2, deepseek_v3), tokenizer and chat template inside. Weights stream through: memory is needed for one\n"
    "of them at most.\n"
    "\n"
    "  --format hf|gguf    what to write (gguf where the name ends so, else hf)\n"
    "  --dtype T           type of the weights in the files: fp32, bf16, fp16 (as the model has them);\n"
    "                      in a GGUF also Q8_0, Q4_0, Q4_K, Q6_K: 8.5, 4.5, 4.5, 6.6 bits a weight, for matrices whose rows\n"
    "                      are whole blocks of 32 or 256; others are Q8_0 or F16, vectors and routers F32\n"
    "  --tokenizer F       a tokenizer file, or a folder of them (the model's own); none: no tokenizer\n"
    "  --shard-bytes N     weights in one file at most (5 GB, or as they were imported); hf\n"
    "  --allow-nan         write weights that are not finite\n"
    "  --json              ends with one JSON object\n"
    "\n"
    "  pleiad export runs/small small-hf\n"
    "  pleiad export runs/small small.gguf --dtype Q4_K\n";

static Err run(int argc, char **argv) {
  static const char *const known[] = {"--format", "--dtype", "--tokenizer", "--shard-bytes", "--allow-nan", "--json", NULL};
  Conversion c = {0};
  TRY(cli_value(&argc, argv, "--format", &c.to));
  TRY(conversion_options(&c, &argc, argv));
  int64_t shard_bytes = 0;
  TRY(cli_int(&argc, argv, "--shard-bytes", 1, INT64_MAX / 2, &shard_bytes));
  c.save.shard_bytes = (size_t)shard_bytes;
  CHECK(argc >= 3 && argv[1][0] != '-' && argv[2][0] != '-', ERR_ARG,
        "export needs a model and a folder or FILE.gguf; see pleiad export --help");
  c.from = argv[1], c.out = argv[2];
  if (!c.to) c.to = path_ends(c.out, ".gguf") ? "gguf" : "hf";
  argv[2] = argv[0], argc -= 2, argv += 2;
  TRY(cli_no_more(argc, argv, known));
  return convert(&c);
}

Err cmd_export(int argc, char **argv) { return cli_help(argc, argv, help) ? ERR_OK : run(argc, argv); }
