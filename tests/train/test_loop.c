#include "train/checkpoint.h"
#include "train/loop.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "test.h"
#include "train/runs.h"
#include "train/tiny.h"

// The steps of a run that is told to end after `steps` of them: as a stop would, without changing the schedule.
static void run_until(RunConfig *c, int64_t steps, TrainSummary *s) {
  int64_t all = c->train.steps;
  if (!c->lr.steps) c->lr.steps = all;
  c->train.steps = steps;
  ASSERT_OK(tiny_run(c, s));
  c->train.steps = all;
}

static bool under_sanitizer(void) {
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  return true;
#endif
#endif
  return false;
}

TEST(a_run_leaves_what_it_promises_and_learns) {
  const char *folder = test_folder();
  tiny_data(folder);
  RunConfig *c = tiny_config_of(folder, "run");
  c->train.steps = 30, c->eval.every = 10, c->eval.batches = 4, c->checkpoint.best = true, c->checkpoint.average = 2,
  c->checkpoint.every = 10;
  TrainSummary s;
  ASSERT_OK(tiny_run(c, &s));
  ASSERT_INT(s.step, 30);
  ASSERT_INT(s.tokens, 30 * 64);
  ASSERT(s.eval_loss < 4.1 && s.eval_loss > 0.5);
  ASSERT(s.best_loss <= s.eval_loss && s.best_step > 0);
  ASSERT(isfinite(s.averaged_loss) && s.averaged_loss < 4.2);
  if (under_sanitizer()) printf("     not looked at: the process's memory, of which the sanitizer takes a part\n");
  else
    ASSERT_MSG((double)s.process_bytes < 1.05 * (double)s.announced_bytes, "%zu bytes used, %zu announced",
               (size_t)s.process_bytes, (size_t)s.announced_bytes);
  static const char *const left[] = {"config.yaml",
                                     "run.json",
                                     "metrics.jsonl",
                                     "experts.jsonl",
                                     "tensorboard",
                                     "checkpoints/step-30/manifest.json",
                                     "averaged/step-30/manifest.json"};
  for (size_t i = 0; i < sizeof left / sizeof *left; i++) {
    char path[PATH_BYTES];
    ASSERT_OK(path_join(path, c->train.output, left[i]));
    ASSERT_MSG(file_exists(path), "%s is missing", path);
  }
  ASSERT_OK(tiny_run(c, &s));  // finished: nothing is done again
  ASSERT(isnan(s.loss) && isnan(s.averaged_loss));
  char path[PATH_BYTES];
  ASSERT_OK(path_join(path, c->train.output, "averaged/step-30/manifest.json"));
  ASSERT(remove(path) == 0);
  ASSERT_OK(tiny_run(c, &s));  // but for what a kill prevented
  ASSERT(isnan(s.loss) && isfinite(s.averaged_loss));
  c->checkpoint.average = 0, c->checkpoint.keep_last = 1, c->checkpoint.best = false;
  ASSERT_OK(tiny_run(c, &s));  // and for the checkpoints that no rule keeps
  ASSERT_OK(path_join(path, c->train.output, "checkpoints"));
  int64_t *steps, n;
  ASSERT_OK(checkpoint_steps(path, &steps, &n));
  ASSERT(n == 1 && steps[0] == 30);
  free(steps);
  free(c);
}

// Weights of several blocks of a shard, so that whatever is taken to write and read them is taken whole.
static void announced(bool best, int64_t average) {
  const char *folder = test_folder();
  if (under_sanitizer()) test_skip("the process's memory, of which the sanitizer takes a part");
  tiny_data(folder);
  RunConfig *c = tiny_config_of(folder, "run");
  c->model.model.vocab = 16384, c->model.model.width = 64;
  snprintf(c->data.valid, sizeof c->data.valid, "%s", c->data.train);
  c->train.steps = 4, c->eval.every = 2, c->eval.batches = 1;
  c->checkpoint.every = 1, c->checkpoint.best = best, c->checkpoint.average = average;
  TrainSummary s;
  ASSERT_OK(tiny_run(c, &s));
  double more = (double)s.process_bytes / (double)s.announced_bytes - 1;
  ASSERT_MSG(fabs(more) < 0.02, "%zu bytes used, %zu announced: %+.1f %%", s.process_bytes, s.announced_bytes, 100 * more);
  free(c);
}

TEST(memory_is_announced) { announced(false, 0); }
TEST(memory_is_announced_with_the_best_kept) { announced(true, 0); }
TEST(memory_is_announced_with_an_average) { announced(false, 2); }
TEST(memory_is_announced_with_both) { announced(true, 2); }

static void resumed(int optimizer, int dtype) {
  const char *folder = test_folder();
  tiny_data(folder);
  TrainSummary s;
  RunConfig *whole = tiny_config_of(folder, "whole"), *parts = tiny_config_of(folder, "parts");
  whole->optimizer.kind = parts->optimizer.kind = optimizer;
  whole->train.dtype = parts->train.dtype = dtype;
  whole->eval.every = parts->eval.every = 3;
  whole->eval.batches = parts->eval.batches = 1;
  run_until(whole, 8, &s);
  parts->eval.every = 3;
  run_until(parts, 3, &s);
  parts->train.threads = 2;  // threads change no bit either
  run_until(parts, 6, &s);
  run_until(parts, 8, &s);
  runs_assert_same(whole->train.output, parts->train.output, 8);
  free(whole);
  free(parts);
}

TEST(a_resumed_run_is_the_same_to_the_bit) { resumed(OPTIMIZER_ADAMW, DT_F32); }
TEST(a_resumed_run_of_muon_is_the_same_to_the_bit) { resumed(OPTIMIZER_MUON, DT_F32); }
TEST(a_resumed_run_in_bf16_is_the_same_to_the_bit) { resumed(OPTIMIZER_ADAMW, DT_BF16); }
TEST(a_resumed_run_of_muon_in_bf16_is_the_same_to_the_bit) { resumed(OPTIMIZER_MUON, DT_BF16); }

TEST(growing_stages_resume_too) {
  const char *folder = test_folder();
  tiny_data(folder);
  TrainSummary s;
  for (int part = 0; part < 2; part++) {
    RunConfig *c = tiny_config_of(folder, part ? "parts" : "whole");
    c->train.steps = 0, c->n_stages = 2, c->checkpoint.every = 1, c->checkpoint.keep_last = 9;
    c->stages[0] = (StageConfig){.name = "grow", .steps = 4, .batch_from = 2, .seq_length_from = 8, .grow = 3};
    c->stages[1] = (StageConfig){.name = "long", .steps = 3, .seq_length = 32};
    ASSERT_OK(tiny_run(c, &s));
    if (part) {
      char path[PATH_BYTES];
      for (int step = 4; step <= 7; step++) {  // back to step 3, in the midst of growing
        char name[32];
        snprintf(name, sizeof name, "checkpoints/step-%d", step);
        ASSERT_OK(path_join(path, c->train.output, name));
        ASSERT_OK(folder_remove(path));
      }
      ASSERT_OK(tiny_run(c, &s));
    }
    ASSERT_INT(s.tokens, 2 * 8 + 2 * 8 + 2 * 8 + 4 * 16 + 3 * 4 * 32);
    free(c);
  }
  char a[PATH_BYTES], b[PATH_BYTES];
  ASSERT_OK(path_join(a, folder, "whole"));
  ASSERT_OK(path_join(b, folder, "parts"));
  runs_assert_same(a, b, 7);
}

// ---- the guard
static Err diverge(RunConfig *c, Policy policy, TrainSummary *s) {
  c->guard.nan = c->guard.spike = (int)policy;
  c->guard.window = 2, c->guard.factor = 3;
  c->optimizer.clip = 0;
  c->lr.peak = 1000, c->lr.low = 1000, c->lr.warmup = 6;
  return tiny_run(c, s);
}

TEST(a_diverging_run_stops_skips_or_goes_on_as_told) {
  const char *folder = test_folder();
  tiny_data(folder);
  TrainSummary s;
  RunConfig *c = tiny_config_of(folder, "stop");
  ASSERT_ERR(diverge(c, POLICY_STOP, &s), ERR_NUMERIC, "the run stops as guard.");
  free(c);
  c = tiny_config_of(folder, "skip");
  ASSERT_OK(diverge(c, POLICY_SKIP, &s));
  ASSERT_INT(s.step, 8);
  char *text = run_text(c->train.output, "metrics.jsonl");
  ASSERT(strstr(text, "\"guard\":\"spike\"") || strstr(text, "\"guard\":\"nan\""));
  free(text);
  free(c);
  c = tiny_config_of(folder, "go_on");
  ASSERT_OK(diverge(c, POLICY_GO_ON, &s));
  ASSERT_INT(s.step, 8);
  free(c);
}

// What the guard stopped goes on from the step before, to the same bits as a run that was not stopped.
TEST(a_run_the_guard_stopped_goes_on_from_there) {
  const char *folder = test_folder();
  tiny_data(folder);
  TrainSummary s;
  RunConfig *whole = tiny_config_of(folder, "whole"), *stopped = tiny_config_of(folder, "stopped");
  whole->checkpoint.every = stopped->checkpoint.every = 0;
  ASSERT_OK(diverge(whole, POLICY_SKIP, &s));
  ASSERT_ERR(diverge(stopped, POLICY_STOP, &s), ERR_NUMERIC, " skip (without this step)");
  ASSERT(s.step > 0 && s.step < 8);
  char name[64], path[PATH_BYTES];
  snprintf(name, sizeof name, "checkpoints/step-%lld/manifest.json", (long long)s.step);
  ASSERT_OK(path_join(path, stopped->train.output, name));
  ASSERT_MSG(file_exists(path), "%s is missing", path);
  ASSERT_OK(diverge(stopped, POLICY_SKIP, &s));
  runs_assert_same(whole->train.output, stopped->train.output, 8);
  free(whole);
  free(stopped);
}

// ---- what stands in the way
TEST(two_runs_in_one_folder_are_refused) {
  const char *folder = test_folder();
  tiny_data(folder);
  RunConfig *c = tiny_config_of(folder, "run");
  int lock = -1;
  ASSERT_OK(folder_make(c->train.output));
  pid_t other = fork();
  ASSERT(other >= 0);
  if (other == 0) {
    if (folder_lock(&lock, c->train.output) != ERR_OK) _exit(1);
    pause();
    _exit(0);
  }
  Err err = ERR_OK;
  for (int i = 0; i < 200 && err != ERR_STATE; i++) {  // until the other has it
    char path[PATH_BYTES];
    usleep(5000);
    ASSERT_OK(path_join(path, c->train.output, "lock"));
    if (file_exists(path)) err = tiny_run(c, NULL);
  }
  kill(other, SIGKILL);
  waitpid(other, NULL, 0);
  ASSERT_INT(err, ERR_STATE);
  free(c);
}

TEST(a_checkpoint_of_another_model_is_refused) {
  const char *folder = test_folder();
  tiny_data(folder);
  RunConfig *c = tiny_config_of(folder, "run");
  c->train.steps = 2, c->lr.warmup = 0;
  ASSERT_OK(tiny_run(c, NULL));
  c->model.model.width = 24;
  ASSERT_ERR(tiny_run(c, NULL), ERR_CONFIG, "model.width");
  free(c);
}

TEST(data_that_does_not_fit_is_refused_before_the_first_step) {
  const char *folder = test_folder();
  tiny_data(folder);
  RunConfig *c = tiny_config_of(folder, "run");
  char path[PATH_BYTES];
  c->model.model.vocab = 40;
  ASSERT_ERR(tiny_run(c, NULL), ERR_FORMAT, "not in the vocabulary of 40");
  ASSERT_OK(path_join(path, c->train.output, "metrics.jsonl"));
  ASSERT(!file_exists(path));
  snprintf(c->data.train, sizeof c->data.train, "%.900s/nothing", folder);
  ASSERT_ERR(tiny_run(c, NULL), ERR_IO, "nothing.idx");
  free(c);
}

TEST(an_output_that_cannot_be_written_is_refused) {
  const char *folder = test_folder();
  tiny_data(folder);
  RunConfig *c = tiny_config_of(folder, "toy.bin/run");
  ASSERT_ERR(tiny_run(c, NULL), ERR_IO, "toy.bin");
  free(c);
}
