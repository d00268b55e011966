// pleiad bench tune
#include <stdio.h>
#include <stdlib.h>

#include "cli/bench/bench.h"
#include "cli/cli.h"
#include "ops/cpu/blocks.h"
#include "ops/cpu/tune.h"
#include "train/config.h"

static const char help_text[] =
    "pleiad bench tune [--isa LEVEL] [--threads N] [--seconds N]\n"
    "\n"
    "Tries sizes of the blocks that matrix products are cut into, on some shapes of training, for N (8) seconds in fp32\n"
    "and in bf16 each, with nothing beside it if you can. What is at least 2 % faster than the standard is remembered for\n"
    "this processor in ~/.cache/pleiad/processors.json (or below $XDG_CACHE_HOME), and every later run uses it; no bit of\n"
    "any result changes. PLEIAD_BLOCKS=ROWS,COLUMNS,K overrides it, `pleiad info` shows what is in use, and removing the\n"
    "file's entry gives the standard back.\n";

static Err tune_type(Dev *dev, Dtype type, double seconds) {
  Tuned t;
  TRY(gemm_tune(dev, type, seconds, &t));
  printf("%s (%s): %lld rows, %lld columns, %lld k's, ", train_dtype_names[type], t.kernel, (long long)t.best.rows,
         (long long)t.best.cols, (long long)t.best.k);
  if (t.gain > 0)
    printf("%.1f %% faster than the standard (%lld, %lld, %lld); %d were tried\n", 100 * t.gain, (long long)t.standard.rows,
           (long long)t.standard.cols, (long long)t.standard.k, t.tried);
  else printf("the standard: of %d that were tried none was 2 %% faster\n", t.tried);
  fflush(stdout);
  const bool kept = blocks_remember(gemm_kernel(dev, type), t.best);
  CHECK(kept, ERR_IO,
        "there is no place to remember it: set XDG_CACHE_HOME or HOME to a folder that can be written, or use "
        "PLEIAD_BLOCKS=%lld,%lld,%lld",
        (long long)t.best.rows, (long long)t.best.cols, (long long)t.best.k);
  return ERR_OK;
}

Err bench_tune(int argc, char **argv) {
  static const char *const known[] = {"--isa", "--threads", "--seconds", NULL};
  if (cli_help(argc, argv, help_text)) return ERR_OK;
  const char *isa = NULL;
  int64_t threads = 0, seconds = 8;
  TRY(cli_value(&argc, argv, "--isa", &isa));
  TRY(cli_int(&argc, argv, "--threads", 0, 4096, &threads));
  TRY(cli_int(&argc, argv, "--seconds", 1, 600, &seconds));
  TRY(cli_no_more(argc, argv, known));
  if (isa) CHECK(setenv("PLEIAD_ISA", isa, 1) == 0, ERR_MEMORY, "no memory for a variable of the environment");
  Dev dev;
  TRY(dev_open(&dev, (int)threads));
  Err err = tune_type(&dev, DT_F32, (double)seconds);
  if (!err && gemm_kernel(&dev, DT_BF16) != gemm_kernel(&dev, DT_F32)) err = tune_type(&dev, DT_BF16, (double)seconds);
  dev_close(&dev);
  return err;
}
