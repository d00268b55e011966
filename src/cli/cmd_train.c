// pleiad train
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/options.h"
#include "cli/cli.h"
#include "train/loop.h"

static const char help_text[] =
    "pleiad train RUN.yaml [--key value ...] [--json]\n"
    "\n"
    "Trains a model as the run file says, into the folder train.output: checkpoints, metrics.jsonl, TensorBoard files, expert "
    "load, the\n"
    "resolved configuration. If the folder holds checkpoints, goes on from the newest good one, to the same bits as without a "
    "stop.\n"
    "Ctrl-C (or SIGTERM) ends after the step at hand, with a checkpoint; a second one at once.\n"
    "\n"
    "Every key of the run file is also an option: --lr.peak 1e-3 --train.steps 200 --stages.0.tokens 1000000\n"
    "\n"
    "  --json   ends with one JSON object: where the run stands, losses, speed, memory\n"
    "  --keys   prints every key with its type, default, range and meaning\n"
    "\n"
    "  pleiad train configs/demo.yaml --train.output out/run\n"
    "  pleiad plot out/run                 draws it\n";

static void print_keys(void) {
  static RunConfig c;
  Options o = run_options(&c);
  options_help(&o, stdout);
}

static json_t *real_or_null(double x) { return isfinite(x) ? json_real(x) : json_null(); }

static Err print_json(const RunConfig *c, const TrainSummary *s) {
  json_t *j = json_pack("{s:s, s:I, s:I, s:I, s:b, s:I, s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:f, s:I, s:I}", "output",
                        c->train.output, "step", (json_int_t)s->step, "steps", (json_int_t)s->steps, "tokens",
                        (json_int_t)s->tokens, "stopped", s->stopped, "parameters", (json_int_t)s->parameters, "loss",
                        real_or_null(s->loss), "eval_loss", real_or_null(s->eval_loss), "eval_bits_per_byte",
                        real_or_null(s->eval_bits_per_byte), "best_loss", real_or_null(s->best_loss), "best_step",
                        (json_int_t)s->best_step, "averaged_loss", real_or_null(s->averaged_loss), "tokens_per_s",
                        real_or_null(s->tokens_per_s), "mfu", real_or_null(s->mfu), "first_step_s", s->first_step_s,
                        "announced_bytes", (json_int_t)s->announced_bytes, "process_bytes", (json_int_t)s->process_bytes);
  return cli_json(j, "the summary");
}

static void print_text(const RunConfig *c, const TrainSummary *s) {
  printf("%s: step %lld of %lld, %.2f M tokens", c->train.output, (long long)s->step, (long long)s->steps,
         (double)s->tokens * 1e-6);
  if (isfinite(s->loss)) printf(", loss %.4f", s->loss);
  if (isfinite(s->eval_loss)) printf(", held-out loss %.4f", s->eval_loss);
  if (isfinite(s->eval_bits_per_byte)) printf(" (%.4f bits per byte)", s->eval_bits_per_byte);
  if (isfinite(s->tokens_per_s)) printf(", %.0f tokens/s (MFU %.1f %%)", s->tokens_per_s, 100 * s->mfu);
  printf("\n");
}

static Err run(int argc, char **argv, RunConfig *c, bool json) {
  CHECK(argc >= 2 && argv[1][0] != '-', ERR_ARG,
        "train needs a run file: pleiad train RUN.yaml; configs/ has some to begin with");
  const char *path = argv[1];
  TRY(run_config_load(c, path));
  Options o = run_options(c);
  TRY(options_args(&o, &argc, argv, NULL));
  CHECK(argc == 2, ERR_ARG, "train: unknown argument \"%s\"; see pleiad train --help", argv[2]);
  TrainSummary s;
  TRY(train_run(c, path, &s));
  if (json) return print_json(c, &s);
  print_text(c, &s);
  return ERR_OK;
}

Err cmd_train(int argc, char **argv) {
  if (cli_help(argc, argv, help_text)) return ERR_OK;
  if (cli_flag(&argc, argv, "--keys")) {
    print_keys();
    return ERR_OK;
  }
  bool json = cli_flag(&argc, argv, "--json");
  RunConfig *c = calloc(1, sizeof *c);
  CHECK(c, ERR_MEMORY, "no memory for a run file");
  Err err = run(argc, argv, c, json);
  free(c);
  return err;
}
