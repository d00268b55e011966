// pleiad verify: whether what the program computes is right, and what differs where it is not.
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/formats.h"
#include "cli/verify/commands.h"
#include "cli/verify/pair.h"
#include "cli/verify/verify.h"
#include "train/config.h"

static const char help[] =
    "usage: pleiad verify DIR...                   against what others computed: golden cases\n"
    "       pleiad verify A B                      two runs, checkpoints or models, to the bit: what differs first\n"
    "       pleiad verify A B --activations        two models on the same tokens: the first activation that differs\n"
    "       pleiad verify --self MODEL|RUN.yaml    against itself: what must not depend on how it is computed\n"
    "       pleiad verify --trace FILE MODEL       against another program's activations: the first layer that differs\n"
    "\n"
    "DIR is a case (config.json, model.safetensors, cases.safetensors, grads.safetensors, meta.json, train.json,\n"
    "generate.json) or a folder of cases: a small model whose logits, gradients, training steps and continuations were\n"
    "computed elsewhere in float64. For each kind of number: the greatest error, its place, the tolerance that meta.json\n"
    "states; the worst first.\n"
    "\n"
    "A and B are runs' folders, checkpoints (step-N, or a folder of them) or models' folders (config.json, *.safetensors).\n"
    "Of two runs: the keys of the run files that differ, the first logged step that differs, the first checkpoint that\n"
    "differs, its arrays with the worst first (the first element that differs; by how many units in the last place, how much\n"
    "of the array's greatest number), and what that means. Times are not compared. A model's folder has weights only.\n"
    "With --activations instead: both run the same random tokens, and the first activation that differs is named, then the\n"
    "gradients that differ most.\n"
    "\n"
    "--self runs random tokens through MODEL (" FORMATS_TEXT
    ", or a run\n"
    "file, whose weights are drawn) and compares: gradients with slopes of the loss; bits with other numbers of threads, "
    "other\n"
    "sequences beside it, other tokens after it, a text in pieces; other orders of sums; every instruction set of this "
    "machine\n"
    "with the reference, and if one is wrong, which of its operations is to blame.\n"
    "\n"
    "--trace compares MODEL with FILE, activations that tools/trace_torch.py wrote of the same model in PyTorch: the residual\n"
    "stream after each attention and each layer, the final norm, the logits, in the order of computing.\n"
    "\n"
    "  --dtype TYPE  of cases: fp32, or bf16, with tolerances that follow from the type and the experts that fp32 chooses\n"
    "                (fp32)\n"
    "  --isa LEVEL   highest instruction set to use: ref, avx2, avx512, avx512_bf16, amx (the best of this machine)\n"
    "  --threads N   (one a core)\n"
    "  --json        one JSON object as the last line\n"
    "\n"
    "  pleiad verify tests/golden/cases/models\n"
    "  pleiad verify --self runs/moe\n"
    "  pleiad verify runs/before runs/after\n"
    "  pleiad verify runs/a/checkpoints/step-100 runs/b/checkpoints/step-100\n"
    "\n"
    "Exit code: 0 all within tolerance, or equal; 1 not, or something could not be read; 2 called wrongly. docs/verify.md\n"
    "says how to read the reports.\n";

// Two things that are no cases are compared with each other; if one is nothing at all, that is said.
static bool is_pair(int argc, char **argv) { return argc == 3 && (side_is(argv[1]) || side_is(argv[2])); }

Err cmd_verify(int argc, char **argv) {
  static const char *const options[] = {"--self",    "--trace", "--activations", "--dtype", "--isa",
                                        "--threads", "--json",  "--help",        NULL};
  if (cli_help(argc, argv, help)) return ERR_OK;
  const char *isa = NULL, *self = NULL, *trace = NULL;
  int64_t threads = 0;
  int type = DT_F32;
  bool json = cli_flag(&argc, argv, "--json"), activations = cli_flag(&argc, argv, "--activations");
  TRY(cli_value(&argc, argv, "--isa", &isa));
  TRY(cli_value(&argc, argv, "--self", &self));
  TRY(cli_value(&argc, argv, "--trace", &trace));
  TRY(cli_choice(&argc, argv, "--dtype", train_dtype_names, &type));
  TRY(cli_int(&argc, argv, "--threads", 0, 4096, &threads));
  for (int i = 1; i < argc; i++)
    if (argv[i][0] == '-') return cli_no_more(argc - i + 1, argv + i - 1, options);
  CHECK(!trace || (argc == 2 && !self), ERR_ARG, "verify --trace FILE needs one model; see pleiad verify --help");
  CHECK(!activations || (argc == 3 && !self && !trace), ERR_ARG,
        "verify --activations needs two models; see pleiad verify --help");
  CHECK(!self || argc == 1, ERR_ARG, "verify --self takes one model; \"%s\" is left over", argv[1]);
  CHECK(self || argc > 1, ERR_ARG, "verify needs a case folder, or two things to compare; see pleiad verify --help");
  if (isa) setenv("PLEIAD_ISA", isa, 1);  // what opens a device reads it
  if (trace) return verify_trace_command(trace, argv[1], (int)threads, json);
  if (activations) return verify_activations_command(argv[1], argv[2], (int)threads, json);
  if (self) return verify_self_command(self, (int)threads, json);
  if (is_pair(argc, argv)) return verify_pair_command(argv[1], argv[2], json);
  return verify_cases_command(argc - 1, argv + 1, (int)threads, (Dtype)type, json);
}
