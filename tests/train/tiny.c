#include "train/tiny.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/rng.h"
#include "data/indexed.h"
#include "test.h"
#include "train/loop.h"

void tiny_data(const char *folder) {
  char prefix[PATH_BYTES];
  IndexedWriter *w = calloc(1, sizeof *w);
  ASSERT(w);
  ASSERT_OK(path_join(prefix, folder, "toy"));
  ASSERT_OK(indexed_create(w, prefix, TOKENS_U16, NULL));
  Rng rng = rng_named(1, "toy");
  for (uint64_t d = 0; d < 400; d++) {
    int32_t id[64], n = 10 + (int32_t)(rng_uniform(rng, d, 0) * 50), x = (int32_t)(d % 61);
    for (int32_t i = 0; i < n; i++) {
      id[i] = 3 + x;
      x = (7 * x + 1 + (rng_uniform(rng, d, (uint64_t)i + 1) < 0.2)) % 61;
    }
    id[n] = 2;
    ASSERT_OK(indexed_add(w, id, n + 1));
    ASSERT_OK(indexed_end_document(w));
  }
  ASSERT_OK(indexed_commit(w));
  indexed_abandon(w, false);
  free(w);
}

void tiny_config(RunConfig *c, const char *folder) {
  memset(c, 0, sizeof *c);
  Options o = run_options(c);
  options_defaults(&o);
  static const char *const set[][2] = {
      {"model.layers", "2"},      {"model.width", "16"},      {"model.ffn", "24"},      {"model.vocab", "64"},
      {"model.max_length", "64"}, {"model.init_std", "0.05"}, {"attention.heads", "2"}, {"mla.q_rank", "8"},
      {"mla.kv_rank", "8"},       {"mla.nope", "8"},          {"mla.rope", "4"},        {"mla.v", "8"},
      {"moe.experts", "4"},       {"moe.top_k", "2"},         {"moe.ffn", "8"},         {"mtp.layers", "1"},
      {"data.seq_length", "16"},  {"train.steps", "8"},       {"train.batch", "4"},     {"train.micro_batch", "2"},
      {"train.threads", "1"},     {"lr.peak", "0.01"},        {"lr.low", "0.001"},      {"lr.warmup", "2"},
      {"log.experts", "1"}};
  for (size_t i = 0; i < sizeof set / sizeof *set; i++) ASSERT_OK(options_set(&o, set[i][0], set[i][1], "tiny"));
  snprintf(c->data.train, sizeof c->data.train, "%.900s/toy", folder);
  snprintf(c->train.output, sizeof c->train.output, "%.900s/run", folder);
}

Err tiny_run(RunConfig *c, void *summary) {
  fflush(stderr);
  int kept = dup(STDERR_FILENO), quiet = open("/dev/null", O_WRONLY);
  dup2(quiet, STDERR_FILENO);
  TrainSummary unwanted;
  Err err = train_run(c, "tiny.yaml", summary ? summary : &unwanted);
  fflush(stderr);
  dup2(kept, STDERR_FILENO);
  close(kept);
  close(quiet);
  return err;
}
